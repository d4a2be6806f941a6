//! Reasons for leaving a file unchanged, with advice.

use std::fmt;
use std::path::Path;

use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT};
use scanner_core::{Checksum, Module, RelocationCoverage, Rva};
use tcplimit_report::State;

use super::file_names::JOURNAL;
use crate::iso;
use crate::terminal::quoted;

/// Advice for a damaged or unknown file.
const TRY_FRESH_COPY: &str =
    ": take a fresh copy of the file; if that is refused too, this program does not know the build";

/// Why nothing is changed. Every refusal is final: no option overrules it, except
/// `--module` where only the name is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A limit that the driver would not accept either.
    LimitOutOfRange(u32),
    /// The limit was not located; state and reason are those of `probe`.
    Unusable {
        /// The state that `probe` reports.
        state: State,
        /// The reason that `probe` gives.
        reason: String,
    },
    /// No name identifies the module.
    Unidentified,
    /// The content is that of this module, but the name is not.
    Renamed(Module),
    /// It lies in the folder of 64-bit Windows for 32-bit programs.
    SysWow64,
    /// The image as loaded gives another result than the file.
    LoadedDiffers(String),
    /// It has an embedded signature.
    Signed,
    /// Its header states no checksum.
    NoChecksum,
    /// Its header states a wrong checksum.
    WrongChecksum(Checksum),
    /// No store sets the limit.
    NoStore,
    /// Several stores set the limit.
    SeveralStores,
    /// The store is not in `INIT`.
    StoreOutsideInit(Rva),
    /// The relocation table lacks operands that the loader must adjust.
    NotRelocated(RelocationCoverage),
    /// The relocation table can't be read to its end, or names an RVA that holds
    /// no address inside the image: the first such RVA.
    DamagedRelocations(Option<Rva>),
    /// Its header or hash is that of a known build, but the rest differs.
    DiffersFromKnownBuild {
        /// The name of the build in the manifest.
        build: String,
        /// The difference, as "this, not that".
        difference: String,
    },
    /// The stored value is not a valid limit.
    ImplausibleValue(u32),
    /// The changed image or file failed verification.
    VerificationFailed,
    /// A cabinet of several files.
    SeveralMembers {
        /// The members named like one of the modules.
        drivers: Vec<String>,
    },
    /// A driver in a cabinet is refused: for each driver the member's name and the
    /// refusal; `None` for one that could be changed.
    InCabinet(Vec<(String, Option<Refusal>)>),
    /// A cabinet that can't be rewritten without loss.
    UnsupportedCabinet(&'static str),
    /// The file has other names, which would keep the old content.
    HardLinked(String, u64),
    /// A link in a Windows folder, which may lead out of it.
    SymbolicLink(String),
    /// The running system has it loaded.
    InUse(String),
    /// A run over all copies in this Windows was interrupted.
    JournalPending(String),
    /// A file with the name of the backup has another content.
    ForeignBackup(String),
    /// The output file exists with other content.
    OutputExists(String),
    /// The file changed during the run.
    ChangedMeanwhile(String),
    /// A disc image that can't be changed.
    Disc(DiscRefusal),
    /// Several backups fit, and none of them is preferable.
    SeveralBackups(Vec<String>),
    /// The file is damaged or missing, and its backups are of different builds.
    SeveralBuilds(Vec<String>),
}

impl Refusal {
    /// Whether the input is at fault, by the same rule as for `probe`.
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

