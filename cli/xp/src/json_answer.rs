//! An answer of the driver as a JSON object.

use alloc::vec::Vec;

use scanner_core::Module;
use serde::Serialize;
use tcplimit_protocol::{Answer, Flags, Reason, State};

use crate::driver_client;

/// Everything that the driver knows of a module.
#[derive(Serialize)]
pub(crate) struct JsonAnswer {
    module: &'static str,
    state: &'static str,
    limit: Option<u32>,
    half_open: Option<u32>,
    queued: Option<u32>,
    peak: Option<u32>,
    written: Option<u32>,
    original: Option<u32>,
    reason: u32,
    reason_text: Option<&'static str>,
    detail: [u32; 2],
    rvas: Option<Rvas>,
    time_date_stamp: u32,
    checksum: u32,
    size_of_image: u32,
    evidence: Evidence,
    configured: Option<u32>,
    start: &'static str,
    start_reason: u32,
    start_reason_text: Option<&'static str>,
    flags: Vec<&'static str>,
    driver_version: [u8; 3],
}

#[derive(Serialize)]
struct Rvas {
    threshold: u32,
    count: u32,
    queue: u32,
}

#[derive(Serialize)]
struct Evidence {
    held: Vec<&'static str>,
    missing: Vec<&'static str>,
}

/// Names of the flags, each with its bit.
const FLAGS: [(&str, u32); 4] = [
    ("accepts-unknown-rights", Flags::ACCEPTS_UNKNOWN_RIGHTS),
    ("restores-at-unload", Flags::RESTORES_AT_UNLOAD),
    ("unlisted", Flags::UNLISTED),
    ("written-by-earlier-load", Flags::WRITTEN_BY_EARLIER_LOAD),
];

impl JsonAnswer {
    pub(crate) fn new(module: Module, answer: &Answer) -> JsonAnswer {
        let located = State::from_code(answer.state.get()) == Some(State::Located);
        let known = |number: u32| located.then_some(number);
        let some = |number: u32| Some(number).filter(|&number| number != 0);
        let text = |code: u32| {
            Reason::from_code(code)
                .filter(|&reason| reason != Reason::Done)
                .map(Reason::text)
        };
        let flags = answer.flags.get();
        JsonAnswer {
            module: module.file_name(),
            state: driver_client::state_name(answer),
            limit: some(answer.limit.get()),
            half_open: known(answer.half_open.get()),
            queued: known(answer.queued.get()),
            peak: known(answer.peak.get()),
            written: some(answer.written.get()),
            original: some(answer.original.get()),
            reason: answer.reason.get(),
            reason_text: text(answer.reason.get()),
            detail: answer.detail.map(|detail| detail.get()),
            rvas: located.then(|| Rvas {
                threshold: answer.limit_rva.get(),
                count: answer.half_open_rva.get(),
                queue: answer.queued_rva.get(),
            }),
            time_date_stamp: answer.identity.time_date_stamp.get(),
            checksum: answer.identity.checksum.get(),
            size_of_image: answer.identity.size_of_image.get(),
            evidence: Evidence {
                held: driver_client::evidence_names(answer.evidence.get()).collect(),
                missing: driver_client::evidence_names(answer.missing.get()).collect(),
            },
            configured: some(answer.configured.get()),
            start: driver_client::start_name(answer),
            start_reason: answer.start_reason.get(),
            start_reason_text: text(answer.start_reason.get()),
            flags: FLAGS
                .into_iter()
                .filter(|(_, bit)| flags & bit != 0)
                .map(|(name, _)| name)
                .collect(),
            driver_version: version(answer),
        }
    }
}

/// The version of the driver.
pub(crate) fn version(answer: &Answer) -> [u8; 3] {
    let [patch, minor, major, _] = answer.driver.get().to_le_bytes();
    [major, minor, patch]
}
