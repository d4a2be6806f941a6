//! Disc images: ISO 9660 with Joliet, the format of setup discs.
//!
//! An image is read by position and never as a whole. It stores every position and length twice,
//! in both byte orders; if the two differ, the image is damaged. A walk is bounded in records,
//! directories, depth, and bytes of directories.
//!
//! Read in this order: [`sector`], [`record`] (files and directories), [`descriptor`] (tables),
//! [`tree`] (the walk), this file (the volume).
//!
//! Sources: ECMA-119 (ISO 9660), fourth edition; the Joliet specification,
//! version 1; ECMA-167, part 2 (the volume recognition sequence).

mod descriptor;
mod error;
mod record;
mod sector;
mod tree;

use std::io;

use zerocopy::FromBytes;

use crate::storage::Storage;
use descriptor::{Descriptor, Tree};
use record::Names;

pub(crate) use descriptor::VOLUME_SIZE;
pub(crate) use error::DiscError;
pub(crate) use record::{Extent, RECORD_EXTENT, both_orders};
pub(crate) use sector::{SECTOR, position};
pub(crate) use tree::Entry;

/// The sector of the first volume descriptor.
pub(crate) const FIRST_DESCRIPTOR: u32 = 16;
/// The most descriptors that are read; the standard sets no limit.
const MAX_DESCRIPTORS: u32 = 64;

/// Whether a file is an ISO image with sectors of 2,048 bytes, by its content.
///
/// # Errors
/// If it can't be read.
pub(crate) fn is_image(file: &dyn Storage) -> io::Result<bool> {
    if file.length() <= position(FIRST_DESCRIPTOR + 1) {
        return Ok(false);
    }
    let mut identifier = [0; 5];
    file.read_at(position(FIRST_DESCRIPTOR) + 1, &mut identifier)?;
    Ok(identifier == *descriptor::ISO)
}

/// The volume descriptors of an image.
#[derive(Debug)]
pub(crate) struct Volume {
    /// At least the primary tree, in the order in which Windows prefers them: Joliet first.
    pub(crate) trees: Vec<Tree>,
    /// The first sector after the descriptors.
    pub(crate) descriptors_end: u32,
    /// Whether it has a UDF tree as well.
    pub(crate) has_udf: bool,
}

impl Volume {
    /// Reads the volume descriptors.
    ///
    /// # Errors
    /// If they are damaged.
    pub(crate) fn read(storage: &dyn Storage) -> Result<Volume, DiscError> {
        let mut trees = Vec::new();
        let mut sector = FIRST_DESCRIPTOR;
        loop {
            if sector >= FIRST_DESCRIPTOR + MAX_DESCRIPTORS {
                return Err(DiscError::NoTerminator);
            }
            let bytes = sector::read(storage, sector);
            let bytes = bytes.map_err(|error| DiscError::unreadable(sector, &error))?;
            let descriptor =
                Descriptor::ref_from_bytes(&bytes).map_err(|_| DiscError::NoTerminator)?;
            if descriptor.identifier != *descriptor::ISO {
                return Err(DiscError::NoTerminator);
            }
            sector += 1;
            match descriptor.kind {
                descriptor::TERMINATOR => break,
                descriptor::PRIMARY | descriptor::SUPPLEMENTARY => {
                    trees.push(descriptor.tree(sector - 1)?);
                }
                _ => {}
            }
        }
        trees.sort_by_key(|tree| match tree.names {
            Names::Joliet => 0,
            Names::Enhanced => 1,
            Names::Primary => 2,
        });
        let is_primary = |tree: &&Tree| tree.names == Names::Primary;
        match trees.iter().filter(is_primary).count() {
            0 => return Err(DiscError::NoPrimary),
            1 => {}
            _ => return Err(DiscError::SeveralPrimaries),
        }
        Ok(Volume {
            trees,
            descriptors_end: sector,
            has_udf: has_udf(storage, sector),
        })
    }

    /// Passes each entry of a tree to `visit`, the files of a directory before the entries of its
    /// directories.
    ///
    /// # Errors
    /// If the tree is damaged or exceeds a bound.
    pub(crate) fn walk(
        storage: &dyn Storage,
        tree: &Tree,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(), DiscError> {
        tree::walk(storage, tree, visit)
    }
}

/// Length of a volume recognition sequence after the descriptors, in sectors: three descriptors,
/// and those of boot loaders between them.
const RECOGNITION: u32 = 64;

/// Whether the volume recognition sequence, which continues after the descriptors of ISO 9660,
/// contains that of UDF (ECMA-167, 3/9.1).
fn has_udf(storage: &dyn Storage, from: u32) -> bool {
    (from..from.saturating_add(RECOGNITION)).any(|sector| {
        let mut identifier = [0; 6];
        let read = storage.read_at(position(sector), &mut identifier);
        read.is_ok() && descriptor::UDF.contains(&&identifier[1..])
    })
}

/// Whether a sector is a primary volume descriptor of ISO 9660.
pub(crate) fn is_primary_descriptor(sector: &[u8]) -> bool {
    sector.first() == Some(&descriptor::PRIMARY) && sector.get(1..6) == Some(descriptor::ISO)
}

/// Whether a sector is a descriptor of UDF in a volume recognition sequence.
pub(crate) fn is_udf_descriptor(sector: &[u8]) -> bool {
    sector
        .get(1..6)
        .is_some_and(|identifier| descriptor::UDF.contains(&identifier))
}
