//! Checks an image before anything in it is changed: everything that its trees name
//! lies inside it without overlap, and only these trees lead to its files.

use std::collections::{BTreeMap, BTreeSet};

use tcplimit_report::is_module;

use crate::archive;
use crate::iso::{self, Entry, Extent, SECTOR, Volume, position};
use crate::patch::refusal::{DiscRefusal, Refusal};
use crate::storage::{self, Part, Storage};

/// An image that can be changed.
pub(super) struct Layout {
    /// The number of sectors that its descriptors state.
    pub(super) volume_sectors: u32,
    /// The sectors of the descriptors that state it.
    pub(super) descriptors: Vec<u32>,
    /// Files named like one of the modules, compressed or not, and cabinets to rewrite
    /// that contain some; in the order of their position on the disc.
    pub(super) drivers: Vec<DriverFile>,
    /// Other cabinets and self-extractors that contain drivers.
    pub(super) archives: Vec<Archive>,
}

/// A file, and all directory records that name it.
pub(super) struct DriverFile {
    /// Its path as Windows shows it.
    pub(super) path: String,
    /// The location of its content.
    pub(super) extent: Extent,
    /// Whether it is a cabinet of several files.
    pub(super) is_cabinet: bool,
    /// The offsets of the records that name it, under any name, in bytes.
    pub(super) records: Vec<u64>,
}

/// A cabinet of several files or a self-extractor on a disc.
#[derive(Debug)]
pub struct Archive {
    /// Its path from the root of the disc.
    pub path: String,
    /// The names of the copies in it.
    pub drivers: Vec<String>,
    /// Whether it is a plain cabinet, which `--cabinets` rewrites.
    pub is_cabinet: bool,
    /// Its offset in the image, in bytes.
    pub(super) start: u64,
}

impl Archive {
    /// Why it is not rewritten.
    pub(in crate::patch) fn reason(&self) -> String {
        match self.is_cabinet {
            true => Refusal::SeveralMembers {
                drivers: self.drivers.clone(),
            }
            .to_string(),
            false => format!(
                "a self-extractor that contains {} and installs the unchanged driver",
                self.drivers.join(" and ")
            ),
        }
    }
}

/// The use of sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SectorUse {
    Descriptors,
    PathTable,
    Directory,
    File,
}

/// Sectors in use: first, end, use, and length in bytes.
type Occupied = (u64, u64, SectorUse, u32);

