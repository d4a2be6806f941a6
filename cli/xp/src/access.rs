//! Groups besides Administrators that may write to a folder.
//!
//! Source of the layouts: SECURITY_DESCRIPTOR in its self-relative form, ACL, ACE and SID in
//! \[MS-DTYP\], sections 2.4.6, 2.4.5, 2.4.4 and 2.4.2.

use alloc::vec::Vec;

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::failure::Failure;
use crate::language::Text;
use crate::os::Os;
use crate::win32_error::Win32Error;

/// Groups that contain every user of a machine, each with its SID.
const EVERYBODY: [(Text, &[u8]); 4] = [
    (Text::new("Everyone"), &[1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
    (
        Text::new("INTERACTIVE"),
        &[1, 1, 0, 0, 0, 0, 0, 5, 4, 0, 0, 0],
    ),
    (
        Text::new("Authenticated Users"),
        &[1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0],
    ),
    (
        Text::new("Users"),
        &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x21, 2, 0, 0],
    ),
];

/// Rights that allow replacing a file: FILE_ADD_FILE (for a file FILE_WRITE_DATA),
/// FILE_DELETE_CHILD, DELETE, WRITE_DAC, WRITE_OWNER, GENERIC_WRITE, GENERIC_ALL.
const WRITE_RIGHTS: u32 = 0x2 | 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x4000_0000 | 0x1000_0000;

/// SE_DACL_PRESENT.
const DACL_PRESENT: u16 = 4;
/// ACCESS_ALLOWED_ACE_TYPE.
const ALLOWED: u8 = 0;
/// OBJECT_INHERIT_ACE and INHERIT_ONLY_ACE.
const OBJECT_INHERIT: u8 = 1;
const INHERIT_ONLY: u8 = 8;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SecurityDescriptor {
    _revision: [u8; 2],
    control: U16,
    _owner: U32,
    _group: U32,
    _audit: U32,
    /// Offset of the DACL. 0 means none, which allows everyone everything.
    list: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Acl {
    _revision: [u8; 2],
    _length: U16,
    count: U16,
    _reserved: U16,
}

/// The start of every ACE that allows or denies; the SID follows.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ace {
    kind: u8,
    flags: u8,
    length: U16,
    rights: U32,
}

/// The groups besides Administrators that may put files into a folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    /// These groups; possibly none.
    Groups(Vec<&'static str>),
    /// Everyone: the disk has no access lists.
    NoLists,
}

/// The groups that may write to the folder, or to files put there.
pub(crate) fn writers(os: &dyn Os, folder: &str) -> Result<Writers, Failure> {
    let descriptor = os.access_list(folder).and_then(|descriptor| {
        descriptor.map_or(Ok(Writers::NoLists), |descriptor| {
            let groups = groups(&descriptor).ok_or(Win32Error::INVALID_DATA)?;
            Ok(Writers::Groups(groups))
        })
    });
    descriptor.map_err(|error| Failure::file(phrase!("read the access list of"), folder, error))
}

/// The groups that a descriptor allows to write. Ignores entries that deny, which only remove
/// rights. `None` if malformed.
fn groups(descriptor: &[u8]) -> Option<Vec<&'static str>> {
    let (header, _) = SecurityDescriptor::ref_from_prefix(descriptor).ok()?;
    let at = usize::try_from(header.list.get()).ok()?;
    if header.control.get() & DACL_PRESENT == 0 || at == 0 {
        let [(everyone, _), ..] = EVERYBODY;
        return Some([everyone.get()].into());
    }
    let (list, mut rest) = Acl::ref_from_prefix(descriptor.get(at..)?).ok()?;
    let mut all = Vec::new();
    for _ in 0..list.count.get() {
        let (entry, _) = Ace::ref_from_prefix(rest).ok()?;
        let (whole, next) = rest.split_at_checked(entry.length.get().into())?;
        let sid = whole.get(size_of::<Ace>()..)?;
        rest = next;
        let applies = entry.flags & INHERIT_ONLY == 0 || entry.flags & OBJECT_INHERIT != 0;
        if entry.kind != ALLOWED || !applies || entry.rights.get() & WRITE_RIGHTS == 0 {
            continue;
        }
        let groups = EVERYBODY.iter().filter(|(_, group)| sid.starts_with(group));
        for (name, _) in groups {
            let name = name.get();
            if !all.contains(&name) {
                all.push(name);
            }
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYONE: &[u8] = EVERYBODY[0].1;
    const USERS: &[u8] = EVERYBODY[3].1;
    /// S-1-5-32-544.
    const ADMINISTRATORS: &[u8] = &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
    const ALL: u32 = 0x1F_01FF;
    const READ: u32 = 0x12_00A9;

    fn entry(kind: u8, flags: u8, rights: u32, sid: &[u8]) -> Vec<u8> {
        let length = u8::try_from(8 + sid.len()).unwrap();
        [&[kind, flags, length, 0], &rights.to_le_bytes()[..], sid].concat()
    }

    fn descriptor(entries: &[Vec<u8>]) -> Vec<u8> {
        let count = u8::try_from(entries.len()).unwrap();
        let mut bytes = alloc::vec![1, 0, 4, 0x80];
        bytes.extend([0; 12]);
        bytes.extend([20, 0, 0, 0]);
        bytes.extend([2, 0, 0, 0, count, 0, 0, 0]);
        bytes.extend(entries.concat());
        bytes
    }

    #[test]
    fn each_right_that_ends_in_another_file_counts_and_no_other() {
        for bit in 0..32 {
            let list = descriptor(&[entry(0, 0, 1 << bit, USERS)]);
            let counts = [1, 6, 16, 18, 19, 28, 30].contains(&bit);
            let expected = if counts { &["Users"][..] } else { &[] };
            assert_eq!(groups(&list).unwrap(), expected, "{bit}");
        }
    }

    #[test]
    fn each_group_is_named_once_and_administrators_are_not() {
        for (name, sid) in EVERYBODY {
            let list = descriptor(&[
                entry(0, 0, ALL, ADMINISTRATORS),
                entry(0, 0, ALL, sid),
                entry(0, 0, ALL, sid),
            ]);
            assert_eq!(groups(&list).unwrap(), [name.english()]);
        }
        let list = descriptor(&[entry(0, 3, READ, USERS), entry(0, 3, ALL, ADMINISTRATORS)]);
        assert_eq!(groups(&list).unwrap(), [""; 0]);
    }

    #[test]
    fn entries_that_files_inherit_count_and_those_only_folders_inherit_do_not() {
        let of = |flags| groups(&descriptor(&[entry(0, flags, ALL, USERS)])).unwrap();
        // CONTAINER_INHERIT_ACE is 2.
        for (flags, counts) in [(0, true), (3, true), (9, true), (11, true), (10, false)] {
            assert_eq!(!of(flags).is_empty(), counts, "{flags}");
        }
        // Entries that deny or audit allow nothing.
        for kind in [1, 2] {
            let list = descriptor(&[entry(kind, 0, ALL, EVERYONE)]);
            assert_eq!(groups(&list).unwrap(), [""; 0], "{kind}");
        }
    }

    #[test]
    fn a_missing_list_allows_everyone_everything() {
        let list = descriptor(&[]);
        assert_eq!(groups(&list).unwrap(), [""; 0]);
        let mut none = list.clone();
        none[2] = 0;
        assert_eq!(groups(&none).unwrap(), ["Everyone"]);
        let mut null = list;
        null[16] = 0;
        assert_eq!(groups(&null).unwrap(), ["Everyone"]);
    }

    #[test]
    fn a_descriptor_that_is_cut_off_anywhere_is_malformed() {
        let whole = descriptor(&[entry(0, 0, READ, USERS), entry(0, 0, ALL, USERS)]);
        for length in 0..whole.len() {
            assert_eq!(groups(&whole[..length]), None, "{length}");
        }
        // An entry shorter than its own header.
        let mut short = whole;
        short[30] = 4;
        assert_eq!(groups(&short), None);
    }
}
