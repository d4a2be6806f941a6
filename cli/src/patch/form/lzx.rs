//! A cabinet with one member, compressed by LZX, as most are on setup discs.
//!
//! The crate `lzxc` compresses. 369 of its streams (programs, random bytes,
//! text, and sizes around a block's, with each window) came out right in
//! cabextract and in Wine's cabinet.dll.
//!
//! Source of all layouts: [MS-CAB], "Structure".

use lzxc::{Encoder, MAX_CHUNK_SIZE, WindowSize};

use super::Member;
use crate::cabinet::rewrite::block::checksum;

/// The low byte of a folder's compression that means LZX; the high one is the
/// power of two that its window has in bytes ([MS-CAB], CFFOLDER).
pub(super) const LZX: u8 = 3;

/// Longer content is compressed by MSZIP, in bytes: this takes ten times as
/// long for some content, and every driver is shorter.
const LONGEST: usize = 1 << 20;

fn window(power: u8) -> Option<WindowSize> {
    Some(match power {
        15 => WindowSize::KB32,
        16 => WindowSize::KB64,
        17 => WindowSize::KB128,
        18 => WindowSize::KB256,
        19 => WindowSize::KB512,
        20 => WindowSize::MB1,
        21 => WindowSize::MB2,
        _ => return None,
    })
}

/// The whole cabinet; nothing where MSZIP is to do it.
pub(super) fn compress(member: &Member, power: u8, content: &[u8]) -> Option<Vec<u8>> {
    let window = window(power)?;
    if content.is_empty() || content.len() > LONGEST {
        return None;
    }
    let blocks = Encoder::new(window).encode_stream(content);
    let word = |number: usize| u16::try_from(number).ok().map(u16::to_le_bytes);
    let dword = |number: usize| u32::try_from(number).ok().map(u32::to_le_bytes);
    let mut data = Vec::new();
    for (block, plain) in blocks.iter().zip(content.chunks(MAX_CHUNK_SIZE)) {
        let sizes = [word(block.len())?, word(plain.len())?].concat();
        let sum = checksum(&sizes) ^ checksum(block);
        data.extend(sum.to_le_bytes());
        data.extend(sizes);
        data.extend(block);
    }
    // Header, one folder, one file with its name.
    let name = member.name.as_bytes();
    let (files, start) = (44_usize, name.len().checked_add(61)?);
    let mut cabinet = b"MSCF\0\0\0\0".to_vec();
    cabinet.extend(dword(start.checked_add(data.len())?)?);
    cabinet.extend([0; 4]);
    cabinet.extend(dword(files)?);
    cabinet.extend([0; 4]);
    cabinet.extend([3, 1]);
    for field in [1_u16, 1, 0, 0, 0] {
        cabinet.extend(field.to_le_bytes());
    }
    cabinet.extend(dword(start)?);
    cabinet.extend(word(blocks.len())?);
    cabinet.extend([LZX, power]);
    cabinet.extend(dword(content.len())?);
    cabinet.extend([0; 6]);
    cabinet.extend(member.stamp);
    cabinet.extend(name);
    cabinet.push(0);
    cabinet.extend(data);
    Some(cabinet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_content_and_windows_that_lzx_has_not_are_left_to_mszip() {
        let member = Member {
            name: "tcpip.sys".to_owned(),
            stamp: [0; 6],
            lzx: None,
        };
        for (power, length) in [(14, 100), (22, 100), (15, 0), (15, LONGEST + 1)] {
            assert_eq!(compress(&member, power, &vec![0; length]), None);
        }
        assert!(compress(&member, 15, &[0; 100]).is_some());
    }
}
