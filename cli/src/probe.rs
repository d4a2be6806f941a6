//! The path of `tcplimit probe`, from the bytes of one file to its reports.

use scanner_core::{Checksum, FileVersion, Headers, Image, ImageError, Module, NotLocated, Reason};
use scanner_core::{RelocationCoverage, StartUp, file_version};
use sha2::{Digest, Sha256};

use crate::cabinet::{self, Cabinet};
use crate::file::HEAD;
use crate::identity::Names;
use crate::loaded::{LoadBase, LoadError, Loaded};
use crate::manifest::Manifest;
use crate::report::{FileFacts, ImageFacts, Origin, Report, SHIPPED_LIMIT, Search, State};

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

/// Reports on the content of one file, cabinets included: one report, or one
/// for each member looked into. It never panics, whatever the bytes are.
#[must_use]
pub fn bytes(path: &str, data: &[u8], options: &Options) -> Vec<Report> {
    let mut reports = Vec::new();
    visit(path, data, options, &mut |report, _| reports.push(report));
    reports
}

/// As [`bytes`], handing each report over with the bytes of the image that it
/// is about.
pub(crate) fn visit(
    path: &str,
    data: &[u8],
    options: &Options,
    visit: &mut dyn FnMut(Report, &[u8]),
) {
    let origin = Origin::file(path);
    if cabinet::is_cabinet(data) {
        return members(&origin, data, options, visit);
    }
    visit(image(origin, data, options), data);
}

fn members(origin: &Origin, data: &[u8], options: &Options, visit: &mut dyn FnMut(Report, &[u8])) {
    let length = to_u64(data.len());
    let cabinet = match Cabinet::new(data) {
        Ok(cabinet) => cabinet,
        Err(reason) => {
            return visit(
                Report::new(origin.clone(), length, State::Damaged, reason),
                data,
            );
        }
    };
    let all = options.members == Members::All || options.module.is_some();
    let mut seen = false;
    cabinet.each(
        |name| all || is_likely(Origin::file(name).name()),
        |member, content| {
            seen = true;
            let origin = origin.member(&member.name);
            match content {
                Ok(content) => visit(image(origin, &content, options), &content),
                Err(reason) => {
                    let size = member.size.into();
                    visit(Report::new(origin, size, State::Unreadable, reason), &[]);
                }
            }
        },
    );
    if !seen {
        let reason = match cabinet.len() {
            0 => "a cabinet without members".to_owned(),
            count => format!(
                "a cabinet of {count} members, none named like tcpip*.sys: name it by itself, or give --module, to look into all"
            ),
        };
        visit(
            Report::new(origin.clone(), length, State::Cabinet, reason),
            data,
        );
    }
}

/// Whether a member of this name is looked into in a scan of folders.
fn is_likely(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("tcpip") && (name.ends_with(".sys") || name.ends_with(".sy_"))
}

/// Reports on the bytes of one image.
pub(crate) fn image(origin: Origin, data: &[u8], options: &Options) -> Report {
    let length = to_u64(data.len());
    if cabinet::is_cabinet(data) {
        let reason = "a cabinet in a cabinet: take it out of the outer one first";
        return Report::new(origin, length, State::Cabinet, reason);
    }
    let head = data.get(..HEAD).unwrap_or(data);
    // What the beginning leaves open, all of it decides.
    from_head(&origin, head, length)
        .or_else(|| from_head(&origin, data, length))
        .unwrap_or_else(|| {
            Probe {
                origin,
                data,
                options,
            }
            .run()
        })
}

