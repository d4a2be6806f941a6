//! A small correct PE file in which every part can be broken.

use checker::{Arch, Kind, Report, Violation, check};
use iced_x86::{Decoder, DecoderOptions};

use crate::assembler::{Assembler, RET, RET_8};

pub(crate) const BASE: u64 = 0x1_0000;
/// RVAs of the sections.
pub(crate) const TEXT: u32 = 0x1000;
pub(crate) const RDATA: u32 = 0x2000;
pub(crate) const DATA: u32 = 0x3000;
pub(crate) const RSRC: u32 = 0x4000;
pub(crate) const RELOC: u32 = 0x5000;

/// Offsets of the parts of .rdata; the import address table is first.
const NAMES: usize = 0x100;
pub(crate) const EXTRA: usize = 0xA00;
const RAW: usize = 0x1000;
const HEADERS: usize = 0x400;
/// The file offset of .rdata.
pub(crate) const RAW_RDATA: usize = HEADERS + RAW;
const NT: usize = 0x80;

#[derive(Clone)]
pub(crate) enum Thunk {
    Name(&'static str),
    Ordinal(u16),
}

#[derive(Clone)]
pub(crate) struct Section {
    pub(crate) name: &'static [u8; 8],
    pub(crate) rva: u32,
    pub(crate) virtual_size: u32,
    pub(crate) raw_size: u32,
    pub(crate) flags: u32,
}

/// The description of a file.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) arch: Arch,
    pub(crate) machine: u16,
    pub(crate) characteristics: u16,
    pub(crate) subsystem: u16,
    pub(crate) subsystem_version: (u16, u16),
    pub(crate) system_version: (u16, u16),
    pub(crate) entry: u32,
    pub(crate) text: Vec<u8>,
    /// Relocated pointers in .data.
    pub(crate) pointers: Vec<u64>,
    pub(crate) relocations: Vec<(u32, u16)>,
    /// Whether addresses in code of x86 are relocated, as required.
    pub(crate) relocates_code: bool,
    pub(crate) imports: Vec<(&'static str, Vec<Thunk>)>,
    /// The time stamp of the import descriptors.
    pub(crate) bound: u32,
    /// The types of the debug directory's entries.
    pub(crate) debug: Vec<u32>,
    pub(crate) resources: Vec<(u32, Vec<u8>)>,
    /// Further bytes in .rdata.
    pub(crate) extra: Vec<u8>,
    /// Directories to overwrite at the end.
    pub(crate) directories: Vec<(usize, u32, u32)>,
    pub(crate) sections: Vec<Section>,
}

/// The imports of the test drivers, in the order of their slots.
const IMPORTS: [&str; 5] = [
    "DbgPrint",
    "IoDeleteDevice",
    "IofCompleteRequest",
    "IoDriverObjectType",
    "IoCreateDevice",
];
pub(crate) const DBG_PRINT: u32 = 0;
pub(crate) const IO_DELETE_DEVICE: u32 = 1;
pub(crate) const IOF_COMPLETE_REQUEST: u32 = 2;
pub(crate) const IO_DRIVER_OBJECT_TYPE: u32 = 3;
pub(crate) const IO_CREATE_DEVICE: u32 = 4;

/// A driver for `arch` with that code; its entry point is the first instruction.
pub(crate) fn driver(arch: Arch, code: impl FnOnce(&mut Assembler)) -> Draft {
    draft(Kind::Driver, arch, code)
}

/// A driver that prints something and has an unload routine.
pub(crate) fn plain_driver(arch: Arch) -> Draft {
    driver(arch, plain)
}

pub(crate) fn plain(code: &mut Assembler) {
    match code.arch {
        Arch::X86 => {
            code.emit(b"\x6A\x00"); // push 0
            code.call_import(DBG_PRINT);
            code.emit(b"\x83\xC4\x04"); // add esp,4
            code.emit(b"\x31\xC0"); // xor eax,eax
            code.emit(RET_8);
            code.root();
            code.emit(b"\xFF\x74\x24\x04"); // push dword [esp+4]
            code.call_import(IO_DELETE_DEVICE);
            code.emit(b"\xC2\x04\x00"); // ret 4
        }
        Arch::X64 => {
            code.emit(b"\x48\x83\xEC\x28"); // sub rsp,28h
            code.call_import(DBG_PRINT);
            code.emit(b"\x31\xC0"); // xor eax,eax
            code.emit(b"\x48\x83\xC4\x28"); // add rsp,28h
            code.emit(RET);
            code.root();
            code.jump_to_import(IO_DELETE_DEVICE);
        }
    }
}

pub(crate) fn draft(kind: Kind, arch: Arch, code: impl FnOnce(&mut Assembler)) -> Draft {
    let mut assembler = Assembler::new(arch);
    code(&mut assembler);
    let (text, mut pointers) = assembler.finish();
    // At least one, so that there are relocations.
    pointers.push(BASE + u64::from(TEXT));
    let (machine, version) = match arch {
        Arch::X86 => (0x14C, (5, 1)),
        Arch::X64 => (0x8664, (5, 2)),
    };
    let imports = match kind {
        Kind::Driver => ("ntoskrnl.exe", IMPORTS.map(Thunk::Name).to_vec()),
        Kind::Program | Kind::Window => ("kernel32.dll", vec![Thunk::Name("ExitProcess")]),
    };
    let section = |name, rva, flags| Section {
        name,
        rva,
        virtual_size: 0x1000,
        raw_size: 0x1000,
        flags,
    };
    Draft {
        kind,
        arch,
        machine,
        characteristics: 0x0102,
        subsystem: match kind {
            Kind::Driver => 1,
            Kind::Window => 2,
            Kind::Program => 3,
        },
        subsystem_version: version,
        system_version: version,
        entry: TEXT,
        text,
        pointers,
        relocations: Vec::new(),
        relocates_code: true,
        imports: vec![imports],
        bound: 0,
        debug: vec![16],
        resources: vec![(11, messages()), (16, version_resource())],
        extra: Vec::new(),
        directories: Vec::new(),
        sections: vec![
            section(b".text\0\0\0", TEXT, 0x6000_0020),
            section(b".rdata\0\0", RDATA, 0x4000_0040),
            section(b".data\0\0\0", DATA, 0xC000_0040),
            section(b".rsrc\0\0\0", RSRC, 0x4000_0040),
            section(b".reloc\0\0", RELOC, 0x4200_0040),
        ],
    }
}

/// One block of messages with one empty message.
fn messages() -> Vec<u8> {
    let numbers: [u32; 5] = [1, 0x6000_0001, 0x6000_0001, 16, 8];
    let mut table: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    table.extend([0; 4]);
    table
}

/// The header of a version resource with its fixed part.
fn version_resource() -> Vec<u8> {
    let mut resource = vec![92, 0, 52, 0, 0, 0];
    resource.extend(
        "VS_VERSION_INFO\0"
            .encode_utf16()
            .flat_map(u16::to_le_bytes),
    );
    resource.extend([0; 2]);
    resource.extend(0xFEEF_04BD_u32.to_le_bytes());
    resource.extend([0; 48]);
    resource
}

impl Draft {
    pub(crate) fn report(&self) -> Report {
        self.check().unwrap()
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.check().unwrap_err()
    }

