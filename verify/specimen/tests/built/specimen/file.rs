//! A specimen's file as read by an independent PE parser, `object`.

use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{
    ImageNtHeaders, ImageOptionalHeader, ImportTable, PeFile, PeFile32, PeFile64,
};
use specimen::{Alignment, Arch, Checksum, Specimen};

use crate::specimen::listing;

/// Checks everything that the file's structure promises.
pub(crate) fn check(specimen: &Specimen) {
    match specimen.spec.arch {
        Arch::X86 => check_as(
            &PeFile32::parse(&*specimen.file).expect("a PE32 file"),
            specimen,
        ),
        Arch::X64 => check_as(
            &PeFile64::parse(&*specimen.file).expect("a PE32+ file"),
            specimen,
        ),
    }
    assert_eq!(stored_checksum(specimen), expected_checksum(specimen));
}

/// Whether the import address table's directory is there.
pub(crate) fn anchored(specimen: &Specimen) -> bool {
    let number = pe::IMAGE_DIRECTORY_ENTRY_IAT;
    let directory = match specimen.spec.arch {
        Arch::X86 => PeFile32::parse(&*specimen.file)
            .expect("PE32")
            .data_directory(number)
            .copied(),
        Arch::X64 => PeFile64::parse(&*specimen.file)
            .expect("PE32+")
            .data_directory(number)
            .copied(),
    };
    directory.is_some_and(|directory| directory.size.get(LE) != 0)
}

fn check_as<P: ImageNtHeaders>(file: &PeFile<'_, P>, specimen: &Specimen) {
    let optional = file.nt_headers().optional_header();
    let coff = file.nt_headers().file_header();
    let machine = match specimen.spec.arch {
        Arch::X86 => pe::IMAGE_FILE_MACHINE_I386,
        Arch::X64 => pe::IMAGE_FILE_MACHINE_AMD64,
    };
    assert_eq!(coff.machine.get(LE), machine);
    assert_eq!(optional.subsystem(), pe::IMAGE_SUBSYSTEM_NATIVE);
    assert_eq!(
        optional.section_alignment(),
        specimen.spec.alignment.memory()
    );
    assert_eq!(optional.file_alignment(), specimen.spec.alignment.file());
    assert_eq!(optional.image_base(), u64::from(specimen.image_base));
    assert_eq!(optional.size_of_image(), specimen.size_of_image);
    let headers = usize::try_from(optional.size_of_headers()).expect("u32 fits usize");
    assert_eq!(specimen.truth.headers, 0..headers);
    tiles(file, specimen);
    imports(file, specimen);
    let exports = file.export_table().expect("a readable directory");
    let name = exports.as_ref().map(|table| {
        table
            .name_from_pointer(table.directory().name.get(LE))
            .expect("a name")
    });
    let wanted = specimen.spec.module.file_name().as_bytes();
    assert_eq!(name, specimen.spec.extras.export.then_some(wanted));
    if let Some(table) = exports {
        assert_eq!(table.exports().expect("readable exports").len(), 4);
    }
    assert_eq!(
        version_names(file, specimen),
        usize::from(specimen.spec.extras.version) * 2
    );
    relocations(file, specimen);
}

/// Sections follow each other without gap or overlap, in file and memory.
fn tiles<P: ImageNtHeaders>(file: &PeFile<'_, P>, specimen: &Specimen) {
    let alignment = specimen.spec.alignment;
    let headers = file.nt_headers().optional_header().size_of_headers();
    let mut rva = headers.next_multiple_of(alignment.memory());
    let mut offset = headers;
    let table = file.section_table();
    assert_eq!(table.len(), specimen.sections.len());
    for (header, placed) in table.iter().zip(&specimen.sections) {
        assert_eq!(header.name, placed.name);
        assert_eq!(header.characteristics.get(LE).0, placed.flags);
        assert_eq!(header.virtual_size.get(LE), placed.virtual_size);
        assert_eq!((header.virtual_address.get(LE), placed.rva), (rva, rva));
        assert_eq!(
            (header.pointer_to_raw_data.get(LE), placed.offset),
            (offset, offset)
        );
        assert_eq!(header.size_of_raw_data.get(LE), placed.raw_size);
        assert_eq!(placed.raw_size % alignment.file(), 0);
        assert!(alignment == Alignment::Page || rva == offset);
        rva = (rva + placed.virtual_size).next_multiple_of(alignment.memory());
        offset += placed.raw_size;
    }
    assert_eq!(usize::try_from(offset), Ok(specimen.file.len()));
    assert_eq!(rva, specimen.size_of_image);
}

