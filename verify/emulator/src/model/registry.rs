//! Keys and values.

use super::irql::Irql::Passive;
use super::object::Opened;
use super::security::KEY_ALL_ACCESS;
use super::{Answer, Entry, SUCCESS, status};
use crate::address::low;
use crate::registry::{MEMORY, below};
use crate::system::System;
use crate::violation::Violation;

pub(super) const MODELS: &[Entry] = &[
    ("ZwOpenKey", Passive, open),
    ("ZwCreateKey", Passive, create),
    ("ZwQueryValueKey", Passive, query),
    ("ZwSetValueKey", Passive, set),
    ("ZwDeleteValueKey", Passive, delete),
    ("ZwFlushKey", Passive, flush),
    ("ZwQuerySecurityObject", Passive, query_security),
];

/// OBJ_CASE_INSENSITIVE and OBJ_KERNEL_HANDLE.
const ATTRIBUTES: u32 = 0x240;
/// KEY_READ and KEY_WRITE.
const ACCESS: u32 = 0x0002_001F;
const REG_OPTION_VOLATILE: u32 = 1;
/// KeyValuePartialInformation.
const PARTIAL: u32 = 2;
/// STATUS_BUFFER_TOO_SMALL and STATUS_BUFFER_OVERFLOW.
const TOO_SMALL: u32 = 0xC000_0023;
const OVERFLOW: u32 = 0x8000_0005;
/// No value of the driver's is nearly as long.
const MOST: u32 = 4096;

/// OWNER_SECURITY_INFORMATION and DACL_SECURITY_INFORMATION.
const OWNER_AND_LIST: u64 = 5;

/// The path that OBJECT_ATTRIBUTES name, and their security descriptor.
fn path(system: &System, attributes: u64) -> Result<(String, u64), Violation> {
    let pointer = system.machine.pointer();
    system.readable(attributes, 6 * pointer, "ObjectAttributes")?;
    system.expect(
        attributes.is_multiple_of(pointer),
        "ObjectAttributes are not aligned",
    )?;
    let field = |number: u64| system.machine.word(attributes + number * pointer);
    let dword = |number: u64| u64::from(system.machine.dword(attributes + number * pointer));
    system.is(dword(0), 6 * pointer, "ObjectAttributes' length")?;
    system.is(dword(3), ATTRIBUTES.into(), "ObjectAttributes' attributes")?;
    system.is(field(5), 0, "SecurityQualityOfService")?;
    let name = system.text(field(2))?;
    match field(1) {
        0 => {
            system.expect(name.starts_with('\\'), "a relative name without a root")?;
            Ok((name, field(4)))
        }
        root => {
            system.expect(!name.starts_with('\\'), "a full name below a root")?;
            Ok((below(key(system, root)?, &name), field(4)))
        }
    }
}

fn key(system: &System, handle: u64) -> Result<&str, Violation> {
    match system.handle(handle)? {
        Opened::Key(path) => Ok(path),
        Opened::Device(_) => Err(system.wrong("the handle is none of a key")),
    }
}

fn open(system: &mut System, arguments: &[u64]) -> Answer {
    let [place, access, attributes] = *arguments else {
        unreachable!("three arguments")
    };
    system.place(place, "KeyHandle")?;
    system.is(low(access).into(), ACCESS.into(), "DesiredAccess")?;
    let (path, descriptor) = path(system, attributes)?;
    system.is(descriptor, 0, "SecurityDescriptor")?;
    match system.world.registry.open(&path) {
        Ok(()) => {
            system.opened(place, Opened::Key(path));
            SUCCESS
        }
        Err(refused) => status(refused),
    }
}

