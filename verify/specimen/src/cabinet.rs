//! Cabinets built from a description, with several folders and reserved bytes,
//! as in [MS-CAB]. Independent of the code that they test.

use std::io::{Cursor, Write};

use lzxc::{Encoder, MAX_CHUNK_SIZE, WindowSize};

/// The compression of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// No compression.
    Stored,
    /// MSZIP.
    MsZip,
    /// LZX with a window of 32 KiB.
    Lzx,
}

/// Members compressed as one stream.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The compression.
    pub method: Method,
    /// Names and contents.
    pub members: Vec<(String, Vec<u8>)>,
}

/// A cabinet.
#[derive(Clone, Debug, Default)]
pub struct Cabinet {
    /// Its folders, in order.
    pub folders: Vec<Folder>,
    /// Reserved bytes in the header.
    pub header_reserve: Vec<u8>,
    /// Bytes reserved in the entry of each folder.
    pub folder_reserve: u8,
    /// Bytes reserved in each data block.
    pub block_reserve: u8,
    /// Data blocks without checksums.
    pub no_checksums: bool,
}

impl Folder {
    /// A folder with these members.
    #[must_use]
    pub fn new(method: Method, members: &[(&str, &[u8])]) -> Folder {
        let members = members.iter();
        Folder {
            method,
            members: members
                .map(|(name, content)| ((*name).to_owned(), content.to_vec()))
                .collect(),
        }
    }

    /// The blocks of its stream, compressed.
    fn blocks(&self, stream: &[u8]) -> Vec<Vec<u8>> {
        match self.method {
            Method::Stored => stream.chunks(MAX_CHUNK_SIZE).map(<[u8]>::to_vec).collect(),
            Method::Lzx => Encoder::new(WindowSize::KB32).encode_stream(stream),
            Method::MsZip => mszip(stream),
        }
    }
}

/// The blocks of a stream in a cabinet that the crate `cab` makes.
///
/// # Panics
/// If the crate `cab` can't make the cabinet.
#[must_use]
pub fn mszip(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut builder = cab::CabinetBuilder::new();
    let folder = builder.add_folder(cab::CompressionType::MsZip);
    folder.add_file("a");
    let mut writer = builder.build(Cursor::new(Vec::new())).expect("in memory");
    let mut file = writer.next_file().expect("in memory").expect("one file");
    file.write_all(stream).expect("in memory");
    let packed = writer.finish().expect("in memory").into_inner();
    let count = u16::from_le_bytes([packed[40], packed[41]]);
    let mut at = usize::try_from(u32::from_le_bytes(
        packed[36..40].try_into().expect("4 bytes"),
    ))
    .expect("it fits");
    let mut blocks = Vec::new();
    for _ in 0..count {
        let length = usize::from(u16::from_le_bytes([packed[at + 4], packed[at + 5]]));
        blocks.push(packed[at + 8..at + 8 + length].to_vec());
        at += 8 + length;
    }
    blocks
}

impl Cabinet {
    /// A cabinet with these folders and nothing reserved.
    #[must_use]
    pub fn new(folders: Vec<Folder>) -> Cabinet {
        Cabinet {
            folders,
            ..Cabinet::default()
        }
    }

    /// Builds the file. Dates, attributes and reserved bytes all differ.
    ///
    /// # Panics
    /// If a size does not fit into its field.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let is_reserved = self.header_reserve.len()
            + usize::from(self.folder_reserve.max(self.block_reserve))
            != 0;
        let mut header = b"MSCF".to_vec();
        let members: usize = self.folders.iter().map(|folder| folder.members.len()).sum();
        // The offsets of members and end are filled in later.
        header.extend([0; 20]);
        header.extend([3, 1]);
        header.extend(half(self.folders.len()));
        header.extend(half(members));
        header.extend([u8::from(is_reserved) * 4, 0, 0x34, 0x12, 0, 0]);
        if is_reserved {
            header.extend(half(self.header_reserve.len()));
            header.extend([self.folder_reserve, self.block_reserve]);
            header.extend(&self.header_reserve);
        }
        let entry = 8 + usize::from(self.folder_reserve);
        let first_member = header.len() + entry * self.folders.len();
        let (mut table, mut streams) = (Vec::new(), Vec::new());
        for (number, folder) in self.folders.iter().enumerate() {
            let mut stream = Vec::new();
            for (name, content) in &folder.members {
                let order = u8::try_from(table.len() % 251).expect("a byte");
                table.extend(word(content.len()));
                table.extend(word(stream.len()));
                table.extend(half(number));
                table.extend([order, 0x2D, order, 0x60, 0x20, 0]);
                table.extend(name.bytes());
                table.push(0);
                stream.extend(content);
            }
            streams.push(stream);
        }
        let mut data = Vec::new();
        let (mut folders, first_data) = (Vec::new(), first_member + table.len());
        for (number, (folder, stream)) in self.folders.iter().zip(&streams).enumerate() {
            let blocks = folder.blocks(stream);
            folders.extend(word(first_data + data.len()));
            folders.extend(half(blocks.len()));
            folders.extend(match folder.method {
                Method::Stored => [0, 0],
                Method::MsZip => [1, 0],
                Method::Lzx => [3, 15],
            });
            let mark = u8::try_from(number % 251).expect("a byte");
            folders.extend((0..self.folder_reserve).map(|byte| byte ^ mark ^ 0xA5));
            for (count, (block, plain)) in
                blocks.iter().zip(stream.chunks(MAX_CHUNK_SIZE)).enumerate()
            {
                let mark = u8::try_from(count % 251).expect("a byte");
                let mut sizes = half(block.len()).to_vec();
                sizes.extend(half(plain.len()));
                sizes.extend((0..self.block_reserve).map(|byte| byte ^ mark ^ 0x5A));
                let sum = match self.no_checksums {
                    true => 0,
                    false => checksum(block) ^ checksum(&sizes),
                };
                data.extend(sum.to_le_bytes());
                data.extend(sizes);
                data.extend(block);
            }
        }
        let mut cabinet = [header, folders, table, data].concat();
        let length = word(cabinet.len());
        cabinet[8..12].copy_from_slice(&length);
        cabinet[16..20].copy_from_slice(&word(first_member));
        cabinet
    }
}

/// The checksum of [MS-CAB], byte by byte: each goes to one of four places; of
/// less than four at the end the first goes to the highest.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    let whole = bytes.len() / 4 * 4;
    let places = bytes.iter().enumerate().map(|(at, &byte)| {
        let place = match at < whole {
            true => at % 4,
            false => bytes.len() - 1 - at,
        };
        u32::from(byte) << (8 * place)
    });
    places.fold(0, |sum, place| sum ^ place)
}

fn half(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("it fits").to_le_bytes()
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("it fits").to_le_bytes()
}
