//! Keys and values.

use super::call_context::{Answer, Entry, SUCCESS, Scene, status};
use super::irql::Irql::Passive;
use super::object::{self, opened};
use super::security::{KEY_ALL_ACCESS, descriptor_at};
use crate::address::low;
use crate::registry::{MEMORY, below};
use crate::resource_audit::Opened;
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
fn path(scene: &Scene<'_>, attributes: u64) -> Result<(String, u64), Violation> {
    let pointer = scene.memory.pointer();
    scene.readable(attributes, 6 * pointer, "ObjectAttributes")?;
    scene.expect(
        attributes.is_multiple_of(pointer),
        "ObjectAttributes are not aligned",
    )?;
    let field = |number: u64| scene.memory.word(attributes + number * pointer);
    let dword = |number: u64| u64::from(scene.memory.dword(attributes + number * pointer));
    scene.is(dword(0), 6 * pointer, "ObjectAttributes' length")?;
    scene.is(dword(3), ATTRIBUTES.into(), "ObjectAttributes' attributes")?;
    scene.is(field(5), 0, "SecurityQualityOfService")?;
    let name = scene.text(field(2))?;
    match field(1) {
        0 => {
            scene.expect(name.starts_with('\\'), "a relative name without a root")?;
            Ok((name, field(4)))
        }
        root => {
            scene.expect(!name.starts_with('\\'), "a full name below a root")?;
            Ok((below(key(scene, root)?, &name), field(4)))
        }
    }
}

fn key<'a>(scene: &'a Scene<'_>, handle: u64) -> Result<&'a str, Violation> {
    match object::handle(scene, handle)? {
        Opened::Key(path) => Ok(path),
        Opened::Device(_) => Err(scene.wrong("the handle is none of a key")),
    }
}

fn open(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [place, access, attributes] = *arguments else {
        unreachable!("three arguments")
    };
    scene.place(place, "KeyHandle")?;
    scene.is(low(access).into(), ACCESS.into(), "DesiredAccess")?;
    let (path, descriptor) = path(scene, attributes)?;
    scene.is(descriptor, 0, "SecurityDescriptor")?;
    match scene.world.registry.open(&path) {
        Ok(()) => {
            opened(scene, place, Opened::Key(path));
            SUCCESS
        }
        Err(refused) => status(refused),
    }
}

fn create(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
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
    scene.place(place, "KeyHandle")?;
    scene.is(low(access).into(), ACCESS.into(), "DesiredAccess")?;
    scene.is(low(title).into(), 0, "TitleIndex")?;
    scene.is(class, 0, "Class")?;
    scene.is(
        low(options).into(),
        REG_OPTION_VOLATILE.into(),
        "CreateOptions",
    )?;
    scene.is(disposition, 0, "Disposition")?;
    let (path, descriptor) = path(scene, attributes)?;
    // What goes with a service is no place to remember in.
    scene.expect(path == MEMORY, "a key that is none of the driver's")?;
    let guards = descriptor_at(scene, descriptor, KEY_ALL_ACCESS)?;
    scene.expect(guards.owner, "Administrators are not the owner")?;
    match scene.world.registry.create(&path, guards.bytes) {
        Ok(()) => {
            opened(scene, place, Opened::Key(path));
            SUCCESS
        }
        Err(refused) => status(refused),
    }
}

fn query(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [handle, name, class, buffer, length, needed] = *arguments else {
        unreachable!("six arguments")
    };
    let path = key(scene, handle)?.to_owned();
    let name = scene.text(name)?;
    scene.is(low(class).into(), PARTIAL.into(), "the class")?;
    let length = low(length);
    scene.room(buffer, length.into(), 4, "the buffer")?;
    scene.room(needed, 4, 4, "ResultLength")?;
    let (kind, data) = match scene.world.registry.query(&path, &name) {
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
    scene.memory.write(needed, &whole.to_le_bytes());
    if length < 12 {
        return status(TOO_SMALL);
    }
    value.truncate(length as usize);
    scene.memory.write(buffer, &value);
    if length < whole {
        return status(OVERFLOW);
    }
    SUCCESS
}

fn set(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [handle, name, title, kind, data, length] = *arguments else {
        unreachable!("six arguments")
    };
    let path = key(scene, handle)?.to_owned();
    let name = scene.text(name)?;
    scene.is(low(title).into(), 0, "TitleIndex")?;
    let length = low(length);
    scene.expect((1..=MOST).contains(&length), "a value of no sane length")?;
    scene.readable(data, length.into(), "the value")?;
    let data = scene.memory.read(data, length as usize);
    match scene.world.registry.set(&path, &name, (low(kind), data)) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn delete(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let path = key(scene, arguments[0])?.to_owned();
    let name = scene.text(arguments[1])?;
    match scene.world.registry.delete(&path, &name) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn flush(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let path = key(scene, arguments[0])?;
    match scene.world.registry.flush(path) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn query_security(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [handle, information, buffer, length, needed] = *arguments else {
        unreachable!("five arguments")
    };
    let path = key(scene, handle)?.to_owned();
    let information = low(information).into();
    scene.is(information, OWNER_AND_LIST, "SecurityInformation")?;
    let length = low(length);
    scene.room(buffer, length.into(), 4, "the buffer")?;
    scene.room(needed, 4, 4, "LengthNeeded")?;
    let descriptor = match scene.world.registry.security(&path) {
        Ok(descriptor) => descriptor.to_owned(),
        Err(refused) => return status(refused),
    };
    let whole = u32::try_from(descriptor.len()).expect("a short descriptor");
    scene.memory.write(needed, &whole.to_le_bytes());
    if length < whole {
        return status(TOO_SMALL);
    }
    scene.memory.write(buffer, &descriptor);
    SUCCESS
}
