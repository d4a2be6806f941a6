//! A loaded module that the driver inspects.

use std::ops::Range;
use std::rc::Rc;

use scanner_core::Module;
use specimen::{Arch, Specimen};

use crate::address::to_usize;
use crate::image::{LoadedImage, Section, size_of_headers};
use crate::machine::Rights;

/// A loaded and started module.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which module it is.
    pub module: Module,
    /// Base address.
    pub base: u64,
    /// Its length by its driver object, in bytes.
    pub size: u32,
    /// Its bytes, in whole pages; those of absent pages are zero.
    pub memory: Rc<Vec<u8>>,
    /// The section table.
    pub sections: Vec<Section>,
    /// The state of its pages.
    pub pages: Vec<Page>,
    /// Ranges that the driver may read: the headers, live code, the exception table, and
    /// the three variables, where they are known.
    pub readable: Vec<Range<u32>>,
    /// The true RVA of its limit, where it is known.
    pub threshold: Option<u32>,
}

/// A page of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Whether it is in memory.
    pub present: bool,
    /// Whether the page tables allow writes.
    pub writable: bool,
    /// Whether the driver may access it: headers, live code, the exception table, the
    /// variables.
    pub accessible: bool,
}

/// The state of pageable code sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paged {
    /// Paged in.
    In,
    /// Paged out.
    Out,
    /// Each page by its bit: the page's number modulo 64.
    Some(u64),
}

impl Target {
    /// A specimen, loaded and started by its builder.
    #[must_use]
    pub fn from_specimen(specimen: &Specimen, base: u64, paged: Paged) -> Target {
        let loaded = specimen.load(base);
        let mut memory = vec![0; to_usize(u64::from(loaded.size).next_multiple_of(0x1000))];
        // NT frees whole pages: discardable bytes stay in pages that they share
        // with resident sections.
        if let Ok(image) = LoadedImage::load(&specimen.file, loaded.base) {
            memory.copy_from_slice(&image.memory);
        }
        memory[..loaded.headers.len()].copy_from_slice(&loaded.headers);
        for section in &loaded.sections {
            let at = to_usize(section.rva.into());
            memory[at..at + section.bytes.len()].copy_from_slice(&section.bytes);
        }
        let sections = specimen.sections.iter().map(|section| Section {
            name: section.name,
            rva: section.rva,
            virtual_size: section.virtual_size,
            flags: section.flags,
        });
        let sections: Vec<Section> = sections.collect();
        let truth = &specimen.truth;
        let variables = [truth.queue, truth.threshold, truth.count];
        let shared = specimen.spec.alignment.memory() < 0x1000;
        Target {
            module: verify::property::module(specimen.spec.module),
            base: loaded.base,
            size: loaded.size,
            pages: pages(&sections, &memory, shared, &variables, paged),
            readable: readable(&memory, &sections, &variables),
            memory: Rc::new(memory),
            sections,
            threshold: Some(truth.threshold),
        }
        .zero_absent_pages()
    }

    /// A file, loaded, with the known effect of start-up code: a limit of zero in the
    /// file becomes 10. The oracle, which shares nothing with the locator, finds the
    /// limit.
    ///
    /// # Errors
    /// The file can't be loaded.
    pub fn from_file(
        file: &[u8],
        module: Module,
        arch: Arch,
        base: u64,
        paged: Paged,
    ) -> Result<Target, String> {
        let image = LoadedImage::load(file, base)?;
        if image.arch != arch {
            return Err("the file is for another processor".into());
        }
        let truth = oracle::locate_file(file, module == Module::Tcpip6).ok();
        let variables = truth.map(|truth| [truth.queue, truth.threshold, truth.count]);
        let mut memory = image.memory;
        if let Some([_, threshold, _]) = variables {
            let place = &mut memory[to_usize(threshold.into())..][..4];
            if *place == [0; 4] {
                place.copy_from_slice(&10_u32.to_le_bytes());
            }
        }
        let shared = image.alignment < 0x1000;
        let trio_or_none = variables.unwrap_or_default();
        Ok(Target {
            module,
            base,
            size: image.size,
            pages: pages(&image.sections, &memory, shared, &trio_or_none, paged),
            readable: readable(&memory, &image.sections, &trio_or_none),
            memory: Rc::new(memory),
            sections: image.sections,
            threshold: variables.map(|[_, threshold, _]| threshold),
        }
        .zero_absent_pages())
    }

    fn zero_absent_pages(mut self) -> Target {
        let memory = Rc::make_mut(&mut self.memory);
        for (page, bytes) in self.pages.iter().zip(memory.chunks_mut(0x1000)) {
            if !page.present {
                bytes.fill(0);
            }
        }
        self
    }

    /// The page of an RVA, if it is inside the module.
    #[must_use]
    pub fn page(&self, rva: u32) -> Option<Page> {
        self.pages.get(to_usize(u64::from(rva / 0x1000))).copied()
    }

