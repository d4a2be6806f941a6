//! The report on one image, made from its bytes.

use std::time::Instant;

use scanner_core::{Image, Module};
use tcplimit_report::{Origin, Report, Search, State, is_cabinet};

use crate::foreign_format;
use crate::input::HEAD;
use crate::manifest::Manifest;
use crate::simulated_load::{LoadBase, LoadError, Loaded};
use crate::triage;

/// Options of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Treat every file as this module, whatever its names.
    pub module: Option<Module>,
    /// Search the image as loaded at a base, as the kernel driver sees it.
    pub as_loaded: Option<LoadBase>,
    /// The members of a cabinet to search.
    pub members: Members,
}

/// The members of a cabinet to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// All.
    All,
    /// Those named like `tcpip*.sys`, since decompression takes time.
    Likely,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            module: None,
            as_loaded: None,
            members: Members::All,
        }
    }
}

/// Reports on the bytes of one image.
pub(crate) fn image(origin: Origin, data: &[u8], options: &Options) -> Report {
    let length = to_u64(data.len());
    if is_cabinet(data) {
        let reason = "a cabinet nested too deep: extract it from the outer ones first";
        return Report::new(origin, length, State::Cabinet, reason);
    }
    if let Some(format) = foreign_format::of(data) {
        return Report::new(origin, length, State::Container, format.advice());
    }
    let head = data.get(..HEAD).unwrap_or(data);
    // If the beginning does not decide, the whole file does.
    let decided = triage::report(&origin, head, length)
        .or_else(|| triage::report(&origin, data, length))
        .map(|report| match report.state {
            State::NotDriver => match foreign_format::of_program(data) {
                Some(format) => {
                    Report::new(origin.clone(), length, State::Container, format.advice())
                }
                None => report,
            },
            _ => report,
        });
    decided.unwrap_or_else(|| {
        let mut report = Report::pending(origin, length);
        if let Some((image, module)) =
            report.identify_module(data, options.module, triage::describe)
        {
            let begun = Instant::now();
            search(&mut report, &image, data, module, options);
            report.search_time = begun.elapsed();
        }
        report
    })
}

/// Searches for the limit and completes the report.
fn search(report: &mut Report, image: &Image<'_>, data: &[u8], module: Module, options: &Options) {
    let in_file = Search::of(image, module);
    let searched = match options.as_loaded {
        None => Ok(in_file),
        Some(base) => Loaded::new(image, data, base).and_then(|loaded| {
            report.loaded_at = Some(loaded.base());
            loaded.with_image(|image| Search::of(image, module))
        }),
    };
    match searched {
        Ok(found) if found.threshold() != in_file.threshold() => {
            let reason =
                "the file and the loaded image give different answers: its relocations are damaged";
            report.search = Some(found);
            report.refuse(State::NotLocated, reason.into());
        }
        Ok(found) => report.conclude(image, &found, options.module, triage::describe),
        Err(error @ (LoadError::UnfitBase { .. } | LoadError::NotRelocatable { .. })) => {
            report.refuse(State::UnfitBase, error.to_string());
        }
        Err(error) => report.refuse(State::Damaged, format!("it can't be loaded: {error}")),
    }
}

/// Adds SHA-256 and checksum to a report of interest. That takes longer than the search, so it is
/// done only for reports that are shown.
pub(crate) fn with_file_facts(mut report: Report, data: &[u8]) -> Report {
    report.add_file_facts(data, |sha256| {
        Some(Manifest::built_in().find(sha256)?.name.as_str())
    });
    report
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
