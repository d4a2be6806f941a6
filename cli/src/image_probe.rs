//! One image, from its bytes to its report.

use std::time::Instant;

use scanner_core::policy::PRISTINE_LIMIT;
use scanner_core::{Checksum, Headers, Image, ImageError, Module, NotLocated, Reason};
use scanner_core::{RelocationCoverage, StartUp, file_version};

use crate::cabinet;
use crate::file::HEAD;
use crate::format;
use crate::head::{self, AGAIN, is_possible};
use crate::identity::{Names, sha256};
use crate::loaded::{LoadBase, LoadError, Loaded};
use crate::manifest::Manifest;
use crate::report::{FileFacts, ImageFacts, Origin, Report, Search, State};
use tcplimit_report::Era;

/// How to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The module that every file is taken for, whatever its names say.
    pub module: Option<Module>,
    /// Search the image as loaded at a base, as the kernel driver would see it.
    pub as_loaded: Option<LoadBase>,
    /// Which members of a cabinet are looked into.
    pub members: Members,
}

/// Which members of a cabinet are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// All.
    All,
    /// Those named like `tcpip*.sys`: decompressing takes time.
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
    if cabinet::is_cabinet(data) {
        let reason = "a cabinet in cabinets: take it out of the outer ones first";
        return Report::new(origin, length, State::Cabinet, reason);
    }
    if let Some(format) = format::of(data) {
        return Report::new(origin, length, State::Container, format.says());
    }
    let head = data.get(..HEAD).unwrap_or(data);
    // Where the beginning does not decide, the whole does.
    let decided = head::report(&origin, head, length)
        .or_else(|| head::report(&origin, data, length))
        .map(|report| match report.state {
            State::NotDriver => match format::of_program(data) {
                Some(format) => {
                    Report::new(origin.clone(), length, State::Container, format.says())
                }
                None => report,
            },
            _ => report,
        });
    decided.unwrap_or_else(|| {
        Probe {
            origin,
            data,
            options,
        }
        .run()
    })
}

/// A driver that is to be looked into.
struct Probe<'a> {
    origin: Origin,
    data: &'a [u8],
    options: &'a Options,
}

impl Probe<'_> {
    fn run(self) -> Report {
        let length = to_u64(self.data.len());
        let image = match Image::from_file(self.data) {
            Ok(image) => image,
            Err(error) => return self.no_image(error),
        };
        let names = Names::of_file(self.origin.name()).with_image(&image);
        let mut report = Report {
            names,
            image: Some(ImageFacts {
                arch: image.arch(),
                time_date_stamp: image.headers().time_date_stamp(),
                version: file_version(&image),
            }),
            reason: None,
            ..Report::new(self.origin, length, State::NotLocated, "")
        };
        report.module = match (self.options.module, report.names.module()) {
            (Some(module), _) => Some(module),
            (None, Ok(module)) => module,
            (None, Err(conflict)) => {
                report.state = State::ConflictingNames;
                report.reason = Some(format!(
                    "{}: say which it is by --module tcpip or --module tcpip6",
                    conflict.0
                ));
                return report;
            }
        };
        let Some(module) = report.module else {
            report.state = State::OtherModule;
            report.reason = Some(
                "no name in or of it is that of tcpip.sys or tcpip6.sys: if it is one of them, say so by --module"
                    .to_owned(),
            );
            return report;
        };
        let begun = Instant::now();
        search(
            &mut report,
            &image,
            self.data,
            module,
            self.options.as_loaded,
        );
        report.search_time = begun.elapsed();
        if self.options.module.is_none()
            && let Some(located) = report.located()
            && !report.names.confirm(located)
        {
            report.reason = Some(format!(
                "{}, and nothing else does, while its count has {} atomic updates, as in tcpip.sys: say which it is by --module tcpip or --module tcpip6",
                report.names.said(),
                located.findings().atomic_updates()
            ));
            report.state = State::UnconfirmedName;
            report.start_up = None;
            report.relocations = None;
        }
        report
    }

    /// The headers are those of a driver, but the whole is no image.
    fn no_image(self, error: ImageError) -> Report {
        let length = to_u64(self.data.len());
        let named = Names::of_file(self.origin.name()).file;
        let module = self.options.module.or(named);
        if error == ImageError::NoVirtualSizes {
            let reason = format!("{error}: it is whole, but older than the limit");
            return Report {
                module,
                ..Report::new(self.origin, length, State::TooOld, reason)
            };
        }
        if module.is_none() && error != ImageError::Truncated {
            // Some drivers of others are laid out in ways that this module
            // never is; they are not damaged.
            let reason = format!(
                "neither tcpip.sys nor tcpip6.sys by its name, and not laid out like them: {error}"
            );
            return Report::new(self.origin, length, State::OtherModule, reason);
        }
        let reason = format!("{error}{AGAIN}");
        Report {
            module,
            ..Report::new(self.origin, length, State::Damaged, reason)
        }
    }
}

