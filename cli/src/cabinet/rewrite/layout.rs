//! The required layout of a cabinet to rewrite: its tables and data follow each other from the
//! first byte to the last, and its checksums are right.

use std::ops::Range;

use super::block::{Block, bytes, dword, index, to_u64};
use crate::cabinet::single_member::HAS_RESERVE;
use crate::cabinet::{CONTINUED, Cabinet, Folder, HAS_NEXT, HAS_PREVIOUS, MAX_BLOCK, Member};

/// The first reserved bytes of a header if a signature follows the cabinet (Authenticode by
/// signtool).
const SIGNATURE: [u8; 4] = [0, 0, 0x10, 0];

/// The reason why a cabinet is not rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RewriteError {
    /// Rewriting would lose something.
    Unsupported(&'static str),
    /// It is damaged, or forged.
    Damaged(String),
}

/// A folder and its data blocks.
pub(super) struct Stream {
    /// Its entry in the table.
    pub(super) folder: Folder,
    /// The range of its blocks in the file.
    pub(super) region: Range<usize>,
    /// Offset of each block in the file.
    pub(super) blocks: Vec<usize>,
    /// Their decompressed size in bytes.
    pub(super) size: u64,
    /// The checksums of its blocks leave out their reserved bytes.
    pub(super) without_reserve: bool,
}

/// Refuses a cabinet whose header refers to data outside the cabinet, or whose tables do not follow
/// each other.
pub(super) fn check_header(file: &[u8], cabinet: &Cabinet<'_>) -> Result<(), RewriteError> {
    let offsets = &cabinet.offsets;
    let field = |at: usize| dword(file, at).unwrap_or_default();
    let length = to_u64(file.len());
    if cabinet.bytes_behind() != 0 {
        return Err(RewriteError::Unsupported(
            "the file has bytes behind the cabinet, perhaps a signature",
        ));
    }
    if u64::from(field(8)) != length {
        return Err(RewriteError::Damaged(
            "the cabinet ends before its data does".to_owned(),
        ));
    }
    if offsets.flags & (HAS_PREVIOUS | HAS_NEXT) != 0 {
        return Err(RewriteError::Unsupported("the cabinet is one of a set"));
    }
    if offsets.flags & !HAS_RESERVE != 0 || [4, 12, 20].into_iter().any(|at| field(at) != 0) {
        return Err(RewriteError::Unsupported("its header has unknown fields"));
    }
    let reserved = bytes(file, 40..40 + usize::from(offsets.header_reserve));
    if reserved.starts_with(&SIGNATURE) {
        return Err(RewriteError::Unsupported(
            "the cabinet has a signature, which a change would break",
        ));
    }
    match offsets.members == offsets.folders_end {
        true => Ok(()),
        false => Err(RewriteError::Unsupported(
            "its tables do not follow each other",
        )),
    }
}

/// The data of all folders, which must follow each other from `tables` to the end of the file, and
/// their order.
pub(super) fn streams(
    file: &[u8],
    cabinet: &Cabinet<'_>,
    tables: usize,
) -> Result<(Vec<Stream>, Vec<usize>), RewriteError> {
    let mut order: Vec<(u32, u16, usize)> = (0..)
        .zip(&cabinet.folders)
        .map(|(number, folder)| (folder.start, folder.blocks, number))
        .collect();
    // A folder without data has the same start as another one.
    order.sort_by_key(|&(start, blocks, number)| (start, blocks != 0, number));
    let mut streams: Vec<Option<Stream>> = cabinet.folders.iter().map(|_| None).collect();
    let mut at = tables;
    for &(start, _, number) in &order {
        if index(start.into()) != at {
            return Err(RewriteError::Damaged(
                "its folders overlap or have gaps between them".to_owned(),
            ));
        }
        let folder = cabinet.folders.get(number).copied();
        if let (Some(folder), Some(place)) = (folder, streams.get_mut(number)) {
            let stream = Stream::of(file, folder, cabinet.reserve.into())?;
            at = stream.region.end;
            *place = Some(stream);
        }
    }
    match at == file.len() {
        true => Ok((
            streams.into_iter().flatten().collect(),
            order.into_iter().map(|(.., number)| number).collect(),
        )),
        false => Err(RewriteError::Damaged(
            "there are bytes behind its last folder".to_owned(),
        )),
    }
}

impl Stream {
    /// Reads the headers of all data blocks of a folder.
    pub(super) fn of(file: &[u8], folder: Folder, reserve: usize) -> Result<Stream, RewriteError> {
        let start = index(folder.start.into());
        let mut stream = Stream {
            folder,
            region: start..start,
            blocks: Vec::new(),
            size: 0,
            without_reserve: false,
        };
        for number in 0..folder.blocks {
            let at = stream.region.end;
            let block = Block::at(file, at, reserve).ok_or_else(|| {
                RewriteError::Damaged("the cabinet ends before its data does".to_owned())
            })?;
            let is_stored = folder.compression & 0xF == 0;
            match block.size {
                0 => {
                    return Err(RewriteError::Unsupported(
                        "a member continues in another cabinet",
                    ));
                }
                size if size > MAX_BLOCK
                    || (is_stored && usize::from(size) != block.data.len()) =>
                {
                    return Err(RewriteError::Damaged(
                        "a data block states an impossible size".to_owned(),
                    ));
                }
                size => stream.size = stream.size.saturating_add(size.into()),
            }
            match dword(file, at) {
                Some(0) => {}
                Some(sum) if sum == block.checksum(false) => {}
                Some(sum) if sum == block.checksum(true) => stream.without_reserve = true,
                _ => {
                    return Err(RewriteError::Damaged(format!(
                        "the checksum of data block {number} at file offset {at:X} is wrong"
                    )));
                }
            }
            stream.blocks.push(at);
            stream.region.end = block.end;
        }
        Ok(stream)
    }
}

/// Refuses members outside the folders of this cabinet and overlapping ones.
pub(super) fn check_members(members: &[Member], streams: &[Stream]) -> Result<(), RewriteError> {
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by_key(|member| (member.folder, member.offset, member.size));
    let (mut folder, mut at) = (0, 0);
    for member in sorted {
        if member.folder >= CONTINUED {
            return Err(RewriteError::Unsupported(
                "a member continues in another cabinet",
            ));
        }
        let damaged = |what: &str| {
            Err(RewriteError::Damaged(format!(
                "its member {} {what}",
                member.name
            )))
        };
        if member.folder != folder {
            (folder, at) = (member.folder, 0);
        }
        match streams.get(usize::from(folder)) {
            None => return damaged("names a folder that the cabinet does not have"),
            Some(stream) if member.end() > stream.size => return damaged("ends behind its folder"),
            _ if u64::from(member.offset) < at => return damaged("overlaps another"),
            _ => at = member.end(),
        }
    }
    Ok(())
}
