//! Who may open a device: lists of rights, in the form that NT keeps them.

use super::irql::Irql::{Apc, Passive};
use super::object::Opened;
use super::{Answer, Entry, SUCCESS, status};
use crate::address::low;
use crate::offset::Offsets;
use crate::system::System;
use crate::violation::Violation;
use crate::world::{NO_RESOURCES, Step};

pub(super) const MODELS: &[Entry] = &[
    ("RtlCreateAcl", Apc, create_acl),
    ("RtlAddAccessAllowedAce", Apc, add_allowed),
    ("RtlCreateSecurityDescriptor", Passive, create_descriptor),
    ("RtlSetDaclSecurityDescriptor", Passive, set_dacl),
    ("ZwSetSecurityObject", Passive, set_security),
];

/// ACL_REVISION.
const ACL_REVISION: u32 = 2;
/// Bytes of an ACL without entries.
const ACL: u64 = 8;
const FILE_ALL_ACCESS: u32 = 0x001F_01FF;
/// DACL_SECURITY_INFORMATION, and SE_DACL_PRESENT.
const DACL: u32 = 4;
/// STATUS_ALLOTTED_SPACE_EXCEEDED.
const NO_SPACE: u32 = 0xC000_0099;

/// S-1-5-18 and S-1-5-32-544: SYSTEM and Administrators.
const ALLOWED: [&[u8]; 2] = [
    &[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0],
    &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0],
];

fn create_acl(system: &mut System, arguments: &[u64]) -> Answer {
    let [acl, length, revision] = *arguments else {
        unreachable!("three arguments")
    };
    let length = low(length);
    system.is(low(revision).into(), ACL_REVISION.into(), "AclRevision")?;
    system.expect((8..0x1_0000).contains(&length), "no room for a list")?;
    system.room(acl, length.into(), 4, "the list")?;
    let [low, high, ..] = length.to_le_bytes();
    system.machine.write(acl, &[2, 0, low, high, 0, 0, 0, 0]);
    SUCCESS
}

/// The list's length, and where its entries end.
fn entries(system: &System, acl: u64) -> Result<(u64, u64), Violation> {
    system.readable(acl, ACL, "the list")?;
    let header = system.machine.dword(acl);
    system.expect(header & 0xFF == ACL_REVISION, "no list was created there")?;
    let (length, count) = (header >> 16, system.machine.dword(acl + 4) & 0xFFFF);
    system.readable(acl, length.into(), "the list")?;
    let mut end = ACL;
    for _ in 0..count {
        end += u64::from(system.machine.dword(acl + end) >> 16);
    }
    Ok((length.into(), end))
}

fn add_allowed(system: &mut System, arguments: &[u64]) -> Answer {
    let [acl, revision, mask, sid] = *arguments else {
        unreachable!("four arguments")
    };
    system.is(low(revision).into(), ACL_REVISION.into(), "AceRevision")?;
    let (length, end) = entries(system, acl)?;
    system.room(acl, length, 4, "the list")?;
    system.readable(sid, 8, "the identifier")?;
    let parts = system.machine.read(sid, 2)[1];
    let sid_length = 8 + 4 * usize::from(parts);
    system.readable(sid, sid_length as u64, "the identifier")?;
    let sid = system.machine.read(sid, sid_length);
    let size = 8 + sid_length;
    if end + size as u64 > length {
        return status(NO_SPACE);
    }
    let size = u16::try_from(size).expect("a short entry").to_le_bytes();
    let mut entry = vec![0, 0, size[0], size[1]];
    entry.extend(low(mask).to_le_bytes());
    entry.extend(sid);
    system.machine.write(acl + end, &entry);
    let count = system.machine.dword(acl + 4) + 1;
    system.machine.write(acl + 4, &count.to_le_bytes());
    SUCCESS
}

fn create_descriptor(system: &mut System, arguments: &[u64]) -> Answer {
    let [descriptor, revision] = *arguments else {
        unreachable!("two arguments")
    };
    system.is(low(revision).into(), 1, "Revision")?;
    let [_, size] = Offsets::of(system.machine.arch()).security;
    let pointer = system.machine.pointer();
    system.room(descriptor, size, pointer, "the descriptor")?;
    let mut bytes = vec![0; if pointer == 4 { 20 } else { 40 }];
    bytes[0] = 1;
    system.machine.write(descriptor, &bytes);
    SUCCESS
}

fn set_dacl(system: &mut System, arguments: &[u64]) -> Answer {
    let [descriptor, present, acl, defaulted] = *arguments else {
        unreachable!("four arguments")
    };
    let [dacl, size] = Offsets::of(system.machine.arch()).security;
    let pointer = system.machine.pointer();
    system.room(descriptor, size, pointer, "the descriptor")?;
    system.is(present & 0xFF, 1, "DaclPresent")?;
    system.is(defaulted & 0xFF, 0, "DaclDefaulted")?;
    entries(system, acl)?;
    // Control is the second word of the first four bytes.
    let control = system.machine.dword(descriptor) | DACL << 16;
    system.machine.write(descriptor, &control.to_le_bytes());
    system.machine.write_word(descriptor + dacl, acl);
    SUCCESS
}

fn set_security(system: &mut System, arguments: &[u64]) -> Answer {
    let [handle, information, descriptor] = *arguments else {
        unreachable!("three arguments")
    };
    let Opened::Device(address) = *system.handle(handle)? else {
        return Err(system.wrong("the handle is none of a device"));
    };
    system.is(low(information).into(), DACL.into(), "SecurityInformation")?;
    let [dacl, size] = Offsets::of(system.machine.arch()).security;
    system.readable(descriptor, size, "the descriptor")?;
    let head = system.machine.dword(descriptor);
    system.is((head & 0xFF).into(), 1, "the descriptor's revision")?;
    system.expect(head >> 16 & DACL != 0, "there is no list")?;
    let acl = system.machine.word(descriptor + dacl);
    let (_, end) = entries(system, acl)?;
    let mut expected = Vec::new();
    for sid in ALLOWED {
        let size = u16::try_from(8 + sid.len()).expect("a short entry");
        expected.extend([0, 0]);
        expected.extend(size.to_le_bytes());
        expected.extend(FILE_ALL_ACCESS.to_le_bytes());
        expected.extend(sid);
    }
    let length = usize::try_from(end - ACL).expect("a short list");
    let found = system.machine.read(acl + ACL, length);
    system.expect(
        found == expected,
        "other rights than those of SYSTEM and Administrators",
    )?;
    let device = system.device_at(address)?;
    if system.device_fails(device, Step::Secure) {
        return status(NO_RESOURCES);
    }
    let mut devices = system.kept.devices.iter_mut();
    if let Some(device) = devices.find(|device| device.address == address) {
        device.secured = true;
    }
    SUCCESS
}
