//! Cabinets: `TCPIP.SY_` on setup discs, `driver.cab`, `sp3.cab`.
//!
//! The crate `cab` decompresses. But it trusts a cabinet's tables, opens a member by decompressing
//! everything before it, and identifies members by name. So this module reads and checks the
//! tables, and passes each folder of the cabinet (members compressed as one stream) to `cab` as a
//! cabinet with one member: the stream. It is decompressed once, and `cab` never follows an offset
//! that a hostile file states.
//!
//! Source of all layouts: [MS-CAB], "Structure".

use std::io::{self, Read};

use crate::panic_guard::catch_panic;
use crate::storage::{self, Cursor, Part, Storage};

pub(crate) mod rewrite;
pub(crate) mod single_member;

use single_member::SingleMember;

/// Limit for the size of a member, in bytes; larger ones are no drivers and are not decompressed.
pub(crate) const MAX_MEMBER: u32 = 16 << 20;
/// Limits for the decompressed size of one cabinet, in bytes and as a multiple of its size. Real
/// ones stay far below; decompression bombs don't.
const MAX_TOTAL: u64 = 1 << 30;
const MAX_RATIO: u64 = 64;
/// Largest decompressed size of a data block, in bytes.
const MAX_BLOCK: u16 = 0x8000;
/// Folder numbers from here on mean that the member is partly in another cabinet.
const CONTINUED: u16 = 0xFFFD;

const HAS_PREVIOUS: u16 = 1;
const HAS_NEXT: u16 = 2;

/// A member, as its table entry describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name; folders in it are separated by `\`.
    pub(crate) name: String,
    /// Its size when decompressed, in bytes.
    pub(crate) size: u32,
    /// Date, time and attributes, as in the table.
    pub(crate) stamp: [u8; 6],
    /// Its offset in its folder's stream, in bytes.
    offset: u32,
    folder: u16,
}

/// Members compressed as one stream.
#[derive(Clone, Copy, Debug)]
struct Folder {
    /// Offset of its data blocks in the file.
    start: u32,
    blocks: u16,
    compression: u16,
}

/// Offsets of the tables in the file, in bytes, with the sizes of reserved fields.
#[derive(Clone, Copy, Debug)]
struct TableOffsets {
    flags: u16,
    /// Reserved bytes in the header.
    header_reserve: u16,
    folders: u64,
    /// Reserved bytes in each entry of the table of folders.
    folder_reserve: u8,
    folders_end: u64,
    members: u64,
    members_end: u64,
}

/// The tables of a cabinet.
pub(crate) struct Cabinet<'a> {
    data: &'a dyn Storage,
    /// Reserved bytes in each data block, between its header and its data.
    reserve: u8,
    /// It has reserved fields, or is one of a set.
    has_extensions: bool,
    offsets: TableOffsets,
    folders: Vec<Folder>,
    members: Vec<Member>,
}

impl<'a> Cabinet<'a> {
    /// Reads the tables.
    ///
    /// # Errors
    /// If they are cut short.
    pub(crate) fn new(data: &'a dyn Storage) -> Result<Cabinet<'a>, &'static str> {
        Self::tables(data).ok_or("the cabinet ends before its tables do")
    }

