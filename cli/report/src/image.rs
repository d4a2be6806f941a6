//! The report on one image, made from its bytes.

use alloc::string::String;

use scanner_core::policy::PRISTINE_LIMIT;
use scanner_core::{Headers, Image, ImageError, Module, NotLocated, RelocationCoverage};
use scanner_core::{StartUpStore, file_version};

use crate::cause::Cause;
use crate::file_kind::{is_cabinet, is_compressed, is_driver_size};
use crate::limiter_history::Era;
use crate::names::Conflict;
use crate::report::{ImageFacts, Origin, Report, Search};
use crate::state::State;

/// Puts a cause into words, with the advice of the program.
pub type Describe = fn(State, &Cause<'_>) -> String;

/// Reports on the bytes of one image.
#[must_use]
pub fn image(origin: Origin, data: &[u8], describe: Describe) -> Report {
    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let mut report = Report::pending(origin, length);
    if !report.triage(data, describe)
        && let Some((image, module)) = report.identify_module(data, None, describe)
    {
        report.conclude(&image, &Search::of(&image, module), None, describe);
    }
    report
}

/// The steps of a report, each of which may be the last. `claim` is the module that the user says
/// the image is; it overrules the names.
impl Report {
    /// Judges the beginning of the file; returns whether that decides: the file is no driver that
    /// could be one of the modules.
    #[must_use]
    pub fn triage(&mut self, head: &[u8], describe: Describe) -> bool {
        let is_whole = u64::try_from(head.len()).is_ok_and(|read| read == self.bytes);
        let named = self.names.file.is_some();
        let (state, cause) = match Headers::parse(head) {
            _ if head.is_empty() && named => (State::Damaged, Cause::Empty),
            _ if head.is_empty() => (State::NotPe, Cause::Empty),
            _ if is_compressed(head) => (State::Compressed, Cause::Compressed),
            _ if is_cabinet(head) => (State::Cabinet, Cause::Cabinet),
            Ok(headers) if !headers.is_native() => (State::NotDriver, Cause::Program),
            Ok(_) if !is_driver_size(self.bytes) => (State::Damaged, Cause::TooLarge(self.bytes)),
            Ok(_) => return false,
            Err(ImageError::NotPe | ImageError::Truncated)
                if head.starts_with(b"MZ") && !is_whole =>
            {
                return false;
            }
            Err(ImageError::NotPe) => not_pe(head, named),
            Err(error @ ImageError::UnsupportedMachine(_)) => {
                (State::UnsupportedMachine, Cause::Image(error))
            }
            Err(error) => (State::Damaged, Cause::Image(error)),
        };
        if state == State::Damaged {
            // The name of a file that is no driver means nothing.
            self.module = self.names.file;
        }
        self.refuse(state, describe(state, &cause));
        true
    }

    /// Judges headers and names; returns the image and the module if it is to be searched.
    pub fn identify_module<'a>(
        &mut self,
        data: &'a [u8],
        claim: Option<Module>,
        describe: Describe,
    ) -> Option<(Image<'a>, Module)> {
        let image = match Image::from_file(data) {
            Ok(image) => image,
            Err(error) => {
                self.module = claim.or(self.names.file);
                let (state, cause) = no_image(error, self.module);
                self.refuse(state, describe(state, &cause));
                return None;
            }
        };
        self.names.read(&image);
        self.image = Some(ImageFacts {
            arch: image.arch(),
            time_date_stamp: image.headers().time_date_stamp(),
            version: file_version(&image),
        });
        let named = match claim {
            Some(module) => Ok(Some(module)),
            None => self.names.module(),
        };
        let (state, cause) = match named {
            Ok(Some(module)) => {
                self.module = Some(module);
                return Some((image, module));
            }
            Ok(None) => (State::OtherModule, Cause::Nameless),
            Err(Conflict) => (State::ConflictingNames, Cause::Conflict(&self.names)),
        };
        let reason = describe(state, &cause);
        self.refuse(state, reason);
        None
    }

    /// Judges the result of the search, in the file or as loaded.
    pub fn conclude(
        &mut self,
        image: &Image<'_>,
        search: &Search,
        claim: Option<Module>,
        describe: Describe,
    ) {
        self.search = Some(*search);
        let (state, cause) = match search {
            Search::Refused(refusal) => self.not_located(refusal),
            Search::Located(located) if claim.is_none() && !self.names.confirm(located) => {
                let updates = located.findings().atomic_updates();
                (
                    State::UnconfirmedName,
                    Cause::Unconfirmed(&self.names, updates),
                )
            }
            Search::Located(located) => {
                let store = StartUpStore::find(image, located);
                self.state = match store {
                    StartUpStore::Unique {
                        value: PRISTINE_LIMIT,
                        ..
                    } => State::Unpatched,
                    StartUpStore::Unique { value, .. } => State::Patched(value),
                    StartUpStore::None | StartUpStore::Several => State::Located,
                };
                self.start_up = Some(store);
                self.relocations = RelocationCoverage::measure(image, located);
                return;
            }
        };
        let reason = describe(state, &cause);
        self.refuse(state, reason);
    }

    /// State and cause of a module whose limit was not located.
    fn not_located<'a>(&self, refusal: &'a NotLocated) -> (State, Cause<'a>) {
        let unknown = (State::NotLocated, Cause::NotLocated(refusal));
        let (
            Some(module),
            Some(ImageFacts {
                version: Some(version),
                ..
            }),
        ) = (self.module, self.image)
        else {
            return unknown;
        };
        match Era::of(version) {
            // A version says nothing about a file of another name.
            _ if self.names.contradict(module) => unknown,
            Some(Era::Before) => (State::NoLimiter, Cause::Older(module)),
            Some(Era::Vista) => (State::NotLocated, Cause::Vista),
            Some(Era::After) => (State::NoLimiter, Cause::Newer(module)),
            None => unknown,
        }
    }
}

/// State and cause of a file that has a driver's headers but is no valid image.
fn no_image(error: ImageError, module: Option<Module>) -> (State, Cause<'static>) {
    match error {
        ImageError::NoVirtualSizes => (State::TooOld, Cause::OlderLayout(error)),
        // Some other drivers have layouts that these modules never have; they are not damaged.
        _ if module.is_none() && error != ImageError::Truncated => {
            (State::OtherModule, Cause::OtherLayout(error))
        }
        _ => (State::Damaged, Cause::Image(error)),
    }
}

/// State and cause of a whole file that is no PE file; `named`: its name is that of a module.
fn not_pe(file: &[u8], named: bool) -> (State, Cause<'static>) {
    /// The least `e_lfarlc` of a header that is longer than that of DOS.
    const EXTENDED: u8 = 0x40;
    let damaged_if = |is_damaged: bool, cause| match is_damaged {
        true => (State::Damaged, cause),
        false => (State::NotPe, cause),
    };
    if !file.starts_with(b"MZ") {
        // A driver that was cut after its first byte.
        return damaged_if(named && file == b"M", Cause::NoMz);
    }
    let dos = file.first_chunk::<64>();
    let points = dos.map(|dos| {
        let [.., a, b, c, d] = *dos;
        usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX)
    });
    // In a DOS program this field has any value; its relocations begin earlier.
    let is_extended = dos.is_none_or(|dos| dos.get(24).is_some_and(|&at| at >= EXTENDED));
    // Signature and file header, 24 bytes.
    let is_short = points.is_none_or(|at| at.saturating_add(24) > file.len());
    match is_extended && is_short {
        true => (State::Damaged, Cause::HeadersCut),
        false => damaged_if(named, Cause::NoSignature),
    }
}