    pub(crate) fn check(&self) -> Result<Report, Vec<Violation>> {
        check(&self.build(), self.kind)
    }

    /// The bytes of the file, with the correct checksum.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut file = vec![0; HEADERS];
        let mut directories = vec![(0, 0); 16];
        let mut rdata = vec![0; RAW];
        directories[1] = (RDATA + 0x80, 0x28);
        self.put_imports(&mut rdata);
        let debug: Vec<u8> = self
            .debug
            .iter()
            .flat_map(|kind| debug_entry(*kind))
            .collect();
        put(&mut rdata, 0x900, &debug);
        if !debug.is_empty() {
            directories[6] = (RDATA + 0x900, size(&debug));
        }
        put(&mut rdata, EXTRA, &self.extra);
        let resources = self.resource_section();
        if !self.resources.is_empty() {
            directories[2] = (RSRC, size(&resources));
        }
        let (data, relocations) = self.pointers_and_relocations();
        if !relocations.is_empty() {
            directories[5] = (RELOC, size(&relocations));
        }
        for &(index, rva, size) in &self.directories {
            directories[index] = (rva, size);
        }
        self.put_headers(&mut file, &directories);
        for part in [&self.text, &rdata, &data, &resources, &relocations] {
            let end = file.len() + RAW;
            file.extend(part);
            assert!(file.len() <= end);
            file.resize(end, 0);
        }
        seal(&mut file);
        file
    }

