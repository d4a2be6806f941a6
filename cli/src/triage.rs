//! Triage by the beginning of a file: most files are no driver.

use tcplimit_report::{Cause, Origin, Report, State, english, is_cabinet, is_compressed};

use crate::foreign_format;

/// The report on a file of `length` bytes, if its beginning decides that it is no driver that could
/// be one of the modules.
pub(crate) fn report(origin: &Origin, head: &[u8], length: u64) -> Option<Report> {
    if is_cabinet(head) {
        return None;
    }
    match foreign_format::of(head) {
        Some(format) if !is_compressed(head) => {
            let reason = format.advice();
            Some(Report::new(
                origin.clone(),
                length,
                State::Container,
                reason,
            ))
        }
        _ => {
            let mut report = Report::pending(origin.clone(), length);
            report.triage(head, describe).then_some(report)
        }
    }
}

/// A cause in words, with the advice of this program.
pub(crate) fn describe(state: State, cause: &Cause<'_>) -> String {
    let advice = match cause {
        Cause::Nameless => ": if it is one of them, pass --module",
        Cause::Conflict(_) | Cause::Unconfirmed(..) => {
            ": choose one with --module tcpip or --module tcpip6"
        }
        _ => "",
    };
    cause.text(state, english) + advice
}
