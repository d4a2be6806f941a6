//! A module in memory: its bytes, its pages, and changes to them.

use std::ops::Range;
use std::sync::Arc;

use scanner_core::policy::PageFacts;
use tcplimit_protocol::Reason;

use super::build::{self, Build, PAGE, Site, index, section_header};
use specimen::{Alignment, Arch, Module, PlacedSection};

/// One load of a module. It stays after the module was unloaded, since the driver
/// may hold a reference.
#[derive(Debug)]
pub struct Instance {
    /// Index in [`build::all`].
    pub build: usize,
    /// The module that it was loaded as.
    pub module: Module,
    /// The address of its first byte.
    pub base: u64,
    /// Its length in the driver object.
    pub size: u32,
    /// The number of references.
    pub references: u32,
    /// The state of its code.
    pub code: CodeState,
    /// A call near a gate is overwritten; enough others remain.
    detoured: bool,
    /// Bytes of its headers were changed: the build predicts nothing.
    pub headers_changed: bool,
    arch: Arch,
    memory: Arc<Vec<u8>>,
    /// The memory without the driver's writes.
    foreign: Arc<Vec<u8>>,
    pages: Vec<Page>,
    sections: Vec<PlacedSection>,
}

/// The state of a module's code after changes by other software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    /// Unchanged.
    Whole,
    /// One of the two gates is overwritten.
    OneGate,
    /// A locked update is overwritten; enough others remain.
    FewerAtomics,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    valid: bool,
    writable: bool,
}

impl Instance {
    /// Loads a build.
    pub fn load(build: usize, site: Site, arch: Arch) -> Instance {
        let of = &build::all()[build];
        let memory = of.image(site, arch);
        Instance {
            build,
            module: site.module,
            base: site.base(arch),
            size: of.stated_size.unwrap_or(of.specimen.size_of_image),
            references: 0,
            code: CodeState::Whole,
            detoured: false,
            headers_changed: false,
            arch,
            foreign: Arc::clone(&memory),
            memory,
            pages: (0..of.pages()).map(|page| Page::new(of, page)).collect(),
            sections: of.sections.clone(),
        }
    }

