//! The walk through a directory tree.

use std::collections::HashSet;

use super::descriptor::Tree;
use super::error::DiscError;
use super::record::{Extent, Names, records};
use super::sector::{self, SECTOR, position};
use crate::storage::Storage;

/// Depth of directories: the standard allows 8, Joliet sets no limit.
const MAX_DEPTH: usize = 32;
/// Path tables number directories by 16 bits.
const MAX_DIRECTORIES: usize = 65_535;
/// Records in all; a setup disc has some ten thousand.
const MAX_RECORDS: u32 = 1_000_000;
/// Sectors of all directories together.
const MAX_SECTORS: u32 = 131_072;

/// A file or a directory.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Path from the root, with `/`; empty for the root itself.
    pub(crate) path: &'a str,
    /// The extent of its content.
    pub(crate) extent: Extent,
    /// Position of its record in the image, in bytes: for a directory the record in its parent, for
    /// the root the one in the descriptor.
    pub(crate) record: u64,
    /// Whether it is a directory.
    pub(crate) is_directory: bool,
    /// Whether its content is exactly one run of sectors.
    pub(crate) is_plain: bool,
}

/// Offset of the root's record in a descriptor, in bytes.
const ROOT_RECORD: u64 = 156;

pub(super) fn walk(
    storage: &dyn Storage,
    tree: &Tree,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<(), DiscError> {
    let mut walk = Walk {
        storage,
        names: tree.names,
        path: String::new(),
        directories: HashSet::new(),
        records: 0,
        sectors: 0,
        visit,
    };
    let record = position(tree.descriptor) + ROOT_RECORD;
    walk.directory(tree.root, record, 0)
}

struct Walk<'a> {
    storage: &'a dyn Storage,
    names: Names,
    /// Path of the directory that is being read.
    path: String,
    /// First sectors of the directories visited so far.
    directories: HashSet<u32>,
    records: u32,
    sectors: u32,
    visit: &'a mut dyn FnMut(Entry<'_>),
}

impl Walk<'_> {
    fn directory(&mut self, extent: Extent, record: u64, depth: usize) -> Result<(), DiscError> {
        let path = || match self.path.as_str() {
            "" => "the root directory".to_owned(),
            path => path.to_owned(),
        };
        if depth > MAX_DEPTH {
            return Err(DiscError::TooDeep { path: path() });
        }
        if !self.is_inside(extent) {
            return Err(DiscError::Outside { path: path() });
        }
        if !self.directories.insert(extent.start) {
            return Err(DiscError::Loop { path: path() });
        }
        let sectors = extent.length.div_ceil(SECTOR);
        self.sectors = self.sectors.saturating_add(sectors);
        if self.directories.len() > MAX_DIRECTORIES || self.sectors > MAX_SECTORS {
            return Err(DiscError::TooMany);
        }
        (self.visit)(Entry {
            path: &self.path,
            extent,
            record,
            is_directory: true,
            is_plain: true,
        });
        let length = self.path.len();
        for (name, extent, record) in self.files(extent, sectors)? {
            self.push(&name);
            self.directory(extent, record, depth + 1)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    /// Visits the files of a directory, and returns its directories.
    fn files(
        &mut self,
        extent: Extent,
        sectors: u32,
    ) -> Result<Vec<(String, Extent, u64)>, DiscError> {
        let mut directories = Vec::new();
        let length = self.path.len();
        for number in extent.start..extent.start.saturating_add(sectors) {
            let bytes = sector::read(self.storage, number);
            let bytes = bytes.map_err(|error| DiscError::unreadable(number, &error))?;
            for record in records(number, &bytes) {
                let (offset, record) = record?;
                self.records += 1;
                if self.records > MAX_RECORDS {
                    return Err(DiscError::TooMany);
                }
                if record.is_dot() {
                    continue;
                }
                let at = position(number) + u64::try_from(offset).unwrap_or(u64::MAX);
                let name = record.text(self.names);
                let (extent, checked) = (record.checked.extent, record.checked);
                if checked.is_directory() {
                    directories.push((name, extent, at));
                    if directories.len() > MAX_DIRECTORIES {
                        return Err(DiscError::TooMany);
                    }
                    continue;
                }
                self.push(&name);
                // The position of an empty file means nothing.
                if extent.length != 0 && !self.is_inside(extent) {
                    let path = self.path.clone();
                    return Err(DiscError::Outside { path });
                }
                (self.visit)(Entry {
                    path: &self.path,
                    extent,
                    record: at,
                    is_directory: false,
                    is_plain: checked.is_plain(),
                });
                self.path.truncate(length);
            }
        }
        Ok(directories)
    }

    fn push(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
    }

    fn is_inside(&self, extent: Extent) -> bool {
        position(extent.start) + u64::from(extent.length) <= self.storage.length()
    }
}
