//! Self-extractors: hotfixes and service packs are programs that contain a cabinet, after the last
//! section or as a resource.

use crate::storage::{self, Part, Storage};

/// Limit for the size of the program before the cabinet, in bytes; real ones are far smaller.
const MAX_PROGRAM: u64 = 8 << 20;
/// Size of a read, in bytes.
const CHUNK: u64 = 64 << 10;
/// Size of a cabinet's header without reserved fields ([MS-CAB], CFHEADER).
const HEADER: usize = 36;
/// The first fields of a cabinet: its signature and a zero field.
const SIGNATURE: &[u8; 8] = b"MSCF\0\0\0\0";
/// The version of the format, minor and major.
const VERSION: [u8; 2] = [3, 1];

/// Prefix and suffix of the deltas in a hotfix, which only its own program can apply.
const DELTA: [&str; 2] = ["_sfx_", "._p"];

/// The cabinet in a program, if any.
pub(crate) fn cabinet<'a>(program: &'a dyn Storage) -> Option<Part<'a>> {
    let end = program.length().min(MAX_PROGRAM);
    let header = u64::try_from(HEADER).ok()?;
    let mut at = 0_u64;
    while at.checked_add(header)? <= end {
        let length = usize::try_from(CHUNK.min(end - at)).ok()?;
        let chunk = storage::bytes(program, at, length).ok()?;
        let found = chunk
            .windows(HEADER)
            .enumerate()
            .find_map(|(offset, bytes)| {
                let start = at.checked_add(u64::try_from(offset).ok()?)?;
                let left = program.length().checked_sub(start)?;
                Part::new(program, start, stated_length(bytes, left)?)
            });
        if found.is_some() {
            return found;
        }
        // A header may lie across two chunks.
        at = at
            .checked_add(u64::try_from(length).ok()?)?
            .checked_sub(header - 1)?;
        if length < usize::try_from(CHUNK).ok()? {
            break;
        }
    }
    None
}

/// The length that a cabinet's header states; `None` if it is no header. The program's own code
/// contains the signature too, but no valid header.
fn stated_length(header: &[u8], left: u64) -> Option<u64> {
    if !header.starts_with(SIGNATURE) {
        return None;
    }
    let word = |at: usize| Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?));
    let half = |at: usize| Some(u16::from_le_bytes(*header.get(at..)?.first_chunk()?));
    let (length, members) = (word(8)?, word(16)?);
    let is_header = header.get(24..26)? == VERSION
        && half(26)? != 0
        && half(28)? != 0
        && (36..length).contains(&members)
        && u64::from(length) <= left;
    is_header.then_some(length.into())
}

/// Whether a member of this name is a delta.
pub(crate) fn is_delta(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let last = last.to_ascii_lowercase();
    last.starts_with(DELTA[0]) && last.ends_with(DELTA[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty cabinet with a valid header and bytes after it.
    fn header(length: u32) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend(length.to_le_bytes());
        header.extend([0; 4]);
        header.extend(44_u32.to_le_bytes());
        header.extend([0; 4]);
        header.extend([3, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        header.resize(usize::try_from(length).unwrap(), 7);
        header
    }

    #[test]
    fn a_cabinet_is_found_at_any_offset_and_code_is_not_mistaken_for_one() {
        let chunk = usize::try_from(CHUNK).unwrap();
        for before in [
            0,
            1,
            chunk - 40,
            chunk - 36,
            chunk - 35,
            chunk - 8,
            chunk,
            3 * chunk + 5,
        ] {
            let mut program = vec![0; before];
            // The signature as in the code that reads cabinets.
            program.splice(before / 2..before / 2, SIGNATURE.iter().copied());
            let start = program.len();
            program.extend(header(100));
            program.extend([1; 50]);
            let found = cabinet(&program).unwrap();
            assert_eq!(found.length(), 100, "{before}");
            let bytes = storage::bytes(&found, 0, 100).unwrap();
            assert_eq!(bytes, program[start..start + 100]);
        }
    }

    #[test]
    fn an_impossible_header_is_no_cabinet() {
        for (at, value) in [
            (8, 200_u8),
            (8, 40),
            (16, 1),
            (25, 2),
            (26, 0),
            (28, 0),
            (0, b'm'),
        ] {
            let mut bytes = header(100);
            bytes[at] = value;
            assert!(cabinet(&bytes).is_none(), "{at} {value}");
        }
        assert!(cabinet(&header(100)).is_some());
        assert!(cabinet(&header(100)[..99].to_vec()).is_none());
    }

    #[test]
    fn deltas_are_recognised_by_their_names() {
        for (name, is) in [
            ("_sfx_0000._p", true),
            ("SP3QFE\\_SFX_0012._P", true),
            ("_sfx_manifest_", false),
            ("tcpip.sys", false),
        ] {
            assert_eq!(is_delta(name), is, "{name}");
        }
    }
}
