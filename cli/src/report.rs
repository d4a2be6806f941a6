//! What is said of one file, or of one member of a cabinet.

use std::time::Duration;

use scanner_core::{Arch, Checksum, FileVersion, Findings, Image, Located, Module};
use scanner_core::{NotLocated, RelocationCoverage, Rva, StartUp, locate};

use crate::identity::Names;

/// The answer in one word. [`State::name`] is what JSON says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Located, and start-up code stores 10.
    Unpatched,
    /// Located, and start-up code stores this value instead.
    Patched(u32),
    /// Located, but no single start-up store says the value.
    Located,
    /// The module is right, but too old or too new to have the limit.
    NoLimiter,
    /// The module is right, but required evidence is missing.
    NotLocated,
    /// The names in and of the file contradict each other.
    ConflictingNames,
    /// One name says that it is `tcpip6.sys`, and nothing else does.
    UnconfirmedName,
    /// A driver laid out as those of Windows NT 3.1: whole, but older than the
    /// limit.
    TooOld,
    /// A driver, but neither of the two modules.
    OtherModule,
    /// A PE file, but not a driver.
    NotDriver,
    /// A PE file for another machine than x86 and x64.
    UnsupportedMachine,
    /// An image that does not hold together, or a file that ends too early.
    Damaged,
    /// Not a PE file.
    NotPe,
    /// Compressed in a way that is not read here.
    Compressed,
    /// A cabinet of which no member was looked into.
    Cabinet,
    /// An archive or an image of a disc that other programs open.
    Container,
    /// A disc image of which no file was looked into.
    DiscImage,
    /// It could not be read.
    Unreadable,
    /// `--as-loaded` with a base at which this image can't be.
    UnfitBase,
}

impl State {
    /// The word for it in JSON: lower case, with hyphens, the same for ever.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Unpatched => "unpatched",
            State::Patched(_) => "patched",
            State::Located => "located",
            State::NoLimiter => "no-limiter",
            State::NotLocated => "not-located",
            State::ConflictingNames => "conflicting-names",
            State::UnconfirmedName => "unconfirmed-name",
            State::TooOld => "too-old",
            State::OtherModule => "other-module",
            State::NotDriver => "not-a-driver",
            State::UnsupportedMachine => "unsupported-machine",
            State::Damaged => "damaged",
            State::NotPe => "not-pe",
            State::Compressed => "compressed",
            State::Cabinet => "cabinet",
            State::Container => "container",
            State::DiscImage => "disc-image",
            State::Unreadable => "unreadable",
            State::UnfitBase => "unfit-base",
        }
    }

    /// Whether the limit was located.
    #[must_use]
    pub fn is_located(self) -> bool {
        matches!(self, State::Unpatched | State::Patched(_) | State::Located)
    }

    /// Whether the input is at fault: it can't be read, or is damaged.
    #[must_use]
    pub fn is_bad_input(self) -> bool {
        matches!(self, State::Unreadable | State::Damaged)
    }
}

/// Where the bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as the caller named it.
    pub path: String,
    /// The member, where the file holds others: a cabinet, a disc image. From
    /// the outermost to the innermost, with `/`.
    pub member: Option<String>,
}

impl Origin {
    /// A file.
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

    /// The last part of the member's name, or else of the path: the name that
    /// may say which module it is.
    #[must_use]
    pub fn name(&self) -> &str {
        let full = self.member.as_deref().unwrap_or(&self.path);
        full.rsplit(['/', '\\']).next().unwrap_or(full)
    }
}

impl std::fmt::Display for Origin {
    /// `path`, or `archive.cab/MEMBER`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.member {
            Some(member) => write!(f, "{}/{member}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// What the headers of a driver say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// x86 or x64.
    pub arch: Arch,
    /// When it was linked: seconds since 1970.
    pub time_date_stamp: u32,
    /// From the version resource.
    pub version: Option<FileVersion>,
}

/// What takes reading the whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Stated and computed; `None` where the headers can't be read.
    pub checksum: Option<Checksum>,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What the manifest of known builds calls it.
    pub known: Option<String>,
}

/// The answer of the search.
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

    /// The limit, where it was located.
    #[must_use]
    pub fn threshold(&self) -> Option<Rva> {
        match self {
            Search::Located(located) => Some(located.threshold()),
            Search::Refused(_) => None,
        }
    }

    /// What was found out about the limit or the best candidate for it.
    #[must_use]
    pub fn findings(&self) -> Option<&Findings> {
        match self {
            Search::Located(located) => Some(located.findings()),
            Search::Refused(refused) => refused.best(),
        }
    }
}

/// All that is said of one file or member.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where the bytes come from.
    pub origin: Origin,
    /// How many bytes there are.
    pub bytes: u64,
    /// The answer in one word.
    pub state: State,
    /// Why it is not located, and what to do about it: one or more sentences.
    pub reason: Option<String>,
    /// The module it was taken for.
    pub module: Option<Module>,
    /// What its names say.
    pub names: Names,
    /// From its headers, when it is a driver.
    pub image: Option<ImageFacts>,
    /// The answer of the search, when there was one.
    pub search: Option<Search>,
    /// The base it was searched at, with `--as-loaded`.
    pub loaded_at: Option<u64>,
    /// The store that gives the limit its first value; only when located.
    pub start_up: Option<StartUp>,
    /// Only when located, and only on x86.
    pub relocations: Option<RelocationCoverage>,
    /// From the whole file, when the limit is located in it or its names
    /// identify it, and somebody will see it.
    pub file: Option<FileFacts>,
    /// How long the search took; none when there was none.
    pub search_time: Duration,
}

impl Report {
    /// A report that says no more than this.
    #[must_use]
    pub fn new(origin: Origin, bytes: u64, state: State, reason: impl Into<String>) -> Report {
        let names = Names::of_file(origin.name());
        Report {
            origin,
            bytes,
            state,
            reason: Some(reason.into()),
            module: None,
            names,
            image: None,
            search: None,
            loaded_at: None,
            start_up: None,
            relocations: None,
            file: None,
            search_time: Duration::ZERO,
        }
    }

    /// Whether the file is a known build, to the byte, that stores 10.
    #[must_use]
    pub fn is_as_shipped(&self) -> bool {
        let known = self.file.as_ref().and_then(|file| file.known.as_ref());
        self.state == State::Unpatched && known.is_some()
    }

    /// The limit, when it was located.
    #[must_use]
    pub fn located(&self) -> Option<&Located> {
        match &self.search {
            Some(Search::Located(located)) if self.state.is_located() => Some(located),
            _ => None,
        }
    }

    /// Whether a scan of a folder says more of it than a number in the
    /// summary: it is a hit, or might have been expected to be one.
    #[must_use]
    pub fn is_of_interest(&self) -> bool {
        self.state.is_located()
            || matches!(self.state, State::Unreadable | State::UnfitBase)
            || (self.names.name_a_module() && self.state != State::OtherModule)
    }
}
