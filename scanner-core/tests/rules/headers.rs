//! Images: a typed error for every kind of bad header and missing section.

use scanner_core::{
    Directory, FileFacts, Headers, Image, ImageError, MappedSection, Relocations, Rva,
};
use specimen::{Arch, PlacedSection, Spec};

use crate::edit::driver;
use crate::search::{live_code, module, of_file, truth};

/// A specimen whose header fields can be set by name.
#[derive(Clone)]
struct Victim {
    file: Vec<u8>,
    nt: usize,
    arch: Arch,
}

impl Victim {
    fn of(spec: &Spec) -> Victim {
        let file = spec.build().file;
        let nt = u32::from_le_bytes(file[0x3C..0x40].try_into().unwrap()) as usize;
        Victim {
            file,
            nt,
            arch: spec.arch,
        }
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Victim {
        self.file[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// A field of the file header or, from 24 on, of the optional header.
    fn field(self, offset: usize, bytes: &[u8]) -> Victim {
        let at = self.nt + offset;
        self.put(at, bytes)
    }

    fn directory(self, index: usize, rva: u32, size: u32) -> Victim {
        let first = if self.arch == Arch::X86 {
            24 + 96
        } else {
            24 + 112
        };
        let bytes = [rva.to_le_bytes(), size.to_le_bytes()].concat();
        self.field(first + 8 * index, &bytes)
    }

    fn section(self, index: usize, offset: usize, value: u32) -> Victim {
        let optional = if self.arch == Arch::X86 { 224 } else { 240 };
        self.field(24 + optional + 40 * index + offset, &value.to_le_bytes())
    }

    fn error(&self) -> Option<ImageError> {
        Image::from_file(&self.file).err()
    }
}

const SECTIONS: usize = 6;
const OPTIONAL_SIZE: usize = 20;
const SECTION_ALIGNMENT: usize = 24 + 32;
const FILE_ALIGNMENT: usize = 24 + 36;
const SIZE_OF_IMAGE: usize = 24 + 56;
const SIZE_OF_HEADERS: usize = 24 + 60;
const VIRTUAL_SIZE: usize = 8;
const VIRTUAL_ADDRESS: usize = 12;
const RAW_SIZE: usize = 16;
const RAW_POINTER: usize = 20;

fn both(check: impl Fn(&dyn Fn() -> Victim)) {
    for spec in [
        Spec::server_2003(),
        Spec::xp_x64(),
        Spec::xp_sp3(),
        Spec::tcpip6_x64(),
    ] {
        let victim = Victim::of(&spec);
        check(&|| victim.clone());
    }
}

#[test]
fn files_that_are_no_image_get_their_error() {
    both(|new| {
        assert_eq!(new().error(), None, "the specimen itself is sound");
        assert_eq!(new().put(0, b"ZM").error(), Some(ImageError::NotPe));
        assert_eq!(new().field(0, b"NE\0\0").error(), Some(ImageError::NotPe));
        for lfanew in [0, 1, 0x3C, 0x7FFF_FFFF, 0x8000_0000, u32::MAX - 3, u32::MAX] {
            let victim = new().put(0x3C, &lfanew.to_le_bytes());
            assert_eq!(
                victim.error(),
                Some(ImageError::NotPe),
                "e_lfanew {lfanew:X}"
            );
        }
    });
    assert_eq!(Image::from_file(&[]).err(), Some(ImageError::NotPe));
    assert_eq!(Image::from_file(b"MZ").err(), Some(ImageError::NotPe));
    assert_eq!(
        Image::from_file(b"plain text\n").err(),
        Some(ImageError::NotPe)
    );
}

#[test]
fn other_machines_are_named() {
    // IA64, ARM, Thumb-2, ARM64, MIPS, Alpha, PowerPC.
    let others = [0x200_u16, 0x1C0, 0x1C4, 0xAA64, 0x166, 0x184, 0x1F0];
    both(|new| {
        for machine in others {
            let error = new().field(4, &machine.to_le_bytes()).error();
            assert_eq!(error, Some(ImageError::UnsupportedMachine(machine)));
        }
    });
    // The optional header is for the other machine.
    let swapped = Victim::of(&Spec::xp_sp3()).field(4, &0x8664_u16.to_le_bytes());
    assert_eq!(swapped.error(), Some(ImageError::BadOptionalHeader));
    let swapped = Victim::of(&Spec::xp_x64()).field(4, &0x14C_u16.to_le_bytes());
    assert_eq!(swapped.error(), Some(ImageError::BadOptionalHeader));
}

#[test]
fn an_error_gives_the_number_that_is_wrong() {
    for (error, words) in [
        (ImageError::NotPe, "PE"),
        (ImageError::UnsupportedMachine(0xAA64), "AA64h"),
        (ImageError::BadSectionCount(97), "97"),
        (ImageError::SectionsDontTile(3), "section 3"),
        (ImageError::SectionNotMapped(4), "section 4"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn section_counts_out_of_range_are_refused() {
    both(|new| {
        for count in [0_u16, 97, 255, 65_535] {
            let error = new().field(SECTIONS, &count.to_le_bytes()).error();
            assert_eq!(error, Some(ImageError::BadSectionCount(count)));
        }
        // One too many takes padding for a section; one too few ends early.
        for count in [1_u16, 96] {
            let error = new().field(SECTIONS, &count.to_le_bytes()).error();
            assert!(error.is_some_and(|it| it != ImageError::BadSectionCount(count)));
        }
    });
}

#[test]
fn optional_headers_that_are_too_short_or_too_long_are_refused() {
    both(|new| {
        for size in [0_u16, 1, 2, 95] {
            let error = new().field(OPTIONAL_SIZE, &size.to_le_bytes()).error();
            assert_eq!(error, Some(ImageError::BadOptionalHeader), "{size}");
        }
        let error = new().field(OPTIONAL_SIZE, &u16::MAX.to_le_bytes()).error();
        assert_eq!(error, Some(ImageError::Truncated));
    });
}

#[test]
fn invalid_alignments_are_refused() {
    both(|new| {
        for value in [0_u32, 3, 7, 0x81, 0x1001, 0xFFFF_FFFF] {
            for field in [SECTION_ALIGNMENT, FILE_ALIGNMENT] {
                let error = new().field(field, &value.to_le_bytes()).error();
                assert_eq!(error, Some(ImageError::BadAlignment), "{field} {value:X}");
            }
        }
        for value in [0x2_0000_u32, 0x8000_0000] {
            assert!(
                new()
                    .field(SECTION_ALIGNMENT, &value.to_le_bytes())
                    .error()
                    .is_some()
            );
        }
    });
}

#[test]
fn alignments_fit_each_other() {
    let with = |spec: &Spec, section: u32, file: u32| {
        Victim::of(spec)
            .field(SECTION_ALIGNMENT, &section.to_le_bytes())
            .field(FILE_ALIGNMENT, &file.to_le_bytes())
            .error()
    };
    let one_piece = Spec::xp_sp3();
    let bad = Some(ImageError::BadAlignment);
    for (section, file) in [(8, 8), (1, 1), (0x80, 0x40), (0x40, 0x80), (0x800, 0x200)] {
        assert_eq!(with(&one_piece, section, file), bad, "{section:X} {file:X}");
    }
    assert_ne!(with(&one_piece, 0x10, 0x10), bad);
    let paged = Spec::server_2003();
    assert_eq!(with(&paged, 0x1000, 0x2000), bad);
    for (section, file) in [(0x1000, 0x1000), (0x1000, 0x10), (0x2000, 0x200)] {
        assert_ne!(with(&paged, section, file), bad, "{section:X} {file:X}");
    }
}

#[test]
fn the_headers_are_as_long_as_their_section_table_at_least() {
    both(|new| {
        let victim = new();
        let sections = Headers::parse(&victim.file).unwrap().sections().len();
        let optional = if victim.arch == Arch::X86 { 224 } else { 240 };
        let end = u32::try_from(victim.nt + 24 + optional + 40 * sections).unwrap();
        let parsed = |size: u32| {
            let victim = new().field(SIZE_OF_HEADERS, &size.to_le_bytes());
            Headers::parse(&victim.file).err()
        };
        assert_eq!(parsed(end - 1), Some(ImageError::Truncated));
        assert_eq!(parsed(end), None);
    });
}

#[test]
fn fields_are_read_where_the_format_has_them() {
    both(|new| {
        let victim = new()
            .field(8, &[1, 2, 3, 4])
            .field(24 + 64, &[5, 6, 7, 8])
            .directory(1, 0x1234, 0)
            .directory(5, 0x1234, 0x56);
        let headers = Headers::parse(&victim.file).unwrap();
        assert_eq!(headers.time_date_stamp(), 0x0403_0201);
        assert_eq!(headers.checksum(), 0x0807_0605);
        assert_eq!(headers.checksum_offset(), victim.nt + 24 + 64);
        let relocations = headers.directory(Directory::Relocation);
        assert_eq!(relocations, Some((Rva(0x1234), 0x56)));
        let empty = new().directory(5, 0x1234, 0);
        let headers = Headers::parse(&empty.file).unwrap();
        assert_eq!(headers.directory(Directory::Relocation), None);
        assert!(format!("{headers:?}").contains("image_base"));
        for (subsystem, native) in [(1_u16, true), (0, false), (2, false), (3, false)] {
            let victim = new().field(24 + 68, &subsystem.to_le_bytes());
            let headers = Headers::parse(&victim.file).unwrap();
            assert_eq!(headers.is_native(), native, "{subsystem}");
        }
    });
}

#[test]
fn only_x64_has_an_exception_table() {
    let spec = Spec::server_2003();
    let sections = spec.build().sections;
    let constants = sections.iter().find(|it| it.name.starts_with(b".rdata"));
    let victim = Victim::of(&spec).directory(3, constants.unwrap().rva, 12);
    let headers = Headers::parse(&victim.file).unwrap();
    assert!(headers.directory(Directory::Exception).is_some());
    assert_eq!(headers.exception_table(), None);
}

#[test]
fn sections_that_overlap_leave_gaps_or_wrap_are_refused() {
    both(|new| {
        for index in 0..3 {
            for field in [VIRTUAL_ADDRESS, VIRTUAL_SIZE, RAW_POINTER, RAW_SIZE] {
                for value in [1, 0x40, 0x80, 0x7FFF_FFFF, 0xFFFF_F000, u32::MAX] {
                    let victim = new().section(index, field, value);
                    // A size that rounds up to the same end is allowed; so is, with
                    // an alignment below a page, a smaller one.
                    let harmless = field == VIRTUAL_SIZE && value <= 0x80;
                    assert!(
                        victim.error().is_some() || harmless,
                        "section {index}, field {field}: {value:X}"
                    );
                }
            }
            let empty = new().section(index, VIRTUAL_SIZE, 0).error();
            assert!(
                matches!(empty, Some(ImageError::SectionsDontTile(_))),
                "{empty:?}"
            );
            let shifted = new().section(index, VIRTUAL_ADDRESS, 0);
            let at = u16::try_from(index).unwrap();
            assert_eq!(shifted.error(), Some(ImageError::SectionsDontTile(at)));
        }
    });
}

/// The driver with a section that is one alignment unit shorter, in memory and in
/// the file, where its last bytes stay: a gap. (PAGE, which is not searched; if
/// that has less than a page, the code.)
fn with_gap(spec: &Spec) -> Victim {
    let sections = spec.build().sections;
    let alignment = spec.alignment.memory();
    let long = |name: &[u8]| {
        let named = |it: &PlacedSection| it.name.starts_with(name) && it.virtual_size > alignment;
        sections.iter().position(named)
    };
    let index = long(b"PAGE").or_else(|| long(b".text")).expect("a section");
    let section = sections[index];
    let whole = section.virtual_size.next_multiple_of(alignment);
    Victim::of(spec)
        .section(index, VIRTUAL_SIZE, whole - alignment)
        .section(index, RAW_SIZE, section.raw_size - alignment)
}

#[test]
fn a_gap_is_allowed_only_where_the_file_is_mapped_as_one_piece() {
    // As in update.sys of XP SP3: a section ends at 1F80, the next begins at
    // 2000, with an alignment of 80h.
    for (name, spec) in Spec::presets() {
        let alignment = spec.alignment.memory();
        let gap = with_gap(&spec);
        let claimed = module(&spec);
        match alignment < 0x1000 {
            true => {
                let truth = truth(&spec.build());
                assert_eq!(gap.error(), None, "{name}");
                assert_eq!(of_file(&gap.file, claimed), truth, "{name}");
            }
            false => assert!(
                matches!(gap.error(), Some(ImageError::SectionsDontTile(_))),
                "{name}"
            ),
        }
    }
}

#[test]
fn where_gaps_are_allowed_sections_neither_overlap_nor_move_in_the_file() {
    let spec = Spec::xp_sp3();
    let sections = spec.build().sections;
    let refused = |victim: Victim| matches!(victim.error(), Some(ImageError::SectionsDontTile(_)));
    let last = sections.len() - 1;
    let victim = Victim::of(&spec);
    for (index, section) in sections.iter().enumerate().skip(1) {
        let at = section.rva;
        // Overlapping the section before; off its file offset; off the alignment.
        for rva in [at - 0x80, at + 0x80, at + 0x40, at + 1] {
            let moved = victim.clone().section(index, VIRTUAL_ADDRESS, rva);
            assert!(refused(moved), "{index} {rva:X}");
            let both = victim.clone().section(index, VIRTUAL_ADDRESS, rva).section(
                index,
                RAW_POINTER,
                rva,
            );
            // The last section has no successor to overlap.
            let by_the_end = index == last && rva == at + 0x80;
            assert!(
                refused(both) || by_the_end,
                "{index} {rva:X}, in the file too"
            );
        }
        // A tail that is not in the file.
        let tail = victim
            .clone()
            .section(index, RAW_SIZE, section.virtual_size - 1);
        assert!(refused(tail), "{index}: a zero tail");
    }
}

#[test]
fn in_the_file_sections_follow_each_other() {
    for (name, spec) in Spec::presets() {
        let built = spec.build();
        let alignment = spec.alignment.file();
        let last = built.sections.len() - 1;
        // A gap before the last section: only if it moves in memory as well.
        let mut gap =
            Victim::of(&spec).section(last, RAW_POINTER, built.sections[last].offset + alignment);
        gap.file.resize(gap.file.len() + alignment as usize, 0);
        let index = u16::try_from(last).unwrap();
        let error = Some(ImageError::SectionsDontTile(index));
        assert_eq!(gap.error(), error, "{name}: a gap");
        // Data that overlaps the next section.
        let data = built
            .sections
            .iter()
            .position(|it| it.name.starts_with(b".data"));
        let data = data.unwrap();
        let size = built.sections[data].raw_size + alignment;
        let longer = Victim::of(&spec).section(data, RAW_SIZE, size);
        let index = u16::try_from(data + 1).unwrap();
        let error = Some(ImageError::SectionsDontTile(index));
        assert_eq!(longer.error(), error, "{name}: an overlap");
    }
}

#[test]
fn sections_without_sizes_in_memory_are_those_of_nt_3_1_unless_the_file_is_cut() {
    both(|new| {
        let sections = usize::from(u16::from_le_bytes({
            let victim = new();
            let at = victim.nt + SECTIONS;
            [victim.file[at], victim.file[at + 1]]
        }));
        let old = (0..sections).fold(new(), |victim, index| {
            victim.section(index, VIRTUAL_SIZE, 0)
        });
        assert_eq!(old.error(), Some(ImageError::NoVirtualSizes));
        let cut = &old.file[..old.file.len() - 1];
        assert_eq!(Image::from_file(cut).err(), Some(ImageError::Truncated));
    });
}

#[test]
fn code_is_as_long_in_memory_as_in_the_file_up_to_the_alignment() {
    for (name, spec) in Spec::presets() {
        let specimen = spec.build();
        let alignment = spec.alignment.file();
        let victim = Victim::of(&spec);
        for (index, section) in specimen.sections.iter().enumerate() {
            let code = section.flags & 0x2000_0000 != 0;
            for size in [section.virtual_size - 1, section.virtual_size + 1] {
                let resized = victim.clone().section(index, VIRTUAL_SIZE, size);
                let same = size.div_ceil(alignment) * alignment == section.raw_size;
                let refused = matches!(resized.error(), Some(ImageError::SectionsDontTile(_)));
                // The section's number of pages may change as well.
                assert!(refused || same || !code, "{name}, {index}: {size:X}");
            }
            let size = section.virtual_size.saturating_sub(alignment).max(1);
            let shorter = victim.clone().section(index, VIRTUAL_SIZE, size);
            let refused = shorter.error().is_some();
            assert!(refused || !code || size == 1, "{name}, {index}: {size:X}");
        }
    }
}

#[test]
fn sizes_that_contradict_the_sections_are_refused() {
    both(|new| {
        for value in [0_u32, 1, 0x1000, 0x7FFF_F000, 0xFFFF_F000, u32::MAX] {
            let bytes = value.to_le_bytes();
            let image = new().field(SIZE_OF_IMAGE, &bytes).error();
            assert!(
                matches!(image, Some(ImageError::BadImageSize | ImageError::BadBase)),
                "{value:X}: {image:?}"
            );
            assert!(new().field(SIZE_OF_HEADERS, &bytes).error().is_some());
        }
    });
}

#[test]
fn an_invalid_base_is_refused() {
    both(|new| {
        // A byte and a page behind a multiple of 64 KiB.
        for odd in [[1, 0], [0, 0x10]] {
            let victim = new();
            let base = if victim.arch == Arch::X86 {
                24 + 28
            } else {
                24 + 24
            };
            assert_eq!(victim.field(base, &odd).error(), Some(ImageError::BadBase));
        }
    });
    // 64 KiB below 4 GiB, with a longer image.
    let large = Victim::of(&Spec::server_2003().with_text_kib(64));
    let error = large.field(24 + 28, &0xFFFF_0000_u32.to_le_bytes()).error();
    assert_eq!(error, Some(ImageError::BadBase));
}

#[test]
fn cut_at_every_length_it_never_panics() {
    both(|new| {
        let victim = new();
        let cut = |length: usize| Image::from_file(&victim.file[..length]).err();
        for length in 0..victim.file.len() {
            assert!(cut(length).is_some(), "{length} bytes");
        }
        assert_eq!(cut(victim.file.len()), None);
        assert_eq!(cut(victim.file.len() - 1), Some(ImageError::Truncated));
    });
}

#[test]
fn directories_that_point_at_themselves_or_nowhere_end() {
    both(|new| {
        let places = [0_u32, 1, 0x1000, 0x7FFF_FFFF, u32::MAX - 7, u32::MAX];
        for index in [0, 2, 5, 12] {
            for rva in places {
                for size in places {
                    let victim = new().directory(index, rva, size);
                    let image = Image::from_file(&victim.file).unwrap();
                    let entries = Relocations::new(&image).count();
                    assert!(entries <= victim.file.len() / 2);
                    assert!(FileFacts::read(&image, &victim.file).is_some());
                }
            }
        }
        // A resource directory whose offsets all lead to its beginning.
        let victim = new();
        let image = Image::from_file(&victim.file).unwrap();
        let (start, length) = {
            let section = image
                .headers()
                .sections()
                .find(|s| s.name() == b".rsrc")
                .unwrap();
            (section.file_offset() as usize, section.raw_size() as usize)
        };
        for filler in [0x00, 0x01, 0x10, 0x80, 0xFF] {
            let mut file = victim.file.clone();
            file[start..start + length].fill(filler);
            let image = Image::from_file(&file).unwrap();
            let facts = FileFacts::read(&image, &file).unwrap();
            assert_eq!(facts.version, None);
        }
    });
}

#[test]
fn in_memory_the_size_fits_and_all_code_is_there() {
    let driver = driver();
    let loaded = driver.load(0xF7A3_B000);
    let code = live_code(&loaded);
    let error = |size: u32, code: &[MappedSection<'_>]| {
        Image::from_memory(&loaded.headers, loaded.base, size, code).err()
    };
    assert_eq!(error(loaded.size, &code), None);
    for size in [loaded.size + 0x1000, loaded.size - 0x1000, 0, u32::MAX] {
        assert_eq!(
            error(size, &code),
            Some(ImageError::BadImageSize),
            "{size:X}"
        );
    }
    // Exact, or rounded up to pages.
    let pages = loaded.size.next_multiple_of(0x1000);
    assert_eq!(error(pages, &code), None);
    for base in [1, 0x10, 0x800] {
        let base = loaded.base + base;
        let image = Image::from_memory(&loaded.headers, base, loaded.size, &code);
        assert_eq!(image.err(), Some(ImageError::BadBase), "{base:X}");
    }
    let missing = Some(ImageError::SectionNotMapped(0));
    assert_eq!(error(loaded.size, &[]), missing);
    let mut cut = code[0];
    cut.bytes = &cut.bytes[1..];
    assert_eq!(error(loaded.size, &[cut]), missing);
}
