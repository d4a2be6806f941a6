//! Keys and values.

use super::call_context::{CallContext, CallResult, ModelEntry, SUCCESS, status};
use super::irql::Irql::Passive;
use super::object::{self, open_handle};
use super::security::{KEY_ALL_ACCESS, read_descriptor};
use crate::address::low_dword;
use crate::registry::{HISTORY_KEY, subkey_path};
use crate::resource_audit::HandleTarget;
use crate::violation::Violation;

pub(super) const MODELS: &[ModelEntry] = &[
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
/// The longest value that is accepted.
const MOST: u32 = 4096;

/// OWNER_SECURITY_INFORMATION and DACL_SECURITY_INFORMATION.
const OWNER_AND_LIST: u64 = 5;

/// Path and security descriptor of OBJECT_ATTRIBUTES.
fn path(context: &CallContext<'_>, attributes: u64) -> Result<(String, u64), Violation> {
    let pointer = context.memory.pointer_size();
    context.require_readable(attributes, 6 * pointer, "ObjectAttributes")?;
    context.require(
        attributes.is_multiple_of(pointer),
        "ObjectAttributes are not aligned",
    )?;
    let field = |number: u64| context.memory.read_pointer(attributes + number * pointer);
    let dword = |number: u64| u64::from(context.memory.dword(attributes + number * pointer));
    context.require_value(dword(0), 6 * pointer, "ObjectAttributes' length")?;
    context.require_value(dword(3), ATTRIBUTES.into(), "ObjectAttributes' attributes")?;
    context.require_value(field(5), 0, "SecurityQualityOfService")?;
    let name = context.unicode_string(field(2))?;
    match field(1) {
        0 => {
            context.require(name.starts_with('\\'), "a relative name without a root")?;
            Ok((name, field(4)))
        }
        root => {
            context.require(!name.starts_with('\\'), "a full name below a root")?;
            Ok((subkey_path(key(context, root)?, &name), field(4)))
        }
    }
}

fn key<'a>(context: &'a CallContext<'_>, handle: u64) -> Result<&'a str, Violation> {
    match object::handle(context, handle)? {
        HandleTarget::Key(path) => Ok(path),
        HandleTarget::Device(_) => Err(context.violation("the handle is not of a key")),
    }
}

fn open(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [place, access, attributes] = *arguments else {
        unreachable!("three arguments")
    };
    context.require_pointer_buffer(place, "KeyHandle")?;
    context.require_value(low_dword(access).into(), ACCESS.into(), "DesiredAccess")?;
    let (path, descriptor) = path(context, attributes)?;
    context.require_value(descriptor, 0, "SecurityDescriptor")?;
    match context.world.registry.open(&path) {
        Ok(()) => {
            open_handle(context, place, HandleTarget::Key(path));
            SUCCESS
        }
        Err(refused) => status(refused),
    }
}

fn create(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
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
    context.require_pointer_buffer(place, "KeyHandle")?;
    context.require_value(low_dword(access).into(), ACCESS.into(), "DesiredAccess")?;
    context.require_value(low_dword(title).into(), 0, "TitleIndex")?;
    context.require_value(class, 0, "Class")?;
    context.require_value(
        low_dword(options).into(),
        REG_OPTION_VOLATILE.into(),
        "CreateOptions",
    )?;
    context.require_value(disposition, 0, "Disposition")?;
    let (path, descriptor) = path(context, attributes)?;
    // The service key is deleted with the service, so the history has its own.
    context.require(path == HISTORY_KEY, "a key other than the driver's")?;
    let guards = read_descriptor(context, descriptor, KEY_ALL_ACCESS)?;
    context.require(guards.owner, "Administrators are not the owner")?;
    match context.world.registry.create(&path, guards.bytes) {
        Ok(()) => {
            open_handle(context, place, HandleTarget::Key(path));
            SUCCESS
        }
        Err(refused) => status(refused),
    }
}

fn query(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [handle, name, class, buffer, length, needed] = *arguments else {
        unreachable!("six arguments")
    };
    let path = key(context, handle)?.to_owned();
    let name = context.unicode_string(name)?;
    context.require_value(low_dword(class).into(), PARTIAL.into(), "the class")?;
    let length = low_dword(length);
    context.require_buffer(buffer, length.into(), 4, "the buffer")?;
    context.require_buffer(needed, 4, 4, "ResultLength")?;
    let (kind, data) = match context.world.registry.query(&path, &name) {
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
    context.memory.write(needed, &whole.to_le_bytes());
    if length < 12 {
        return status(TOO_SMALL);
    }
    value.truncate(length as usize);
    context.memory.write(buffer, &value);
    if length < whole {
        return status(OVERFLOW);
    }
    SUCCESS
}

fn set(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [handle, name, title, kind, data, length] = *arguments else {
        unreachable!("six arguments")
    };
    let path = key(context, handle)?.to_owned();
    let name = context.unicode_string(name)?;
    context.require_value(low_dword(title).into(), 0, "TitleIndex")?;
    let length = low_dword(length);
    context.require(
        (1..=MOST).contains(&length),
        "a value of an implausible length",
    )?;
    context.require_readable(data, length.into(), "the value")?;
    let data = context.memory.read(data, length as usize);
    match context
        .world
        .registry
        .set(&path, &name, (low_dword(kind), data))
    {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn delete(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let path = key(context, arguments[0])?.to_owned();
    let name = context.unicode_string(arguments[1])?;
    match context.world.registry.delete(&path, &name) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn flush(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let path = key(context, arguments[0])?;
    match context.world.registry.flush(path) {
        Ok(()) => SUCCESS,
        Err(refused) => status(refused),
    }
}

fn query_security(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [handle, information, buffer, length, needed] = *arguments else {
        unreachable!("five arguments")
    };
    let path = key(context, handle)?.to_owned();
    let information = low_dword(information).into();
    context.require_value(information, OWNER_AND_LIST, "SecurityInformation")?;
    let length = low_dword(length);
    context.require_buffer(buffer, length.into(), 4, "the buffer")?;
    context.require_buffer(needed, 4, 4, "LengthNeeded")?;
    let descriptor = match context.world.registry.security(&path) {
        Ok(descriptor) => descriptor.to_owned(),
        Err(refused) => return status(refused),
    };
    let whole = u32::try_from(descriptor.len()).expect("a short descriptor");
    context.memory.write(needed, &whole.to_le_bytes());
    if length < whole {
        return status(TOO_SMALL);
    }
    context.memory.write(buffer, &descriptor);
    SUCCESS
}
