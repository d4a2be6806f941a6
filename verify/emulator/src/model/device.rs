//! Devices and their names.

use tcplimit_driver::Device;

use super::call_context::{Answer, Entry, SUCCESS, Scene, status};
use super::irql::Irql::{Apc, Passive};
use crate::address::low;
use crate::call::Value;
use crate::machine::Rights;
use crate::offset::Offsets;
use crate::placement::{Arena, release};
use crate::resource_audit::CreatedDevice;
use crate::violation::Violation;
use crate::world::{COLLISION, NO_RESOURCES, Named, Step};

pub(super) const MODELS: &[Entry] = &[
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

/// The name that programs open.
#[must_use]
pub fn link_name(device: Device) -> &'static str {
    match device {
        Device::Ours => r"\DosDevices\TcpLimit",
        Device::Legacy => r"\DosDevices\TCPIP_PATCHER",
    }
}

/// Which device lies there.
pub(super) fn at(scene: &Scene<'_>, address: u64) -> Result<Device, Violation> {
    let mut devices = scene.kept.devices.iter();
    let found = devices.find(|device| device.address == address);
    let wrong = || scene.wrong(format!("there is no device at {address:X}"));
    let found = found.ok_or_else(wrong)?;
    Ok(named(scene, &found.name)?.0)
}

/// The device with a name of one kind or the other.
fn named(scene: &Scene<'_>, text: &str) -> Result<(Device, Named), Violation> {
    for device in Device::ALL {
        if text == name(device) {
            return Ok((device, Named::Device));
        }
        if text == link_name(device) {
            return Ok((device, Named::Link));
        }
    }
    Err(scene.wrong(format!("{text} is no name of ours")))
}

fn create(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
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
    scene.is(driver, scene.driver, "DriverObject")?;
    scene.is(low(extension).into(), 0, "DeviceExtensionSize")?;
    let text = scene.text(text)?;
    let (device, named) = named(scene, &text)?;
    scene.expect(named == Named::Device, "a name that programs open")?;
    scene.is(low(kind).into(), FILE_DEVICE_UNKNOWN.into(), "DeviceType")?;
    let secure = FILE_DEVICE_SECURE_OPEN.into();
    scene.is(low(characteristics).into(), secure, "Characteristics")?;
    scene.is(exclusive & 0xFF, 0, "Exclusive")?;
    scene.place(place, "DeviceObject")?;
    let exists = scene.kept.devices.iter().any(|device| device.name == text);
    if exists || scene.world.taken == Some((device, named)) {
        return status(COLLISION);
    }
    if scene.world.fails(device, Step::Create) {
        return status(NO_RESOURCES);
    }
    let offsets = Offsets::of(scene.memory.arch());
    let address = scene.allocate(Arena::Objects, offsets.device_size, Rights::Read);
    scene.memory.write_word(place, address);
    let first = scene.driver + offsets.driver.device;
    scene.memory.write_word(first, address);
    scene.kept.devices.push(CreatedDevice {
        address,
        name: text,
        secured: false,
    });
    SUCCESS
}

fn delete(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let address = arguments[0];
    let device = at(scene, address)?;
    let linked = scene.kept.links.iter().any(|(_, to)| to == name(device));
    scene.expect(!linked, "programs can still open it")?;
    scene
        .kept
        .devices
        .retain(|device| device.address != address);
    let size = Offsets::of(scene.memory.arch()).device_size;
    release(scene.memory, address, size);
    Ok(Value::Nothing)
}

fn link(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [link, to] = *arguments else {
        unreachable!("two arguments")
    };
    let (link, to) = (scene.text(link)?, scene.text(to)?);
    let (device, named) = named(scene, &link)?;
    scene.expect(named == Named::Link && to == name(device), "other names")?;
    let devices = scene.kept.devices.iter();
    let secured = devices
        .clone()
        .any(|device| device.name == to && device.secured);
    scene.expect(secured, "anyone could open the device")?;
    let exists = scene.kept.links.iter().any(|(name, _)| *name == link);
    if exists || scene.world.taken == Some((device, named)) {
        return status(COLLISION);
    }
    if scene.world.fails(device, Step::Link) {
        return status(NO_RESOURCES);
    }
    scene.kept.links.push((link, to));
    SUCCESS
}

fn unlink(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let link = scene.text(arguments[0])?;
    let exists = scene.kept.links.iter().any(|(name, _)| *name == link);
    scene.expect(exists, "there is no such link of the driver's")?;
    scene.kept.links.retain(|(name, _)| *name != link);
    SUCCESS
}