    /// Its name in JSON: lower case, with hyphens, never changed.
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
    /// The problem, and what to do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::LimitOutOfRange(limit) => {
                write!(f, "{limit} is not a valid limit: use {MIN_LIMIT} to {MAX_LIMIT}")
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
                "neither its file name nor a name in it is tcpip.sys or tcpip6.sys: if it is one of them, name the file itself, with --module",
            ),
            Refusal::Renamed(module) => write!(
                f,
                "its content is that of {module}, but its name is not: it may belong to another system; to patch it anyway, name the file itself, with --module"
            ),
            Refusal::SysWow64 => f.write_str(
                "it lies in SysWOW64, from which no driver is loaded: patch the one in System32\\drivers; to patch this one anyway, name the file itself, with --module",
            ),
            Refusal::LoadedDiffers(reason) => write!(
                f,
                "the image as loaded gives another result than the file ({reason}): take a fresh copy of the file"
            ),
            Refusal::Signed => f.write_str(
                "it has an embedded signature, which a change would break; the drivers of that time have none: take the file from Windows itself",
            ),
            Refusal::NoChecksum => f.write_str(
                "its header states no checksum, but all of Microsoft's drivers do: another program made or changed it; take a fresh copy of the file",
            ),
            Refusal::WrongChecksum(sum) => write!(
                f,
                "its header states the checksum {:X}, its bytes give {:X}: it is damaged, or another program changed it without updating the checksum, and a new checksum would hide that; take a fresh copy of the file",
                sum.stated, sum.computed
            ),
            Refusal::NoStore => write!(
                f,
                "no known start-up code sets the limit{TRY_FRESH_COPY}"
            ),
            Refusal::SeveralStores => write!(
                f,
                "several stores in start-up code set the limit, and which one counts is unknown{TRY_FRESH_COPY}"
            ),
            Refusal::StoreOutsideInit(at) => write!(
                f,
                "the store at RVA {at} is not in the section INIT, where start-up code belongs: take a fresh copy of the file"
            ),
            Refusal::NotRelocated(coverage) => write!(
                f,
                "its relocation table lists {} of {} operands that the loader must adjust: take a fresh copy of the file",
                coverage.covered, coverage.needed
            ),
            Refusal::DamagedRelocations(None) => f.write_str(
                "its relocation table can't be read to its end: take a fresh copy of the file",
            ),
            Refusal::DamagedRelocations(Some(at)) => write!(
                f,
                "its relocation table names RVA {at}, which holds no address in the image: it is damaged or combined from two files; take a fresh copy of the file"
            ),
            Refusal::DiffersFromKnownBuild { build, difference } => write!(
                f,
                "its header is that of {build}, but it differs from that build ({difference}): it is damaged or combined from two files; take a fresh copy of the file"
            ),
            Refusal::ImplausibleValue(value) => write!(
                f,
                "start-up code stores {value}, which is not a valid limit ({MIN_LIMIT} to {MAX_LIMIT}): take a fresh copy of the file"
            ),
            Refusal::VerificationFailed => f.write_str(
                "the changed file failed verification: this is a bug in tcplimit, please report it",
            ),
            Refusal::SeveralMembers { drivers } if drivers.is_empty() => f.write_str(
                "a cabinet of several files, none of them tcpip.sys or tcpip6.sys: name TCPIP.SY_ or TCPIP6.SY_",
            ),
            Refusal::SeveralMembers { drivers } => write!(
                f,
                "a cabinet of several files, including {}: such cabinets are rewritten only with --cabinets. It still provides the unchanged driver, which Windows File Protection may restore over a patched one",
                drivers.join(" and ")
            ),
            Refusal::InCabinet(drivers) => {
                for (number, (member, refusal)) in refused_drivers(drivers).enumerate() {
                    let before = if number == 0 { "" } else { "; " };
                    write!(f, "{before}{member}: {refusal}")?;
                }
                Ok(())
            }
            Refusal::UnsupportedCabinet(reason) => write!(
                f,
                "{reason}, so it can't be rewritten without loss: take a fresh copy from the setup disc"
            ),
            Refusal::HardLinked(path, names) => write!(
                f,
                "{path} has {names} names (hard links), and the others would keep the old content: copy it to a file of its own, or write to another file with --output"
            ),
            Refusal::SymbolicLink(path) => write!(
                f,
                "{path} is a link whose target may lie outside this Windows: replace the link by the file or folder itself, or patch each file by its name"
            ),
            Refusal::InUse(path) => write!(
                f,
                "the running Windows has loaded {path}: write a copy with --output and exchange the two from another system, or use the driver tcplimit.sys, which changes no file",
            ),
            Refusal::JournalPending(windir) => write!(
                f,
                "an interrupted run of tcplimit left {}, and changing one file alone would prevent rolling back the others: first run tcplimit patch --root {} --in-place, or restore, which rolls back the changes of that run",
                Path::new(windir).join(JOURNAL).display(),
                quoted(windir)
            ),
            Refusal::ForeignBackup(name) => write!(
                f,
                "{name} exists but is not the backup that its name states: inspect it and move it away"
            ),
            Refusal::OutputExists(name) => write!(
                f,
                "{name} exists with other content and is never overwritten: choose another file name"
            ),
            Refusal::ChangedMeanwhile(path) => write!(
                f,
                "another program changed {path} during the run: find out which one, and try again"
            ),
            Refusal::Disc(refusal) => refusal.fmt(f),
            Refusal::SeveralBackups(names) => write!(
                f,
                "several backups fit, and none of them stores 10 ({}): copy back the one you want, or use --without-backup to set 10",
                names.join(", ")
            ),
            Refusal::SeveralBuilds(names) => write!(
                f,
                "it is damaged or missing, and its backups are of different builds ({}): copy back the one you want",
                names.join(", ")
            ),
        }
    }
}