/// Searches for the limit and completes the report.
fn search(
    report: &mut Report,
    image: &Image<'_>,
    data: &[u8],
    module: Module,
    as_loaded: Option<LoadBase>,
) {
    let in_file = Search::of(image, module);
    let searched = match as_loaded {
        None => Ok(in_file),
        Some(base) => Loaded::new(image, data, base).and_then(|loaded| {
            report.loaded_at = Some(loaded.base());
            loaded.look(|image| Search::of(image, module))
        }),
    };
    match &searched {
        Ok(found) if found.threshold() != in_file.threshold() => {
            report.reason = Some(
                "the file and the loaded image give different answers: its relocations are damaged"
                    .to_owned(),
            );
        }
        Ok(Search::Located(located)) => {
            let store = StartUp::of(image, located);
            report.state = match store {
                StartUp::Unique {
                    value: PRISTINE_LIMIT,
                    ..
                } => State::Unpatched,
                StartUp::Unique { value, .. } => State::Patched(value),
                StartUp::None | StartUp::Several => State::Located,
            };
            report.start_up = Some(store);
        }
        Ok(Search::Refused(refusal)) => {
            // A file of another name has another file's versions.
            let version = report.image.and_then(|image| image.version);
            let version = version.filter(|_| !report.names.contradict(module));
            let (state, reason) = refused(refusal, module, version.and_then(Era::of));
            report.state = state;
            report.reason = Some(reason);
        }
        Err(error) => {
            let (state, reason) = match error {
                LoadError::UnfitBase { .. } | LoadError::NotRelocatable { .. } => {
                    (State::UnfitBase, error.to_string())
                }
                _ => (State::Damaged, format!("it can't be loaded: {error}")),
            };
            report.state = state;
            report.reason = Some(reason);
        }
    }
    report.search = searched.ok();
    if report.state.is_located()
        && let Search::Located(located) = in_file
    {
        report.relocations = RelocationCoverage::of(image, &located);
    }
}

/// The report with what identifies the file, where that is of interest: it
/// takes longer than the search, so it is left out where nobody sees it.
pub(crate) fn identified(mut report: Report, data: &[u8]) -> Report {
    let wanted = report.state.is_located() || report.names.name_a_module();
    // Such a report may be about something else than the data.
    let is_image = report.state != State::Unreadable && !cabinet::is_cabinet(data);
    if wanted && is_image && is_possible(report.bytes) {
        let sha256 = sha256(data);
        let known = Manifest::built_in().find(&sha256);
        let headers = Headers::parse(data).ok();
        report.file = Some(FileFacts {
            checksum: headers.map(|headers| Checksum::of(&headers, data)),
            known: known.map(|build| build.name.clone()),
            sha256,
        });
    }
    report
}

/// State and reason of a module whose limit was not located.
fn refused(refusal: &NotLocated, module: Module, era: Option<Era>) -> (State, String) {
    match (refusal.reason(), era) {
        (_, Some(Era::Before)) => (
            State::NoLimiter,
            format!(
                "this {module} is older than the limit, which came with XP SP2 and Server 2003 SP1"
            ),
        ),
        (_, Some(Era::Vista)) => (
            State::NotLocated,
            format!(
                "{refusal}. Windows Vista before SP2 limits half-open connections in another way, which is not supported"
            ),
        ),
        (_, Some(Era::After)) => (
            State::NoLimiter,
            format!(
                "this {module} is newer than the limit, which ended with Vista SP2: there is nothing to lift"
            ),
        ),
        (Reason::NoGate, None) => (
            State::NotLocated,
            format!("{refusal}: damaged, or built in a way this program does not know"),
        ),
        (_, None) => (State::NotLocated, refusal.to_string()),
    }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
