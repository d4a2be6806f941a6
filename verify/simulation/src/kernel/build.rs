//! The modules that can be loaded: specimens, whole or without a fact, and
//! malformed images. Each has its required verdict, known from its construction.

use std::sync::{Arc, LazyLock, OnceLock};

use tcplimit_protocol::Reason;

use specimen::{Arch, Decoys, Defect, Loaded, Module, PlacedSection, Spec, Specimen};

/// Bytes of a page.
pub const PAGE: u32 = 0x1000;
/// Filler code of each build: the least that leaves a page of only code.
const TEXT_KIB: u16 = 8;

/// A module's file, and its image in memory.
#[derive(Debug)]
pub struct Build {
    /// The name in reports.
    pub name: String,
    /// The specimen.
    pub specimen: Specimen,
    /// Whether its limit is located when loaded as its own module, or why not.
    pub located: Result<(), Reason>,
    /// A false length in the driver object.
    pub stated_size: Option<u32>,
    /// Its sections, by its headers.
    pub sections: Vec<PlacedSection>,
    /// A change to the image in memory.
    edit: fn(&Specimen, &mut FlatImage),
    images: [OnceLock<Arc<Vec<u8>>>; BASES],
}

/// A module in memory, from its first byte to its last.
#[derive(Debug)]
struct FlatImage {
    base: u64,
    bytes: Vec<u8>,
}

/// The number of bases: eight for each processor.
const BASES: usize = 16;

/// A place for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The address layout.
    pub layout: AddressLayout,
    /// The module.
    pub module: Module,
    /// The second base, after a reload.
    pub moved: bool,
}

/// One of two layouts that differ only in the modules' bases. Answers must not
/// depend on it, since they contain no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressLayout {
    /// The first layout.
    First,
    /// The second layout.
    Second,
}

impl Site {
    fn index(self) -> usize {
        usize::from(self.layout == AddressLayout::Second) * 4
            + usize::from(self.module == Module::Tcpip6) * 2
            + usize::from(self.moved)
    }

    /// The base. The bases of the two layouts have no significant byte in
    /// common.
    pub fn base(self, arch: Arch) -> u64 {
        match arch {
            Arch::X86 => [
                0xF7A3_B000,
                0xB2C5_D000,
                0xF9E1_4000,
                0xA8D7_6000,
                0x8056_7000,
                0xE394_2000,
                0x9C68_9000,
                0xD41A_8000,
            ][self.index()],
            Arch::X64 => [
                0xFFFF_FADF_E1A2_3000,
                0xFFFF_FADF_C3B4_5000,
                0xFFFF_FADF_A5C6_7000,
                0xFFFF_FADF_87D8_9000,
                0xFFFF_F880_0123_4000,
                0xFFFF_F880_0345_6000,
                0xFFFF_F880_0567_8000,
                0xFFFF_F880_0789_A000,
            ][self.index()],
        }
    }
}

impl Build {
    fn new(name: impl Into<String>, spec: Spec, located: Result<(), Reason>) -> Build {
        Build::from_spec(name, &spec.with_text_kib(TEXT_KIB), located)
    }

    fn from_spec(name: impl Into<String>, spec: &Spec, located: Result<(), Reason>) -> Build {
        let specimen = spec.build();
        Build {
            name: name.into(),
            located,
            stated_size: None,
            sections: specimen.sections.clone(),
            specimen,
            edit: |_, _| (),
            images: Default::default(),
        }
    }

    fn edited(mut self, edit: fn(&Specimen, &mut FlatImage)) -> Build {
        self.edit = edit;
        self
    }

    /// The image in memory at a site; discarded sections are zero.
    pub fn image(&self, site: Site, arch: Arch) -> Arc<Vec<u8>> {
        let place = site.index() + if arch == Arch::X64 { BASES / 2 } else { 0 };
        let image = self.images[place].get_or_init(|| {
            let loaded = self.specimen.load(site.base(arch));
            let mut flat = FlatImage::new(&loaded);
            (self.edit)(&self.specimen, &mut flat);
            Arc::new(flat.bytes)
        });
        Arc::clone(image)
    }

