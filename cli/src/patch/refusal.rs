//! Why a file is left as it is, and what to do about it.

use std::fmt;
use std::path::Path;

use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT};
use scanner_core::{Checksum, Module, RelocationCoverage, Rva};
use tcplimit_report::State;

use super::file_names::JOURNAL;
use crate::iso;
use crate::terminal::quoted;

/// What to do where a file is damaged, or unknown.
const TRY_FRESH_COPY: &str = ": take a fresh copy of the file; if that is refused too, it is a build that this program does not know";

/// Why nothing is changed. Every one is final: no option overrules it, but
/// `--module` where a name is all that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No limit that the driver would take, either.
    LimitOutOfRange(u32),
    /// The limit was not located; state and reason are those of `probe`.
    Unusable {
        /// The answer of `probe`.
        state: State,
        /// Its reason.
        reason: String,
    },
    /// Nothing says which module it is.
    Unidentified,
    /// The file is this module by what is in it, but not called so.
    Renamed(Module),
    /// It lies where 64-bit Windows keeps what is for 32-bit programs.
    SysWow64,
    /// The image as loaded does not give what the file gives.
    LoadedDiffers(String),
    /// It has a signature of its own.
    Signed,
    /// Its header states no checksum.
    NoChecksum,
    /// Its header states another checksum than it has.
    WrongChecksum(Checksum),
    /// No store gives the limit its value.
    NoStore,
    /// More than one does.
    SeveralStores,
    /// The store is not in `INIT`.
    StoreOutsideInit(Rva),
    /// Operands that the loader must adjust are not in the relocation table.
    NotRelocated(RelocationCoverage),
    /// The relocation table can't be read to its end, or names a place where no
    /// address inside the image stands: the first of them.
    DamagedRelocations(Option<Rva>),
    /// Its header, or its hash, is that of a known build, but not the rest.
    DiffersFromKnownBuild {
        /// What the manifest calls the build.
        build: String,
        /// What differs, as "this, not that".
        difference: String,
    },
    /// The value that is stored is no limit.
    ImplausibleValue(u32),
    /// The changed image is not what it should be.
    VerificationFailed,
    /// A cabinet of several files.
    SeveralMembers {
        /// The members that are one of the modules by name.
        drivers: Vec<String>,
    },
    /// A driver in a cabinet is refused: each by its member's name, and why; one
    /// without a reason could be changed.
    InCabinet(Vec<(String, Option<Refusal>)>),
    /// A cabinet that can't be written back as it was.
    UnsupportedCabinet(&'static str),
    /// The file has other names, which would keep the old content.
    HardLinked(String, u64),
    /// It is a link in a Windows, and may lead out of it.
    SymbolicLink(String),
    /// The running system has it loaded.
    InUse(String),
    /// A run over all copies in this Windows was interrupted.
    JournalPending(String),
    /// A file with the name of the backup has another content.
    ForeignBackup(String),
    /// The file to write is there, and has another content.
    OutputExists(String),
    /// The file changed while it was being worked on.
    ChangedMeanwhile(String),
    /// A disc image that can't be changed.
    Disc(DiscRefusal),
    /// Several backups, and none of them says more than the others.
    SeveralBackups(Vec<String>),
    /// The file is damaged or gone, and its backups are of different builds.
    SeveralBuilds(Vec<String>),
}

