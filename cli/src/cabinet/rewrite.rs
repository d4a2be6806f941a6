//! Rewrites a cabinet with new bytes in some members and nothing else changed.
//!
//! Members keep their lengths, so the table of members stays byte for byte. A folder with a changed
//! member is decompressed as a stream, the bytes are replaced, and it is compressed again by MSZIP;
//! all other folders are copied. In the tables only the length of the cabinet, the offsets of the
//! folders, and the number and compression of the new blocks change.
//!
//! A cabinet is rewritten only if every byte of the file is accounted for: header, folders,
//! members, and the data of each folder, one after the other.

use std::io::{self, Read};
use std::ops::Range;

use sha2::{Digest, Sha256};

mod block;
pub(crate) mod compression;
mod layout;

use block::{BLOCK_HEADER, Block, bytes, index, to_u64};
use compression::{CompressedStream, mszip};
use layout::{Stream, check_header, check_members, streams};

use super::{Cabinet, MAX_BLOCK, MAX_MEMBER, MAX_RATIO, STREAM, single_stream_cabinet};
use crate::panic_guard::catch_panic;

pub(crate) use layout::RewriteError;

/// Size limit, in bytes: a cabinet is rewritten in memory.
pub(crate) const MAX_CABINET: usize = 256 << 20;
/// Limit for the decompressed size of all folders to compress again, in bytes.
const MAX_STREAMS: u64 = 512 << 20;
/// Size of an entry of the table of folders without reserved bytes ([MS-CAB], CFFOLDER).
const FOLDER_ENTRY: usize = 8;
/// A member whose bytes may be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedMember {
    /// Its name.
    pub(crate) name: String,
    /// Its content.
    pub(crate) content: Vec<u8>,
    folder: usize,
    /// Its offset in its folder's stream.
    offset: u64,
}

/// A parsed cabinet with every byte accounted for.
pub(crate) struct ParsedCabinet<'a> {
    file: &'a [u8],
    /// Offset of the end of the tables, where the data begins.
    tables: usize,
    /// Offset of the table of folders, and the size of its entries.
    folders: (usize, usize),
    /// Reserved bytes in each data block.
    reserve: usize,
    streams: Vec<Stream>,
    /// Numbers of the folders in the order of their data.
    order: Vec<usize>,
    wanted: Vec<WantedMember>,
    remainder_hash: [u8; 32],
}

