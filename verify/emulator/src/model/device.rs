//! Devices and their names.

use tcplimit_driver::Device;

use super::irql::Irql::{Apc, Passive};
use super::{Answer, Entry, SUCCESS, status};
use crate::address::low;
use crate::call::Value;
use crate::machine::Rights;
use crate::offset::Offsets;
use crate::placement::Arena;
use crate::system::System;
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

/// A device of the driver's.
#[derive(Debug, Clone)]
pub struct Object {
    /// Of the object.
    pub address: u64,
    /// Its own name.
    pub name: String,
    /// Only SYSTEM and Administrators may open it.
    pub secured: bool,
}

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

impl System {
    /// Which device lies there.
    pub(super) fn device_at(&self, address: u64) -> Result<Device, Violation> {
        let mut devices = self.kept.devices.iter();
        let found = devices.find(|device| device.address == address);
        let wrong = || self.wrong(format!("there is no device at {address:X}"));
        let found = found.ok_or_else(wrong)?;
        Ok(self.named(&found.name)?.0)
    }

    /// The device with a name of one kind or the other.
    fn named(&self, text: &str) -> Result<(Device, Named), Violation> {
        for device in Device::ALL {
            if text == name(device) {
                return Ok((device, Named::Device));
            }
            if text == link_name(device) {
                return Ok((device, Named::Link));
            }
        }
        Err(self.wrong(format!("{text} is no name of ours")))
    }
}

fn create(system: &mut System, arguments: &[u64]) -> Answer {
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
    system.is(driver, system.driver_object, "DriverObject")?;
    system.is(low(extension).into(), 0, "DeviceExtensionSize")?;
    let text = system.text(text)?;
    let (device, named) = system.named(&text)?;
    system.expect(named == Named::Device, "a name that programs open")?;
    system.is(low(kind).into(), FILE_DEVICE_UNKNOWN.into(), "DeviceType")?;
    let secure = FILE_DEVICE_SECURE_OPEN.into();
    system.is(low(characteristics).into(), secure, "Characteristics")?;
    system.is(exclusive & 0xFF, 0, "Exclusive")?;
    system.place(place, "DeviceObject")?;
    let exists = system.kept.devices.iter().any(|device| device.name == text);
    if exists || system.world.taken == Some((device, named)) {
        return status(COLLISION);
    }
    if system.device_fails(device, Step::Create) {
        return status(NO_RESOURCES);
    }
    let offsets = Offsets::of(system.machine.arch());
    let address = system.allocate(Arena::Objects, offsets.device_size, Rights::Read);
    system.machine.write_word(place, address);
    let first = system.driver_object + offsets.driver.device;
    system.machine.write_word(first, address);
    system.kept.devices.push(Object {
        address,
        name: text,
        secured: false,
    });
    SUCCESS
}

fn delete(system: &mut System, arguments: &[u64]) -> Answer {
    let address = arguments[0];
    let device = system.device_at(address)?;
    let linked = system.kept.links.iter().any(|(_, to)| to == name(device));
    system.expect(!linked, "programs can still open it")?;
    system
        .kept
        .devices
        .retain(|device| device.address != address);
    let size = Offsets::of(system.machine.arch()).device_size;
    system.release(address, size);
    Ok(Value::Nothing)
}

fn link(system: &mut System, arguments: &[u64]) -> Answer {
    let [link, to] = *arguments else {
        unreachable!("two arguments")
    };
    let (link, to) = (system.text(link)?, system.text(to)?);
    let (device, named) = system.named(&link)?;
    system.expect(named == Named::Link && to == name(device), "other names")?;
    let devices = system.kept.devices.iter();
    let secured = devices
        .clone()
        .any(|device| device.name == to && device.secured);
    system.expect(secured, "anyone could open the device")?;
    let exists = system.kept.links.iter().any(|(name, _)| *name == link);
    if exists || system.world.taken == Some((device, named)) {
        return status(COLLISION);
    }
    if system.device_fails(device, Step::Link) {
        return status(NO_RESOURCES);
    }
    system.kept.links.push((link, to));
    SUCCESS
}

fn unlink(system: &mut System, arguments: &[u64]) -> Answer {
    let link = system.text(arguments[0])?;
    let exists = system.kept.links.iter().any(|(name, _)| *name == link);
    system.expect(exists, "there is no such link of the driver's")?;
    system.kept.links.retain(|(name, _)| *name != link);
    SUCCESS
}
