//! Facts of a file, compared with the builder's.

use proptest::prelude::*;
use scanner_core::{
    Checksum, Evidence, FileFacts, Image, Module, RelocationCoverage, StartUpStore, likely_module,
    locate,
};
use specimen::checksum;
use specimen::{Alignment, Arch, Checksum as Stated, Decoys, Extras, Spec};

use crate::edit::{address, driver, free, put};
use crate::search::{module, of_file, with_image};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn file_facts_match_the_built_specimen(spec: Spec) {
        // Without relocations a file for x86 is refused.
        let relocations = spec.extras.relocations || spec.arch == Arch::X86;
        let spec = Spec { extras: Extras { relocations, ..spec.extras }, ..spec };
        let specimen = spec.build();
        let file = &specimen.file;
        let image = Image::from_file(file).unwrap();
        let located = locate(&image, module(&spec)).unwrap();
        let facts = FileFacts::read(&image, file).unwrap();

        let number = match spec.alignment {
            Alignment::Page => "5.2.3790.3959",
            _ if spec.arch == Arch::X64 => "5.2.3790.3959",
            _ => "5.1.2600.5512",
        };
        let version = facts.version.map(|it| it.to_string());
        prop_assert_eq!(version.as_deref(), spec.extras.version.then_some(number));
        let name = spec.module.file_name();
        let original = facts.original_name.map(|it| it.chars().collect::<String>());
        prop_assert_eq!(original.as_deref(), spec.extras.version.then_some(name));
        if let Some(original) = facts.original_name {
            prop_assert!(original.eq_ignore_ascii_case(&name.to_uppercase()));
            prop_assert!(!original.eq_ignore_ascii_case("tcpip5.sys"));
        }
        let export = spec.extras.export.then_some(spec.module.file_name().as_bytes());
        prop_assert_eq!(facts.export_name, export);

        let field = image.headers().checksum_offset();
        prop_assert_eq!(facts.checksum.computed, checksum::checksum(file, field));
        prop_assert_eq!(facts.checksum.is_right(), spec.extras.checksum == Stated::Correct);

        match StartUpStore::find(&image, &located) {
            StartUpStore::Unique { rva, value_offset, value } => {
                prop_assert_eq!(Some(rva.0), specimen.truth.start_up_store);
                prop_assert_eq!(value, spec.start_up);
                let at = value_offset as usize;
                prop_assert_eq!(&file[at..at + 4], &spec.start_up.to_le_bytes());
            }
            other => prop_assert!(false, "{:?}", other),
        }
        let coverage = RelocationCoverage::measure(&image, &located);
        match spec.arch {
            Arch::X64 => prop_assert_eq!(coverage, None),
            Arch::X86 => {
                let coverage = coverage.unwrap();
                prop_assert_eq!(coverage.needed, 5);
                prop_assert!(coverage.is_full());
            }
        }
    }

    #[test]
    fn the_checksum_is_right_for_any_length_and_place_of_the_field(
        lfanew in 0x40_u8..0xC0,
        tail in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        // Linkers make no odd offset, but loaders accept it.
        let built = driver().file;
        let nt = u32::from_le_bytes(built[0x3C..0x40].try_into().unwrap()) as usize;
        let mut file = built[..usize::from(lfanew)].to_vec();
        file.extend(&built[nt..]);
        file.extend(tail);
        file[0x3C..0x40].copy_from_slice(&u32::from(lfanew).to_le_bytes());
        let headers = scanner_core::Headers::parse(&file).unwrap();
        let checksum = Checksum::compute(&headers, &file);
        if lfanew % 2 == 0 {
            let expected = checksum::checksum(&file, headers.checksum_offset());
            prop_assert_eq!(checksum.computed, expected);
        }
        prop_assert_eq!(checksum.stated, headers.checksum());
    }
}