impl Layout {
    /// Reads all tables of an image, and the sectors that nothing uses. `cabinets`:
    /// whether cabinets of several files are rewritten; `go_on`: whether to continue.
    pub(super) fn read(
        file: &dyn Storage,
        cabinets: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Layout, DiscRefusal> {
        let start = read(file, 0, 1)?;
        if !iso::is_image(file).map_err(|error| damaged(&error))? {
            return Err(DiscRefusal::Damaged("not a disc image".to_owned()));
        }
        if is_partitioned(&start) {
            return Err(DiscRefusal::Partitioned);
        }
        let volume = Volume::read(file)?;
        if volume.has_udf {
            return Err(DiscRefusal::Udf);
        }
        let volume_sectors = volume_size(&volume)?;
        let available = file.length() / u64::from(SECTOR);
        if u64::from(volume_sectors) > available {
            return Err(DiscRefusal::Truncated {
                stated: volume_sectors,
                available,
            });
        }
        let mut occupied = vec![(0, volume.descriptors_end.into(), SectorUse::Descriptors, 0)];
        let mut drivers: BTreeMap<Extent, DriverFile> = BTreeMap::new();
        let mut archives: BTreeMap<Extent, String> = BTreeMap::new();
        let mut fragmented = None;
        for_each_entry(file, &volume, &mut |entry| {
            let usage = match entry.is_directory {
                true => SectorUse::Directory,
                false => SectorUse::File,
            };
            occupy(&mut occupied, entry.extent, usage);
            if entry.is_directory || entry.extent.length == 0 {
                return;
            }
            if is_module(entry.path) {
                if !entry.is_plain {
                    fragmented = Some(entry.path.to_owned());
                }
                drivers.entry(entry.extent).or_insert_with(|| DriverFile {
                    path: entry.path.to_owned(),
                    extent: entry.extent,
                    is_cabinet: false,
                    records: Vec::new(),
                });
            } else if archive::is_archive(entry.path) {
                let path = || entry.path.to_owned();
                archives.entry(entry.extent).or_insert_with(path);
            }
        })?;
        if let Some(path) = fragmented {
            return Err(DiscRefusal::Fragmented(path));
        }
        for tree in &volume.trees {
            for table in tree.path_tables {
                occupy(&mut occupied, table, SectorUse::PathTable);
            }
        }
        occupied.sort_unstable();
        occupied.dedup();
        check_disjoint(file, &volume, &occupied)?;
        check_single_session(file, &occupied, go_on)?;

        let mut others = Vec::new();
        for (extent, path) in archives {
            let content = Part::new(file, position(extent.start), extent.length.into());
            let Some(content) = content else { continue };
            let found = archive::drivers_in(&content);
            if found.is_empty() {
                continue;
            }
            let is_cabinet = is_cabinet(&content);
            if cabinets && is_cabinet {
                drivers.entry(extent).or_insert_with(|| DriverFile {
                    path,
                    extent,
                    is_cabinet: true,
                    records: Vec::new(),
                });
            } else {
                others.push(Archive {
                    path,
                    drivers: found,
                    is_cabinet,
                    start: position(extent.start),
                });
            }
        }

        let mut records: BTreeMap<Extent, BTreeSet<u64>> = BTreeMap::new();
        for_each_entry(file, &volume, &mut |entry| {
            if !entry.is_directory && drivers.contains_key(&entry.extent) {
                records
                    .entry(entry.extent)
                    .or_default()
                    .insert(entry.record);
                if !entry.is_plain {
                    fragmented = Some(entry.path.to_owned());
                }
            }
        })?;
        if let Some(path) = fragmented {
            return Err(DiscRefusal::Fragmented(path));
        }
        for (extent, records) in records {
            if let Some(driver) = drivers.get_mut(&extent) {
                driver.records = records.into_iter().collect();
            }
        }
        Ok(Layout {
            volume_sectors,
            descriptors: volume.trees.iter().map(|tree| tree.descriptor).collect(),
            archives: others,
            drivers: drivers.into_values().collect(),
        })
    }
}

/// Whether it begins with a cabinet, unlike a self-extractor.
fn is_cabinet(content: &dyn Storage) -> bool {
    storage::bytes(content, 0, 4).is_ok_and(|start| tcplimit_report::is_cabinet(&start))
}

fn for_each_entry(
    file: &dyn Storage,
    volume: &Volume,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<(), DiscRefusal> {
    for tree in &volume.trees {
        Volume::walk(file, tree, visit)?;
    }
    Ok(())
}

fn occupy(occupied: &mut Vec<Occupied>, extent: Extent, usage: SectorUse) {
    if extent.length != 0 {
        occupied.push((extent.start.into(), extent.end(), usage, extent.length));
    }
}

/// The size of the volume, which all descriptors must state alike.
fn volume_size(volume: &Volume) -> Result<u32, DiscRefusal> {
    let mut sizes: Vec<u32> = volume
        .trees
        .iter()
        .map(|tree| tree.volume_sectors)
        .collect();
    sizes.dedup();
    match sizes.as_slice() {
        [size] => Ok(*size),
        _ => Err(DiscRefusal::Damaged(
            "its volume descriptors state different sizes".to_owned(),
        )),
    }
}

/// Checks that only equal uses share sectors: otherwise a changed record could
/// change a file. `occupied` is sorted and has no duplicates.
fn check_disjoint(
    file: &dyn Storage,
    volume: &Volume,
    occupied: &[Occupied],
) -> Result<(), DiscRefusal> {
    for pair in occupied.windows(2) {
        if let [first, second] = pair
            && second.0 < first.1
        {
            return Err(DiscRefusal::Overlap {
                first: describe(file, volume, *first),
                second: describe(file, volume, *second),
            });
        }
    }
    Ok(())
}

/// The use of these sectors, for people.
fn describe(file: &dyn Storage, volume: &Volume, (start, end, usage, _): Occupied) -> String {
    match usage {
        SectorUse::Descriptors => return "the volume descriptors".to_owned(),
        SectorUse::PathTable => return "a path table".to_owned(),
        SectorUse::Directory | SectorUse::File => {}
    }
    let mut name = None;
    let _ = for_each_entry(file, volume, &mut |entry| {
        if name.is_none()
            && (u64::from(entry.extent.start), entry.extent.end()) == (start, end)
            && entry.is_directory == (usage == SectorUse::Directory)
        {
            name = Some(match entry.path {
                "" => "the root directory".to_owned(),
                path => path.to_owned(),
            });
        }
    });
    name.unwrap_or_else(|| format!("the content of sector {start}"))
}

/// The number of unused sectors to read at a time.
const STRIDE: u64 = 256;

/// Searches unused sectors for descriptors: of an earlier or later session, or of
/// UDF.
fn check_single_session(
    file: &dyn Storage,
    occupied: &[Occupied],
    go_on: &dyn Fn() -> bool,
) -> Result<(), DiscRefusal> {
    let total = file.length() / u64::from(SECTOR);
    let mut free = 0;
    let ends = occupied.iter().map(|&(start, end, ..)| (start, end));
    for (start, end) in ends.chain([(total, total)]) {
        while free < start {
            let count = (start - free).min(STRIDE);
            let bytes = read(file, free, count)?;
            for (sector, bytes) in (free..).zip(bytes.chunks(SECTOR as usize)) {
                if iso::is_primary_descriptor(bytes) {
                    let sector = u32::try_from(sector).unwrap_or(u32::MAX);
                    return Err(DiscRefusal::SeveralSessions { sector });
                }
                if iso::is_udf_descriptor(bytes) {
                    return Err(DiscRefusal::Udf);
                }
            }
            free += count;
            if !go_on() {
                return Err(DiscRefusal::Interrupted);
            }
        }
        free = free.max(end);
    }
    Ok(())
}

/// Whether the first sector holds a partition table, as on a bootable USB stick: a
/// PC table with a used entry, a GPT, or an Apple partition map.
fn is_partitioned(sector: &[u8]) -> bool {
    const ENTRIES: std::ops::Range<usize> = 446..510;
    let is_pc = sector.get(510..512) == Some(&[0x55, 0xAA])
        && sector
            .get(ENTRIES)
            .is_some_and(|entries| entries.chunks(16).any(|entry| entry.get(4) != Some(&0)));
    let is_gpt = sector.get(512..520) == Some(b"EFI PART");
    let is_apple = sector.starts_with(b"ER") && sector.get(512..514) == Some(b"PM");
    is_pc || is_gpt || is_apple
}

fn read(file: &dyn Storage, sector: u64, count: u64) -> Result<Vec<u8>, DiscRefusal> {
    let (offset, length) = (sector * u64::from(SECTOR), count * u64::from(SECTOR));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    storage::bytes(file, offset, length).map_err(|error| damaged(&error))
}

fn damaged(error: &std::io::Error) -> DiscRefusal {
    DiscRefusal::Damaged(crate::terminal::os_error_text(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_table_needs_all_of_its_marks() {
        let sector = |marks: &[(usize, &[u8])]| {
            let mut sector = [0; 2048];
            for (at, mark) in marks {
                sector[*at..][..mark.len()].copy_from_slice(mark);
            }
            is_partitioned(&sector)
        };
        let signature: (usize, &[u8]) = (510, &[0x55, 0xAA]);
        for entry in [450, 466, 482, 498] {
            assert!(sector(&[signature, (entry, &[7])]), "{entry}");
            assert!(!sector(&[(entry, &[7])]), "{entry}");
        }
        assert!(!sector(&[signature]));
        assert!(sector(&[(512, b"EFI PART")]));
        assert!(!sector(&[(512, b"EFI HALF")]));
        assert!(sector(&[(0, b"ER"), (512, b"PM")]));
        assert!(!sector(&[(0, b"ER")]));
        assert!(!sector(&[(512, b"PM")]));
    }
}