    fn tables(data: &'a dyn Storage) -> Option<Cabinet<'a>> {
        let mut header = Table::new(data, 0);
        header.skip(16)?;
        let first_member = header.u32()?;
        header.skip(6)?;
        let (folder_count, member_count, flags) = (header.u16()?, header.u16()?, header.u16()?);
        header.skip(4)?;
        let (mut header_reserve, mut folder_reserve, mut reserve) = (0, 0, 0);
        if flags & single_member::HAS_RESERVE != 0 {
            header_reserve = header.u16()?;
            folder_reserve = header.u8()?;
            reserve = header.u8()?;
            header.skip(header_reserve.into())?;
        }
        for flag in [HAS_PREVIOUS, HAS_NEXT] {
            if flags & flag != 0 {
                // Name and disc of the neighbouring cabinet.
                header.text()?;
                header.text()?;
            }
        }
        let folders_start = header.at;
        let mut folders = Vec::new();
        for _ in 0..folder_count {
            folders.push(Folder {
                start: header.u32()?,
                blocks: header.u16()?,
                compression: header.u16()?,
            });
            header.skip(folder_reserve.into())?;
        }
        let mut table = Table::new(data, first_member.into());
        let mut members = Vec::new();
        for _ in 0..member_count {
            let (size, offset, folder) = (table.u32()?, table.u32()?, table.u16()?);
            let stamp = table.array()?;
            let name = String::from_utf8_lossy(&table.text()?).into_owned();
            members.push(Member {
                name,
                size,
                stamp,
                offset,
                folder,
            });
        }
        Some(Cabinet {
            data,
            reserve,
            has_extensions: flags & (HAS_PREVIOUS | HAS_NEXT | single_member::HAS_RESERVE) != 0,
            offsets: TableOffsets {
                flags,
                header_reserve,
                folders: folders_start,
                folder_reserve,
                folders_end: header.at,
                members: first_member.into(),
                members_end: table.at,
            },
            folders,
            members,
        })
    }

    /// Number of bytes in the file after the length that the cabinet states ([MS-CAB], CFHEADER,
    /// cbCabinet).
    pub(crate) fn bytes_behind(&self) -> u64 {
        let mut header = Table::new(self.data, 8);
        let stated = header.u32().map_or(0, u64::from);
        self.data.length().saturating_sub(stated)
    }

    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The names of its members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The compression of a member's folder ([MS-CAB], CFFOLDER, typeCompress); 0, stored, if there
    /// is no such folder.
    pub(crate) fn compression(&self, member: &Member) -> u16 {
        let folder = self.folders.get(usize::from(member.folder));
        folder.map_or(0, |folder| folder.compression)
    }

    /// Whether it has reserved fields or a neighbouring cabinet.
    pub(crate) fn has_extensions(&self) -> bool {
        self.has_extensions
    }

    /// Passes the content of each member that `wanted` selects to `visit`, or the reason why it
    /// can't be read.
    pub(crate) fn each(
        &self,
        wanted: impl Fn(&str) -> bool,
        mut visit: impl FnMut(&Member, Result<Vec<u8>, String>),
    ) {
        let most = self
            .data
            .length()
            .saturating_mul(MAX_RATIO)
            .saturating_add(MAX_MEMBER.into());
        let mut budget = most.min(MAX_TOTAL);
        let mut wanted: Vec<&Member> = self
            .members
            .iter()
            .filter(|member| wanted(&member.name))
            .collect();
        wanted.sort_by_key(|member| (member.folder, member.offset));
        for members in wanted.chunk_by(|one, next| one.folder == next.folder) {
            self.each_in_folder(members, &mut budget, &mut visit);
        }
    }

    /// As [`each`](Self::each), for the members of one folder, in the order of their offsets.
    fn each_in_folder(
        &self,
        members: &[&Member],
        budget: &mut u64,
        visit: &mut impl FnMut(&Member, Result<Vec<u8>, String>),
    ) {
        let fits = |member: &Member| match member.end() {
            _ if member.size > MAX_MEMBER => Err(format!("it is larger than {MAX_MEMBER} bytes")),
            end if end > *budget => {
                Err("the cabinet is far too large when decompressed".to_owned())
            }
            end => Ok(end),
        };
        let (mut sound, mut end) = (Vec::new(), 0);
        for member in members {
            match fits(member) {
                Ok(its) => {
                    sound.push(*member);
                    end = its.max(end);
                }
                Err(reason) => visit(member, Err(reason)),
            }
        }
        *budget = budget.saturating_sub(end);
        match self.stream(members, end) {
            Ok(stream) => read(stream, &sound, visit),
            Err(reason) => sound
                .iter()
                .for_each(|member| visit(member, Err(reason.clone()))),
        }
    }

    /// The first data blocks of a folder, up to `end` bytes of the stream, as a cabinet with a
    /// single member.
    fn stream(&self, members: &[&Member], end: u64) -> Result<Stream<'a>, String> {
        let number = members.first().map_or(0, |member| member.folder);
        if number >= CONTINUED {
            return Err("it continues in another cabinet".to_owned());
        }
        let folder = self
            .folders
            .get(usize::from(number))
            .ok_or("it names a folder that the cabinet does not have")?;
        let name = match folder.compression & 0xF {
            0 | 1 | 3 => None,
            2 => Some("Quantum"),
            _ => Some("an unknown method"),
        };
        if let Some(name) = name {
            return Err(format!(
                "it is compressed by {name}, which is not supported"
            ));
        }
        let (blocks, count, size) = self
            .blocks(*folder, end)
            .ok_or("the cabinet ends before its data does, or states impossible sizes")?;
        Ok(Stream {
            header: single_stream_cabinet(*folder, self.reserve, count, size)
                .header_bytes(blocks.length()),
            blocks,
        })
    }