    /// Its build.
    pub fn build(&self) -> &'static Build {
        &build::all()[self.build]
    }

    /// The RVA of its limit.
    pub fn threshold(&self) -> u32 {
        self.build().specimen.truth.threshold
    }

    /// The required verdict on its code: `None` where changes by other software
    /// leave it open.
    pub fn verdict(&self) -> Option<Result<(), Reason>> {
        if self.headers_changed {
            return None;
        }
        let verdict = self.build().verdict(self.arch, self.module);
        match self.code {
            // Its load is then a read outside the gates.
            CodeState::OneGate if verdict.is_ok() => Some(Err(Reason::EvidenceMissing)),
            CodeState::Whole | CodeState::FewerAtomics => Some(verdict),
            CodeState::OneGate => None,
        }
    }

    /// Its current memory.
    pub fn memory(&self) -> &Arc<Vec<u8>> {
        &self.memory
    }

    /// Identity of the build in its headers: TimeDateStamp, CheckSum and
    /// SizeOfImage.
    pub fn identity(&self) -> [u32; 3] {
        let field = |at: usize| {
            let bytes = self.memory.get(at..).and_then(|rest| rest.first_chunk());
            u32::from_le_bytes(*bytes.unwrap_or(&[0; 4]))
        };
        let nt = index(field(0x3C));
        [8, 24 + 64, 24 + 56].map(|at| field(nt.saturating_add(at)))
    }

    /// The 32-bit variable at an RVA, even if its page is not in memory.
    pub fn dword(&self, rva: u32) -> u32 {
        let bytes = &self.memory[index(rva)..][..4];
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }

    /// A write by the system or other software.
    pub fn write(&mut self, rva: u32, bytes: &[u8]) {
        for memory in [&mut self.memory, &mut self.foreign] {
            Arc::make_mut(memory)[index(rva)..][..bytes.len()].copy_from_slice(bytes);
        }
    }

    /// A write by the driver.
    pub(super) fn write_limit(&mut self, rva: u32, limit: u32) {
        let memory = Arc::make_mut(&mut self.memory);
        memory[index(rva)..][..4].copy_from_slice(&limit.to_le_bytes());
    }

    /// Whether the driver changed nothing but the limit.
    pub fn is_intact(&self) -> bool {
        let (before, behind) = self.foreign.split_at(index(self.threshold()));
        let (limit, behind) = behind.split_at(4);
        let now = &self.memory[..];
        debug_assert_eq!(limit.len(), 4);
        Arc::ptr_eq(&self.memory, &self.foreign)
            || (now[..before.len()] == *before && now[before.len() + 4..] == *behind)
    }

    /// Facts from the page tables about the page of an RVA.
    pub fn page(&self, rva: u32) -> PageFacts {
        match self.pages.get(index(rva / PAGE)) {
            Some(page) => PageFacts {
                valid: page.valid,
                writable: Some(page.writable),
            },
            None => PageFacts {
                valid: false,
                writable: Some(false),
            },
        }
    }

    /// Whether a range lies inside, in pages that are in memory.
    pub fn is_readable(&self, bytes: &Range<u64>) -> bool {
        let pages = bytes.start / u64::from(PAGE)..bytes.end.div_ceil(u64::from(PAGE));
        self.has(bytes)
            && pages.into_iter().all(|page| {
                let page = usize::try_from(page).expect("a small module");
                self.pages[page].valid
            })
    }

    /// Whether a range lies in its pages.
    pub fn has(&self, bytes: &Range<u64>) -> bool {
        bytes.start <= bytes.end && bytes.end <= self.memory.len() as u64
    }

    /// Its sections, by its current headers.
    pub fn sections(&self) -> &[PlacedSection] {
        &self.sections
    }

    /// The first section of live code with a page that is not in memory, or else
    /// such a section with the exception table.
    pub fn unreadable_code(&self) -> Option<usize> {
        let code = self
            .sections
            .iter()
            .position(|section| is_live_code(section) && !self.is_readable(&extent(section)));
        code.or_else(|| {
            let table = self
                .exception_table()
                .filter(|table| !self.is_readable(table))?;
            self.sections
                .iter()
                .position(|section| holds(section, &table))
        })
    }

    /// The RVAs of the exception table, by the current headers: only on x64, and
    /// only in a read-only section that stays in memory.
    pub fn exception_table(&self) -> Option<Range<u64>> {
        let directory = &self.memory[EXCEPTION_DIRECTORY..][..8];
        let field = |at: usize| {
            let field = directory[at..at + 4].try_into().expect("four bytes");
            u64::from(u32::from_le_bytes(field))
        };
        let table = field(0)..field(0) + field(4);
        let constant = |section: &&PlacedSection| {
            stays(section) && section.flags & WRITE == 0 && holds(section, &table)
        };
        let sound = self.arch == Arch::X64 && !table.is_empty();
        (sound && self.sections.iter().any(|section| constant(&section))).then_some(table)
    }

    /// Removes the page of an RVA from memory.
    pub fn page_out(&mut self, rva: u32) {
        self.pages[index(rva / PAGE)].valid = false;
    }

    /// Makes the page of an RVA read-only.
    pub fn protect(&mut self, rva: u32) {
        self.pages[index(rva / PAGE)].writable = false;
    }

    /// Changes a byte of the headers.
    pub fn change_headers(&mut self, place: u32, bits: u8) {
        let headers = self.build().specimen.truth.headers.end;
        let place = index(place) % headers;
        let byte = self.memory[place] ^ bits;
        self.write(u32::try_from(place).expect("small headers"), &[byte]);
        self.read_sections();
    }

    /// Changes the flags of a section.
    pub fn change_section(&mut self, number: u8, bits: u32) {
        let number = usize::from(number) % self.sections.len();
        let flags = self.sections[number].flags ^ bits;
        let number = u32::try_from(number).expect("few sections");
        let header = section_header(&self.build().specimen, number);
        self.write(header + 36, &flags.to_le_bytes());
        self.read_sections();
    }

    /// Reads the section table again.
    fn read_sections(&mut self) {
        self.headers_changed = true;
        let specimen = &self.build().specimen;
        for (number, section) in (0..).zip(&mut self.sections) {
            let header = &self.memory[index(section_header(specimen, number))..][..40];
            let field = |at: usize| {
                let field = header[at..at + 4].try_into().expect("four bytes");
                u32::from_le_bytes(field)
            };
            section.name.copy_from_slice(&header[..8]);
            section.virtual_size = field(8);
            section.rva = field(12);
            section.flags = field(36);
        }
    }

    /// Overwrites a gate's comparison and jump with `int3`. Only in builds with
    /// one limiter: of two, the other would then be found.
    pub fn break_gate(&mut self) {
        let truth = &self.build().specimen.truth;
        let sound = self.build().located.is_ok();
        if let (true, Some(&gate), Some(&length)) =
            (sound, truth.gates.first(), truth.gate_lens.first())
        {
            // The last bytes are the jump.
            self.write(gate + length - 6, &[0xCC; 6]);
            self.code = CodeState::OneGate;
        }
    }

    /// Overwrites the first call through a pointer some 100h bytes behind the
    /// first gate with a jump, as hooks do. Only once, for after many such hooks
    /// too few calls are left near the gate; and not in builds that begin with too
    /// few.
    pub fn detour(&mut self) {
        let truth = &self.build().specimen.truth;
        let sound = self.build().located.is_ok() && !self.detoured;
        let (true, Some(&gate)) = (sound, truth.gates.first()) else {
            return;
        };
        let offset = |rva: u32| {
            let sections = &self.build().specimen.sections;
            sections.iter().find_map(|section| section.file_offset(rva))
        };
        let is_free = |&rva: &u32| {
            let place = offset(rva).map_or(0, index);
            let mut used = truth.evidence.iter();
            !used.any(|used| used.start < place + 6 && place < used.end)
        };
        let is_call = |&rva: &u32| self.memory[index(rva)..].starts_with(&[0xFF, 0x15]);
        let call = (gate + 0x100..gate + 0x400).filter(is_call).find(is_free);
        let call = call.expect("calls near each gate");
        self.write(call, &[0xE9, 0, 0, 0, 0, 0xCC]);
        self.detoured = true;
    }

    /// Overwrites one of the locked updates with `int3`; enough others remain.
    pub fn break_atomic(&mut self) {
        let truth = &self.build().specimen.truth;
        if self.code == CodeState::Whole && truth.atomics.len() > 3 {
            let last = truth.atomics[truth.atomics.len() - 1];
            self.write(last, &[0xCC; 5]);
            self.code = CodeState::FewerAtomics;
        }
    }
}

