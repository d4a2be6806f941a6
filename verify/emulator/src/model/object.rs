//! Objects by name and by handle.

use scanner_core::Module;

use super::call_context::{Answer, Entry, SUCCESS, Scene, status};
use super::device;
use super::irql::Irql::{Apc, Dispatch, Passive};
use crate::address::{DRIVER_TYPE, low};
use crate::call::Value;
use crate::irp;
use crate::placement::{driver_object, reach};
use crate::registry::NOT_FOUND;
use crate::resource_audit::{Handle, Opened};
use crate::violation::Violation;
use crate::world::{NO_RESOURCES, Step, slot};

pub(super) const MODELS: &[Entry] = &[
    ("ObReferenceObjectByName", Passive, reference),
    ("ObfDereferenceObject", Dispatch, dereference),
    ("ObOpenObjectByPointer", Apc, open),
    ("ZwClose", Passive, close),
    ("IofCompleteRequest", Dispatch, complete),
];

/// OBJ_CASE_INSENSITIVE.
const CASE_INSENSITIVE: u32 = 0x40;
/// OBJ_KERNEL_HANDLE.
const KERNEL_HANDLE: u32 = 0x200;
const WRITE_DAC: u32 = 0x0004_0000;

/// A new handle. Those of the kernel's have the highest bit set.
pub(super) fn opened(scene: &mut Scene<'_>, place: u64, of: Opened) {
    let number = match scene.memory.pointer() {
        4 => 0x8000_0000,
        _ => 0xFFFF_FFFF_8000_0000,
    };
    // Numbers are not used again, so that a stale one is seen.
    let number = number + 4 * (scene.calls as u64 + 0x11);
    scene.memory.write_word(place, number);
    scene.kept.handles.push(Handle { number, of });
}

/// What an open handle is of.
pub(super) fn handle<'a>(scene: &'a Scene<'_>, number: u64) -> Result<&'a Opened, Violation> {
    let mut handles = scene.kept.handles.iter();
    let found = handles.find(|handle| handle.number == number);
    let wrong = || scene.wrong(format!("handle {number:X} is not open"));
    found.map(|handle| &handle.of).ok_or_else(wrong)
}

/// The driver object of a module, if it is loaded.
fn of_module(scene: &mut Scene<'_>, module: Module) -> Option<u64> {
    let target = scene.world.module(module)?;
    let range = (target.base, target.size);
    let object = &mut scene.kept.objects[slot(module)];
    if *object == 0 {
        *object = driver_object(scene.memory, &mut scene.kept.next, range);
    }
    Some(*object)
}

fn reference(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [name, attributes, state, access, kind, mode, context, place] = *arguments else {
        unreachable!("eight arguments")
    };
    let name = scene.text(name)?;
    scene.is(
        low(attributes).into(),
        CASE_INSENSITIVE.into(),
        "Attributes",
    )?;
    scene.is(state, 0, "PassedAccessState")?;
    scene.is(low(access).into(), 0, "DesiredAccess")?;
    let driver_type = DRIVER_TYPE.of(scene.memory.arch());
    scene.is(kind, driver_type, "ObjectType")?;
    scene.is(mode & 0xFF, 0, "AccessMode")?;
    scene.is(context, 0, "ParseContext")?;
    scene.place(place, "Object")?;
    let module = match name.as_str() {
        r"\Driver\Tcpip" => Module::Tcpip,
        r"\Driver\Tcpip6" => Module::Tcpip6,
        _ => return Err(scene.wrong(format!("{name} is none of the two drivers"))),
    };
    if let Some(refused) = scene.world.unusable[slot(module)] {
        return status(refused);
    }
    let Some(object) = of_module(scene, module) else {
        return status(NOT_FOUND);
    };
    scene.memory.write_word(place, object);
    scene.kept.references.push(object);
    reach(scene.memory, scene.world, scene.kept, module);
    SUCCESS
}

fn dereference(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let object = arguments[0];
    let mut references = scene.kept.references.iter();
    match references.position(|&of| of == object) {
        Some(place) => {
            scene.kept.references.swap_remove(place);
            for module in Module::ALL {
                reach(scene.memory, scene.world, scene.kept, module);
            }
            Ok(Value::Dword(7))
        }
        None => Err(scene.wrong(format!("{object:X} is not referenced"))),
    }
}

fn open(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [object, attributes, state, access, kind, mode, place] = *arguments else {
        unreachable!("seven arguments")
    };
    scene.is(
        low(attributes).into(),
        KERNEL_HANDLE.into(),
        "HandleAttributes",
    )?;
    scene.is(state, 0, "PassedAccessState")?;
    scene.is(low(access).into(), WRITE_DAC.into(), "DesiredAccess")?;
    scene.is(kind, 0, "ObjectType")?;
    scene.is(mode & 0xFF, 0, "AccessMode")?;
    scene.place(place, "Handle")?;
    let device = device::at(scene, object)?;
    if scene.world.fails(device, Step::Open) {
        return status(NO_RESOURCES);
    }
    opened(scene, place, Opened::Device(object));
    SUCCESS
}

fn close(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let number = arguments[0];
    handle(scene, number)?;
    scene.kept.handles.retain(|handle| handle.number != number);
    SUCCESS
}

fn complete(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [irp, boost] = *arguments else {
        unreachable!("two arguments")
    };
    scene.is(boost & 0xFF, 0, "PriorityBoost")?;
    match irp::complete(scene.memory, scene.request, irp) {
        Ok(()) => Ok(Value::Nothing),
        Err(what) => Err(scene.wrong(what)),
    }
}
