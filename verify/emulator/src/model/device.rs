//! Devices and their names.

use tcplimit_driver::Device;

use super::call_context::{CallContext, CallResult, ModelEntry, SUCCESS, status};
use super::irql::Irql::{Apc, Passive};
use crate::address::low_dword;
use crate::call::ReturnValue;
use crate::machine::Rights;
use crate::offset::Offsets;
use crate::placement::{Arena, release};
use crate::resource_audit::CreatedDevice;
use crate::violation::Violation;
use crate::world::{COLLISION, DeviceName, DeviceStep, NO_RESOURCES};

pub(super) const MODELS: &[ModelEntry] = &[
    ("IoCreateDevice", Passive, create),
    ("IoDeleteDevice", Apc, delete),
    ("IoCreateSymbolicLink", Passive, link),
    ("IoDeleteSymbolicLink", Passive, unlink),
];

const FILE_DEVICE_UNKNOWN: u32 = 0x22;
const FILE_DEVICE_SECURE_OPEN: u32 = 0x100;

/// The device's own name.
#[must_use]
pub fn name(device: Device) -> &'static str {
    match device {
        Device::Ours => r"\Device\TcpLimit",
        Device::Legacy => r"\Device\TCPIP_PATCHER",
    }
}

/// The device's symbolic link, which programs open.
#[must_use]
pub fn link_name(device: Device) -> &'static str {
    match device {
        Device::Ours => r"\DosDevices\TcpLimit",
        Device::Legacy => r"\DosDevices\TCPIP_PATCHER",
    }
}

/// The device whose object is at an address.
pub(super) fn find(context: &CallContext<'_>, address: u64) -> Result<Device, Violation> {
    let mut devices = context.resources.devices.iter();
    let found = devices.find(|device| device.address == address);
    let wrong = || context.violation(format!("there is no device at {address:X}"));
    let found = found.ok_or_else(wrong)?;
    Ok(parse_name(context, &found.name)?.0)
}

/// The device with this name, and the kind of the name.
fn parse_name(context: &CallContext<'_>, text: &str) -> Result<(Device, DeviceName), Violation> {
    for device in Device::ALL {
        if text == name(device) {
            return Ok((device, DeviceName::Device));
        }
        if text == link_name(device) {
            return Ok((device, DeviceName::Link));
        }
    }
    Err(context.violation(format!("{text} is not a name of the driver's devices")))
}

fn create(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [
        driver,
        extension,
        text,
        kind,
        characteristics,
        exclusive,
        place,
    ] = *arguments
    else {
        unreachable!("seven arguments")
    };
    context.require_value(driver, context.driver, "DriverObject")?;
    context.require_value(low_dword(extension).into(), 0, "DeviceExtensionSize")?;
    let text = context.unicode_string(text)?;
    let (device, named) = parse_name(context, &text)?;
    context.require(
        named == DeviceName::Device,
        "a device named like a symbolic link",
    )?;
    context.require_value(
        low_dword(kind).into(),
        FILE_DEVICE_UNKNOWN.into(),
        "DeviceType",
    )?;
    let secure = FILE_DEVICE_SECURE_OPEN.into();
    context.require_value(low_dword(characteristics).into(), secure, "Characteristics")?;
    context.require_value(exclusive & 0xFF, 0, "Exclusive")?;
    context.require_pointer_buffer(place, "DeviceObject")?;
    let exists = context
        .resources
        .devices
        .iter()
        .any(|device| device.name == text);
    if exists || context.world.name_in_use == Some((device, named)) {
        return status(COLLISION);
    }
    if context.world.step_fails(device, DeviceStep::Create) {
        return status(NO_RESOURCES);
    }
    let offsets = Offsets::of(context.memory.arch());
    let address = context.allocate(Arena::Objects, offsets.device_size, Rights::Read);
    context.memory.write_pointer(place, address);
    let first = context.driver + offsets.driver.device;
    context.memory.write_pointer(first, address);
    context.resources.devices.push(CreatedDevice {
        address,
        name: text,
        secured: false,
    });
    SUCCESS
}

fn delete(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let address = arguments[0];
    let device = find(context, address)?;
    let linked = context
        .resources
        .links
        .iter()
        .any(|(_, to)| to == name(device));
    context.require(!linked, "its symbolic link still exists")?;
    context
        .resources
        .devices
        .retain(|device| device.address != address);
    let size = Offsets::of(context.memory.arch()).device_size;
    release(context.memory, address, size);
    Ok(ReturnValue::Nothing)
}

fn link(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [link, to] = *arguments else {
        unreachable!("two arguments")
    };
    let (link, to) = (context.unicode_string(link)?, context.unicode_string(to)?);
    let (device, named) = parse_name(context, &link)?;
    context.require(
        named == DeviceName::Link && to == name(device),
        "unexpected names",
    )?;
    let devices = context.resources.devices.iter();
    let secured = devices
        .clone()
        .any(|device| device.name == to && device.secured);
    context.require(secured, "the device is not secured yet")?;
    let exists = context
        .resources
        .links
        .iter()
        .any(|(name, _)| *name == link);
    if exists || context.world.name_in_use == Some((device, named)) {
        return status(COLLISION);
    }
    if context.world.step_fails(device, DeviceStep::Link) {
        return status(NO_RESOURCES);
    }
    context.resources.links.push((link, to));
    SUCCESS
}

fn unlink(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let link = context.unicode_string(arguments[0])?;
    let exists = context
        .resources
        .links
        .iter()
        .any(|(name, _)| *name == link);
    context.require(exists, "the driver has no such symbolic link")?;
    context.resources.links.retain(|(name, _)| *name != link);
    SUCCESS
}