    /// The data blocks with the first `end` bytes of a folder's stream, their number and their
    /// decompressed size in bytes.
    fn blocks(&self, folder: Folder, end: u64) -> Option<(Part<'a>, u16, u32)> {
        let mut table = Table::new(self.data, folder.start.into());
        let (mut count, mut size) = (0_u16, 0_u32);
        while u64::from(size) < end && count < folder.blocks {
            table.skip(4)?;
            let (compressed, decompressed) = (table.u16()?, table.u16()?);
            let stored = folder.compression & 0xF == 0;
            if decompressed == 0
                || decompressed > MAX_BLOCK
                || (stored && compressed != decompressed)
            {
                return None;
            }
            table.skip(u64::from(self.reserve).checked_add(compressed.into())?)?;
            size = size.checked_add(decompressed.into())?;
            count = count.checked_add(1)?;
        }
        let start = u64::from(folder.start);
        let length = table.at.checked_sub(start)?;
        Some((Part::new(self.data, start, length)?, count, size))
    }
}

impl Member {
    fn end(&self) -> u64 {
        u64::from(self.offset).saturating_add(self.size.into())
    }
}

/// The name of the single member; any name works.
const STREAM: &str = "stream";

/// The tables of a cabinet whose single member is a folder's stream.
fn single_stream_cabinet(
    folder: Folder,
    reserve: u8,
    count: u16,
    size: u32,
) -> SingleMember<'static> {
    SingleMember {
        name: STREAM,
        stamp: [0; 6],
        compression: folder.compression,
        reserve,
        count,
        size,
    }
}

/// A cabinet with a single member: new tables, and the data blocks in the original file.
struct Stream<'a> {
    header: Vec<u8>,
    blocks: Part<'a>,
}

impl Storage for Stream<'_> {
    fn length(&self) -> u64 {
        self.header.length().saturating_add(self.blocks.length())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let header = self.header.length();
        let of_header = usize::try_from(header.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (first, rest) = buffer.split_at_mut(of_header.min(buffer.len()));
        if !first.is_empty() {
            self.header.read_at(offset, first)?;
        }
        match rest.is_empty() {
            true => Ok(()),
            // The blocks follow the header.
            false => self.blocks.read_at(offset.saturating_sub(header), rest),
        }
    }
}

/// Reads members from a folder's stream, in the order of their offsets.
fn read(
    stream: Stream<'_>,
    members: &[&Member],
    visit: &mut impl FnMut(&Member, Result<Vec<u8>, String>),
) {
    let mut cabinet = catch_panic(|| cab::Cabinet::new(Cursor::new(stream)));
    let mut reader = match &mut cabinet {
        Ok(cabinet) => catch_panic(|| cabinet.read_file(STREAM)),
        Err(reason) => Err(reason.clone()),
    };
    let mut at = 0;
    for member in members {
        let content = match &mut reader {
            Ok(reader) => catch_panic(|| take(reader, &mut at, member)),
            Err(reason) => Err(reason.clone()),
        };
        visit(member, content);
    }
}

fn take(reader: &mut impl Read, at: &mut u64, member: &Member) -> io::Result<Vec<u8>> {
    let before = u64::from(member.offset)
        .checked_sub(*at)
        .ok_or_else(|| io::Error::other("it overlaps another member"))?;
    *at = at.saturating_add(io::copy(
        &mut reader.by_ref().take(before),
        &mut io::sink(),
    )?);
    let mut content = Vec::new();
    let size = reader
        .by_ref()
        .take(member.size.into())
        .read_to_end(&mut content)?;
    *at = at.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
    if *at == member.end() {
        Ok(content)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Reads the fields of a table, one after the other.
struct Table<'a> {
    data: &'a dyn Storage,
    at: u64,
    /// Bytes read ahead, from offset `start` on.
    ahead: Vec<u8>,
    start: u64,
}

/// Size of a read ahead, in bytes.
const AHEAD: u64 = 4096;
/// Longest text in a cabinet, in bytes ([MS-CAB], CFFILE).
const MAX_TEXT: usize = 256;

impl<'a> Table<'a> {
    fn new(data: &'a dyn Storage, at: u64) -> Table<'a> {
        Table {
            data,
            at,
            ahead: Vec::new(),
            start: at,
        }
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        let end = self.at.checked_add(length)?;
        (end <= self.data.length()).then(|| self.at = end)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let within = |table: &Self| {
            let offset = usize::try_from(table.at.checked_sub(table.start)?).ok()?;
            table.ahead.get(offset..)?.first_chunk().copied()
        };
        let array = match within(self) {
            Some(array) => array,
            None => {
                let left = self.data.length().checked_sub(self.at)?;
                let length = usize::try_from(left.min(AHEAD)).ok()?;
                self.ahead = storage::bytes(self.data, self.at, length).ok()?;
                self.start = self.at;
                within(self)?
            }
        };
        self.skip(u64::try_from(N).ok()?)?;
        Some(array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Up to a zero byte, which is passed over.
    fn text(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            match self.u8()? {
                0 => return Some(text),
                _ if text.len() == MAX_TEXT => return None,
                byte => text.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests;
