//! The answer in one word.

use crate::exit::Exit;

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

    /// What a program exits with that was asked about this file alone.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            _ if self.is_located() => Exit::Done,
            _ if self.is_bad_input() => Exit::Unreadable,
            State::UnfitBase => Exit::Usage,
            _ => Exit::Refused,
        }
    }
}
