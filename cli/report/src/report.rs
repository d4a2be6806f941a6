//! The report on one file, or on one member of a cabinet.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT, PRISTINE_LIMIT};
use scanner_core::{Arch, Checksum, FileVersion, Findings, Headers, Image, Located, Module};
use scanner_core::{NotLocated, RelocationCoverage, Rva, StartUpStore, locate};

use crate::file_kind;
use crate::hash;
use crate::names::{Names, last_part};
use crate::state::State;
use crate::text::{self, Translate, fill};

/// The origin of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The path of the file, as given by the caller.
    pub path: String,
    /// The member of a cabinet or disc image, from the outermost to the innermost, separated by
    /// `/`.
    pub member: Option<String>,
}

impl Origin {
    /// The origin of a file that is not a member.
    #[must_use]
    pub fn file(path: &str) -> Origin {
        Origin {
            path: path.to_owned(),
            member: None,
        }
    }

    /// A member of this file, or of this member.
    #[must_use]
    pub fn member(&self, name: &str) -> Origin {
        Origin {
            path: self.path.clone(),
            member: Some(match &self.member {
                Some(outer) => format!("{outer}/{name}"),
                None => name.to_owned(),
            }),
        }
    }

    /// The last part of the member's name, or else of the path: the name that may identify the
    /// module.
    #[must_use]
    pub fn name(&self) -> &str {
        last_part(self.member.as_deref().unwrap_or(&self.path))
    }
}

impl fmt::Display for Origin {
    /// `path`, or `archive.cab/MEMBER`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.member {
            Some(member) => write!(f, "{}/{member}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// Facts from the headers of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// x86 or x64.
    pub arch: Arch,
    /// Link time: seconds since 1970.
    pub time_date_stamp: u32,
    /// From the version resource.
    pub version: Option<FileVersion>,
}

/// Facts that require reading the whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Stated and computed; `None` where the headers can't be read.
    pub checksum: Option<Checksum>,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The name of the build in the manifest of known builds.
    pub known: Option<&'static str>,
}

/// The result of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Found.
    Located(Located),
    /// Refused.
    Refused(NotLocated),
}

impl Search {
    /// Searches an image.
    #[must_use]
    pub fn of(image: &Image<'_>, module: Module) -> Search {
        match locate(image, module) {
            Ok(located) => Search::Located(located),
            Err(refused) => Search::Refused(refused),
        }
    }

    /// The limit, if located.
    #[must_use]
    pub fn threshold(&self) -> Option<Rva> {
        match self {
            Search::Located(located) => Some(located.threshold()),
            Search::Refused(_) => None,
        }
    }

    /// The findings about the limit or its best candidate.
    #[must_use]
    pub fn findings(&self) -> Option<&Findings> {
        match self {
            Search::Located(located) => Some(located.findings()),
            Search::Refused(refused) => refused.best(),
        }
    }
}

/// The report on one file or member.
#[derive(Clone, Debug)]
pub struct Report {
    /// The origin of the bytes.
    pub origin: Origin,
    /// Its size in bytes.
    pub bytes: u64,
    /// The result in one word.
    pub state: State,
    /// Why it is not located, and what to do: one or more sentences.
    pub reason: Option<String>,
    /// The module that it is or was treated as.
    pub module: Option<Module>,
    /// Its names.
    pub names: Names,
    /// Facts from its headers, if it is a driver.
    pub image: Option<ImageFacts>,
    /// The result of the search, if any.
    pub search: Option<Search>,
    /// The base at which it was searched, with `--as-loaded`.
    pub loaded_at: Option<u64>,
    /// The store of the limit's initial value; only if located.
    pub start_up: Option<StartUpStore>,
    /// Coverage by relocations; only if located, and only on x86.
    pub relocations: Option<RelocationCoverage>,
    /// Facts from the whole file, if the limit is located or the names identify it, and the report
    /// is shown.
    pub file: Option<FileFacts>,
    /// Duration of the search; zero if there was none or it was not measured.
    pub search_time: Duration,
}

impl Report {
    /// A report with only a state and a reason.
    #[must_use]
    pub fn new(origin: Origin, bytes: u64, state: State, reason: impl Into<String>) -> Report {
        let mut report = Report::pending(origin, bytes);
        report.refuse(state, reason.into());
        report
    }

    /// A report on a file that is not examined yet.
    #[must_use]
    pub fn pending(origin: Origin, bytes: u64) -> Report {
        Report {
            names: Names::of_file(origin.name()),
            origin,
            bytes,
            state: State::NotLocated,
            reason: None,
            module: None,
            image: None,
            search: None,
            loaded_at: None,
            start_up: None,
            relocations: None,
            file: None,
            search_time: Duration::ZERO,
        }
    }

    /// Notes that the limit was not located.
    pub fn refuse(&mut self, state: State, reason: String) {
        self.state = state;
        self.reason = Some(reason);
    }

    /// Whether the file is a known build, to the byte, that stores 10.
    #[must_use]
    pub fn is_as_shipped(&self) -> bool {
        let known = self.file.as_ref().and_then(|file| file.known);
        self.state == State::Unpatched && known.is_some()
    }