    fn put_imports(&self, rdata: &mut [u8]) {
        let word = word(self.arch) as usize;
        let (mut slot, mut name) = (0, NAMES);
        let mut descriptor = 0x80;
        for (dll, thunks) in &self.imports {
            let first = RDATA + u32::try_from(slot).unwrap();
            let mut entry = [0, self.bound, 0, 0, first];
            for thunk in thunks {
                let value = match thunk {
                    Thunk::Name(text) => {
                        put(rdata, name + 2, text.as_bytes());
                        let at = u64::from(RDATA) + name as u64;
                        name += text.len() + 3;
                        at
                    }
                    Thunk::Ordinal(ordinal) => 1 << (word * 8 - 1) | u64::from(*ordinal),
                };
                put(rdata, slot, &value.to_le_bytes()[..word]);
                slot += word;
            }
            slot += word;
            put(rdata, name, dll.as_bytes());
            entry[3] = RDATA + u32::try_from(name).unwrap();
            name += dll.len() + 1;
            let bytes: Vec<u8> = entry.into_iter().flat_map(u32::to_le_bytes).collect();
            put(rdata, descriptor, &bytes);
            descriptor += 20;
        }
        assert!(slot <= 0x80 && descriptor <= NAMES - 20 && name < 0x900);
    }

    /// .data with its pointers, and .reloc.
    fn pointers_and_relocations(&self) -> (Vec<u8>, Vec<u8>) {
        let word = word(self.arch);
        let kind = if self.arch == Arch::X86 { 3 } else { 10 };
        let mut data = Vec::new();
        let mut relocations = Vec::new();
        for (&pointer, offset) in self.pointers.iter().zip((0..).step_by(word as usize)) {
            data.extend(&pointer.to_le_bytes()[..word as usize]);
            relocations.push((DATA + offset, kind));
        }
        if self.arch == Arch::X86 && self.relocates_code {
            relocations.extend(operands(&self.text).map(|at| (TEXT + at, kind)));
        }
        relocations.extend(&self.relocations);
        let mut bytes = Vec::new();
        for (at, kind) in relocations {
            // A block for each, padded with an entry of type 0.
            bytes.extend((at & !0xFFF).to_le_bytes());
            bytes.extend(12_u32.to_le_bytes());
            let entry = kind << 12 | u16::try_from(at & 0xFFF).unwrap();
            bytes.extend(entry.to_le_bytes());
            bytes.extend([0; 2]);
        }
        (data, bytes)
    }

    fn resource_section(&self) -> Vec<u8> {
        let mut section = vec![0; RAW];
        let count = u32::try_from(self.resources.len()).unwrap();
        let mut at = 16 + 8 * count;
        let flag = 0x8000_0000;
        put32(&mut section, 12, count << 16);
        for (index, (id, bytes)) in (0..).zip(&self.resources) {
            let entry = 16 + 8 * index;
            put32(&mut section, entry, *id);
            put32(&mut section, entry + 4, at | flag);
            for last in [false, true] {
                put32(&mut section, at + 12, 1 << 16);
                put32(&mut section, at + 16, if last { 0x409 } else { 1 });
                put32(
                    &mut section,
                    at + 20,
                    (at + 24) | if last { 0 } else { flag },
                );
                at += 24;
            }
            put32(&mut section, at, RSRC + at + 16);
            put32(&mut section, at + 4, size(bytes));
            put(&mut section, at as usize + 16, bytes);
            at += 16 + size(bytes).next_multiple_of(4);
        }
        section
    }