    /// SizeOfImage in whole pages.
    pub fn pages(&self) -> u32 {
        self.specimen.size_of_image.div_ceil(PAGE)
    }

    /// The required verdict when loaded as a module of a system.
    pub fn verdict(&self, arch: Arch, module: Module) -> Result<(), Reason> {
        match (self.located, self.specimen.spec.arch, arch) {
            // The headers don't even name a processor.
            (located @ Err(Reason::NotAnImage | Reason::WrongMachine), ..) => return located,
            // An x86 image can't have an x64 module's base.
            (_, Arch::X86, Arch::X64) => return Err(Reason::Inconsistent),
            (_, Arch::X64, Arch::X86) => return Err(Reason::WrongMachine),
            _ => {}
        }
        let spec = &self.specimen.spec;
        match self.located {
            located if spec.module == module => located,
            // Only the event distinguishes the two modules, and this build has
            // the other's.
            _ if spec.defect == Some(Defect::NoEventId) => Ok(()),
            Ok(()) | Err(Reason::Ambiguous) => Err(Reason::EvidenceMissing),
            located => located,
        }
    }
}

impl FlatImage {
    fn new(loaded: &Loaded) -> FlatImage {
        let length = loaded.size.next_multiple_of(PAGE);
        let mut flat = FlatImage {
            base: loaded.base,
            bytes: vec![0; index(length)],
        };
        flat.put(0, &loaded.headers);
        for section in &loaded.sections {
            flat.put(section.rva, &section.bytes);
        }
        flat
    }

    fn put(&mut self, rva: u32, bytes: &[u8]) {
        self.bytes[index(rva)..][..bytes.len()].copy_from_slice(bytes);
    }
}

/// All builds, sound ones first.
pub fn all() -> &'static [Build] {
    &ALL
}

/// The build of that name.
pub fn named(name: &str) -> usize {
    let found = ALL.iter().position(|build| build.name == name);
    found.unwrap_or_else(|| panic!("no build {name}"))
}

/// The builds whose limit is located as this module of such a system.
pub fn sound(arch: Arch, module: Module) -> impl Iterator<Item = usize> {
    let builds = ALL.iter().enumerate();
    builds
        .filter(move |(_, build)| build.verdict(arch, module).is_ok())
        .map(|(index, _)| index)
}

static ALL: LazyLock<Vec<Build>> = LazyLock::new(|| {
    let mut builds = Vec::new();
    for (name, spec) in Spec::presets() {
        builds.push(Build::new(name, spec.clone(), Ok(())));
        let other = Spec {
            seed: spec.seed + 1,
            ..spec
        };
        builds.push(Build::new(format!("{name}-later"), other, Ok(())));
    }
    builds.push(impostor());
    for (name, spec) in Spec::presets() {
        for defect in Defect::ALL {
            builds.extend(defective(name, &spec, defect));
        }
    }
    builds.extend(headers());
    builds.push(candidates());
    builds
});

/// A build with the identity of another, sound one.
fn impostor() -> Build {
    let spec = Spec::server_2003();
    let genuine = spec.clone().with_text_kib(TEXT_KIB).build();
    let fits = |build: &Build| {
        build.specimen.size_of_image == genuine.size_of_image
            && build.specimen.truth.threshold != genuine.truth.threshold
    };
    let mut build = (1..)
        .map(|seed| Spec {
            seed,
            ..spec.clone()
        })
        .map(|spec| Build::new("impostor", spec, Ok(())))
        .find(fits)
        .expect("some seed gives the same size");
    build.edit = |_, flat| {
        let genuine = &ALL[named("tcpip-2003-sp2-x86")].specimen.file;
        for field in [TIME_DATE_STAMP, CHECKSUM] {
            flat.put(field, &genuine[index(field)..][..4]);
        }
    };
    build
}

/// The build without one required fact, if the driver's reason follows from it.
fn defective(name: &str, spec: &Spec, defect: Defect) -> Option<Build> {
    let reason = match defect {
        Defect::SecondCandidate => Reason::Ambiguous,
        Defect::GatesPageable | Defect::UnsignedJumps => Reason::NoGate,
        // In memory the shifted operands are unpredictable.
        Defect::SwappedBase => return None,
        _ => Reason::EvidenceMissing,
    };
    let spec = Spec {
        decoys: Decoys::NONE,
        defect: Some(defect),
        ..spec.clone()
    };
    Some(Build::new(format!("{name}-{defect:?}"), spec, Err(reason)))
}

