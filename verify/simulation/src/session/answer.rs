//! What the driver answers, read by hand, and compared with what it must.

use tcplimit_driver::{Event, Message};
use tcplimit_protocol::Reason;

use super::known::{Identity, Known, Location, Memory, Start};
use super::model::{LOCATED, Model, Prediction};
use super::request::{ANSWER, Asked, RECORD, Wish, dword};
use crate::kernel::{Instance, slot};
use specimen::{Arch, Module};

/// An answer of ours: the protocol's record, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The driver's version.
    pub driver: u32,
    /// 4 or 6.
    pub module: u32,
    /// How far the search got: 0 absent, 1 not located, 2 located.
    pub state: u32,
    reason: u32,
    /// Two numbers that go with the reason.
    pub detail: [u32; 2],
    /// Limit, half-open, queued.
    pub values: [u32; 3],
    /// The most half-open connections that were seen.
    pub peak: u32,
    /// What the driver wrote last.
    pub written: u32,
    /// What was there before it wrote first.
    pub original: u32,
    /// RVAs of limit, half-open, queued.
    pub rvas: [u32; 3],
    /// TimeDateStamp, CheckSum and SizeOfImage.
    pub identity: Identity,
    /// Evidence that holds.
    pub evidence: u32,
    /// Evidence that does not.
    pub missing: u32,
    /// The stored limit.
    pub configured: u32,
    /// What became of it.
    pub start: u32,
    start_reason: u32,
    /// Flags.
    pub flags: u32,
}

impl Answer {
    /// Reads one.
    pub fn read(bytes: &[u8]) -> Answer {
        assert_eq!(bytes.len(), ANSWER);
        let field = |number: usize| dword(bytes, number * 4).expect("a field");
        assert_eq!((field(0), field(1)), (104, 1), "size and version");
        Answer {
            driver: field(2),
            module: field(3),
            state: field(4),
            reason: field(5),
            detail: [6, 7].map(field),
            values: [8, 9, 10].map(field),
            peak: field(11),
            written: field(12),
            original: field(13),
            rvas: [14, 15, 16].map(field),
            identity: [17, 18, 19].map(field),
            evidence: field(20),
            missing: field(21),
            configured: field(22),
            start: field(23),
            start_reason: field(24),
            flags: field(25),
        }
    }

    /// Why it was refused, if it was.
    pub fn reason(&self) -> Reason {
        reason(self.reason)
    }

    /// Why the stored limit was refused, if it was.
    pub fn start_reason(&self) -> Reason {
        reason(self.start_reason)
    }

    /// Whatever the driver knew: what it says of the limit is so.
    pub(super) fn is_true_of(&self, loaded: Option<&Instance>) {
        if self.reason() != Reason::Done {
            return;
        }
        let loaded = loaded.expect("done, and nothing is loaded");
        assert_eq!(self.state, LOCATED);
        assert_eq!(self.values, self.rvas.map(|rva| loaded.dword(rva)));
        let truth = &loaded.build().specimen.truth;
        assert_eq!(self.rvas, [truth.threshold, truth.count, truth.queue]);
    }
}

fn reason(code: u32) -> Reason {
    Reason::from_code(code).unwrap_or_else(|| panic!("no reason {code}"))
}

/// Bits of evidence: nine that both modules have, the event's code or its
/// absence, and what ties code to its place, in memory.
fn required(module: Module, arch: Arch) -> u32 {
    let event = match module {
        Module::Tcpip => 0x200,
        Module::Tcpip6 => 0x400,
    };
    let place = match arch {
        Arch::X86 => 0x800,
        Arch::X64 => 0x800 | 0x1000,
    };
    0x1FF | event | place
}

impl Prediction {
    /// The answer is this.
    pub(super) fn is_what(&self, said: &Answer, module: Module, arch: Arch) {
        assert_eq!(
            (said.state, said.reason(), said.values, said.rvas),
            (self.state, self.reason, self.values, self.rvas),
            "{said:?}"
        );
        if let Some(detail) = self.detail {
            assert_eq!(said.detail, detail, "{said:?}");
        }
        if let Some(identity) = self.identity {
            assert_eq!(said.identity, identity);
        }
        assert_eq!(said.flags & 4 != 0, self.unlisted, "unlisted: {said:?}");
        let required = required(module, arch);
        if self.state == LOCATED {
            assert_eq!((said.evidence, said.missing), (required, 0));
        } else {
            assert_eq!(said.evidence & said.missing, 0);
            assert_eq!((said.evidence | said.missing) & !required, 0);
        }
        if self.reason == Reason::EvidenceMissing {
            assert_ne!(said.missing, 0);
            assert_eq!(said.detail, [said.missing, 0]);
        }
    }
}

