//! Security descriptors of devices and keys, in NT's self-relative form.

use super::call_context::{CallContext, CallResult, ModelEntry, SUCCESS, status};
use super::irql::Irql::Passive;
use super::{device, object};
use crate::address::{low_dword, to_usize};
use crate::resource_audit::HandleTarget;
use crate::violation::Violation;
use crate::world::{DeviceStep, NO_RESOURCES};

pub(super) const MODELS: &[ModelEntry] = &[("ZwSetSecurityObject", Passive, set_security)];

const FILE_ALL_ACCESS: u32 = 0x001F_01FF;
/// DACL_SECURITY_INFORMATION.
const DACL: u32 = 4;
/// SE_DACL_PRESENT, SE_DACL_PROTECTED and SE_SELF_RELATIVE.
const CONTROL: u32 = 0x9004;
/// The longest descriptor that the driver has a buffer for.
const LONGEST: u64 = 128;

/// S-1-5-18 and S-1-5-32-544: SYSTEM and Administrators.
const ALLOWED: [&[u8]; 2] = [
    &[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0],
    &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0],
];

/// A descriptor that the driver passed.
pub(super) struct Descriptor {
    /// Whether Administrators are the owner.
    pub(super) owner: bool,
    /// The descriptor as NT would return it.
    pub(super) bytes: Vec<u8>,
}

/// A descriptor as NT returns it: the access list precedes the owner.
#[must_use]
pub fn self_relative(owner: &[u8], list: &[u8]) -> Vec<u8> {
    let at = |offset: usize| u32::try_from(offset).expect("a few").to_le_bytes();
    let mut bytes = vec![1, 0];
    bytes.extend(&CONTROL.to_le_bytes()[..2]);
    for offset in [20 + list.len(), 0, 0, 20] {
        bytes.extend(at(offset));
    }
    bytes.extend(list);
    bytes.extend(owner);
    bytes
}

/// The access list that grants these rights to SYSTEM and Administrators only.
#[must_use]
pub fn access_list(mask: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    for sid in ALLOWED {
        let size = u16::try_from(8 + sid.len()).expect("a short entry");
        entries.extend([0, 0]);
        entries.extend(size.to_le_bytes());
        entries.extend(mask.to_le_bytes());
        entries.extend(sid);
    }
    let size = u16::try_from(8 + entries.len()).expect("a short list");
    let [low, high] = size.to_le_bytes();
    [&[2, 0, low, high, 2, 0, 0, 0], entries.as_slice()].concat()
}

/// The SID of Administrators.
#[must_use]
pub fn administrators() -> &'static [u8] {
    ALLOWED[1]
}

/// KEY_ALL_ACCESS.
pub(super) const KEY_ALL_ACCESS: u32 = 0x000F_003F;

/// The descriptor with which the driver creates the history key.
#[must_use]
pub fn history_key_descriptor() -> Vec<u8> {
    self_relative(administrators(), &access_list(KEY_ALL_ACCESS))
}

/// Whether a key's descriptor shows that only SYSTEM and Administrators can have
/// written to it: it fits the driver's buffer and has exactly that owner and that
/// access list.
#[must_use]
pub fn is_trusted(descriptor: &[u8]) -> bool {
    let list = access_list(KEY_ALL_ACCESS);
    let part = |field: usize, length: usize| {
        let at = u32::from_le_bytes(*descriptor.get(field..)?.first_chunk()?);
        let at = to_usize(u64::from(at));
        let here = at >= 20 && at.is_multiple_of(4);
        descriptor.get(at..at.checked_add(length)?).filter(|_| here)
    };
    let fits = (20..=to_usize(LONGEST)).contains(&descriptor.len());
    fits && descriptor[0] == 1
        && u32::from(descriptor[2]) & DACL != 0
        && part(4, administrators().len()) == Some(administrators())
        && part(16, list.len()) == Some(list.as_slice())
}

/// Reads a self-relative descriptor that the driver passes, with the list of
/// [`access_list`].
pub(super) fn read_descriptor(
    context: &CallContext<'_>,
    address: u64,
    mask: u32,
) -> Result<Descriptor, Violation> {
    context.require_readable(address, 20, "the descriptor")?;
    context.require(address.is_multiple_of(4), "the descriptor is not aligned")?;
    let field = |number: u64| context.memory.dword(address + 4 * number);
    context.require_value(
        field(0).into(),
        (CONTROL << 16 | 1).into(),
        "the descriptor's head",
    )?;
    let expected = access_list(mask);
    let part = |number, length: usize| -> Result<Vec<u8>, Violation> {
        let at = u64::from(field(number));
        context.require((20..LONGEST).contains(&at), "a part outside the descriptor")?;
        context.require_readable(address + at, length as u64, "the descriptor")?;
        Ok(context.memory.read(address + at, length))
    };
    let found = part(4, expected.len())?;
    context.require(
        found == expected,
        "rights for others than SYSTEM and Administrators",
    )?;
    let owner = field(1) != 0 && part(1, administrators().len())? == administrators();
    let bytes = self_relative(administrators(), &expected);
    Ok(Descriptor { owner, bytes })
}

fn set_security(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [handle, information, descriptor] = *arguments else {
        unreachable!("three arguments")
    };
    let HandleTarget::Device(address) = *object::handle(context, handle)? else {
        return Err(context.violation("the handle is not of a device"));
    };
    context.require_value(
        low_dword(information).into(),
        DACL.into(),
        "SecurityInformation",
    )?;
    read_descriptor(context, descriptor, FILE_ALL_ACCESS)?;
    let device = device::find(context, address)?;
    if context.world.step_fails(device, DeviceStep::Secure) {
        return status(NO_RESOURCES);
    }
    let mut devices = context.resources.devices.iter_mut();
    if let Some(device) = devices.find(|device| device.address == address) {
        device.secured = true;
    }
    SUCCESS
}
