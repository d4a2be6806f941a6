//! Access control of the devices and of the key with the driver's records:
//! only SYSTEM and Administrators.
//!
//! Source of the formats: \[MS-DTYP\], sections 2.4.2 (identifiers), 2.4.4.2
//! (access-allowed entries), 2.4.5 (lists) and 2.4.6 (descriptors).

/// S-1-5-18: revision 1, one subauthority; the authority, 5, is big-endian.
const LOCAL_SYSTEM: [u32; 3] = [0x0000_0101, 0x0500_0000, 18];
/// S-1-5-32-544.
const ADMINISTRATORS: [u32; 4] = [0x0000_0201, 0x0500_0000, 32, 544];

/// SE_DACL_PRESENT, SE_DACL_PROTECTED (nothing is inherited) and
/// SE_SELF_RELATIVE (offsets in place of pointers).
const CONTROL: u32 = 0x9004;
const DACL_PRESENT: u32 = 0x0004;

/// Dwords of a descriptor's header, and of the whole descriptor.
const HEADER: usize = 5;
const LENGTH: usize = HEADER + ADMINISTRATORS.len() + LIST;
/// Dwords of the list: its header, and two entries.
const LIST: usize = 2 + 5 + 6;

/// A security descriptor in dwords: Administrators own the object, and SYSTEM and
/// Administrators have the rights of `mask`.
#[must_use]
pub const fn descriptor(mask: u32) -> [u32; LENGTH] {
    let [one, two, three] = LOCAL_SYSTEM;
    let [a, b, c, d] = ADMINISTRATORS;
    [
        // Revision 1, and where owner, group, audit list and access list begin.
        CONTROL << 16 | 1,
        20,
        0,
        0,
        36,
        // The owner.
        a,
        b,
        c,
        d,
        // A list: revision 2, 52 bytes, two entries.
        0x0034_0002,
        2,
        // An access-allowed entry: 20 bytes.
        0x0014_0000,
        mask,
        one,
        two,
        three,
        // The other entry: 24 bytes.
        0x0018_0000,
        mask,
        a,
        b,
        c,
        d,
    ]
}

/// Whether a descriptor that the system returned has the owner and access list of
/// [`descriptor`]: then nobody else can have written to the object.
#[must_use]
pub fn is_restricted(found: &[u32], mask: u32) -> bool {
    let ours = descriptor(mask);
    let part = |of: &[u32], field: usize, length: usize| -> Option<[u32; LIST]> {
        let at = usize::try_from(*of.get(field)?).ok()?;
        let begin = at.checked_div(4).filter(|_| at.is_multiple_of(4))?;
        // Offset 0 means absent.
        let dwords = of.get(begin..begin.checked_add(length)?)?;
        let mut part = [0; LIST];
        part.get_mut(..length)?.copy_from_slice(dwords);
        (begin >= HEADER).then_some(part)
    };
    let [owner, list] = [(1, ADMINISTRATORS.len()), (4, LIST)]
        .map(|(field, length)| part(found, field, length) == part(&ours, field, length));
    let head = found.first().copied().unwrap_or(0);
    head & 0xFF == 1 && head >> 16 & DACL_PRESENT != 0 && owner && list
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "of arrays of one length")]
mod tests {
    use std::vec::Vec;

    use super::*;

    const MASK: u32 = 0x000F_003F;

    #[test]
    fn the_descriptor_has_the_documented_layout() {
        let bytes: Vec<u8> = descriptor(MASK)
            .iter()
            .flat_map(|dword| dword.to_le_bytes())
            .collect();
        let mut expected: Vec<u8> = [
            &[
                1, 0, 0x04, 0x90, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 36, 0, 0, 0,
            ][..],
            &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0],
            &[2, 0, 52, 0, 2, 0, 0, 0],
            &[0, 0, 20, 0, 0x3F, 0, 0x0F, 0],
            &[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0],
            &[0, 0, 24, 0, 0x3F, 0, 0x0F, 0],
        ]
        .concat();
        expected.extend([1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn the_same_parts_are_ours_wherever_they_lie() {
        let ours = descriptor(MASK);
        assert!(is_restricted(&ours, MASK));
        // NT's form: the list before the owner, more control bits, and padding.
        let mut moved = Vec::from([0x9C04_0001, 20 + 52, 0, 0, 20]);
        moved.extend(&ours[9..]);
        moved.extend(&ours[5..9]);
        moved.extend([0; 10]);
        assert!(is_restricted(&moved, MASK));
    }

    #[test]
    fn another_owner_another_list_or_none_is_not_ours() {
        let ours = descriptor(MASK);
        // Every dword counts except group, audit list, and the header's dwords
        // that are tested below.
        for place in (1..ours.len()).filter(|place| ![2, 3].contains(place)) {
            for bits in [1, 4, 1 << 16, u32::MAX] {
                let mut other = ours;
                other[place] ^= bits;
                assert!(!is_restricted(&other, MASK), "{place} {bits:X}");
            }
        }
        let with = |place: usize, dword: u32| {
            let mut other = ours;
            other[place] = dword;
            is_restricted(&other, MASK)
        };
        assert!(!with(0, 0x8000_0001), "no list: everybody may");
        assert!(!with(0, CONTROL << 16 | 2), "another revision");
        assert!(!with(1, 0), "no owner");
        assert!(!with(4, 0), "an empty place");
        assert!(!with(4, u32::MAX - 3), "far behind the end");
        assert!(!is_restricted(&ours, MASK - 1));
    }

    #[test]
    fn a_truncated_descriptor_is_not_ours() {
        let ours = descriptor(MASK);
        for length in 0..ours.len() {
            assert!(!is_restricted(&ours[..length], MASK), "{length}");
        }
    }
}
