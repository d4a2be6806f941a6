//! Disc images built from a description: ISO 9660 as in ECMA-119, optionally
//! with Joliet. Independent of the reader that they test.

use std::collections::{BTreeMap, BTreeSet};

/// Bytes in a sector.
pub const SECTOR: usize = 2048;

/// The contents of a disc.
#[derive(Clone, Debug, Default)]
pub struct Disc {
    /// Paths with `/`, and contents. Equal contents share their sectors.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether there is a Joliet tree, with unshortened names.
    pub joliet: bool,
    /// Whether there is the volume recognition sequence of UDF (without a UDF
    /// tree).
    pub udf: bool,
}

/// A disc image, and the positions of its parts.
#[derive(Clone, Debug)]
pub struct DiscImage {
    /// The image.
    pub image: Vec<u8>,
    /// The first sector of each file.
    pub sectors: BTreeMap<String, usize>,
    /// The offsets of the directory records of each file and directory: in the
    /// primary tree and in the Joliet tree.
    pub records: BTreeMap<String, Vec<usize>>,
    /// The sectors of the descriptors that state the volume's size.
    pub descriptors: Vec<usize>,
}

/// Sectors behind the last file.
const PADDING: usize = 8;

impl Disc {
    /// An image with these files and both trees.
    #[must_use]
    pub fn new(files: &[(&str, &[u8])]) -> Disc {
        let files = files.iter();
        Disc {
            files: files
                .map(|(path, content)| ((*path).to_owned(), content.to_vec()))
                .collect(),
            joliet: true,
            udf: false,
        }
    }

    /// Builds the image.
    #[must_use]
    pub fn build(&self) -> DiscImage {
        let trees: &[bool] = if self.joliet {
            &[false, true]
        } else {
            &[false]
        };
        let mut directories = BTreeSet::from([String::new()]);
        for (path, _) in &self.files {
            let ends = path.match_indices('/').map(|(at, _)| at);
            directories.extend(ends.map(|end| path[..end].to_owned()));
        }
        // A parent comes before its children.
        let directories: Vec<String> = directories.into_iter().collect();
        let descriptors: Vec<usize> = (16..16 + trees.len()).collect();
        let mut next = 16 + trees.len() + 1 + if self.udf { 3 } else { 0 };
        let mut take = |bytes: usize| {
            let start = next;
            next += bytes.div_ceil(SECTOR);
            start
        };

        let mut layouts = Vec::new();
        for &joliet in trees {
            let table = path_table_size(&directories, joliet);
            let tables = [take(table), take(table)];
            let mut places = BTreeMap::new();
            for directory in &directories {
                let size = self.directory_size(directory, &directories, joliet);
                places.insert(directory.clone(), (take(size), size));
            }
            layouts.push((joliet, table, tables, places));
        }
        let mut contents: BTreeMap<&[u8], usize> = BTreeMap::new();
        let mut sectors = BTreeMap::new();
        for (path, content) in &self.files {
            let start = *contents
                .entry(content)
                .or_insert_with(|| take(content.len()));
            sectors.insert(path.clone(), start);
        }
        let total = take(PADDING * SECTOR) + PADDING;

        let mut image = vec![0; total * SECTOR];
        let mut records: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for ((joliet, table, tables, places), descriptor) in layouts.iter().zip(&descriptors) {
            let at = descriptor * SECTOR;
            put(
                &mut image,
                at,
                &self.descriptor(*joliet, total, *table, *tables, places[""]),
            );
            for (table, big) in tables.iter().zip([false, true]) {
                put(
                    &mut image,
                    table * SECTOR,
                    &path_table(&directories, places, *joliet, big),
                );
            }
            for directory in &directories {
                let start = places[directory].0 * SECTOR;
                let parent = parent_of(directory);
                let mut at = start;
                for (name, place) in [(b"\0", places[directory]), (b"\x01", places[parent])] {
                    put(&mut image, at, &record(name, place, true));
                    at += 34;
                }
                for (path, is_directory) in self.children(directory, &directories) {
                    let place = match is_directory {
                        true => places[&path],
                        false => (sectors[&path], self.content(&path).len()),
                    };
                    let bytes = record(&encoded(&path, *joliet, is_directory), place, is_directory);
                    at = fitting(at, bytes.len());
                    records.entry(path).or_default().push(at);
                    put(&mut image, at, &bytes);
                    at += bytes.len();
                }
            }
        }
        let mut sector = 16 + trees.len();
        put(&mut image, sector * SECTOR, b"\xFFCD001\x01");
        if self.udf {
            for identifier in [b"\0BEA01\x01", b"\0NSR02\x01", b"\0TEA01\x01"] {
                sector += 1;
                put(&mut image, sector * SECTOR, identifier);
            }
        }
        for (path, content) in &self.files {
            put(&mut image, sectors[path] * SECTOR, content);
        }
        DiscImage {
            image,
            sectors,
            records,
            descriptors,
        }
    }