impl Refusal {
    /// Whether the input is at fault, as `probe` has it.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        match self {
            Refusal::Unusable { state, .. } => state.is_bad_input(),
            Refusal::WrongChecksum(_)
            | Refusal::DamagedRelocations(_)
            | Refusal::DiffersFromKnownBuild { .. } => true,
            Refusal::Disc(refusal) => refusal.is_bad_input(),
            Refusal::InCabinet(drivers) => {
                refused_drivers(drivers).any(|(_, refusal)| refusal.is_bad_input())
            }
            _ => false,
        }
    }

    /// The word for it in JSON: lower case, with hyphens, the same for ever.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::LimitOutOfRange(_) => "limit-out-of-range",
            Refusal::Unusable { state, .. } => state.name(),
            Refusal::Unidentified => "other-module",
            Refusal::Renamed(_) => "renamed",
            Refusal::SysWow64 => "wow",
            Refusal::LoadedDiffers(_) => "loaded-differs",
            Refusal::Signed => "signed",
            Refusal::NoChecksum => "no-checksum",
            Refusal::WrongChecksum(_) => "wrong-checksum",
            Refusal::NoStore => "no-store",
            Refusal::SeveralStores => "several-stores",
            Refusal::StoreOutsideInit(_) => "store-outside-init",
            Refusal::NotRelocated(_) => "not-relocated",
            Refusal::DamagedRelocations(_) => "damaged-relocations",
            Refusal::DiffersFromKnownBuild { .. } => "not-as-known",
            Refusal::ImplausibleValue(_) => "implausible-value",
            Refusal::VerificationFailed => "not-itself",
            Refusal::SeveralMembers { .. } => "several-members",
            Refusal::InCabinet(drivers) => refused_drivers(drivers)
                .next()
                .map_or("not-itself", |(_, refusal)| refusal.name()),
            Refusal::UnsupportedCabinet(_) => "odd-cabinet",
            Refusal::HardLinked(..) => "linked",
            Refusal::SymbolicLink(_) => "link",
            Refusal::InUse(_) => "in-use",
            Refusal::JournalPending(_) => "journal-pending",
            Refusal::ForeignBackup(_) => "foreign-backup",
            Refusal::OutputExists(_) => "output-exists",
            Refusal::ChangedMeanwhile(_) => "changed-meanwhile",
            Refusal::Disc(refusal) => refusal.name(),
            Refusal::SeveralBackups(_) => "several-backups",
            Refusal::SeveralBuilds(_) => "several-builds",
        }
    }
}