#[test]
fn start_up_stores_are_counted() {
    for (_, spec) in Spec::presets() {
        let specimen = Spec {
            decoys: Decoys::NONE,
            ..spec.clone()
        }
        .build();
        let image = Image::from_file(&specimen.file).unwrap();
        let located = locate(&image, module(&spec)).unwrap();
        let rva = specimen.truth.start_up_store.unwrap();
        let section = specimen
            .sections
            .iter()
            .find(|s| s.file_offset(rva).is_some())
            .unwrap();
        let at = section.file_offset(rva).unwrap() as usize;

        let mut gone = specimen.file.clone();
        gone[at] = 0x90;
        let image = Image::from_file(&gone).unwrap();
        assert_eq!(StartUpStore::find(&image, &located), StartUpStore::None);

        // A second store of another value, ten bytes before or behind.
        let mut twice = specimen.file.clone();
        let (store, place) = (specimen.file[at..at + 10].to_vec(), at + 10);
        twice[place..place + 10].copy_from_slice(&store);
        if spec.arch == Arch::X64 {
            let distance = i32::from_le_bytes(store[2..6].try_into().unwrap()) - 10;
            twice[place + 2..place + 6].copy_from_slice(&distance.to_le_bytes());
        }
        let image = Image::from_file(&twice).unwrap();
        assert_eq!(StartUpStore::find(&image, &located), StartUpStore::Several);
    }
}

#[test]
fn a_store_in_live_code_is_no_start_up_store() {
    let built = driver();
    let image = Image::from_file(&built.file).unwrap();
    let located = locate(&image, module(&built.spec)).unwrap();
    let before = StartUpStore::find(&image, &located);
    assert!(matches!(before, StartUpStore::Unique { .. }));
    let mut driver = built.clone();
    let threshold = address(&driver, driver.truth.threshold);
    let store = [&[0xC7, 0x05][..], &threshold, &[50, 0, 0, 0]].concat();
    let place = free(&driver)[0];
    put(&mut driver, place, &store);
    let image = Image::from_file(&driver.file).unwrap();
    assert_eq!(StartUpStore::find(&image, &located), before);
}

#[test]
fn an_image_in_memory_has_no_file_facts() {
    let built = driver();
    let loaded = built.load(built.image_base.into());
    with_image(&loaded, |image| {
        let located = locate(image, module(&built.spec)).unwrap();
        assert!(FileFacts::read(image, &built.file).is_none());
        assert_eq!(RelocationCoverage::measure(image, &located), None);
        assert_eq!(StartUpStore::find(image, &located), StartUpStore::None);
    });
}

#[test]
fn fewer_than_fourteen_updates_are_those_of_tcpip6() {
    for updates in [4, 13, 14, 15] {
        let spec = Spec {
            decoys: Decoys::NONE,
            atomics: updates,
            ..Spec::xp_sp3()
        };
        let built = spec.build();
        assert_eq!(built.truth.atomics.len(), usize::from(updates));
        let image = Image::from_file(&built.file).unwrap();
        let located = locate(&image, Module::Tcpip).unwrap();
        let module = likely_module(located.findings());
        assert_eq!(module == Module::Tcpip6, updates < 14, "{updates}");
    }
}

#[test]
fn an_operand_that_is_not_relocated_is_missed() {
    let specimen = Spec::server_2003().build();
    let gate = specimen.truth.gates[0];
    // The operand behind the load's opcode.
    let operand = gate + 1;
    let reloc = specimen.sections.last().unwrap();
    assert!(reloc.name.starts_with(b".reloc"));
    let mut file = specimen.file.clone();
    let entry = (0x3000 | operand & 0xFFF).to_le_bytes();
    let (mut block, mut removed) = (reloc.offset as usize, 0);
    let end = block + reloc.virtual_size as usize;
    while block < end {
        let field = |at: usize| u32::from_le_bytes(specimen.file[at..at + 4].try_into().unwrap());
        let next = block + field(block + 4) as usize;
        for at in (block + 8..next).step_by(2) {
            if field(block) == operand & !0xFFF && file[at..at + 2] == entry[..2] {
                file[at..at + 2].fill(0);
                removed += 1;
            }
        }
        block = next;
    }
    assert_eq!(removed, 1);
    let claimed = module(&specimen.spec);
    let whole = Image::from_file(&specimen.file).unwrap();
    let located = locate(&whole, claimed).unwrap();
    let coverage = RelocationCoverage::measure(&whole, &located).unwrap();
    assert!(coverage.is_full());
    let image = Image::from_file(&file).unwrap();
    let refusal = of_file(&file, claimed);
    assert_eq!(refusal.missing(), [Evidence::Relocated]);
    let coverage = RelocationCoverage::measure(&image, &located).unwrap();
    assert_eq!((coverage.needed, coverage.covered), (5, 4));
    assert!(!coverage.is_full());
}