    fn content(&self, path: &str) -> &[u8] {
        let found = self.files.iter().find(|(name, _)| name == path);
        found.map_or(&[], |(_, content)| content)
    }

    /// Files and directories in a directory, by name.
    fn children(&self, directory: &str, directories: &[String]) -> Vec<(String, bool)> {
        let within = |path: &&String| !path.is_empty() && parent_of(path) == directory;
        let files = self.files.iter().map(|(path, _)| path);
        let files = files.filter(within).map(|path| (path.clone(), false));
        let directories = directories
            .iter()
            .filter(within)
            .map(|path| (path.clone(), true));
        let mut children: Vec<(String, bool)> = files.chain(directories).collect();
        children.sort();
        children
    }

    fn directory_size(&self, directory: &str, directories: &[String], joliet: bool) -> usize {
        let mut at = 2 * 34;
        for (path, is_directory) in self.children(directory, directories) {
            let length = record(&encoded(&path, joliet, is_directory), (0, 0), is_directory).len();
            at = fitting(at, length) + length;
        }
        at.next_multiple_of(SECTOR)
    }

    fn descriptor(
        &self,
        joliet: bool,
        total: usize,
        table: usize,
        tables: [usize; 2],
        root: (usize, usize),
    ) -> Vec<u8> {
        let mut bytes = vec![0; SECTOR];
        put(&mut bytes, 0, &[if joliet { 2 } else { 1 }]);
        put(&mut bytes, 1, b"CD001\x01");
        put(
            &mut bytes,
            40,
            if joliet { b"\0X\0P\0 \0 " } else { b"XP      " },
        );
        put(&mut bytes, 80, &both(total));
        if joliet {
            put(&mut bytes, 88, b"%/E");
        }
        put(&mut bytes, 120, &[1, 0, 0, 1, 1, 0, 0, 1, 0, 8, 8, 0]);
        put(&mut bytes, 132, &both(table));
        let [little, big] = tables.map(|table| u32::try_from(table).unwrap_or(0));
        put(&mut bytes, 140, &little.to_le_bytes());
        put(&mut bytes, 148, &big.to_be_bytes());
        put(&mut bytes, 156, &record(b"\0", root, true));
        put(&mut bytes, 881, &[1]);
        bytes
    }
}

/// The offset of a record: none crosses a sector boundary.
fn fitting(at: usize, length: usize) -> usize {
    match at % SECTOR + length > SECTOR {
        true => at.next_multiple_of(SECTOR),
        false => at,
    }
}

fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last component of a path as encoded in a record.
fn encoded(path: &str, joliet: bool, is_directory: bool) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = match is_directory {
        true => name.to_owned(),
        false => format!("{name};1"),
    };
    match joliet {
        true => name.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        false => name.to_ascii_uppercase().into_bytes(),
    }
}

fn record(name: &[u8], (start, size): (usize, usize), is_directory: bool) -> Vec<u8> {
    let length = (33 + name.len()).next_multiple_of(2);
    let mut bytes = vec![0; length];
    put(
        &mut bytes,
        0,
        &[u8::try_from(length).expect("a short name")],
    );
    put(&mut bytes, 2, &both(start));
    put(&mut bytes, 10, &both(size));
    // 14 April 2008, noon.
    put(&mut bytes, 18, &[108, 4, 14, 12, 0, 0, 0]);
    put(&mut bytes, 25, &[if is_directory { 2 } else { 0 }]);
    put(&mut bytes, 28, &[1, 0, 0, 1]);
    put(
        &mut bytes,
        32,
        &[u8::try_from(name.len()).expect("a short name")],
    );
    put(&mut bytes, 33, name);
    bytes
}

fn path_table_size(directories: &[String], joliet: bool) -> usize {
    let sizes = directories.iter().map(|path| {
        let name = encoded(path, joliet, true).len().max(1);
        (8 + name).next_multiple_of(2)
    });
    sizes.sum()
}

fn path_table(
    directories: &[String],
    places: &BTreeMap<String, (usize, usize)>,
    joliet: bool,
    big: bool,
) -> Vec<u8> {
    let mut table = Vec::new();
    for path in directories {
        let mut name = encoded(path, joliet, true);
        if path.is_empty() {
            name = vec![0];
        }
        let parent = directories
            .iter()
            .position(|other| other == parent_of(path));
        let parent = u16::try_from(parent.unwrap_or(0) + 1).expect("few directories");
        let start = u32::try_from(places[path].0).expect("a small image");
        table.extend([u8::try_from(name.len()).expect("a short name"), 0]);
        match big {
            true => {
                table.extend(start.to_be_bytes());
                table.extend(parent.to_be_bytes());
            }
            false => {
                table.extend(start.to_le_bytes());
                table.extend(parent.to_le_bytes());
            }
        }
        table.extend(&name);
        table.resize(table.len().next_multiple_of(2), 0);
    }
    table
}

/// A number in both byte orders.
#[must_use]
pub fn both(number: usize) -> [u8; 8] {
    let number = u32::try_from(number).expect("a small image");
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}