impl fmt::Display for Refusal {
    /// What is the matter, and what to do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::LimitOutOfRange(limit) => {
                write!(f, "{limit} is no limit: give one from {MIN_LIMIT} to {MAX_LIMIT}")
            }
            Refusal::Unusable { state, reason } => {
                f.write_str(reason)?;
                f.write_str(match state {
                    State::NotLocated => TRY_FRESH_COPY,
                    State::ConflictingNames | State::UnconfirmedName => ", and name the file itself, not its folder",
                    State::UnsupportedMachine | State::NotDriver | State::NotPe => ", so it is neither tcpip.sys nor tcpip6.sys",
                    _ => "",
                })
            }
            Refusal::Unidentified => f.write_str(
                "no name in or of it is that of tcpip.sys or tcpip6.sys: if it is one of them, name the file itself, with --module",
            ),
            Refusal::Renamed(module) => write!(
                f,
                "it is {module} by what is in it, but not called so: what goes by another name may be another system's; if it is meant, name the file itself, with --module"
            ),
            Refusal::SysWow64 => f.write_str(
                "it lies in SysWOW64, from where no driver is loaded: the one in System32\\drivers counts; if this one is meant, name the file itself, with --module",
            ),
            Refusal::LoadedDiffers(reason) => write!(
                f,
                "the image as loaded does not give what the file gives ({reason}): take a fresh copy of the file"
            ),
            Refusal::Signed => f.write_str(
                "it has a signature of its own, which a change would break, and the drivers of the time have none: take the file from Windows itself",
            ),
            Refusal::NoChecksum => f.write_str(
                "its header states no checksum, and Microsoft's drivers all do: it was made or changed by something else; take a fresh copy of the file",
            ),
            Refusal::WrongChecksum(sum) => write!(
                f,
                "its header states the checksum {:X}, its bytes give {:X}: it is damaged, or was changed by something that did not care, and a right checksum would hide that; take a fresh copy of the file",
                sum.stated, sum.computed
            ),
            Refusal::NoStore => write!(
                f,
                "no start-up code gives the limit its value in a way that is known{TRY_FRESH_COPY}"
            ),
            Refusal::SeveralStores => write!(
                f,
                "several places in start-up code give the limit a value, and which one counts can't be told{TRY_FRESH_COPY}"
            ),
            Refusal::StoreOutsideInit(at) => write!(
                f,
                "the store at RVA {at} is not in the section INIT, where start-up code is: take a fresh copy of the file"
            ),
            Refusal::NotRelocated(coverage) => write!(
                f,
                "of {} operands that the loader must adjust, its relocation table names {}: take a fresh copy of the file",
                coverage.needed, coverage.covered
            ),
            Refusal::DamagedRelocations(None) => f.write_str(
                "its relocation table can't be read to its end: take a fresh copy of the file",
            ),
            Refusal::DamagedRelocations(Some(at)) => write!(
                f,
                "its relocation table names RVA {at}, where no address of the image stands: it is damaged, or made of two files; take a fresh copy of the file"
            ),
            Refusal::DiffersFromKnownBuild { build, difference } => write!(
                f,
                "by its header it is {build}, but it differs from that ({difference}): it is damaged, or made of two files; take a fresh copy of the file"
            ),
            Refusal::ImplausibleValue(value) => write!(
                f,
                "start-up code stores {value}, which is no limit ({MIN_LIMIT} to {MAX_LIMIT} are): take a fresh copy of the file"
            ),
            Refusal::VerificationFailed => f.write_str(
                "the changed image is not found as the unchanged one was: this is a mistake in tcplimit, please report it",
            ),
            Refusal::SeveralMembers { drivers } if drivers.is_empty() => f.write_str(
                "a cabinet of several files, none of them tcpip.sys or tcpip6.sys: name TCPIP.SY_ or TCPIP6.SY_",
            ),
            Refusal::SeveralMembers { drivers } => write!(
                f,
                "a cabinet of several files, {} among them: such cabinets are rewritten only with --cabinets. What takes the file from it gets the unchanged one: Windows File Protection, for one, may put it back over a patched one",
                drivers.join(" and ")
            ),
            Refusal::InCabinet(drivers) => {
                for (number, (member, refusal)) in refused_drivers(drivers).enumerate() {
                    let before = if number == 0 { "" } else { "; " };
                    write!(f, "{before}{member}: {refusal}")?;
                }
                Ok(())
            }
            Refusal::UnsupportedCabinet(why) => write!(
                f,
                "{why}, so it can't be written back as it was: take a fresh copy from the setup disc"
            ),
            Refusal::HardLinked(path, names) => write!(
                f,
                "{path} has {names} names (hard links), and the others would keep the old content: make it a file of its own, or write to another with --output"
            ),
            Refusal::SymbolicLink(path) => write!(
                f,
                "{path} is a link, and what it leads to may lie outside this Windows: put the file or folder itself in its place, or patch each file by its name"
            ),
            Refusal::InUse(path) => write!(
                f,
                "the running Windows has {path} loaded: write to a copy with --output and exchange the two from another system, or use tcplimit.sys, the driver, which changes no file",
            ),
            Refusal::JournalPending(home) => write!(
                f,
                "{} is there, of a run of tcplimit that was interrupted; a change of one file alone would make it impossible to put the others back: first run tcplimit patch --root {} --in-place, or restore, which puts back what that run changed before anything else",
                Path::new(home).join(JOURNAL).display(),
                quoted(home)
            ),
            Refusal::ForeignBackup(name) => write!(
                f,
                "{name} is there, and is not the backup that its name says: look at it, and move it away"
            ),
            Refusal::OutputExists(name) => write!(
                f,
                "{name} is there already, with another content, and is never overwritten: name another file"
            ),
            Refusal::ChangedMeanwhile(path) => write!(
                f,
                "another program changed {path} meanwhile: see which one, and try again"
            ),
            Refusal::Disc(refusal) => refusal.fmt(f),
            Refusal::SeveralBackups(names) => write!(
                f,
                "several backups fit, and none of them stores 10 ({}): copy back the one you mean, or give --without-backup to set 10",
                names.join(", ")
            ),
            Refusal::SeveralBuilds(names) => write!(
                f,
                "it is damaged or gone, and its backups are of different builds ({}): copy back the one you mean",
                names.join(", ")
            ),
        }
    }
}

/// The drivers of a cabinet that are refused.
fn refused_drivers(
    drivers: &[(String, Option<Refusal>)],
) -> impl Iterator<Item = (&String, &Refusal)> {
    let each = drivers.iter();
    each.filter_map(|(member, refusal)| Some((member, refusal.as_ref()?)))
}

impl std::error::Error for Refusal {}