impl Model {
    /// Learns from an answer, where it can't be told what the driver knows.
    pub(super) fn adopt(&mut self, said: &Answer, loaded: Option<&Instance>, remembered: bool) {
        let Some(loaded) = loaded else {
            return;
        };
        let slot = slot(loaded.module);
        if remembered {
            self.remembered[slot] = None;
        }
        let known = &mut self.known[slot];
        if said.state != LOCATED || said.reason() == Reason::Changed || loaded.headers_changed {
            known.certain = false;
            return;
        }
        let memory = Memory {
            identity: said.identity,
            last: said.written,
            original: said.original,
        };
        *known = Known {
            certain: true,
            located: Some(Location::of(loaded)),
            peak: said.peak,
            memory: (said.original != 0).then_some(memory),
            earlier: said.flags & 8 != 0,
            start: Start {
                configured: said.configured,
                outcome: said.start,
                reason: said.start_reason(),
            },
        };
    }

    /// What the answer says of the driver itself, and of what it did before.
    pub(super) fn is_what(&self, said: &Answer, slot: usize) {
        let known = &self.known[slot];
        let (last, original) = known.memory.map_or((0, 0), |memory| {
            assert_ne!(memory.original, 0);
            (memory.last, memory.original)
        });
        assert_eq!((said.written, said.original), (last, original), "{said:?}");
        assert_eq!(said.peak, known.peak, "{said:?}");
        assert_eq!(
            (said.configured, said.start, said.start_reason()),
            (
                known.start.configured,
                known.start.outcome,
                known.start.reason
            )
        );
        let flags =
            u32::from(self.accepts) | u32::from(self.restores) << 1 | u32::from(known.earlier) << 3;
        assert_eq!(said.flags & !4, flags, "{said:?}");
        let version = env!("CARGO_PKG_VERSION").split('.');
        let version = version.fold(0, |all, part| {
            all << 8 | part.parse::<u32>().expect("a part")
        });
        assert_eq!(said.driver, version);
    }
}

/// The form of an answer of 2005: a record, and behind its third field text
/// that ends in a NUL.
pub(super) fn is_log(said: &[u8], output: usize) {
    assert!((RECORD..=output).contains(&said.len()));
    let log = &said[12..];
    let end = log.iter().position(|&byte| byte == 0);
    let end = end.unwrap_or_else(|| panic!("no NUL in {log:?}"));
    if log.len() > 4 {
        assert_eq!(end + 1, log.len(), "no more is copied than the text");
    }
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    assert!(log[..end].iter().all(printable), "{log:?}");
}

/// Why a request of 2005 was refused, if it was: the event log has the reason
/// of a change that was refused; of a look it is only known that it failed.
pub(super) fn reason_of(said: &[u8], events: &[Event], asked: Asked) -> Reason {
    match dword(said, 8) {
        Some(0) => return Reason::Done,
        Some(1) => {}
        other => panic!("neither success nor failure: {other:?}"),
    }
    let told = events.iter().find_map(|event| match event.message {
        Message::Refused(reason) => Some(reason),
        _ => None,
    });
    match asked.wish {
        Wish::Look => Reason::Unusable,
        Wish::Set { .. } => told.expect("a refusal that the event log does not know"),
    }
}

/// The answer of 2005 is this.
pub(super) fn is_record(said: &[u8], output: usize, predicted: &Prediction) {
    let fields = [0, 4, 8].map(|at| dword(said, at).expect("a field"));
    let [limit, half_open, _] = predicted.values;
    let failed = u32::from(predicted.reason != Reason::Done);
    assert_eq!(fields, [limit, half_open, failed]);
    // There is room for any log.
    if output > 1024 {
        let log = String::from_utf8_lossy(&said[12..]);
        let told = log.contains(predicted.reason.text());
        assert_eq!(told, failed == 1, "{:?}: {log}", predicted.reason);
        let counted = format!("Half-open now: {half_open}.");
        let unread = matches!(predicted.reason, Reason::Changed | Reason::PageInvalid);
        let located = predicted.state == LOCATED && !unread;
        assert_eq!(log.contains(&counted), located, "{log}");
    }
}