/// The slots in the descriptors match the builder's list and are in the
/// directory of import addresses.
fn imports<P: ImageNtHeaders>(file: &PeFile<'_, P>, specimen: &Specimen) {
    let table = file
        .import_table()
        .expect("readable")
        .expect("an import directory");
    // The addresses are in another section than the descriptors.
    let rdata = listing::section(specimen, b".rdata\0\0");
    let bytes = &specimen.file[rdata.offset as usize..][..rdata.raw_size as usize];
    let addresses = ImportTable::new(bytes, rdata.rva, rdata.rva);
    let mut slots = Vec::new();
    let size = u32::try_from(size_of::<P::ImageThunkData>()).expect("4 or 8");
    let mut descriptors = table.descriptors().expect("descriptors");
    while let Some(descriptor) = descriptors.next().expect("a descriptor") {
        assert!(
            !table
                .name(descriptor.name.get(LE))
                .expect("a name")
                .is_empty()
        );
        let first = descriptor.first_thunk.get(LE);
        let lookups = table
            .thunks(descriptor.original_first_thunk.get(LE))
            .expect("lookups");
        let mut thunks = addresses.thunks(first).expect("thunks");
        assert_eq!(count::<P>(lookups), count::<P>(thunks.clone()));
        let mut slot = first;
        while let Some(thunk) = thunks.next::<P>().expect("a thunk") {
            use object::read::pe::ImageThunkData;
            let (_, name) = table.hint_name(thunk.address()).expect("a name");
            assert!(name.iter().all(u8::is_ascii_alphanumeric) && !name.is_empty());
            slots.push(slot);
            slot += size;
        }
    }
    assert_eq!(slots, specimen.slots);
    if let Some(addresses) = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_IAT)
        && addresses.size.get(LE) != 0
    {
        let start = addresses.virtual_address.get(LE);
        let range = start..start + addresses.size.get(LE);
        assert!(slots.iter().all(|slot| range.contains(slot)));
        assert_eq!(start, specimen.sections[1].rva);
    }
}

fn count<P: ImageNtHeaders>(mut list: object::read::pe::ImportThunkList<'_>) -> usize {
    std::iter::from_fn(|| list.next::<P>().expect("a thunk")).count()
}

/// The number of times the version resource names the module: as the internal
/// and as the original file name.
fn version_names<P: ImageNtHeaders>(file: &PeFile<'_, P>, specimen: &Specimen) -> usize {
    let sections = file.section_table();
    let Some(resources) = file
        .data_directories()
        .resource_directory(&*specimen.file, &sections)
        .expect("readable")
    else {
        return 0;
    };
    let mut directory = resources.root().expect("a root");
    assert_eq!(directory.entries[0].name_or_id().id(), Some(pe::RT_VERSION));
    let leaf = loop {
        assert_eq!(directory.entries.len(), 1);
        use object::read::pe::ResourceDirectoryEntryData::{Data, Table};
        match directory.entries[0].data(resources).expect("an entry") {
            Table(table) => directory = table,
            Data(leaf) => break leaf,
        }
    };
    let size = usize::try_from(leaf.size.get(LE)).expect("u32 fits usize");
    let data = sections
        .pe_data_at(&*specimen.file, leaf.offset_to_data.get(LE))
        .expect("the leaf is in the file");
    let words: Vec<u16> = data[..size]
        .chunks_exact(2)
        .map(|word| u16::from_le_bytes([word[0], word[1]]))
        .collect();
    assert_eq!(usize::from(words[0]), size);
    assert_eq!((words[20], words[21]), (0x04BD, 0xFEEF));
    let name: Vec<u16> = specimen
        .spec
        .module
        .file_name()
        .encode_utf16()
        .chain([0])
        .collect();
    words
        .windows(name.len())
        .filter(|window| *window == name)
        .count()
}

fn relocations<P: ImageNtHeaders>(file: &PeFile<'_, P>, specimen: &Specimen) {
    let kind = match specimen.spec.arch {
        Arch::X86 => pe::IMAGE_REL_BASED_HIGHLOW,
        Arch::X64 => pe::IMAGE_REL_BASED_DIR64,
    };
    let stripped = file.nt_headers().file_header().characteristics.get(LE).0 & 1 != 0;
    assert_eq!(stripped, !specimen.spec.extras.relocations);
    let blocks = file
        .data_directories()
        .relocation_blocks(&*specimen.file, &file.section_table())
        .expect("a readable directory");
    let Some(mut blocks) = blocks else {
        assert!(stripped);
        return;
    };
    let mut covered = Vec::new();
    while let Some(block) = blocks.next().expect("a block") {
        let real = block.filter(|relocation| relocation.typ != pe::IMAGE_REL_BASED_ABSOLUTE);
        covered.extend(real.map(|relocation| {
            assert_eq!(relocation.typ, kind);
            relocation.virtual_address
        }));
    }
    assert_eq!(covered, specimen.pointers);
}

fn stored_checksum(specimen: &Specimen) -> u32 {
    let pe = usize::from(specimen.file[0x3C]);
    u32::from_le_bytes(specimen.file[pe + 88..][..4].try_into().expect("4 bytes"))
}

/// The checksum by its definition: a one's complement sum of 16-bit words,
/// folded once at the end, without the field itself, plus the length.
fn expected_checksum(specimen: &Specimen) -> u32 {
    let field = usize::from(specimen.file[0x3C]) + 88;
    let mut sum: u64 = 0;
    for (offset, byte) in specimen.file.iter().enumerate() {
        if !(field..field + 4).contains(&offset) {
            sum += u64::from(*byte) << (8 * (offset % 2));
        }
    }
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    let correct = u32::try_from(sum + specimen.file.len() as u64).expect("a small file");
    match specimen.spec.extras.checksum {
        Checksum::Correct => correct,
        Checksum::Zero => 0,
        Checksum::Wrong => {
            assert_ne!(stored_checksum(specimen), correct);
            stored_checksum(specimen)
        }
    }
}