/// Why no image is written. Sectors are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscRefusal {
    /// An image is changed in a copy only.
    InPlace,
    /// Something goes by the name of the new image.
    OutputExists(String),
    /// Its tables do not hold together.
    Damaged(String),
    /// The file is shorter than the volume in it.
    Truncated {
        /// Sectors of the volume.
        stated: u32,
        /// Whole sectors in the file.
        there: u64,
    },
    /// It has a UDF tree, which Windows prefers.
    Udf,
    /// Another session's descriptors are in the image.
    SeveralSessions {
        /// Where they are.
        sector: u32,
    },
    /// Its first sectors hold a partition table, which states sizes.
    Partitioned,
    /// Two things share sectors that are not one and the same file.
    Overlap {
        /// What begins first.
        first: String,
        /// What begins within it.
        second: String,
    },
    /// A copy's content is not one run of sectors.
    Fragmented(String),
    /// More records name copies than the last sector has room for.
    TooMany,
    /// The image would be larger than its tables can say.
    TooLarge,
    /// What it was before can't be had back.
    RecordMismatch,
    /// Ctrl-C.
    Interrupted,
}

impl DiscRefusal {
    /// Whether the input is at fault.
    fn is_bad_input(&self) -> bool {
        matches!(
            self,
            DiscRefusal::Damaged(_) | DiscRefusal::Truncated { .. } | DiscRefusal::Overlap { .. }
        )
    }

    /// The word for it in JSON.
    fn name(&self) -> &'static str {
        match self {
            DiscRefusal::InPlace => "disc-in-place",
            DiscRefusal::OutputExists(_) => "output-exists",
            DiscRefusal::Damaged(_) => "damaged",
            DiscRefusal::Truncated { .. } => "disc-cut",
            DiscRefusal::Udf => "disc-udf",
            DiscRefusal::SeveralSessions { .. } => "disc-sessions",
            DiscRefusal::Partitioned => "disc-partitioned",
            DiscRefusal::Overlap { .. } => "disc-overlap",
            DiscRefusal::Fragmented(_) => "disc-not-plain",
            DiscRefusal::TooMany => "disc-too-many",
            DiscRefusal::TooLarge => "disc-too-large",
            DiscRefusal::RecordMismatch => "disc-record-differs",
            DiscRefusal::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for DiscRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiscRefusal::InPlace => f.write_str(
                "a disc image is not changed in place: write a new one with --output NEW.iso",
            ),
            DiscRefusal::OutputExists(name) => write!(
                f,
                "{name} is there already, and is never overwritten: name another file"
            ),
            DiscRefusal::Damaged(why) => write!(f, "{why}: make a fresh image of the disc"),
            DiscRefusal::Truncated { stated, there } => write!(
                f,
                "the volume has {stated} sectors, the file {there}: it was cut, or is still being written; make a fresh image of the disc"
            ),
            DiscRefusal::Udf => f.write_str(
                "it has a UDF tree as well, which Windows reads first, and which would still show the unchanged driver: make an image without UDF of the files on it (docs/patch.md)",
            ),
            DiscRefusal::SeveralSessions { sector } => write!(
                f,
                "it has several sessions (the descriptors of another are in sector {sector}), and which one is read depends on the drive: make an image of one session of the files on it (docs/patch.md)"
            ),
            DiscRefusal::Partitioned => f.write_str(
                "it has a partition table in its first sectors, as for a stick, which says where the image ends: make an image without one of the files on it (docs/patch.md)",
            ),
            DiscRefusal::Overlap { first, second } => write!(
                f,
                "{first} and {second} share sectors and are not the same file: make a fresh image of the disc"
            ),
            DiscRefusal::Fragmented(path) => write!(
                f,
                "{path} is in several parts, or has attributes or gaps between its sectors: make an image of the files on the disc (docs/patch.md)"
            ),
            DiscRefusal::TooMany => f.write_str(
                "more names lead to copies of the driver than can be undone: make an image of the files on the disc (docs/patch.md)",
            ),
            DiscRefusal::TooLarge => {
                f.write_str("with another file it would be larger than an ISO image can be")
            }
            DiscRefusal::RecordMismatch => f.write_str(
                "its last sector says that tcplimit changed it, but what it was before does not come out: it was changed since; take the original, or give --without-backup to set 10",
            ),
            DiscRefusal::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<iso::DiscError> for DiscRefusal {
    fn from(flaw: iso::DiscError) -> DiscRefusal {
        DiscRefusal::Damaged(flaw.to_string())
    }
}
