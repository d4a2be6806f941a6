//! The driver, as its client sees it.

use alloc::format;
use alloc::string::String;

use scanner_core::policy::PRISTINE_LIMIT;
use scanner_core::{EvidenceSet, Module};
use tcplimit_protocol::{
    Answer, Header, ModuleId, QUERY, Query, RESET, Reason, Reset, SET, Set, Start, State,
};
use tcplimit_report::Exit;
use zerocopy::{FromBytes, IntoBytes};

use crate::failure::Failure;
use crate::installation::SERVICE;
use crate::language::Text;
use crate::win32::Win32;
use crate::windows::{Activity, Request, Windows};

/// What a module is called in a record.
fn id(module: Module) -> ModuleId {
    match module {
        Module::Tcpip => ModuleId::TCPIP,
        Module::Tcpip6 => ModuleId::TCPIP6,
    }
}

/// All that the driver knows of a module's limit.
pub(crate) fn query(windows: &dyn Windows, module: Module) -> Result<Answer, Failure> {
    let query = Query {
        header: Header::for_record::<Query>(),
        module: id(module),
    };
    ask(windows, QUERY, false, query.as_bytes())
}

/// Changes a limit.
pub(crate) fn set(
    windows: &dyn Windows,
    module: Module,
    limit: u32,
    expected: Option<u32>,
) -> Result<Answer, Failure> {
    let set = Set {
        header: Header::for_record::<Set>(),
        module: id(module),
        limit: limit.into(),
        expected: expected.unwrap_or(0).into(),
    };
    ask(windows, SET, true, set.as_bytes())
}

/// Puts a limit back to 10.
pub(crate) fn reset(
    windows: &dyn Windows,
    module: Module,
    expected: Option<u32>,
) -> Result<Answer, Failure> {
    let reset = Reset {
        header: Header::for_record::<Reset>(),
        module: id(module),
        expected: expected.unwrap_or(0).into(),
    };
    ask(windows, RESET, true, reset.as_bytes())
}

fn ask(windows: &dyn Windows, code: u32, writes: bool, input: &[u8]) -> Result<Answer, Failure> {
    let request = Request {
        code,
        writes,
        input,
    };
    let mut output = [0; size_of::<Answer>()];
    match windows.control(&request, &mut output) {
        Ok(length) if length == output.len() => {}
        Ok(_) => return Err(other_version(None)),
        Err(error) => return Err(unanswered(windows, error)),
    }
    match Answer::read_from_bytes(&output) {
        Ok(answer) if answer.header == Header::for_record::<Answer>() => Ok(answer),
        _ => Err(other_version(None)),
    }
}

/// Whether a driver that was loaded has made our device.
pub(crate) fn has_device(windows: &dyn Windows) -> bool {
    let answer = query(windows, Module::Tcpip);
    !matches!(answer, Err(failure) if failure.error == Some(Win32::FILE_NOT_FOUND))
}

/// Whether the limit is neither the one as shipped nor one that the driver wrote, so
/// that it is replaced only where it is named.
pub(crate) fn is_foreign(answer: &Answer) -> bool {
    let limit = answer.limit.get();
    limit != 0 && limit != PRISTINE_LIMIT && limit != answer.written.get()
}

/// A command line for this module alone; `verb` with its number, if it takes one.
pub(crate) fn command(verb: &str, module: Module, expect: Option<u32>, persist: bool) -> String {
    let mut command = format!("tcplimit {verb}");
    if module == Module::Tcpip6 {
        command += " --ipv6";
    }
    if let Some(expect) = expect {
        command += &format!(" --expect {expect}");
    }
    if persist {
        command += " --persist";
    }
    command
}

/// ERROR_BAD_LENGTH and ERROR_REVISION_MISMATCH: what the driver says of records
/// that it does not know.
const UNKNOWN_RECORD: [Win32; 2] = [Win32(24), Win32(1306)];

const NOT_LOADED: Text = Text::new("tcplimit.sys is not loaded.");

fn unanswered(windows: &dyn Windows, error: Win32) -> Failure {
    match error {
        Win32::FILE_NOT_FOUND => {
            let service = windows.service(SERVICE).ok().flatten();
            let (message, advice) = match service.map(|service| service.activity) {
                None => (NOT_LOADED.get(), phrase!("Run: tcplimit install")),
                Some(Activity::Stopped) => (NOT_LOADED.get(), phrase!("Run: tcplimit load")),
                Some(Activity::Running | Activity::Pending) => (
                    phrase!(
                        "The service TcpLimit runs, but its device is gone: tcplimit.sys was unloaded, \
                     and Windows still holds on to it."
                    ),
                    phrase!(
                        "Close programs that use it, \"tcplimit watch\" for one, wait a minute, and run: \
                     tcplimit load"
                    ),
                ),
            };
            Failure {
                exit: Exit::Unreadable,
                message: message.into(),
                advice: advice.into(),
                error: Some(error),
            }
        }
        _ if UNKNOWN_RECORD.contains(&error) => other_version(Some(error)),
        _ => Failure::windows(phrase!("ask tcplimit.sys"), error),
    }
}