/// The report on a file of `length` bytes when its beginning already decides:
/// when it is no driver that could be one of the modules.
pub(crate) fn from_head(origin: &Origin, head: &[u8], length: u64) -> Option<Report> {
    let whole = to_u64(head.len()) == length;
    let named = Names::of_file(origin.name()).file.is_some();
    let report = |state, reason: &str| Some(Report::new(origin.clone(), length, state, reason));
    if head.is_empty() {
        let state = if named { State::Damaged } else { State::NotPe };
        return report(state, "the file is empty");
    }
    if head.starts_with(b"KWAJ") || head.starts_with(b"SZDD") {
        return report(
            State::Compressed,
            "compressed by COMPRESS.EXE: expand it first, with expand on Windows or msexpand elsewhere",
        );
    }
    if cabinet::is_cabinet(head) {
        return None;
    }
    match Headers::parse(head) {
        Ok(headers) if headers.is_native() => None,
        Ok(_) => report(State::NotDriver, "a program or library, not a driver"),
        Err(ImageError::NotPe | ImageError::Truncated) if head.starts_with(b"MZ") && !whole => None,
        Err(error @ ImageError::NotPe) if head.starts_with(b"MZ") && named => {
            report(State::Damaged, &error.to_string())
        }
        Err(error @ ImageError::NotPe) => report(State::NotPe, &error.to_string()),
        Err(error @ ImageError::UnsupportedMachine(_)) => {
            report(State::UnsupportedMachine, &error.to_string())
        }
        Err(error) => report(State::Damaged, &error.to_string()),
    }
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
        search(
            &mut report,
            &image,
            self.data,
            module,
            self.options.as_loaded,
        );
        report
    }

    /// The headers are those of a driver, but the whole is no image.
    fn no_image(self, error: ImageError) -> Report {
        let length = to_u64(self.data.len());
        let named = Names::of_file(self.origin.name()).file;
        let module = self.options.module.or(named);
        if module.is_none() && error != ImageError::Truncated {
            // Some drivers of others are laid out in ways that this module
            // never is; they are not damaged.
            let reason = format!(
                "neither tcpip.sys nor tcpip6.sys by its name, and not laid out like them: {error}"
            );
            return Report::new(self.origin, length, State::OtherModule, reason);
        }
        let reason = format!("{error}: take a fresh copy of the file");
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
    let mut start_up = None;
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
                    value: SHIPPED_LIMIT,
                    ..
                } => State::Pristine,
                StartUp::Unique { value, .. } => State::Patched(value),
                StartUp::None | StartUp::Several => State::Located,
            };
            start_up = Some(store);
        }
        Ok(Search::Refused(refusal)) => {
            let version = report.image.and_then(|image| image.version);
            let (state, reason) = refused(refusal, module, version);
            report.state = state;
            report.reason = Some(reason);
        }
        Err(error) => {
            report.state = match error {
                LoadError::UnfitBase { .. } => State::UnfitBase,
                _ => State::Damaged,
            };
            report.reason = Some(format!("it can't be loaded: {error}"));
        }
    }
    report.search = searched.ok();
    if report.state.is_located() || report.names.name_a_module() {
        let relocations = match in_file {
            Search::Located(located) => RelocationCoverage::of(image, &located),
            Search::Refused(_) => None,
        };
        let sha256 = sha256(data);
        let known = Manifest::built_in().find(&sha256);
        report.file = Some(FileFacts {
            checksum: Checksum::of(image.headers(), data),
            known: known.map(|build| build.name.clone()),
            sha256,
            start_up,
            relocations,
        });
    }
}

/// 64 lower-case hexadecimal digits.
pub(crate) fn sha256(data: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(data) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What a refusal means for the module.
fn refused(refusal: &NotLocated, module: Module, version: Option<FileVersion>) -> (State, String) {
    let era = version.and_then(Era::of);
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
            State::NoLimiter,
            format!("{refusal}: this {module} has no limit of half-open connections"),
        ),
        (_, None) => (State::NotLocated, refusal.to_string()),
    }
}

/// Versions of Windows whose driver is known not to have this limiter. It is
/// for the words of a refusal only: the search doesn't depend on a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    /// Before XP SP2 and Server 2003 SP1.
    Before,
    /// Vista before SP2.
    Vista,
    /// Vista SP2 and everything since.
    After,
}

impl Era {
    fn of(version: FileVersion) -> Option<Era> {
        match version.0 {
            [0..=4, ..] | [5, 0, ..] => Some(Era::Before),
            [5, 1, build, revision] if (build, revision) < (2600, 2180) => Some(Era::Before),
            [5, 2, build, revision] if (build, revision) < (3790, 1830) => Some(Era::Before),
            [5, ..] => None,
            [6, 0, build, _] if build < 6002 => Some(Era::Vista),
            _ => Some(Era::After),
        }
    }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