impl<'a> ParsedCabinet<'a> {
    /// Parses a cabinet and decompresses each folder with a member that `wanted` selects.
    ///
    /// # Errors
    /// If it can't be rewritten.
    pub(crate) fn of(
        file: &'a [u8],
        wanted: impl Fn(&str) -> bool,
    ) -> Result<ParsedCabinet<'a>, RewriteError> {
        if file.len() > MAX_CABINET {
            return Err(RewriteError::Unsupported(
                "the cabinet is larger than 256 MiB",
            ));
        }
        let cabinet =
            Cabinet::new(&file).map_err(|reason| RewriteError::Damaged(reason.to_owned()))?;
        check_header(file, &cabinet)?;
        let tables = index(cabinet.offsets.members_end);
        let (streams, order) = streams(file, &cabinet, tables)?;
        check_members(&cabinet.members, &streams)?;
        let wanted: Vec<WantedMember> = cabinet
            .members
            .iter()
            .filter(|member| wanted(&member.name))
            .map(|member| WantedMember {
                name: member.name.clone(),
                content: vec![0; index(member.size.into())],
                folder: member.folder.into(),
                offset: member.offset.into(),
            })
            .collect();
        let mut whole = ParsedCabinet {
            file,
            tables,
            folders: (
                index(cabinet.offsets.folders),
                FOLDER_ENTRY + usize::from(cabinet.offsets.folder_reserve),
            ),
            reserve: cabinet.reserve.into(),
            streams,
            order,
            wanted,
            remainder_hash: [0; 32],
        };
        whole.check_wanted()?;
        whole.decompress_wanted()?;
        Ok(whole)
    }

    /// The wanted members, in the order of the table.
    pub(crate) fn wanted(&self) -> &[WantedMember] {
        &self.wanted
    }

    /// SHA-256 of everything except the content of the wanted members and the compression of their
    /// folders. Two cabinets with the same hash have the same members, dates, attributes, reserved
    /// bytes, and other folders.
    pub(crate) fn remainder_hash(&self) -> [u8; 32] {
        self.remainder_hash
    }

    /// The cabinet with new contents of the wanted members.
    ///
    /// # Errors
    /// If their lengths differ from the old ones, or the cabinet would become too large.
    pub(crate) fn with(&self, contents: &[Vec<u8>]) -> Result<Vec<u8>, RewriteError> {
        let lengths = self.wanted.iter().map(|wanted| wanted.content.len());
        if !lengths.eq(contents.iter().map(Vec::len)) {
            return Err(RewriteError::Unsupported(
                "the changed driver has another length",
            ));
        }
        let mut new = bytes(self.file, 0..self.tables).to_vec();
        for &number in &self.order {
            let Some(stream) = self.streams.get(number) else {
                continue;
            };
            let start = new.len();
            let entry = self.folders.0 + number * self.folders.1;
            write_field(&mut new, entry, &dword_bytes(start)?);
            if self.is_wanted(number) && stream.size != 0 {
                let packed = self.compress(number, stream, contents)?;
                let count = self.append(&mut new, number, &packed)?;
                write_field(&mut new, entry + 4, &count.to_le_bytes());
                write_field(&mut new, entry + 6, &packed.compression.to_le_bytes());
            } else {
                new.extend(bytes(self.file, stream.region.clone()));
            }
        }
        if new.len() > MAX_CABINET {
            return Err(RewriteError::Unsupported(
                "the new cabinet would be larger than 256 MiB",
            ));
        }
        let length = dword_bytes(new.len())?;
        write_field(&mut new, 8, &length);
        Ok(new)
    }

    fn is_wanted(&self, folder: usize) -> bool {
        self.wanted.iter().any(|wanted| wanted.folder == folder)
    }

    /// Refuses wanted members that are too large or compressed by an unsupported method.
    fn check_wanted(&self) -> Result<(), RewriteError> {
        let mut total = 0_u64;
        for (number, stream) in self.streams.iter().enumerate() {
            if !self.is_wanted(number) {
                continue;
            }
            total = total.saturating_add(stream.size);
            match stream.folder.compression & 0xF {
                0 | 1 | 3 => {}
                2 => {
                    return Err(RewriteError::Unsupported(
                        "the driver in it is compressed by Quantum",
                    ));
                }
                _ => {
                    return Err(RewriteError::Unsupported(
                        "the driver in it is compressed by an unknown method",
                    ));
                }
            }
        }
        let most = to_u64(self.file.len()).saturating_mul(MAX_RATIO);
        if total > MAX_STREAMS.min(most.saturating_add(MAX_MEMBER.into())) {
            return Err(RewriteError::Unsupported(
                "its folders are far too large when decompressed",
            ));
        }
        let large = |wanted: &WantedMember| to_u64(wanted.content.len()) > MAX_MEMBER.into();
        match self.wanted.iter().any(large) {
            true => Err(RewriteError::Unsupported(
                "a driver in it is larger than 16 MiB",
            )),
            false => Ok(()),
        }
    }

    /// Fills in the content of the wanted members, and the hash of everything else.
    fn decompress_wanted(&mut self) -> Result<(), RewriteError> {
        let mut hash = Sha256::new();
        // The tables, except the length of the cabinet, and offset, block count and compression of
        // each folder.
        let (start, size) = self.folders;
        let end = start + size * self.streams.len();
        hash.update(bytes(self.file, 0..8));
        hash.update(bytes(self.file, 12..start));
        for entry in (start..end).step_by(size) {
            hash.update(bytes(self.file, entry + FOLDER_ENTRY..entry + size));
        }
        hash.update(bytes(self.file, end..self.tables));
        let mut wanted = std::mem::take(&mut self.wanted);
        for (number, stream) in self.streams.iter().enumerate() {
            let mut of_folder: Vec<&mut WantedMember> = wanted
                .iter_mut()
                .filter(|wanted| wanted.folder == number)
                .collect();
            if of_folder.is_empty() {
                hash.update(to_u64(stream.region.len()).to_le_bytes());
                hash.update(stream.folder.compression.to_le_bytes());
                hash.update(stream.folder.blocks.to_le_bytes());
                hash.update(bytes(self.file, stream.region.clone()));
                continue;
            }
            hash.update(stream.size.to_le_bytes());
            for &block in &stream.blocks {
                let reserved = block + BLOCK_HEADER;
                hash.update(bytes(self.file, reserved..reserved + self.reserve));
            }
            self.decompress(stream, &mut |at, piece| {
                for wanted in &mut of_folder {
                    let (theirs, its) = overlap(at, piece.len(), wanted);
                    let theirs = piece.get_mut(theirs).unwrap_or_default();
                    if let Some(its) = wanted.content.get_mut(its) {
                        its.copy_from_slice(theirs);
                    }
                    theirs.fill(0);
                }
                hash.update(&*piece);
                Ok(())
            })?;
        }
        self.wanted = wanted;
        self.remainder_hash = hash.finalize().into();
        Ok(())
    }

    /// Passes the stream of a folder to `take` in pieces, each with its offset.
    fn decompress(
        &self,
        stream: &Stream,
        take: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<(), RewriteError> {
        if stream.size == 0 {
            return Ok(());
        }
        let single = self.single(stream);
        let decompressed = catch_panic(|| {
            let mut cabinet = cab::Cabinet::new(io::Cursor::new(single))?;
            let mut reader = cabinet.read_file(STREAM)?;
            let (mut at, mut buffer) = (0_u64, vec![0; MAX_BLOCK.into()]);
            loop {
                let read = reader.read(&mut buffer)?;
                let piece = buffer.get_mut(..read).unwrap_or_default();
                if piece.is_empty() {
                    break;
                }
                take(at, piece)?;
                at = at.saturating_add(to_u64(read));
            }
            match at == stream.size {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        });
        decompressed.map_err(RewriteError::Damaged)
    }

    /// A cabinet with a single member, the stream of this folder, without checksums, which were
    /// checked already, and without reserved bytes.
    fn single(&self, stream: &Stream) -> Vec<u8> {
        let mut blocks = Vec::with_capacity(stream.region.len());
        for &start in &stream.blocks {
            let block = Block::at(self.file, start, self.reserve);
            blocks.extend([0; 4]);
            blocks.extend(bytes(self.file, start + 4..start + BLOCK_HEADER));
            blocks.extend(block.map_or(&[][..], |block| block.data));
        }
        let size = u32::try_from(stream.size).unwrap_or(u32::MAX);
        let single = single_stream_cabinet(stream.folder, 0, stream.folder.blocks, size);
        let mut single = single.header_bytes(to_u64(blocks.len()));
        single.extend(blocks);
        single
    }

    /// Passes the stream of a folder with the new contents to `take`.
    fn decompress_changed(
        &self,
        number: usize,
        stream: &Stream,
        contents: &[Vec<u8>],
        take: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> Result<(), RewriteError> {
        self.decompress(stream, &mut |at, piece| {
            for (wanted, content) in self.wanted.iter().zip(contents) {
                let (theirs, its) = overlap(at, piece.len(), wanted);
                if let (true, Some(theirs), Some(its)) = (
                    wanted.folder == number,
                    piece.get_mut(theirs),
                    content.get(its),
                ) {
                    theirs.copy_from_slice(its);
                }
            }
            take(at, piece)
        })
    }

    /// The stream of this folder with the new contents, compressed by MSZIP.
    fn compress(
        &self,
        number: usize,
        stream: &Stream,
        contents: &[Vec<u8>],
    ) -> Result<CompressedStream, RewriteError> {
        mszip(|member| {
            self.decompress_changed(number, stream, contents, &mut |_, piece| {
                member.write_all(piece)
            })
        })
    }

    /// Appends the blocks of a compressed stream, with the reserved bytes of the old ones and with
    /// checksums. Returns their number.
    fn append(
        &self,
        new: &mut Vec<u8>,
        number: usize,
        packed: &CompressedStream,
    ) -> Result<u16, RewriteError> {
        let damaged = || RewriteError::Damaged("the compressed data can't be read back".to_owned());
        let old = self.streams.get(number).ok_or_else(damaged)?;
        for (number, block) in packed.blocks().enumerate() {
            let same = old
                .blocks
                .get(number)
                .and_then(|&start| Block::at(self.file, start, self.reserve))
                .filter(|same| same.size == block.size);
            let reserved = match same {
                Some(same) => same.reserved,
                None if self.reserve == 0 => &[],
                None => {
                    return Err(RewriteError::Unsupported(
                        "its data blocks have reserved bytes and unusual sizes",
                    ));
                }
            };
            Block { reserved, ..block }.append_to(new, old.without_reserve);
        }
        match self.reserve == 0 || old.blocks.len() == usize::from(packed.count) {
            true => Ok(packed.count),
            false => Err(damaged()),
        }
    }
}

/// The overlap of a piece of the stream at `at` with a member: the range in the piece, and the
/// range in the member.
fn overlap(at: u64, length: usize, wanted: &WantedMember) -> (Range<usize>, Range<usize>) {
    let end = at.saturating_add(to_u64(length));
    let wanted_end = wanted.offset.saturating_add(to_u64(wanted.content.len()));
    let from = at.max(wanted.offset);
    let to = end.min(wanted_end).max(from);
    let within = |start: u64| index(from.saturating_sub(start))..index(to.saturating_sub(start));
    match from < to {
        true => (within(at), within(wanted.offset)),
        false => (0..0, 0..0),
    }
}

fn dword_bytes(number: usize) -> Result<[u8; 4], RewriteError> {
    let number = u32::try_from(number);
    let number = number
        .map_err(|_| RewriteError::Unsupported("the new cabinet would be larger than 256 MiB"))?;
    Ok(number.to_le_bytes())
}

fn write_field(file: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = file.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

#[cfg(test)]
mod tests;