/// Offsets in the builder's headers: e_lfanew is D8h.
const MACHINE: u32 = 0xD8 + 4;
const TIME_DATE_STAMP: u32 = 0xD8 + 8;
const CHECKSUM: u32 = 0xD8 + 24 + 64;

/// Builds with invalid or contradictory headers.
fn headers() -> Vec<Build> {
    let of = |name, reason| Build::new(name, Spec::server_2003(), Err(reason));
    let mut shorter = of("shorter than it says", Reason::Inconsistent);
    shorter.stated_size = Some(shorter.specimen.size_of_image - PAGE);
    let mut sections = of("five code sections", Reason::TooManySections);
    for (number, section) in sections.sections.iter_mut().enumerate() {
        if section.name.starts_with(b"PAGE") || section.name.starts_with(b".eda") {
            section.name = *b"code0\0\0\0";
            section.name[4] += u8::try_from(number).unwrap_or(0);
            section.flags = 0x6800_0020;
        }
    }
    vec![
        of("no headers", Reason::NotAnImage).edited(|_, flat| flat.bytes[..0x1000].fill(0)),
        of("for ARM", Reason::WrongMachine).edited(|_, flat| flat.put(MACHINE, &[0xC0, 1])),
        of("a section elsewhere", Reason::Inconsistent)
            .edited(|specimen, flat| flat.put(section_header(specimen, 2) + 12, &[0, 0x10, 0, 1])),
        shorter,
        sections.edited(|specimen, flat| {
            let all = &ALL[named("five code sections")].sections;
            for (number, section) in (0..).zip(all) {
                let header = section_header(specimen, number);
                flat.put(header, &section.name);
                flat.put(header + 36, &section.flags.to_le_bytes());
            }
        }),
    ]
}

/// The offset of a section's header.
pub(super) fn section_header(specimen: &Specimen, number: u32) -> u32 {
    let optional_size = match specimen.spec.arch {
        Arch::X86 => 0xE0,
        Arch::X64 => 0xF0,
    };
    0xD8 + 24 + optional_size + number * 40
}

/// A build with more candidates than the locator accepts.
fn candidates() -> Build {
    let spec = Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_sp3()
    };
    // Large enough for these variables.
    let spec = spec.with_text_kib(64);
    Build::from_spec("fourteen candidates", &spec, Err(Reason::TooManyCandidates)).edited(
        |specimen, flat| {
            let [text, data] = [b".text", b".data"].map(|name| {
                let named = |section: &&PlacedSection| section.name.starts_with(name);
                specimen.sections.iter().find(named).expect("a section")
            });
            let to_rva = |offset: usize| u32::try_from(offset).expect("a small file");
            let is_free = |at: &u32| {
                let evidence = specimen.truth.evidence.iter();
                let mut rvas = evidence.map(|used| to_rva(used.start)..to_rva(used.end));
                !rvas.any(|used| used.start < at + 64 && *at < used.end)
            };
            // File offsets of this alignment are RVAs.
            let places = (text.rva..text.rva + text.virtual_size - 64).step_by(64);
            let pairs = (data.rva..specimen.truth.queue - 8).step_by(8);
            let chosen: Vec<(u32, u32)> = places.filter(is_free).zip(pairs).take(13).collect();
            assert_eq!(chosen.len(), 13);
            for (place, pair) in chosen {
                let address = |rva: u32| {
                    let address = flat.base + u64::from(rva);
                    u32::try_from(address).expect("x86").to_le_bytes()
                };
                let (threshold, count) = (address(pair + 4), address(pair + 8));
                let gate = [&[0xA1][..], &count, &[0x3B, 0x05], &threshold, &[0x7D, 0]];
                flat.put(place, &gate.concat());
            }
        },
    )
}

/// An RVA as an index.
pub(super) fn index(rva: u32) -> usize {
    usize::try_from(rva).expect("u32 fits usize")
}
