//! The driver's answers, parsed independently and compared with the model.

use tcplimit_driver::{Event, Message};
use tcplimit_protocol::Reason;

use super::model::{LOCATED, Model, Prediction};
use super::module_history::{Identity, Location, Memory, ModuleHistory, Start};
use super::request::{ANSWER, Command, ParsedRequest, RECORD, dword};
use crate::kernel::{Instance, slot};
use specimen::{Arch, Module};

/// The protocol's answer, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The driver's version.
    pub driver: u32,
    /// 4 or 6.
    pub module: u32,
    /// Progress of the search: 0 absent, 1 not located, 2 located.
    pub state: u32,
    reason: u32,
    /// Two numbers that detail the reason.
    pub detail: [u32; 2],
    /// Limit, half-open, queued.
    pub values: [u32; 3],
    /// The most half-open connections that were seen.
    pub peak: u32,
    /// The limit that the driver wrote last.
    pub written: u32,
    /// The limit before its first write.
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
    /// Its outcome.
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

    /// The reason of a refusal, or `Done`.
    pub fn reason(&self) -> Reason {
        reason(self.reason)
    }

    /// The reason why the stored limit was refused, or `Done`.
    pub fn start_reason(&self) -> Reason {
        reason(self.start_reason)
    }

    /// Asserts that limit, counts and RVAs are the true ones.
    pub(super) fn assert_true_of(&self, loaded: Option<&Instance>) {
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

/// Bits of evidence: nine for both modules, the event's code or its absence,
/// and in memory the evidence that ties code to its place.
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
    /// Asserts that the answer is the predicted one.
    pub(super) fn assert_matches(&self, answer: &Answer, module: Module, arch: Arch) {
        assert_eq!(
            (answer.state, answer.reason(), answer.values, answer.rvas),
            (self.state, self.reason, self.values, self.rvas),
            "{answer:?}"
        );
        if let Some(detail) = self.detail {
            assert_eq!(answer.detail, detail, "{answer:?}");
        }
        if let Some(identity) = self.identity {
            assert_eq!(answer.identity, identity);
        }
        assert_eq!(answer.flags & 4 != 0, self.unlisted, "unlisted: {answer:?}");
        let required = required(module, arch);
        if self.state == LOCATED {
            assert_eq!((answer.evidence, answer.missing), (required, 0));
        } else {
            assert_eq!(answer.evidence & answer.missing, 0);
            assert_eq!((answer.evidence | answer.missing) & !required, 0);
        }
        if self.reason == Reason::EvidenceMissing {
            assert_ne!(answer.missing, 0);
            assert_eq!(answer.detail, [answer.missing, 0]);
        }
    }
}

impl Model {
    /// Takes over from an answer what was uncertain.
    pub(super) fn learn_from(
        &mut self,
        answer: &Answer,
        loaded: Option<&Instance>,
        remembered: bool,
    ) {
        let Some(loaded) = loaded else {
            return;
        };
        let slot = slot(loaded.module);
        if remembered {
            self.remembered[slot] = None;
        }
        let history = &mut self.history[slot];
        if answer.state != LOCATED || answer.reason() == Reason::Changed || loaded.headers_changed {
            history.certain = false;
            return;
        }
        let memory = Memory {
            identity: answer.identity,
            last: answer.written,
            original: answer.original,
        };
        *history = ModuleHistory {
            certain: true,
            located: Some(Location::new(loaded)),
            peak: answer.peak,
            memory: (answer.original != 0).then_some(memory),
            earlier: answer.flags & 8 != 0,
            start: Start {
                configured: answer.configured,
                outcome: answer.start,
                reason: answer.start_reason(),
            },
        };
    }

    /// Asserts the answer's fields about the driver and its history.
    pub(super) fn assert_matches(&self, answer: &Answer, slot: usize) {
        let history = &self.history[slot];
        let (last, original) = history.memory.map_or((0, 0), |memory| {
            assert_ne!(memory.original, 0);
            (memory.last, memory.original)
        });
        assert_eq!(
            (answer.written, answer.original),
            (last, original),
            "{answer:?}"
        );
        assert_eq!(answer.peak, history.peak, "{answer:?}");
        assert_eq!(
            (answer.configured, answer.start, answer.start_reason()),
            (
                history.start.configured,
                history.start.outcome,
                history.start.reason
            )
        );
        let flags = u32::from(self.accepts)
            | u32::from(self.restores) << 1
            | u32::from(history.earlier) << 3;
        assert_eq!(answer.flags & !4, flags, "{answer:?}");
        let version = env!("CARGO_PKG_VERSION").split('.');
        let version = version.fold(0, |all, part| {
            all << 8 | part.parse::<u32>().expect("a part")
        });
        assert_eq!(answer.driver, version);
    }
}

/// Asserts the form of a legacy answer: a record, and behind its third field
/// text that ends in a NUL.
pub(super) fn assert_log_format(answer: &[u8], output: usize) {
    assert!((RECORD..=output).contains(&answer.len()));
    let log = &answer[12..];
    let end = log.iter().position(|&byte| byte == 0);
    let end = end.unwrap_or_else(|| panic!("no NUL in {log:?}"));
    if log.len() > 4 {
        assert_eq!(end + 1, log.len(), "no more is copied than the text");
    }
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    assert!(log[..end].iter().all(printable), "{log:?}");
}

/// The reason why a legacy request was refused, or `Done`: for a change the event
/// log has it; for a query only the failure is known.
pub(super) fn legacy_reason(answer: &[u8], events: &[Event], parsed: ParsedRequest) -> Reason {
    match dword(answer, 8) {
        Some(0) => return Reason::Done,
        Some(1) => {}
        other => panic!("neither success nor failure: {other:?}"),
    }
    let logged = events.iter().find_map(|event| match event.message {
        Message::Refused(reason) => Some(reason),
        _ => None,
    });
    match parsed.command {
        Command::Query => Reason::Unusable,
        Command::Set { .. } => logged.expect("a refusal that the event log does not know"),
    }
}

/// Asserts that the legacy answer is the predicted one.
pub(super) fn assert_legacy_record(answer: &[u8], output: usize, predicted: &Prediction) {
    let fields = [0, 4, 8].map(|at| dword(answer, at).expect("a field"));
    let [limit, half_open, _] = predicted.values;
    let failed = u32::from(predicted.reason != Reason::Done);
    assert_eq!(fields, [limit, half_open, failed]);
    // There is room for any log.
    if output > 1024 {
        let log = String::from_utf8_lossy(&answer[12..]);
        let logged = log.contains(predicted.reason.text());
        assert_eq!(logged, failed == 1, "{:?}: {log}", predicted.reason);
        let counted = format!("Half-open now: {half_open}.");
        let unread = matches!(predicted.reason, Reason::Changed | Reason::PageInvalid);
        let located = predicted.state == LOCATED && !unread;
        assert_eq!(log.contains(&counted), located, "{log}");
    }
}
