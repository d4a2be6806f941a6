//! Facts that only a file has, for reports and for patching. None of them helps
//! to locate the limit.

use crate::arch::Arch;
use crate::candidate::Findings;
use crate::checksum::Checksum;
use crate::headers::Directory;
use crate::image::{Image, Layout};
use crate::located::Located;
use crate::module::Module;
use crate::operand;
use crate::read::dword;
use crate::relocation::Relocations;
use crate::rva::Rva;
use crate::section::Section;
use crate::version::{self, FileVersion, Text};

/// The longest export name that is read, in bytes.
const MAX_NAME: u32 = 64;

/// The store by which start-up code initialises the limit:
/// `C7 05 threshold 0A000000` in `INIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartUpStore {
    /// No such store in code that is discarded after start-up.
    None,
    /// One.
    Unique {
        /// Its first byte.
        rva: Rva,
        /// The file offset of its four-byte value.
        value_offset: u32,
        /// The value: 10 as shipped, another one in a patched file.
        value: u32,
    },
    /// More than one.
    Several,
}

/// The relocation of the operands that need it (x86).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelocationCoverage {
    /// Operands of the gates and of the start-up store.
    pub needed: u32,
    /// Those of them in the relocation table.
    pub covered: u32,
}

impl RelocationCoverage {
    /// Whether all are covered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.needed == self.covered
    }
}

/// Facts of the file besides the code.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts<'a> {
    /// The stated and the computed checksum.
    pub checksum: Checksum,
    /// The file version.
    pub version: Option<FileVersion>,
    /// `OriginalFilename` of the version resource.
    pub original_name: Option<Text<'a>>,
    /// The name in the export directory.
    pub export_name: Option<&'a [u8]>,
}

impl<'a> FileFacts<'a> {
    /// Reads them from a file; `None` for an image from memory.
    #[must_use]
    pub fn read(image: &Image<'a>, file: &'a [u8]) -> Option<FileFacts<'a>> {
        if image.layout() != Layout::File {
            return None;
        }
        Some(FileFacts {
            checksum: Checksum::compute(image.headers(), file),
            version: file_version(image),
            original_name: original_name(image),
            export_name: export_name(image),
        })
    }
}

/// Fewer locked updates of the count than this indicate `tcpip6.sys`. Seen: 4 and
/// 9 there, 18 and 19 in `tcpip.sys`; this is halfway.
const UPDATES_OF_TCPIP: u32 = 14;

/// The module that the number of locked updates of the count indicates. A damaged
/// `tcpip.sys` without the code of event 4226 otherwise looks like a
/// `tcpip6.sys`, and a file's name may be wrong.
#[must_use]
pub fn likely_module(findings: &Findings) -> Module {
    match findings.atomic_updates() < UPDATES_OF_TCPIP {
        true => Module::Tcpip6,
        false => Module::Tcpip,
    }
}

/// The version of an image from a file.
#[must_use]
pub fn file_version(image: &Image<'_>) -> Option<FileVersion> {
    version::file_version(version::resource(image)?)
}

/// `OriginalFilename` of an image from a file.
#[must_use]
pub fn original_name<'a>(image: &Image<'a>) -> Option<Text<'a>> {
    version::string(version::resource(image)?, "OriginalFilename")
}

/// The name in the export directory of an image from a file.
#[must_use]
pub fn export_name<'a>(image: &Image<'a>) -> Option<&'a [u8]> {
    let (rva, _) = image.headers().directory(Directory::Export)?;
    // IMAGE_EXPORT_DIRECTORY.Name
    let name = dword(image.read(rva.plus(12)?, 4)?, 0)?;
    let section = image.section_at(Rva(name), 1)?;
    let left = section.rva().plus(section.extent())?.minus(name)?;
    let bytes = image.read(Rva(name), left.0.min(MAX_NAME))?;
    let end = bytes.iter().position(|&byte| byte == 0)?;
    bytes.get(..end)
}

impl StartUpStore {
    /// Searches code that is discarded after start-up for stores to the located
    /// limit. Only a file has that code; an image from memory does not.
    #[must_use]
    pub fn find(image: &Image<'_>, located: &Located) -> StartUpStore {
        let mut found = StartUpStore::None;
        let start_up =
            |section: &Section<'_>| section.flags().executable() && section.discardable();
        for section in image.headers().sections().filter(start_up) {
            let code = image.bytes(&section);
            for at in 0..code.len() {
                if let Some(store) = store(image, &section, code, at, located.threshold()) {
                    found = match found {
                        StartUpStore::None => store,
                        _ => StartUpStore::Several,
                    };
                }
            }
        }
        found
    }
}

/// `mov dword [threshold], value` whose opcode is `code[at]`.
fn store(
    image: &Image<'_>,
    section: &Section<'_>,
    code: &[u8],
    at: usize,
    threshold: Rva,
) -> Option<StartUpStore> {
    let [0xC7, 0x05] = *code.get(at..)?.first_chunk()? else {
        return None;
    };
    let operand = at.checked_add(2)?;
    let value_at = operand.checked_add(4)?;
    let value = dword(code, value_at)?;
    let rva = section.rva().plus(u32::try_from(at).ok()?)?;
    // The displacement is relative to the end of the value.
    let next = rva.plus(10)?;
    (operand::resolve(image, dword(code, operand)?, next)? == threshold).then_some(())?;
    Some(StartUpStore::Unique {
        rva,
        value_offset: section
            .file_offset()
            .checked_add(u32::try_from(value_at).ok()?)?,
        value,
    })
}

impl RelocationCoverage {
    /// Counts the operands in a file for x86; `None` for x64, where such operands
    /// are relative, and in memory, where the table is gone.
    #[must_use]
    pub fn measure(image: &Image<'_>, located: &Located) -> Option<RelocationCoverage> {
        if image.arch() != Arch::X86 || image.layout() != Layout::File {
            return None;
        }
        let store = match StartUpStore::find(image, located) {
            StartUpStore::Unique { rva, .. } => rva.plus(2),
            _ => None,
        };
        let operands = || {
            let gates = located.findings().gates();
            gates.flat_map(|gate| gate.operands()).chain(store)
        };
        let relocations = Relocations::new(image);
        let is_relocated = |operand: &Rva| relocations.covers(*operand);
        let count = |count: u32, _| count.saturating_add(1);
        Some(RelocationCoverage {
            needed: operands().fold(0, count),
            covered: operands().filter(is_relocated).fold(0, count),
        })
    }
}