impl Page {
    /// A page after start-up: every pageable page is paged out, so that nobody
    /// relies on it.
    fn new(build: &Build, number: u32) -> Page {
        let page = number * PAGE..(number + 1) * PAGE;
        let inside = |section: &&PlacedSection| {
            section.rva < page.end && page.start < section.rva + section.virtual_size
        };
        let sections: Vec<_> = build.sections.iter().filter(inside).collect();
        let shared = build.specimen.spec.alignment != Alignment::Page;
        Page {
            valid: number == 0 || sections.iter().any(|section| stays(section)),
            writable: shared || sections.iter().any(|section| section.flags & WRITE != 0),
        }
    }
}

const DISCARDABLE: u32 = 0x0200_0000;
const NOT_PAGED: u32 = 0x0800_0000;
const EXECUTE: u32 = 0x2000_0000;
const WRITE: u32 = 0x8000_0000;

/// Whether a section stays in memory, by flags and name.
fn stays(section: &PlacedSection) -> bool {
    let pageable = [&b"PAGE"[..], b".eda", b"INIT"];
    section.flags & DISCARDABLE == 0
        && section.flags & NOT_PAGED != 0
        && !pageable.iter().any(|name| section.name.starts_with(name))
}

fn is_live_code(section: &PlacedSection) -> bool {
    section.flags & EXECUTE != 0 && stays(section)
}

/// Offset of the exception table's data directory in the builder's headers for
/// x64: e_lfanew is D8h.
const EXCEPTION_DIRECTORY: usize = 0xD8 + 24 + 112 + 8 * 3;

fn extent(section: &PlacedSection) -> Range<u64> {
    let start = u64::from(section.rva);
    start..start + u64::from(section.virtual_size)
}

fn holds(section: &PlacedSection, bytes: &Range<u64>) -> bool {
    let extent = extent(section);
    extent.start <= bytes.start && bytes.end <= extent.end
}

/// The section that forbids the driver to read a range: one in it that is no live
/// code. The first page belongs to the headers, whatever shares it, and exactly
/// the exception table may be read.
pub(super) fn forbidden_section<'a>(
    sections: &'a [PlacedSection],
    table: Option<&Range<u64>>,
    bytes: &Range<u64>,
) -> Option<&'a PlacedSection> {
    if bytes.start == 0 && bytes.end <= u64::from(PAGE) || table == Some(bytes) {
        return None;
    }
    sections.iter().find(|section| {
        let extent = extent(section);
        extent.start < bytes.end && bytes.start < extent.end && !is_live_code(section)
    })
}