    /// The limit, if located.
    #[must_use]
    pub fn located(&self) -> Option<&Located> {
        match &self.search {
            Some(Search::Located(located)) if self.state.is_located() => Some(located),
            _ => None,
        }
    }

    /// Whether the scan of a folder reports the file by itself and not only in the summary: it is a
    /// hit, or could be expected to be one.
    #[must_use]
    pub fn is_of_interest(&self) -> bool {
        self.state.is_located()
            || matches!(self.state, State::Unreadable | State::UnfitBase)
            || (self.names.name_a_module() && self.state != State::OtherModule)
    }

    /// The checksum, if computed.
    #[must_use]
    pub fn checksum(&self) -> Option<Checksum> {
        self.file.as_ref()?.checksum
    }

    /// The limit that Windows will start with, if located and known.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        match self.state {
            State::Unpatched => Some(PRISTINE_LIMIT),
            State::Patched(value) => Some(value),
            _ => None,
        }
    }

    /// Adds SHA-256 and checksum, if the file is of interest. That takes longer than the search, so
    /// call it only for reports that are shown. `known` names a build by its SHA-256.
    pub fn add_file_facts(&mut self, data: &[u8], known: fn(&str) -> Option<&'static str>) {
        let wanted = self.state.is_located() || self.names.name_a_module();
        // Such a report may not be about this data.
        let is_image = self.state != State::Unreadable && !file_kind::is_cabinet(data);
        if wanted && is_image && file_kind::is_driver_size(self.bytes) {
            let sha256 = hash::sha256(data);
            let headers = Headers::parse(data).ok();
            self.file = Some(FileFacts {
                checksum: headers.map(|headers| Checksum::compute(&headers, data)),
                known: known(&sha256),
                sha256,
            });
        }
    }

    /// The text for a wrong checksum: the limit is located, but the file is damaged or modified.
    #[must_use]
    pub fn checksum_flaw(&self) -> Option<&'static str> {
        match self.checksum()? {
            sum if sum.is_right() => None,
            Checksum { stated: 0, .. } => Some(text::NO_CHECKSUM),
            _ => Some(text::WRONG_CHECKSUM),
        }
    }

    /// The result in a few words, with a note on a wrong checksum.
    #[must_use]
    pub fn headline(&self, translate: Translate) -> String {
        let checksum = self.checksum_flaw().map_or("", translate);
        let (text, value) = match self.state {
            State::Unpatched if self.is_as_shipped() => (text::AS_SHIPPED, None),
            State::Unpatched => (text::UNPATCHED, None),
            State::Patched(value) => (text::PATCHED, Some(value)),
            State::Located => (text::NO_STORE, None),
            State::NotLocated => (text::NOT_LOCATED, None),
            State::ConflictingNames => (text::CONFLICTING_NAMES, None),
            State::UnconfirmedName => (text::UNCONFIRMED_NAME, None),
            State::NoLimiter => (text::NO_LIMITER, None),
            State::TooOld => (text::TOO_OLD, None),
            State::OtherModule => (text::OTHER_MODULE, None),
            State::NotDriver => (text::NOT_A_DRIVER, None),
            State::UnsupportedMachine => (text::UNSUPPORTED_MACHINE, None),
            State::Damaged => (text::DAMAGED, None),
            State::NotPe => (text::NOT_PE, None),
            State::Compressed => (text::COMPRESSED_FILE, None),
            State::Cabinet => (text::A_CABINET, None),
            State::Container => (text::NOT_OPENED, None),
            State::DiscImage => (text::DISC_IMAGE, None),
            State::Unreadable => (text::UNREADABLE, None),
            State::UnfitBase => (text::UNFIT_BASE, None),
        };
        let value = value.map(|value| limit_text(value, translate));
        let value = value.as_deref().unwrap_or_default();
        fill(text, translate(text), &[&checksum, &value])
    }
}

/// A value of the limit; one that the driver refuses is marked.
#[must_use]
pub fn limit_text(value: u32, translate: Translate) -> String {
    match value {
        MIN_LIMIT..=MAX_LIMIT => format!("{value}"),
        _ => {
            let values: [&dyn fmt::Display; 3] = [&value, &MIN_LIMIT, &MAX_LIMIT];
            fill(text::OUTSIDE, translate(text::OUTSIDE), &values)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_the_driver_does_not_take_is_marked() {
        let limit = |value| limit_text(value, text::english);
        assert_eq!(limit(1), "1");
        assert_eq!(limit(16_777_215), "16777215");
        assert_eq!(limit(0), "0 (outside 1 to 16777215)");
        assert_eq!(limit(16_777_216), "16777216 (outside 1 to 16777215)");
    }

    #[test]
    fn a_name_is_the_part_after_either_slash() {
        for (path, name) in [
            (r"C:\a/b\tcpip.sys", "tcpip.sys"),
            ("a/b", "b"),
            ("b", "b"),
            ("b/", ""),
        ] {
            assert_eq!(Origin::file(path).name(), name);
        }
        let member = Origin::file("a.iso").member("I386").member("TCPIP.SY_");
        assert_eq!(member.name(), "TCPIP.SY_");
    }
}
