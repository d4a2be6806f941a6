//! Small images for the oracle's tests, assembled by hand.

pub(super) const TEXT: u32 = 0x1000;
pub(super) const RDATA: u32 = 0x2000;
pub(super) const DATA: u32 = 0x3000;
pub(super) const TEXT_SIZE: u32 = 0xC00;
pub(super) const TEXT_AT: usize = 0x400;
const RAW: [(u32, u32); 3] = [(0x400, 0xC00), (0x1000, 0x200), (0x1200, 0x200)];

pub(super) const THRESHOLD: u32 = DATA + 0x104;
pub(super) const COUNT: u32 = THRESHOLD + 4;
pub(super) const QUEUE: u32 = THRESHOLD - 4;

const RESIDENT_CODE: u32 = 0x6800_0020;
const RESIDENT_DATA: u32 = 0xC800_0040;

/// A small image under construction.
#[derive(Clone, Debug)]
pub(super) struct TestImage {
    pub(super) bits64: bool,
    base: u64,
    pub(super) bytes: Vec<u8>,
    /// Offsets of the fields that are relocated on x86.
    fields: Vec<u16>,
}

/// The start of the first functions in the exception table, 16 bytes each.
const FUNCTIONS: u32 = TEXT + 0x400;
/// The exception table (x64), or the relocations (x86).
const TABLE: u32 = RDATA + 0x40;

impl TestImage {
    /// A minimal module with all evidence: gates at 100h and 200h.
    pub(super) fn complete(bits64: bool, base: u64) -> Self {
        let mut text = TestImage {
            bits64,
            base,
            bytes: Vec::new(),
            fields: Vec::new(),
        };
        for slot in 0..8 {
            text.op(&[0xFF, 0x15], RDATA + 8 * slot, &[]);
        }
        for function in 0..8 {
            text.call(FUNCTIONS + 16 * function);
        }
        text.gate_at(0x100);
        text.op(&[0x83, 0x3D], QUEUE, &[0]);
        text.gate_at(0x200);
        text.bytes.extend([0x68, 0x82, 0x10, 0x00, 0x80]);
        text.op(&[0xF0, 0xFF, 0x05], COUNT, &[]);
        text.op(&[0xF0, 0xFF, 0x0D], COUNT, &[]);
        let lea = if bits64 {
            &[0x48, 0x8D, 0x05][..]
        } else {
            &[0xB8]
        };
        text.op(lea, COUNT, &[0x83, 0xC9, 0xFF, 0xF0, 0x0F, 0xC1, 0x08]);
        text.op(&[0xFF, 0x05], QUEUE, &[]);
        text.pad_to(0x600);
        text
    }

    /// A direct call.
    pub(super) fn call(&mut self, function: u32) {
        self.bytes.push(0xE8);
        let next = TEXT + u32::try_from(self.bytes.len()).unwrap() + 4;
        self.bytes.extend(function.wrapping_sub(next).to_le_bytes());
    }

    pub(super) fn gate_at(&mut self, offset: usize) {
        self.pad_to(offset);
        self.op(&[0x8B, 0x0D], THRESHOLD, &[]);
        self.op(&[0x39, 0x0D], COUNT, &[]);
        self.bytes.extend([0x7D, 0x10]);
    }

    pub(super) fn pad_to(&mut self, offset: usize) {
        self.bytes.resize(offset, 0x90);
    }

    /// One instruction with the variable's address or distance between `before` and `after`; if
    /// `after` is longer than an immediate byte it holds further instructions.
    pub(super) fn op(&mut self, before: &[u8], rva: u32, after: &[u8]) {
        self.bytes.extend(before);
        let immediate = if after.len() == 1 { 1 } else { 0 };
        let next = TEXT + u32::try_from(self.bytes.len()).unwrap() + 4 + immediate;
        let field = if self.bits64 {
            rva.wrapping_sub(next)
        } else {
            rva + u32::try_from(self.base).unwrap()
        };
        self.fields.push(u16::try_from(self.bytes.len()).unwrap());
        self.bytes.extend(field.to_le_bytes());
        self.bytes.extend(after);
    }

    pub(super) fn file(&self) -> Vec<u8> {
        let mut file = vec![0; 0x1400];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        let (machine, magic, directories): ([u8; 2], [u8; 2], usize) = if self.bits64 {
            ([0x64, 0x86], [0x0B, 2], 112)
        } else {
            ([0x4C, 1], [0x0B, 1], 96)
        };
        put(0, b"MZ");
        put(0x3C, &[0x40]);
        put(0x40, b"PE\0\0");
        put(0x44, &machine);
        put(0x46, &[3]);
        let optional = 0x58;
        let table = optional + directories + 16 * 8;
        put(
            0x54,
            &u16::try_from(table - optional).unwrap().to_le_bytes(),
        );
        put(optional, &magic);
        if self.bits64 {
            put(optional + 24, &self.base.to_le_bytes());
        } else {
            put(
                optional + 28,
                &u32::try_from(self.base).unwrap().to_le_bytes(),
            );
        }
        put(optional + 32, &0x1000_u32.to_le_bytes());
        put(optional + 36, &0x200_u32.to_le_bytes());
        put(optional + 56, &0x4000_u32.to_le_bytes());
        put(optional + 60, &0x400_u32.to_le_bytes());
        put(optional + directories - 4, &[16]);
        put(optional + directories + 12 * 8, &RDATA.to_le_bytes());
        put(optional + directories + 12 * 8 + 4, &0x40_u32.to_le_bytes());
        let sections: [(&[u8], u32, u32, u32); 3] = [
            (b".text", TEXT, TEXT_SIZE, RESIDENT_CODE),
            (b".rdata", RDATA, 0x200, 0x4800_0040),
            (b".data", DATA, 0x800, RESIDENT_DATA),
        ];
        for (index, ((name, rva, size, flags), (raw_at, raw_size))) in
            sections.into_iter().zip(RAW).enumerate()
        {
            let at = table + 40 * index;
            put(at, name);
            for (field, value) in [
                (8, size),
                (12, rva),
                (16, raw_size),
                (20, raw_at),
                (36, flags),
            ] {
                put(at + field, &value.to_le_bytes());
            }
        }
        put(TEXT_AT, &self.bytes);
        let (number, bytes) = self.table();
        let directory = optional + directories + 8 * number;
        put(directory, &TABLE.to_le_bytes());
        put(
            directory + 4,
            &u32::try_from(bytes.len()).unwrap().to_le_bytes(),
        );
        put(RAW[1].0 as usize + 0x40, &bytes);
        file
    }

    /// The index and the bytes of the directory with local evidence.
    fn table(&self) -> (usize, Vec<u8>) {
        if self.bits64 {
            let entries = (0..8).flat_map(|function| {
                let begin = FUNCTIONS + 16 * function;
                [begin, begin + 16, 0].map(u32::to_le_bytes)
            });
            return (3, entries.flatten().collect());
        }
        let size = u32::try_from(8 + 2 * self.fields.len()).unwrap();
        let mut block = [TEXT, size].map(u32::to_le_bytes).concat();
        for field in &self.fields {
            block.extend((3 << 12 | field).to_le_bytes());
        }
        (5, block)
    }

    pub(super) fn section_header(&self, index: usize) -> usize {
        0x58 + if self.bits64 { 112 } else { 96 } + 16 * 8 + 40 * index
    }
}
