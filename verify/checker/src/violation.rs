//! Violations: everything that can be wrong with a shipped file.

use std::fmt;

use iced_x86::{Code, CpuidFeature};
use scanner_core::Rva;

use super::Stack;

/// One violation in a shipped file. Depths are bytes below the return address at a function's
/// entry.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// Not a PE file, or its headers contradict each other.
    Unreadable(String),
    /// Neither x86 nor x64, or not the optional header of that machine.
    Machine(u16),
    /// The file header lacks the flag "executable", or has "DLL".
    Characteristics(u16),
    /// Not the subsystem of its kind.
    Subsystem { found: u16, wanted: u16 },
    /// Not the subsystem version of the oldest supported system.
    SubsystemVersion {
        found: (u16, u16),
        wanted: (u16, u16),
    },
    /// The operating system version is above the oldest supported system's.
    SystemVersion { found: (u16, u16), most: (u16, u16) },
    /// The header's checksum is missing (0) or wrong.
    Checksum { found: u32, right: u32 },
    /// The file is too large.
    TooLarge { bytes: usize, most: usize },
    /// A data directory that no shipped file needs, by its index.
    Directory(usize),

    /// NT does not map the section, or not as stated in the file.
    Layout { section: String, why: &'static str },
    /// A section is both writable and executable.
    WritableCode { section: String, at: Rva },
    /// NT frees the section after initialisation.
    Discardable { section: String, at: Rva },
    /// NT pages a driver's section of that name, or frees it after initialisation.
    Pageable { section: String, at: Rva },
    /// The entry point isn't in executable bytes of the file.
    Entry(Rva),

    /// The file header has the flag "relocations stripped".
    RelocationsStripped,
    /// No relocations, though x86 code has absolute addresses.
    NoRelocations,
    /// The relocation directory can't be read.
    Relocations(String),
    /// A relocation of another type than the machine's full address.
    RelocationType { at: Rva, kind: u16 },
    /// A relocation outside the bytes of the sections.
    RelocationOutside(Rva),
    /// An operand's address in the image that is not relocated.
    NotRelocated { at: Rva, target: u64 },
    /// A relocated address that is outside the image.
    RelocationTarget { at: Rva, target: u64 },

    /// The import directory can't be read.
    Imports(String),
    /// A DLL that this kind of file must not import from, or that has no list of exports.
    Dll(String),
    /// Imported by ordinal.
    Ordinal { dll: String, ordinal: u16 },
    /// Bound to addresses of one particular system.
    Bound(String),
    /// A supported system lacks the import, by its list in verify/exports.
    NotExported {
        dll: String,
        name: String,
        list: &'static str,
    },
    /// Not in the table of imports, so neither its first system nor its convention is known.
    NotInTable { dll: String, name: String },
    /// The import address table is in a writable section.
    WritableImports(Rva),

    /// Reached bytes that are no instruction.
    Undecodable(Rva),
    /// A branch outside the executable bytes of the file.
    BranchOutside { at: Rva, target: u64 },
    /// An instruction starts inside another one.
    Overlap { at: Rva, inside: Rva },
    /// Executable bytes that are neither reached nor padding.
    Unreached { at: Rva, bytes: u32 },
    /// An instruction that some supported processor lacks, or that changes state that a driver must
    /// not change.
    Processor {
        at: Rva,
        code: Code,
        needs: CpuidFeature,
    },
    /// An instruction that no shipped file needs.
    Forbidden { at: Rva, code: Code },
    /// A trap (int3, ud2), in a driver a bugcheck.
    Trap(Rva),

    /// An indirect call or jump whose target is no import.
    Indirect(Rva),
    /// A call of an imported variable.
    CallsData { at: Rva, name: String },
    /// A cycle of function calls, from the function that closes it.
    Recursion(Vec<Rva>),
    /// The stack pointer becomes unknown.
    UnknownStack(Rva),
    /// The instruction pops more than its function pushed.
    BelowEntry(Rva),
    /// Memory beyond the top of the stack, where an interrupt would change it.
    BeyondTop(Rva),
    /// Two paths lead here with different stack pointers: a growing loop, or a mistake.
    DepthMismatch { at: Rva, one: i64, other: i64 },
    /// A return at another depth than the entry's.
    Return { at: Rva, depth: i64 },
    /// A function removes different numbers of argument bytes on different paths.
    ArgumentMismatch { at: Rva, one: i64, other: i64 },
    /// The entry point does not remove its caller's arguments.
    EntryArguments { removes: i64, wanted: i64 },
    /// More than one `lock cmpxchg` in a driver.
    LockedExchanges(Vec<Rva>),
    /// More than one read of CR4 in a driver.
    ControlReads(Vec<Rva>),
    /// More stack use than allowed.
    TooDeep { stack: Stack, most: u32 },

    /// A text that reveals the build machine or linked panics, by file offset.
    Text {
        offset: usize,
        text: &'static str,
        wide: bool,
    },
    /// A debug directory entry of another type than a reproducible build's.
    Debug(u32),
    /// The resource directory can't be read.
    Resources(String),
    /// No version resource.
    NoVersion,
    /// No message table, so Event Viewer would show gibberish.
    NoMessages,
    /// No manifest that requests visual styles and the user's rights.
    NoManifest,
    /// No icon.
    NoIcon,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Violation::*;
        match self {
            Unreadable(why) => write!(f, "not a usable PE file: {why}"),
            Machine(machine) => write!(f, "machine {machine:04X}h is neither x86 nor x64"),
            Characteristics(flags) => write!(
                f,
                "characteristics {flags:04X}h: not an executable, or a DLL"
            ),
            Subsystem { found, wanted } => write!(f, "subsystem {found}, not {wanted}"),
            SubsystemVersion { found, wanted } => write!(
                f,
                "subsystem version {}, not {}",
                version(*found),
                version(*wanted)
            ),
            SystemVersion { found, most } => write!(
                f,
                "operating system version {} is above {}",
                version(*found),
                version(*most)
            ),
            Checksum { found: 0, right } => write!(f, "no PE checksum, should be {right:08X}h"),
            Checksum { found, right } => {
                write!(f, "PE checksum {found:08X}h, should be {right:08X}h")
            }
            TooLarge { bytes, most } => write!(f, "{bytes} bytes, at most {most} are allowed"),
            Directory(index) => {
                let name = DIRECTORIES.get(*index).unwrap_or(&"unknown");
                write!(f, "has data directory {index} ({name})")
            }
            Layout { section, why } => write!(f, "section {section}: {why}"),
            WritableCode { section, at } => {
                write!(f, "{at}: section {section} is both writable and executable")
            }
            Discardable { section, at } => {
                write!(
                    f,
                    "{at}: section {section} is discardable; only .reloc may be"
                )
            }
            Pageable { section, at } => {
                write!(f, "{at}: NT pages or frees a section named {section}")
            }
            Entry(at) => write!(f, "{at}: the entry point is not in executable bytes"),
            RelocationsStripped => write!(f, "relocations are stripped"),
            NoRelocations => write!(f, "there are no relocations"),
            Relocations(why) => write!(f, "relocation directory: {why}"),
            RelocationType { at, kind } => write!(f, "{at}: relocation of type {kind}"),
            RelocationOutside(at) => write!(f, "{at}: relocation outside the sections' bytes"),
            NotRelocated { at, target } => {
                write!(f, "{at}: the address {target:X} is not relocated")
            }
            RelocationTarget { at, target } => {
                write!(
                    f,
                    "{at}: relocated address {target:X}h is outside the image"
                )
            }
            Imports(why) => write!(f, "import directory: {why}"),
            Dll(dll) => write!(f, "imports from {dll}, which is not allowed"),
            Ordinal { dll, ordinal } => write!(f, "imports {dll} #{ordinal} by ordinal"),
            Bound(dll) => write!(f, "imports from {dll} are bound"),
            NotExported { dll, name, list } => {
                write!(f, "{dll} does not export {name}: verify/exports/{list}")
            }
            NotInTable { dll, name } => write!(
                f,
                "{dll} {name} is not in verify/checker/src/import.rs (driver) or program.rs: add it with \
                 its source"
            ),
            WritableImports(at) => {
                write!(f, "{at}: the import address table is in a writable section")
            }
            Undecodable(at) => write!(f, "{at}: the reached bytes are no instruction"),
            BranchOutside { at, target } => {
                write!(
                    f,
                    "{at}: branches to {target:X}h, outside the code of this file"
                )
            }
            Overlap { at, inside } => {
                write!(f, "{at}: an instruction inside the one at {inside}")
            }
            Unreached { at, bytes } => write!(
                f,
                "{at}: {bytes} executable bytes are unreached, so unchecked"
            ),
            Processor { at, code, needs } => {
                write!(f, "{at}: {code:?} needs {needs:?}, or uses its registers")
            }
            Forbidden { at, code } => write!(f, "{at}: {code:?} is not allowed in a shipped file"),
            Trap(at) => write!(f, "{at}: reaches a trap, a bugcheck in a driver"),
            Indirect(at) => write!(
                f,
                "{at}: indirect call or jump to something other than an import"
            ),
            CallsData { at, name } => write!(f, "{at}: calls {name}, which is a variable"),
            Recursion(circle) => {
                write!(f, "recursion:")?;
                circle
                    .iter()
                    .try_for_each(|function| write!(f, " {function}"))
            }
            UnknownStack(at) => write!(f, "{at}: the stack pointer is unknown"),
            BelowEntry(at) => {
                write!(f, "{at}: pops more than the function pushed")
            }
            BeyondTop(at) => write!(f, "{at}: memory beyond the top of the stack"),
            DepthMismatch { at, one, other } => write!(
                f,
                "{at}: reached with {one} and with {other} bytes on the stack"
            ),
            Return { at, depth } => write!(f, "{at}: returns with {depth} bytes left on the stack"),
            ArgumentMismatch { at, one, other } => {
                write!(
                    f,
                    "{at}: removes {one} bytes of arguments, elsewhere {other}"
                )
            }
            EntryArguments { removes, wanted } => write!(
                f,
                "the entry point removes {removes} bytes of arguments, its caller pushes {wanted}"
            ),
            LockedExchanges(places) => {
                write!(f, "more than one lock cmpxchg:")?;
                places.iter().try_for_each(|place| write!(f, " {place}"))
            }
            ControlReads(places) => {
                write!(f, "more than one read of CR4:")?;
                places.iter().try_for_each(|place| write!(f, " {place}"))
            }
            TooDeep { stack, most } => {
                write!(
                    f,
                    "at most {most} bytes of stack are allowed, needs {stack}"
                )
            }
            Text { offset, text, wide } => {
                let form = if *wide { "UTF-16" } else { "ASCII" };
                write!(f, "file offset {offset:X}: the text {text:?} in {form}")
            }
            Debug(2) => write!(f, "a debug directory entry names a PDB"),
            Debug(kind) => write!(f, "a debug directory entry of type {kind}"),
            Resources(why) => write!(f, "resource directory: {why}"),
            NoVersion => write!(f, "there is no version resource"),
            NoMessages => write!(f, "there is no message table"),
            NoManifest => write!(
                f,
                "there is no manifest for visual styles and the user's rights"
            ),
            NoIcon => write!(f, "there is no icon"),
        }
    }
}

/// The PE format's names, by index.
const DIRECTORIES: [&str; 15] = [
    "export",
    "import",
    "resource",
    "exception",
    "certificate",
    "base relocation",
    "debug",
    "architecture",
    "global pointer",
    "TLS",
    "load configuration",
    "bound import",
    "import address table",
    "delay import",
    "CLR header",
];

fn version((major, minor): (u16, u16)) -> String {
    format!("{major}.{minor:02}")
}
