//! Objects by name and by handle.

use scanner_core::Module;

use super::call_context::{CallContext, CallResult, ModelEntry, SUCCESS, status};
use super::device;
use super::irql::Irql::{Apc, Dispatch, Passive};
use crate::address::{DRIVER_TYPE, low_dword};
use crate::call::ReturnValue;
use crate::irp;
use crate::placement::{driver_object, update_module_rights};
use crate::registry::NOT_FOUND;
use crate::resource_audit::{Handle, HandleTarget};
use crate::violation::Violation;
use crate::world::{DeviceStep, NO_RESOURCES, module_index};

pub(super) const MODELS: &[ModelEntry] = &[
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

/// Opens a kernel handle: its highest bit is set.
pub(super) fn open_handle(context: &mut CallContext<'_>, place: u64, of: HandleTarget) {
    let number = match context.memory.pointer_size() {
        4 => 0x8000_0000,
        _ => 0xFFFF_FFFF_8000_0000,
    };
    // Values are not reused, so that a stale one is noticed.
    let number = number + 4 * (context.calls as u64 + 0x11);
    context.memory.write_pointer(place, number);
    context.resources.handles.push(Handle { number, of });
}

/// The object of an open handle.
pub(super) fn handle<'a>(
    context: &'a CallContext<'_>,
    number: u64,
) -> Result<&'a HandleTarget, Violation> {
    let mut handles = context.resources.handles.iter();
    let found = handles.find(|handle| handle.number == number);
    let wrong = || context.violation(format!("handle {number:X} is not open"));
    found.map(|handle| &handle.of).ok_or_else(wrong)
}

/// The driver object of a module, if it is loaded.
fn of_module(context: &mut CallContext<'_>, module: Module) -> Option<u64> {
    let target = context.world.module(module)?;
    let range = (target.base, target.size);
    let object = &mut context.resources.objects[module_index(module)];
    if *object == 0 {
        *object = driver_object(context.memory, &mut context.resources.next, range);
    }
    Some(*object)
}

fn reference(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [
        name,
        attributes,
        state,
        access,
        kind,
        mode,
        parse_context,
        place,
    ] = *arguments
    else {
        unreachable!("eight arguments")
    };
    let name = context.unicode_string(name)?;
    context.require_value(
        low_dword(attributes).into(),
        CASE_INSENSITIVE.into(),
        "Attributes",
    )?;
    context.require_value(state, 0, "PassedAccessState")?;
    context.require_value(low_dword(access).into(), 0, "DesiredAccess")?;
    let driver_type = DRIVER_TYPE.of(context.memory.arch());
    context.require_value(kind, driver_type, "ObjectType")?;
    context.require_value(mode & 0xFF, 0, "AccessMode")?;
    context.require_value(parse_context, 0, "ParseContext")?;
    context.require_pointer_buffer(place, "Object")?;
    let module = match name.as_str() {
        r"\Driver\Tcpip" => Module::Tcpip,
        r"\Driver\Tcpip6" => Module::Tcpip6,
        _ => return Err(context.violation(format!("{name} is neither driver"))),
    };
    if let Some(refused) = context.world.driver_object_failure[module_index(module)] {
        return status(refused);
    }
    let Some(object) = of_module(context, module) else {
        return status(NOT_FOUND);
    };
    context.memory.write_pointer(place, object);
    context.resources.references.push(object);
    update_module_rights(context.memory, context.world, context.resources, module);
    SUCCESS
}

fn dereference(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let object = arguments[0];
    let mut references = context.resources.references.iter();
    match references.position(|&of| of == object) {
        Some(place) => {
            context.resources.references.swap_remove(place);
            for module in Module::ALL {
                update_module_rights(context.memory, context.world, context.resources, module);
            }
            Ok(ReturnValue::Dword(7))
        }
        None => Err(context.violation(format!("{object:X} is not referenced"))),
    }
}

fn open(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [object, attributes, state, access, kind, mode, place] = *arguments else {
        unreachable!("seven arguments")
    };
    context.require_value(
        low_dword(attributes).into(),
        KERNEL_HANDLE.into(),
        "HandleAttributes",
    )?;
    context.require_value(state, 0, "PassedAccessState")?;
    context.require_value(low_dword(access).into(), WRITE_DAC.into(), "DesiredAccess")?;
    context.require_value(kind, 0, "ObjectType")?;
    context.require_value(mode & 0xFF, 0, "AccessMode")?;
    context.require_pointer_buffer(place, "Handle")?;
    let device = device::find(context, object)?;
    if context.world.step_fails(device, DeviceStep::Open) {
        return status(NO_RESOURCES);
    }
    open_handle(context, place, HandleTarget::Device(object));
    SUCCESS
}

fn close(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let number = arguments[0];
    handle(context, number)?;
    context
        .resources
        .handles
        .retain(|handle| handle.number != number);
    SUCCESS
}

fn complete(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [irp, boost] = *arguments else {
        unreachable!("two arguments")
    };
    context.require_value(boost & 0xFF, 0, "PriorityBoost")?;
    match irp::complete(context.memory, context.request, irp) {
        Ok(()) => Ok(ReturnValue::Nothing),
        Err(detail) => Err(context.violation(detail)),
    }
}
