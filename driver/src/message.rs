//! The messages of the event log: numbers and texts.
//!
//! The build script compiles this file too, to make the driver's message
//! resource, so it may use nothing but the reasons of the protocol.
//!
//! In a text, `%2` stands for the module's file name, `%3` and `%4` for
//! numbers, and `%5` for a reason. (The system inserts the driver's name for
//! `%1`.) An entry of the log has little room, so a reason is inserted by number,
//! `%%4132`: Event Viewer inserts the text from the same resource, where the
//! driver is registered as its own ParameterMessageFile.
//!
//! Version 0.1.0 logged every message, and its entries stay in the log, so
//! numbers and meanings stay.

use tcplimit_protocol::Reason;

/// A message, without its inserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The driver was loaded.
    Loaded,
    /// The driver was unloaded.
    Unloaded,
    /// The limit was located; `%3` is its value.
    Located,
    /// The limit was changed from `%3` to `%4`.
    Changed,
    /// The stored limits were not applied in Safe Mode.
    SafeMode,
    /// The stored limits were not applied since the last start failed.
    Guarded,
    /// The test-only value is set.
    AcceptsUnknownRights,
    /// The write could not be recorded.
    NotRemembered,
    /// The start mark was not removed.
    GuardKept,
    /// The limit was not located.
    NotLocated(Reason),
    /// A change to `%3` was refused.
    Refused(Reason),
    /// The stored limit, `%3`, was not applied.
    NotApplied(Reason),
    /// The limit was not restored to `%3` at unload.
    NotRestored(Reason),
}

/// Our facility, and the customer bit: the number is not Microsoft's.
const OURS: u32 = 0x2007_0000;
/// Severity of information.
const INFORMATIONAL: u32 = 0x4000_0000 | OURS;
/// Severity of a warning.
const WARNING: u32 = 0x8000_0000 | OURS;
/// Offset from a reason's number to that of its text.
const REASONS: u32 = 0x1000;

impl Message {
    /// One of each kind.
    pub const ALL: [Message; 13] = [
        Message::Loaded,
        Message::Unloaded,
        Message::Located,
        Message::Changed,
        Message::SafeMode,
        Message::Guarded,
        Message::AcceptsUnknownRights,
        Message::NotRemembered,
        Message::GuardKept,
        Message::NotLocated(Reason::Done),
        Message::Refused(Reason::Done),
        Message::NotApplied(Reason::Done),
        Message::NotRestored(Reason::Done),
    ];

    /// All texts of the message resource by number: the messages, and the
    /// reasons that stand for `%5`.
    pub fn texts() -> impl Iterator<Item = (u32, &'static str)> {
        let reasons = Reason::ALL.iter();
        Message::ALL
            .into_iter()
            .map(|message| (message.id(), message.text()))
            .chain(reasons.map(|&reason| (Message::reason_id(reason), reason.text())))
    }

    /// The number of a reason's text.
    #[must_use]
    pub fn reason_id(reason: Reason) -> u32 {
        REASONS | reason.code()
    }

    /// The number in the event log.
    #[must_use]
    pub fn id(self) -> u32 {
        match self {
            Message::Loaded => INFORMATIONAL | 1,
            Message::Unloaded => INFORMATIONAL | 2,
            Message::Located => INFORMATIONAL | 3,
            Message::Changed => INFORMATIONAL | 4,
            Message::SafeMode => INFORMATIONAL | 5,
            Message::Guarded => WARNING | 6,
            Message::AcceptsUnknownRights => WARNING | 7,
            Message::NotRemembered => WARNING | 8,
            Message::GuardKept => WARNING | 9,
            Message::NotLocated(_) => WARNING | 10,
            Message::Refused(_) => WARNING | 11,
            Message::NotApplied(_) => WARNING | 12,
            Message::NotRestored(_) => WARNING | 13,
        }
    }

    /// Whether it goes to the event log, and not just to the debugger: changes,
    /// refused changes, stored limits not applied, the start mark, and the
    /// test-only value. An entry references the driver until the log has taken
    /// it, and until then the driver can't be loaded again, so routine events
    /// make no entries.
    #[must_use]
    pub fn is_logged(self) -> bool {
        match self {
            Message::Changed
            | Message::NotRemembered
            | Message::Refused(_)
            | Message::NotRestored(_)
            | Message::NotApplied(_)
            | Message::SafeMode
            | Message::Guarded
            | Message::GuardKept
            | Message::AcceptsUnknownRights => true,
            Message::Loaded | Message::Unloaded | Message::Located | Message::NotLocated(_) => {
                false
            }
        }
    }

    /// The reason in it, if any.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            Message::NotLocated(reason)
            | Message::Refused(reason)
            | Message::NotApplied(reason)
            | Message::NotRestored(reason) => Some(reason),
            _ => None,
        }
    }

    /// The text, ASCII.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Message::Loaded => concat!("tcplimit ", env!("CARGO_PKG_VERSION"), " was loaded."),
            Message::Unloaded => "tcplimit was unloaded.",
            Message::Located => "%2: the limit of half-open connections was located; it is %3.",
            Message::Changed => "%2: the limit of half-open connections was changed from %3 to %4.",
            Message::SafeMode => "The stored limits were not applied: this is Safe Mode.",
            Message::Guarded => {
                "The stored limits were not applied: Windows did not start the last time they \
                 were. Set a limit by hand, and they will be applied again."
            }
            Message::AcceptsUnknownRights => {
                "TestOnlyAcceptUnknownRights is set. Remove it from any machine that matters."
            }
            Message::NotRemembered => {
                "%2: the write could not be recorded. When loaded again, the driver will take \
                 the limit for another program's."
            }
            Message::GuardKept => {
                "The mark that guards the start can't be removed, so the stored limits will \
                 not be applied the next time. Set a limit by hand to try again."
            }
            Message::NotLocated(_) => "%2: the limit was not located. %5",
            Message::Refused(_) => "%2: the limit was not set to %3. %5",
            Message::NotApplied(_) => "%2: the stored limit %3 was not applied. %5",
            Message::NotRestored(_) => "%2: the limit was not restored to %3. %5",
        }
    }
}
