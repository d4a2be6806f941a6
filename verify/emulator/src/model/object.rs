//! Objects by name and by handle.

use scanner_core::Module;
use tcplimit_driver::Device;

use super::irql::Irql::{Apc, Dispatch, Passive};
use super::{Answer, Entry, SUCCESS, status};
use crate::address::{DRIVER_TYPE, low};
use crate::call::Value;
use crate::registry::NOT_FOUND;
use crate::system::System;
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

/// An open handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    /// Its number.
    pub number: u64,
    /// What it is of.
    pub of: Opened,
}

/// What a handle may be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A key, by its path.
    Key(String),
    /// A device, by its address.
    Device(u64),
}

impl System {
    /// A new handle. Those of the kernel's have the highest bit set.
    pub(super) fn opened(&mut self, place: u64, of: Opened) {
        let number = match self.machine.pointer() {
            4 => 0x8000_0000,
            _ => 0xFFFF_FFFF_8000_0000,
        };
        // Numbers are not used again, so that a stale one is seen.
        let number = number + 4 * (self.calls() as u64 + 0x11);
        self.machine.write_word(place, number);
        self.kept.handles.push(Handle { number, of });
    }

    /// What an open handle is of.
    pub(super) fn handle(&self, number: u64) -> Result<&Opened, crate::violation::Violation> {
        let found = self
            .kept
            .handles
            .iter()
            .find(|handle| handle.number == number);
        let wrong = || self.wrong(format!("handle {number:X} is not open"));
        found.map(|handle| &handle.of).ok_or_else(wrong)
    }
}

fn reference(system: &mut System, arguments: &[u64]) -> Answer {
    let [name, attributes, state, access, kind, mode, context, place] = *arguments else {
        unreachable!("eight arguments")
    };
    let name = system.text(name)?;
    system.is(
        low(attributes).into(),
        CASE_INSENSITIVE.into(),
        "Attributes",
    )?;
    system.is(state, 0, "PassedAccessState")?;
    system.is(low(access).into(), 0, "DesiredAccess")?;
    let driver_type = DRIVER_TYPE.of(system.machine.arch());
    system.is(kind, driver_type, "ObjectType")?;
    system.is(mode & 0xFF, 0, "AccessMode")?;
    system.is(context, 0, "ParseContext")?;
    system.place(place, "Object")?;
    let module = match name.as_str() {
        r"\Driver\Tcpip" => Module::Tcpip,
        r"\Driver\Tcpip6" => Module::Tcpip6,
        _ => return Err(system.wrong(format!("{name} is none of the two drivers"))),
    };
    if let Some(refused) = system.world.unusable[slot(module)] {
        return status(refused);
    }
    let Some(object) = system.object_of(module) else {
        return status(NOT_FOUND);
    };
    system.machine.write_word(place, object);
    system.kept.references.push(object);
    system.reach(module);
    SUCCESS
}

fn dereference(system: &mut System, arguments: &[u64]) -> Answer {
    let object = arguments[0];
    let mut references = system.kept.references.iter();
    match references.position(|&of| of == object) {
        Some(place) => {
            system.kept.references.swap_remove(place);
            for module in Module::ALL {
                system.reach(module);
            }
            Ok(Value::Dword(7))
        }
        None => Err(system.wrong(format!("{object:X} is not referenced"))),
    }
}

fn open(system: &mut System, arguments: &[u64]) -> Answer {
    let [object, attributes, state, access, kind, mode, place] = *arguments else {
        unreachable!("seven arguments")
    };
    system.is(
        low(attributes).into(),
        KERNEL_HANDLE.into(),
        "HandleAttributes",
    )?;
    system.is(state, 0, "PassedAccessState")?;
    system.is(low(access).into(), WRITE_DAC.into(), "DesiredAccess")?;
    system.is(kind, 0, "ObjectType")?;
    system.is(mode & 0xFF, 0, "AccessMode")?;
    system.place(place, "Handle")?;
    let device = system.device_at(object)?;
    if system.device_fails(device, Step::Open) {
        return status(NO_RESOURCES);
    }
    system.opened(place, Opened::Device(object));
    SUCCESS
}

impl System {
    /// Whether a step of making a device is to fail.
    pub(super) fn device_fails(&self, device: Device, step: Step) -> bool {
        self.world.device_fails == Some((device, step))
    }
}

fn close(system: &mut System, arguments: &[u64]) -> Answer {
    let number = arguments[0];
    system.handle(number)?;
    system.kept.handles.retain(|handle| handle.number != number);
    SUCCESS
}

fn complete(system: &mut System, arguments: &[u64]) -> Answer {
    let [irp, boost] = *arguments else {
        unreachable!("two arguments")
    };
    system.is(boost & 0xFF, 0, "PriorityBoost")?;
    match system.complete(irp) {
        Ok(()) => Ok(Value::Nothing),
        Err(what) => Err(system.wrong(what)),
    }
}
