//! Compression of streams by LZX and MSZIP, as in setup files.
//!
//! The crate `lzxc` compresses by LZX. cabextract and Wine's cabinet.dll decompressed 369 of its
//! streams correctly (programs, random bytes, text, and sizes around a block's, with each window).
//! The crate `cab` compresses by MSZIP.
//!
//! Source of all layouts: [MS-CAB], "Structure".

use std::io::{self, Cursor, Write};

use cab::{CabinetBuilder, CompressionType};
use lzxc::{Encoder, MAX_CHUNK_SIZE, WindowSize};

use super::block::{Block, bytes};
use super::layout::{RewriteError, Stream};
use crate::cabinet::single_member::SingleMember;
use crate::cabinet::{Cabinet, STREAM};

/// The low byte of a folder's compression for LZX; the high byte is the binary logarithm of the
/// window size in bytes ([MS-CAB], CFFOLDER).
pub(crate) const LZX: u8 = 3;

/// Longest content for LZX, in bytes. For some content it takes ten times as long as MSZIP, and
/// every driver is shorter.
const LONGEST: usize = 1 << 20;

/// A compressed stream.
#[derive(Debug)]
pub(crate) struct CompressedStream {
    /// Its compression ([MS-CAB], CFFOLDER, typeCompress).
    pub(super) compression: u16,
    /// Number of data blocks.
    pub(super) count: u16,
    /// Their decompressed size in bytes.
    size: u32,
    /// The blocks, one after the other, with checksums and without reserved bytes.
    blocks: Vec<u8>,
}

impl CompressedStream {
    /// Its data blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let block = Block::at(&self.blocks, at, 0)?;
            at = block.end;
            Some(block)
        })
    }

    /// A cabinet with this stream as its single member.
    pub(crate) fn cabinet(&self, name: &str, stamp: [u8; 6]) -> Vec<u8> {
        let single = SingleMember {
            name,
            stamp,
            compression: self.compression,
            reserve: 0,
            count: self.count,
            size: self.size,
        };
        let length = u64::try_from(self.blocks.len()).unwrap_or(u64::MAX);
        [&*single.header_bytes(length), &self.blocks].concat()
    }
}

/// Content compressed by LZX with a window of 2 to the power of `power` bytes; `None` if it must be
/// compressed by MSZIP.
pub(crate) fn lzx(power: u8, content: &[u8]) -> Option<CompressedStream> {
    let window = window(power)?;
    if content.is_empty() || content.len() > LONGEST {
        return None;
    }
    let compressed = Encoder::new(window).encode_stream(content);
    let mut blocks = Vec::new();
    for (data, plain) in compressed.iter().zip(content.chunks(MAX_CHUNK_SIZE)) {
        Block::of(data, plain.len())?.append_to(&mut blocks, false);
    }
    Some(CompressedStream {
        compression: u16::from_le_bytes([LZX, power]),
        count: u16::try_from(compressed.len()).ok()?,
        size: u32::try_from(content.len()).ok()?,
        blocks,
    })
}

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

/// Compresses by MSZIP the bytes that `write` writes.
///
/// # Errors
/// The error of `write`, or if compression fails.
pub(crate) fn mszip(
    write: impl FnOnce(&mut dyn Write) -> Result<(), RewriteError>,
) -> Result<CompressedStream, RewriteError> {
    let failed = |error: io::Error| RewriteError::Damaged(error.to_string());
    let mut builder = CabinetBuilder::new();
    builder.add_folder(CompressionType::MsZip).add_file(STREAM);
    let mut writer = builder.build(Cursor::new(Vec::new())).map_err(failed)?;
    let member = writer.next_file().map_err(failed)?;
    let mut member = member.ok_or(RewriteError::Unsupported("it can't be compressed"))?;
    write(&mut member)?;
    let cabinet = writer.finish().map_err(failed)?.into_inner();

    let damaged = || RewriteError::Damaged("the compressed data can't be read back".to_owned());
    let tables = Cabinet::new(&cabinet).map_err(|_| damaged())?;
    let folder = *tables.folders.first().ok_or_else(damaged)?;
    let stream = Stream::of(&cabinet, folder, 0)?;
    Ok(CompressedStream {
        compression: folder.compression,
        count: folder.blocks,
        size: u32::try_from(stream.size).map_err(|_| damaged())?,
        blocks: bytes(&cabinet, stream.region).to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_content_and_unsupported_windows_are_left_to_mszip() {
        for (power, length) in [(14, 100), (22, 100), (15, 0), (15, LONGEST + 1)] {
            assert!(lzx(power, &vec![0; length]).is_none());
        }
        assert!(lzx(15, &[0; 100]).is_some());
    }
}
