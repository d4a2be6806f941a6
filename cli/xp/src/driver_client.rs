//! A client of the driver.

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
use crate::os::{Activity, Os, Request};
use crate::win32_error::Win32Error;

/// The ID of a module in a record.
fn module_id(module: Module) -> ModuleId {
    match module {
        Module::Tcpip => ModuleId::TCPIP,
        Module::Tcpip6 => ModuleId::TCPIP6,
    }
}

/// Queries everything that the driver knows of a module's limit.
pub(crate) fn query(os: &dyn Os, module: Module) -> Result<Answer, Failure> {
    let query = Query {
        header: Header::for_record::<Query>(),
        module: module_id(module),
    };
    send(os, QUERY, false, query.as_bytes())
}

/// Changes a limit.
pub(crate) fn set(
    os: &dyn Os,
    module: Module,
    limit: u32,
    expected: Option<u32>,
) -> Result<Answer, Failure> {
    let set = Set {
        header: Header::for_record::<Set>(),
        module: module_id(module),
        limit: limit.into(),
        expected: expected.unwrap_or(0).into(),
    };
    send(os, SET, true, set.as_bytes())
}

/// Sets a limit back to 10.
pub(crate) fn reset(os: &dyn Os, module: Module, expected: Option<u32>) -> Result<Answer, Failure> {
    let reset = Reset {
        header: Header::for_record::<Reset>(),
        module: module_id(module),
        expected: expected.unwrap_or(0).into(),
    };
    send(os, RESET, true, reset.as_bytes())
}

fn send(os: &dyn Os, code: u32, writes: bool, input: &[u8]) -> Result<Answer, Failure> {
    let request = Request {
        code,
        writes,
        input,
    };
    let mut output = [0; size_of::<Answer>()];
    match os.control(&request, &mut output) {
        Ok(length) if length == output.len() => {}
        Ok(_) => return Err(version_mismatch(None)),
        Err(error) => return Err(request_failure(os, error)),
    }
    match Answer::read_from_bytes(&output) {
        Ok(answer) if answer.header == Header::for_record::<Answer>() => Ok(answer),
        _ => Err(version_mismatch(None)),
    }
}

/// Whether a loaded driver has created our device.
pub(crate) fn has_device(os: &dyn Os) -> bool {
    let answer = query(os, Module::Tcpip);
    !matches!(answer, Err(failure) if failure.error == Some(Win32Error::FILE_NOT_FOUND))
}

/// Whether the limit is neither the shipped one nor one that the driver wrote, so that replacing it
/// needs `--expect`.
pub(crate) fn is_foreign(answer: &Answer) -> bool {
    let limit = answer.limit.get();
    limit != 0 && limit != PRISTINE_LIMIT && limit != answer.written.get()
}

/// A command line for this module only; `verb` includes its number, if it takes one.
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

/// ERROR_BAD_LENGTH and ERROR_REVISION_MISMATCH: the driver's errors for unknown records.
const UNKNOWN_RECORD: [Win32Error; 2] = [Win32Error(24), Win32Error(1306)];

const NOT_LOADED: Text = Text::new("tcplimit.sys is not loaded.");

fn request_failure(os: &dyn Os, error: Win32Error) -> Failure {
    match error {
        Win32Error::FILE_NOT_FOUND => {
            let service = os.service(SERVICE).ok().flatten();
            let (message, advice) = match service.map(|service| service.activity) {
                None => (NOT_LOADED.get(), phrase!("Run: tcplimit install")),
                Some(Activity::Stopped) => (NOT_LOADED.get(), phrase!("Run: tcplimit load")),
                Some(Activity::Running | Activity::Pending) => (
                    phrase!(
                        "The service TcpLimit runs without its device: Windows still holds the \
                         unloaded tcplimit.sys."
                    ),
                    phrase!(
                        "Close programs that use it, such as \"tcplimit watch\", wait a minute, \
                         and run: tcplimit load"
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
        _ if UNKNOWN_RECORD.contains(&error) => version_mismatch(Some(error)),
        _ => Failure::win32(phrase!("query tcplimit.sys"), error),
    }
}

fn version_mismatch(error: Option<Win32Error>) -> Failure {
    Failure {
        exit: Exit::Unreadable,
        message: phrase!("The loaded tcplimit.sys and this program differ in version.").into(),
        advice: phrase!("Run tcplimit install from the folder of the version that you want.")
            .into(),
        error,
    }
}

/// Advice for an unknown build, without asking for the file itself.
pub(crate) const REPORT_ADVICE: Text = Text::new(
    "To report it, run \"tcplimit probe --json > report.txt\" and send report.txt: it contains \
     the version and the evidence found, but nothing of the file.",
);

/// The text of a driver's reason in the current language.
pub(crate) fn reason_text(reason: Reason) -> &'static str {
    Text::new(reason.text()).get()
}

/// The refusal in an answer, if it is one.
pub(crate) fn refusal(module: Module, answer: &Answer) -> Option<Failure> {
    let code = answer.reason.get();
    let reason = match Reason::from_code(code) {
        Some(Reason::Done) => return None,
        reason => reason,
    };
    let [first, second] = answer.detail.map(|detail| detail.get());
    let text = match reason {
        Some(reason) => reason_text(reason),
        None => phrase!("tcplimit.sys gave a reason that this version does not know."),
    };
    let message = match reason {
        Some(Reason::EvidenceMissing) => text!(
            "{text} Missing: {evidence}.",
            text,
            evidence = evidence_text(first)
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
        | None => REPORT_ADVICE.get().into(),
        Some(Reason::UnexpectedValue | Reason::NotAsNamed) => {
            text!("To replace it, add: --expect {first}", first)
        }
        Some(_) => "".into(),
    }
}

/// The names of evidence, or the bits in hexadecimal if unknown.
fn evidence_text(bits: u32) -> String {
    let set = u16::try_from(bits).ok().and_then(EvidenceSet::from_bits);
    match set {
        Some(set) => format!("{set}"),
        None => format!("{bits:X}h"),
    }
}

/// The names of the evidence in an answer's field.
pub(crate) fn evidence_names(bits: u32) -> impl Iterator<Item = &'static str> {
    let known = u16::try_from(bits).ok().and_then(EvidenceSet::from_bits);
    let set = known.unwrap_or(EvidenceSet::EMPTY);
    scanner_core::Evidence::ALL
        .into_iter()
        .filter(move |&evidence| set.contains(evidence))
        .map(|evidence| evidence.name())
}

/// Whether a module is absent without a fault: IPv6 is rarely installed, though its file exists.
pub(crate) fn is_not_installed(module: Module, answer: &Answer) -> bool {
    module == Module::Tcpip6 && State::from_code(answer.state.get()) == Some(State::Absent)
}

/// The JSON value for the state of the search.
pub(crate) fn state_name(answer: &Answer) -> &'static str {
    match State::from_code(answer.state.get()) {
        Some(State::Absent) => "absent",
        Some(State::NotLocated) => "not-located",
        Some(State::Located) => "located",
        None => "unknown",
    }
}

/// The JSON value for the outcome of a stored limit.
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
