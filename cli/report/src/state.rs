//! The result in one word.

use crate::exit::Exit;

/// The result in one word. [`State::name`] is the word in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Located, and start-up code stores 10.
    Unpatched,
    /// Located, and start-up code stores this value instead.
    Patched(u32),
    /// Located, but no single start-up store sets the value.
    Located,
    /// The module is right, but too old or too new to have the limit.
    NoLimiter,
    /// The module is right, but required evidence is missing.
    NotLocated,
    /// The names inside and outside the file contradict each other.
    ConflictingNames,
    /// Only one name says that it is `tcpip6.sys`.
    UnconfirmedName,
    /// A driver with the layout of Windows NT 3.1: undamaged, but older than the limit.
    TooOld,
    /// A driver, but neither of the two modules.
    OtherModule,
    /// A PE file, but not a driver.
    NotDriver,
    /// A PE file for a machine other than x86 and x64.
    UnsupportedMachine,
    /// An inconsistent image, or a file that ends too early.
    Damaged,
    /// Not a PE file.
    NotPe,
    /// Compressed in an unsupported way.
    Compressed,
    /// A cabinet of which no member was searched.
    Cabinet,
    /// An archive or a disc image that other programs open.
    Container,
    /// A disc image of which no file was searched.
    DiscImage,
    /// The file could not be read.
    Unreadable,
    /// `--as-loaded` with a base at which this image can't be loaded.
    UnfitBase,
}

impl State {
    /// The word for it in JSON: lower case, with hyphens, never changed.
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

    /// Whether the input can't be read or is damaged.
    #[must_use]
    pub fn is_bad_input(self) -> bool {
        matches!(self, State::Unreadable | State::Damaged)
    }

    /// The exit code of a program that was given only this file.
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