    fn put_headers(&self, file: &mut [u8], directories: &[(u32, u32)]) {
        let is_64 = self.arch == Arch::X64;
        let mut header = Vec::new();
        let mut add = |value: u64, bytes: usize| {
            header.extend(u128::from(value).to_le_bytes()[..bytes].iter());
        };
        add(0x4550, 4);
        add(self.machine.into(), 2);
        add(self.sections.len() as u64, 2);
        add(0, 12);
        add(if is_64 { 0xF0 } else { 0xE0 }, 2);
        add(self.characteristics.into(), 2);
        add(if is_64 { 0x20B } else { 0x10B }, 2);
        add(0, 14);
        add(self.entry.into(), 4);
        add(TEXT.into(), 4);
        if is_64 {
            add(BASE, 8);
        } else {
            add(0, 4);
            add(BASE, 4);
        }
        add(0x1000, 4);
        add(0x200, 4);
        let image = (5, 1);
        for (major, minor) in [self.system_version, image, self.subsystem_version] {
            add(major.into(), 2);
            add(minor.into(), 2);
        }
        add(0, 4);
        let last = self.sections.last().unwrap();
        add(
            u64::from(last.rva + last.virtual_size).next_multiple_of(0x1000),
            4,
        );
        add(HEADERS as u64, 4);
        add(0, 4);
        add(self.subsystem.into(), 2);
        add(0, 2);
        for _ in 0..4 {
            add(0x1000, if is_64 { 8 } else { 4 });
        }
        add(0, 4);
        add(16, 4);
        for &(rva, size) in directories {
            add(rva.into(), 4);
            add(size.into(), 4);
        }
        for (section, index) in self.sections.iter().zip(0..) {
            add(u64::from_le_bytes(*section.name), 8);
            add(section.virtual_size.into(), 4);
            add(section.rva.into(), 4);
            add(section.raw_size.into(), 4);
            add((HEADERS + index * RAW) as u64, 4);
            add(0, 8);
            add(0, 4);
            add(section.flags.into(), 4);
        }
        put(file, 0, b"MZ");
        put(file, 0x3C, &[0x80]);
        put(file, NT, &header);
    }
}

/// Writes the correct checksum: of all 16-bit words, folded at the end.
pub(crate) fn seal(file: &mut [u8]) {
    let at = NT + 24 + 64;
    put(file, at, &[0; 4]);
    let mut sum: u64 = file
        .chunks_exact(2)
        .map(|word| u64::from(u16::from_le_bytes([word[0], word[1]])))
        .sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    let sum = u32::try_from(sum).unwrap() + size(file);
    put(file, at, &sum.to_le_bytes());
}

pub(crate) fn word(arch: Arch) -> u32 {
    match arch {
        Arch::X86 => 4,
        Arch::X64 => 8,
    }
}

fn debug_entry(kind: u32) -> Vec<u8> {
    let fields = [0, 0, 0, kind, 0, 0, 0];
    fields.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

fn put32(bytes: &mut [u8], at: u32, value: u32) {
    put(bytes, at as usize, &value.to_le_bytes());
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// The offsets of operands in x86 code that refer to the image.
fn operands(text: &[u8]) -> impl Iterator<Item = u32> {
    let mut decoder = Decoder::new(32, text, DecoderOptions::NONE);
    std::iter::from_fn(move || {
        if !decoder.can_decode() {
            return None;
        }
        let at = decoder.position();
        let instruction = decoder.decode();
        let offset = decoder
            .get_constant_offsets(&instruction)
            .displacement_offset();
        let named = u64::from(instruction.memory_displacement32());
        let is_one = instruction.memory_displ_size() == 4 && (BASE..BASE + 0x6000).contains(&named);
        Some(is_one.then(|| u32::try_from(at + offset).unwrap()))
    })
    .flatten()
}