fn create(system: &mut System, arguments: &[u64]) -> Answer {
    let [
        place,
        access,
        attributes,
        title,
        class,
        options,
        disposition,
    ] = *arguments
    else {
        unreachable!("seven arguments")
    };
    system.place(place, "KeyHandle")?;
    system.is(low(access).into(), ACCESS.into(), "DesiredAccess")?;
    system.is(low(title).into(), 0, "TitleIndex")?;
    system.is(class, 0, "Class")?;
    system.is(
        low(options).into(),
        REG_OPTION_VOLATILE.into(),
        "CreateOptions",
    )?;
    system.is(disposition, 0, "Disposition")?;
    let (path, descriptor) = path(system, attributes)?;
    // What goes with a service is no place to remember in.
    system.expect(path == MEMORY, "a key that is none of the driver's")?;
    let guards = system.descriptor(descriptor, KEY_ALL_ACCESS)?;
    system.expect(guards.owner, "Administrators are not the owner")?;
    match system.world.registry.create(&path, guards.bytes) {
        Ok(()) => {
            system.opened(place, Opened::Key(path));
            SUCCESS
        }
        Err(refused) => status(refused),
    }
}

fn query(system: &mut System, arguments: &[u64]) -> Answer {
    let [handle, name, class, buffer, length, needed] = *arguments else {
        unreachable!("six arguments")
    };
    let path = key(system, handle)?.to_owned();
    let name = system.text(name)?;
    system.is(low(class).into(), PARTIAL.into(), "the class")?;
    let length = low(length);
    system.room(buffer, length.into(), 4, "the buffer")?;
    system.room(needed, 4, 4, "ResultLength")?;
    let (kind, data) = match system.world.registry.query(&path, &name) {
        Ok(value) => value.clone(),
        Err(refused) => return status(refused),
    };
    let mut value = 0_u32.to_le_bytes().to_vec();
    value.extend(kind.to_le_bytes());
    value.extend(
        u32::try_from(data.len())
            .expect("a short value")
            .to_le_bytes(),
    );
    value.extend(data);
    let whole = u32::try_from(value.len()).expect("a short value");
    system.machine.write(needed, &whole.to_le_bytes());
    if length < 12 {
        return status(TOO_SMALL);
    }
    value.truncate(length as usize);
    system.machine.write(buffer, &value);
    if length < whole {
        return status(OVERFLOW);
    }
    SUCCESS
}

fn set(system: &mut System, arguments: &[u64]) -> Answer {
    let [handle, name, title, kind, data, length] = *arguments else {
        unreachable!("six arguments")
    };
    let path = key(system, handle)?.to_owned();
    let name = system.text(name)?;
    system.is(low(title).into(), 0, "TitleIndex")?;
    let length = low(length);
    system.expect((1..=MOST).contains(&length), "a value of no sane length")?;
    system.readable(data, length.into(), "the value")?;
    let data = system.machine.read(data, length as usize);
    match system.world.registry.set(&path, &name, (low(kind), data)) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn delete(system: &mut System, arguments: &[u64]) -> Answer {
    let path = key(system, arguments[0])?.to_owned();
    let name = system.text(arguments[1])?;
    match system.world.registry.delete(&path, &name) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn flush(system: &mut System, arguments: &[u64]) -> Answer {
    let path = key(system, arguments[0])?;
    match system.world.registry.flush(path) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn query_security(system: &mut System, arguments: &[u64]) -> Answer {
    let [handle, information, buffer, length, needed] = *arguments else {
        unreachable!("five arguments")
    };
    let path = key(system, handle)?.to_owned();
    let information = low(information).into();
    system.is(information, OWNER_AND_LIST, "SecurityInformation")?;
    let length = low(length);
    system.room(buffer, length.into(), 4, "the buffer")?;
    system.room(needed, 4, 4, "LengthNeeded")?;
    let descriptor = match system.world.registry.security(&path) {
        Ok(descriptor) => descriptor.to_owned(),
        Err(refused) => return status(refused),
    };
    let whole = u32::try_from(descriptor.len()).expect("a short descriptor");
    system.machine.write(needed, &whole.to_le_bytes());
    if length < whole {
        return status(TOO_SMALL);
    }
    system.machine.write(buffer, &descriptor);
    SUCCESS
}