fn other_version(error: Option<Win32>) -> Failure {
    Failure {
        exit: Exit::Unreadable,
        message: phrase!("The loaded tcplimit.sys is of another version than this program.").into(),
        advice: phrase!("Run tcplimit install from the folder of the version that you want.")
            .into(),
        error,
    }
}

/// What to do about a build that is not known, without sending it.
pub(crate) const REPORT: Text = Text::new(
    "To report it, run \"tcplimit probe --json > report.txt\" and send \
     report.txt: it tells the version and which evidence there is, and holds nothing of the file.",
);

/// A reason of the driver's in the current language.
pub(crate) fn reason_text(reason: Reason) -> &'static str {
    Text::new(reason.text()).get()
}

/// Why an answer is a refusal, if it is one.
pub(crate) fn refusal(module: Module, answer: &Answer) -> Option<Failure> {
    let code = answer.reason.get();
    let reason = match Reason::from_code(code) {
        Some(Reason::Done) => return None,
        reason => reason,
    };
    let [first, second] = answer.detail.map(|detail| detail.get());
    let text = match reason {
        Some(reason) => reason_text(reason),
        None => phrase!("tcplimit.sys has a reason that this version does not know."),
    };
    let message = match reason {
        Some(Reason::EvidenceMissing) => text!(
            "{text} Missing: {evidence}.",
            text,
            evidence = evidence(first)
        ),
        Some(Reason::Ambiguous) => text!(
            "{text} (RVA {first} and {second}.)",
            text,
            first = format_args!("{first:X}"),
            second = format_args!("{second:X}")
        ),
        Some(Reason::UnexpectedValue | Reason::NotAsNamed) => {
            text!(
                "{text} It is {first}, and {second} was expected.",
                text,
                first,
                second
            )
        }
        Some(
            Reason::ImplausibleValue
            | Reason::ChangedMeanwhile
            | Reason::Overwritten
            | Reason::LimitOutOfRange,
        ) => format!("{text} ({first}.)"),
        Some(Reason::Unusable | Reason::ListUnavailable) => {
            text!(
                "{text} (Status {first}.)",
                text,
                first = format_args!("{first:08X}")
            )
        }
        None => text!("{text} (Reason {code}.)", text, code),
        Some(_) => text.into(),
    };
    Some(Failure::refused(
        format!("{module}: {message}"),
        advice(reason, first),
    ))
}

fn advice(reason: Option<Reason>, first: u32) -> String {
    match reason {
        Some(
            Reason::HeadersUnreadable
            | Reason::NotAnImage
            | Reason::WrongMachine
            | Reason::Inconsistent
            | Reason::TooManySections
            | Reason::CodeUnreadable
            | Reason::NoGate
            | Reason::EvidenceMissing
            | Reason::Ambiguous
            | Reason::TooManyCandidates
            | Reason::SectionRights
            | Reason::PageInvalid
            | Reason::NotPermitted,
        )
        | None => REPORT.get().into(),
        Some(Reason::UnexpectedValue | Reason::NotAsNamed) => {
            text!("To replace it, name it: --expect {first}", first)
        }
        Some(_) => "".into(),
    }
}

/// Evidence by name.
fn evidence(bits: u32) -> String {
    let set = u16::try_from(bits).ok().and_then(EvidenceSet::from_bits);
    match set {
        Some(set) => format!("{set}"),
        None => format!("{bits:X}h"),
    }
}

/// The evidence in a field of an answer, by names.
pub(crate) fn names(bits: u32) -> impl Iterator<Item = &'static str> {
    let known = u16::try_from(bits).ok().and_then(EvidenceSet::from_bits);
    let set = known.unwrap_or(EvidenceSet::EMPTY);
    scanner_core::Evidence::ALL
        .into_iter()
        .filter(move |&evidence| set.contains(evidence))
        .map(|evidence| evidence.name())
}

/// Whether a module is not loaded though nothing is wrong: IPv6 is rarely
/// installed, and its file is there all the same.
pub(crate) fn is_not_installed(module: Module, answer: &Answer) -> bool {
    module == Module::Tcpip6 && State::from_code(answer.state.get()) == Some(State::Absent)
}

/// The words of JSON for how far a search got.
pub(crate) fn state_name(answer: &Answer) -> &'static str {
    match State::from_code(answer.state.get()) {
        Some(State::Absent) => "absent",
        Some(State::NotLocated) => "not-located",
        Some(State::Located) => "located",
        None => "unknown",
    }
}

/// The words of JSON for what became of a stored limit.
pub(crate) fn start_name(answer: &Answer) -> &'static str {
    match Start::from_code(answer.start.get()) {
        Some(Start::NotConfigured) => "not-configured",
        Some(Start::Applied) => "applied",
        Some(Start::SafeMode) => "safe-mode",
        Some(Start::Guarded) => "guarded",
        Some(Start::Refused) => "refused",
        None => "unknown",
    }
}
