//! Volume descriptors: ECMA-119, 8.4 and 8.5.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::error::DiscError;
use super::record::{BothOrders16, BothOrders32, Extent, Header, Names};
use super::sector::SECTOR;

/// The identifier of every descriptor of ISO 9660.
pub(super) const ISO: &[u8; 5] = b"CD001";
/// The identifiers of UDF, two versions.
pub(super) const UDF: [&[u8]; 2] = [b"NSR02", b"NSR03"];

pub(super) const PRIMARY: u8 = 1;
pub(super) const SUPPLEMENTARY: u8 = 2;
pub(super) const TERMINATOR: u8 = 255;

/// Offset of the volume size in a descriptor, in bytes; the size is in both byte orders.
pub(crate) const VOLUME_SIZE: u64 = 80;

/// Joliet's escape sequences for names in UCS-2, three levels.
const JOLIET: [&[u8]; 3] = [b"%/@", b"%/C", b"%/E"];

/// A directory tree, and the descriptor that names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    /// The kind of its names.
    pub(crate) names: Names,
    /// The sector of its descriptor.
    pub(crate) descriptor: u32,
    /// The volume size in sectors, according to its descriptor.
    pub(crate) volume_sectors: u32,
    /// The root directory.
    pub(crate) root: Extent,
    /// Its path tables: two byte orders, and an optional second copy of each.
    pub(crate) path_tables: [Extent; 4],
}

/// A primary, supplementary or enhanced descriptor; other kinds share only the first fields.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Descriptor {
    pub(super) kind: u8,
    pub(super) identifier: [u8; 5],
    version: u8,
    _names: [u8; 73],
    volume_sectors: BothOrders32,
    escapes: [u8; 32],
    _set: [BothOrders16; 2],
    block_size: BothOrders16,
    path_table_size: BothOrders32,
    path_tables_little: [U32; 2],
    path_tables_big: [BigU32; 2],
    root: Header,
    _root_name: u8,
    _rest: [u8; SECTOR as usize - 190],
}

type U32 = zerocopy::byteorder::little_endian::U32;
type BigU32 = zerocopy::byteorder::big_endian::U32;

/// Versions of a descriptor; only an enhanced one has the second.
const STANDARD: u8 = 1;
const ENHANCED: u8 = 2;

impl Descriptor {
    /// The tree that it describes.
    pub(super) fn tree(&self, sector: u32) -> Result<Tree, DiscError> {
        let byte_orders = |field: &'static str| DiscError::ByteOrders { sector, field };
        let names = match (self.kind, self.version) {
            (PRIMARY, STANDARD) => Names::Primary,
            (SUPPLEMENTARY, STANDARD) if self.is_joliet() => Names::Joliet,
            (SUPPLEMENTARY, ENHANCED) => Names::Enhanced,
            _ => return Err(DiscError::UnknownDescriptor { sector }),
        };
        let block_size = self.block_size.value().ok_or(byte_orders("block size"))?;
        if u32::from(block_size) != SECTOR {
            return Err(DiscError::BlockSize(block_size));
        }
        let root = self.root.check(sector, 0)?;
        if !root.is_directory() {
            return Err(DiscError::Record {
                sector,
                offset: 156,
            });
        }
        let size = self.path_table_size.value();
        let size = size.ok_or(byte_orders("path table size"))?;
        let table = |start: u32| Extent {
            start,
            // A missing optional table has no start.
            length: if start == 0 { 0 } else { size },
        };
        let [little, optional_little] = self.path_tables_little.map(|start| table(start.get()));
        let [big, optional_big] = self.path_tables_big.map(|start| table(start.get()));
        Ok(Tree {
            names,
            descriptor: sector,
            volume_sectors: self
                .volume_sectors
                .value()
                .ok_or(byte_orders("volume size"))?,
            root: root.extent,
            path_tables: [little, optional_little, big, optional_big],
        })
    }

    fn is_joliet(&self) -> bool {
        JOLIET.iter().any(|escape| self.escapes.starts_with(escape))
    }
}

const _: () = assert!(size_of::<Descriptor>() == SECTOR as usize);