/// The refused drivers of a cabinet.
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
    /// Images are changed in a copy only.
    InPlace,
    /// The output file exists.
    OutputExists(String),
    /// Its tables are inconsistent.
    Damaged(String),
    /// The file is shorter than its volume.
    Truncated {
        /// Sectors of the volume.
        stated: u32,
        /// Whole sectors in the file.
        available: u64,
    },
    /// It has a UDF tree, which Windows prefers.
    Udf,
    /// Another session's descriptors are in the image.
    SeveralSessions {
        /// Their sector.
        sector: u32,
    },
    /// Its first sectors hold a partition table, which states its size.
    Partitioned,
    /// Sectors are shared by other things than two names of one file.
    Overlap {
        /// The one that begins first.
        first: String,
        /// The one that begins inside it.
        second: String,
    },
    /// A copy's content is not one run of sectors.
    Fragmented(String),
    /// The last sector has no room for all records that name copies.
    TooMany,
    /// The image would be larger than its tables can state.
    TooLarge,
    /// The original image can't be reconstructed.
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

    /// Its name in JSON.
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
                "{name} exists and is never overwritten: choose another file name"
            ),
            DiscRefusal::Damaged(why) => write!(f, "{why}: make a fresh image of the disc"),
            DiscRefusal::Truncated { stated, available } => write!(
                f,
                "the volume has {stated} sectors, the file only {available}: it is truncated or still being written; make a fresh image of the disc"
            ),
            DiscRefusal::Udf => f.write_str(
                "it also has a UDF tree, which Windows reads first and which would still show the unchanged driver: build an image without UDF from its files (docs/patch.md)",
            ),
            DiscRefusal::SeveralSessions { sector } => write!(
                f,
                "it has several sessions (the descriptors of another are in sector {sector}), and which one is read depends on the drive: build an image with one session from its files (docs/patch.md)"
            ),
            DiscRefusal::Partitioned => f.write_str(
                "its first sectors hold a partition table, as on a USB stick, which states where the image ends: build an image without one from its files (docs/patch.md)",
            ),
            DiscRefusal::Overlap { first, second } => write!(
                f,
                "{first} and {second} share sectors and are not the same file: make a fresh image of the disc"
            ),
            DiscRefusal::Fragmented(path) => write!(
                f,
                "{path} is stored in several parts, or with attributes or gaps between its sectors: build an image from the files on the disc (docs/patch.md)"
            ),
            DiscRefusal::TooMany => f.write_str(
                "more directory records name copies of the driver than can be undone: build an image from the files on the disc (docs/patch.md)",
            ),
            DiscRefusal::TooLarge => {
                f.write_str("with another file it would exceed the largest size of an ISO image")
            }
            DiscRefusal::RecordMismatch => f.write_str(
                "its last sector says that tcplimit changed it, but the original can't be reconstructed: the image was changed since; use the original, or use --without-backup to set 10",
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