    /// Whether all pages of a range are in memory.
    #[must_use]
    pub fn is_present(&self, rva: u32, length: u32) -> bool {
        let end = u64::from(rva) + u64::from(length.max(1));
        let pages = to_usize(u64::from(rva) / 0x1000)..to_usize(end.div_ceil(0x1000));
        self.pages
            .get(pages)
            .is_some_and(|pages| pages.iter().all(|page| page.present))
    }

    /// The address of the limit.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        Some(self.base + u64::from(self.threshold?))
    }

    /// The dword at an RVA.
    #[must_use]
    pub fn dword(&self, rva: u32) -> Option<u32> {
        let at = to_usize(rva.into());
        let bytes = self.memory.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Writes bytes, unless a page is absent.
    pub fn write(&mut self, rva: u32, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("few bytes");
        if self.is_present(rva, length) {
            let memory = Rc::make_mut(&mut self.memory);
            memory[to_usize(rva.into())..][..bytes.len()].copy_from_slice(bytes);
        }
    }

    /// Its present pages in ranges of the same rights: the first page, the number of
    /// pages, and the rights. With `large`, every page is writable.
    #[must_use]
    pub fn page_ranges(&self, large: bool) -> Vec<(u64, u64, Rights)> {
        let mut page_ranges: Vec<(u64, u64, Rights)> = Vec::new();
        for (number, page) in (0..).zip(&self.pages) {
            let rights = match page {
                Page { present: false, .. } => continue,
                Page {
                    accessible: false, ..
                } => Rights::None,
                Page { writable, .. } if *writable || large => Rights::Write,
                _ => Rights::Read,
            };
            match page_ranges.last_mut() {
                Some((first, count, of)) if *first + *count == number && *of == rights => {
                    *count += 1;
                }
                _ => page_ranges.push((number, 1, rights)),
            }
        }
        page_ranges
    }
}

fn readable(memory: &[u8], sections: &[Section], variables: &[u32]) -> Vec<Range<u32>> {
    let code = sections
        .iter()
        .filter(|it| it.is_resident() && it.is_code());
    let code = code.map(|section| section.rva..section.end());
    let variables = variables.iter().filter(|&&rva| rva != 0);
    let variables = variables.map(|&rva| rva..rva + 4);
    let headers = 0..size_of_headers(memory).unwrap_or(0x1000);
    let table = exception_table(memory, sections);
    [headers]
        .into_iter()
        .chain(code)
        .chain(table)
        .chain(variables)
        .collect()
}

/// The exception table of an x64 image, by its data directory (the PE format,
/// "Optional Header Data Directories"), if it lies in one resident, read-only
/// section.
fn exception_table(memory: &[u8], sections: &[Section]) -> Option<Range<u32>> {
    let dword = |at: u32| {
        let bytes = memory.get(to_usize(at.into())..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let optional = dword(0x3C)?.checked_add(24)?;
    let is_pe32_plus = dword(optional)? & 0xFFFF == 0x20B;
    let (rva, size) = (dword(optional + 112 + 24)?, dword(optional + 112 + 28)?);
    let table = rva..rva.checked_add(size)?;
    let holds = |section: &Section| section.rva <= table.start && table.end <= section.end();
    let mut sections = sections.iter().filter(|section| holds(section));
    let is_sound = sections.any(|section| section.is_resident() && !section.is_writable());
    (is_pe32_plus && dword(optional + 108)? > 3 && size > 0 && is_sound).then_some(table)
}

fn pages(
    sections: &[Section],
    memory: &[u8],
    shared: bool,
    variables: &[u32],
    paged: Paged,
) -> Vec<Page> {
    let count = u32::try_from(memory.len() / 0x1000).expect("a small module");
    let table = exception_table(memory, sections);
    let page = |number: u32| {
        let here = || {
            sections
                .iter()
                .filter(|section| section.overlaps_page(number))
        };
        let pageable = here().any(|section| !section.is_resident() && !section.is_discardable());
        let paged_in = match paged {
            Paged::In => true,
            Paged::Out => false,
            Paged::Some(bits) => bits >> (number % 64) & 1 == 1,
        };
        let code = here().any(|section| section.is_resident() && section.is_code());
        let in_page = |bytes: &Range<u32>| {
            bytes.start / 0x1000 <= number && number <= (bytes.end - 1) / 0x1000
        };
        let variable = variables
            .iter()
            .any(|&rva| rva / 0x1000 == number && rva != 0);
        Page {
            present: number == 0 || here().any(Section::is_resident) || (pageable && paged_in),
            // Pages shared by sections are writable.
            writable: shared || here().any(Section::is_writable),
            accessible: number == 0 || code || variable || table.as_ref().is_some_and(in_page),
        }
    };
    (0..count).map(page).collect()
}
