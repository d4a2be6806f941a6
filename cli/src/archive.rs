//! Archives: disc images, cabinets and self-extractors, also nested.
//!
//! An archive is read by position, with one member in memory at a time; nothing is unpacked to
//! disk.

use std::collections::HashSet;

use tcplimit_report::{FRESH_COPY, Origin, Report, State, is_cabinet, is_module, is_program};

use crate::cabinet::{Cabinet, MAX_MEMBER};
use crate::image_probe::{Members, Options, image};
use crate::input::HEAD;
use crate::iso::{self, DiscError, Extent, Volume};
use crate::self_extractor::{self, is_delta};
use crate::storage::{self, Part, Storage};
use crate::terminal::os_error_text;
use crate::text::count;

/// Depth of cabinets: setup discs have at most a cabinet in a cabinet.
const MAX_DEPTH: usize = 3;
/// The most files of a disc image that are searched; a setup disc has some hundred programs and
/// cabinets.
const MAX_FILES: usize = 10_000;

/// Receives a report and the bytes of its image.
type Visit<'a> = &'a mut dyn FnMut(Report, &[u8]);

/// The kind of an archive.
#[derive(Clone, Copy)]
pub(crate) enum Archive<'a> {
    /// A cabinet, by itself or in a self-extractor.
    Cabinet(Part<'a>),
    /// An ISO 9660 disc image.
    Disc,
}

impl<'a> Archive<'a> {
    /// The kind of archive by content, if the file is one. `head` is its beginning; `programs`
    /// includes self-extractors, which take longer to recognize.
    pub(crate) fn of(head: &[u8], file: &'a dyn Storage, programs: bool) -> Option<Archive<'a>> {
        if is_cabinet(head) {
            return Part::new(file, 0, file.length()).map(Archive::Cabinet);
        }
        if head.starts_with(b"MZ") {
            return match programs && is_program(head) {
                true => self_extractor::cabinet(file).map(Archive::Cabinet),
                false => None,
            };
        }
        iso::is_image(file)
            .is_ok_and(|is_image| is_image)
            .then_some(Archive::Disc)
    }

    /// Reports on its members: at least one report.
    pub(crate) fn visit(
        self,
        origin: &Origin,
        file: &dyn Storage,
        options: &Options,
        visit: Visit<'_>,
    ) {
        match self {
            Archive::Cabinet(cabinet) => members(origin, &cabinet, options, 1, visit),
            Archive::Disc => disc(origin, file, options, visit),
        }
    }
}

/// Reports on the members of a cabinet.
fn members(origin: &Origin, data: &dyn Storage, options: &Options, depth: usize, visit: Visit<'_>) {
    let length = data.length();
    let report = |state, reason: &str, visit: Visit<'_>| {
        visit(Report::new(origin.clone(), length, state, reason), &[]);
    };
    let cabinet = match Cabinet::new(data) {
        Ok(cabinet) => cabinet,
        Err(reason) => return report(State::Damaged, reason, visit),
    };
    let deltas = cabinet.names().filter(|name| is_delta(name)).count();
    let all = options.members == Members::All || options.module.is_some();
    let mut seen = false;
    cabinet.each(
        |name| (all && deltas == 0) || is_likely(name),
        |member, content| {
            seen = true;
            let origin = origin.member(&member.name);
            match content {
                Ok(content) => nested(origin, &content, options, depth, visit),
                Err(reason) => {
                    let size = member.size.into();
                    visit(Report::new(origin, size, State::Unreadable, reason), &[]);
                }
            }
        },
    );
    if deltas != 0 {
        let reason = format!(
            "{} of its {} are deltas (_sfx_*._p), which only the package's own program can apply to an existing file: extract it on Windows (NAME.exe /x:FOLDER), and pass the folder",
            deltas,
            count(to_u64(cabinet.len()), "member")
        );
        report(State::Compressed, &reason, visit);
    } else if !seen {
        let reason = match cabinet.len() {
            0 => "a cabinet without members".to_owned(),
            number => format!(
                "a cabinet of {}, none named like tcpip*.sys: to search all, pass the cabinet by itself, or --module",
                count(to_u64(number), "member")
            ),
        };
        report(State::Cabinet, &reason, visit);
    }
}

/// Reports on a member, which may be a cabinet itself.
fn nested(origin: Origin, content: &[u8], options: &Options, depth: usize, visit: Visit<'_>) {
    if is_cabinet(content) && depth < MAX_DEPTH {
        return members(&origin, &content, options, depth + 1, visit);
    }
    visit(image(origin, content, options), content);
}

/// Whether to search a member of this name if not all are searched.
fn is_likely(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let last = last.to_ascii_lowercase();
    last.starts_with("tcpip") && (last.ends_with(".sys") || last.ends_with(".sy_"))
}

/// Reports on the drivers of a disc image.
fn disc(origin: &Origin, file: &dyn Storage, options: &Options, visit: Visit<'_>) {
    let length = file.length();
    let report = |state, reason: &str, visit: Visit<'_>| {
        visit(Report::new(origin.clone(), length, state, reason), &[]);
    };
    let found = Volume::read(file).and_then(|volume| DiscFiles::in_volume(file, &volume));
    let found = match found {
        Ok(found) => found,
        Err(flaw) => return report(State::Damaged, &format!("{flaw}{FRESH_COPY}"), visit),
    };
    let mut seen = false;
    for (path, extent) in found.drivers {
        let content = Part::new(file, iso::position(extent.start), extent.length.into());
        let Some(content) = content else { continue };
        let origin = origin.member(&path);
        stored(origin, &content, options, &mut |report, data| {
            seen = true;
            visit(report, data);
        });
    }
    if !seen {
        let reason = format!(
            "a disc image of {}, none named like tcpip*.sys, nor any in its cabinets and self-extractors",
            count(found.files, "file")
        );
        report(State::DiscImage, &reason, visit);
    }
}

/// Reports on a file of a disc image, if it may be or contain a module.
fn stored(origin: Origin, file: &dyn Storage, options: &Options, visit: Visit<'_>) {
    let unreadable = |reason: String| {
        let state = State::Unreadable;
        Report::new(origin.clone(), file.length(), state, reason)
    };
    let within = Options {
        members: Members::Likely,
        ..*options
    };
    let length = usize::try_from(file.length()).unwrap_or(HEAD).min(HEAD);
    let head = match storage::bytes(file, 0, length) {
        Ok(head) => head,
        Err(error) => return visit(unreadable(os_error_text(&error)), &[]),
    };
    if let Some(Archive::Cabinet(cabinet)) = Archive::of(&head, file, true) {
        // Many cabinets have no module.
        let is_compressed = is_likely(origin.name());
        let options = if is_compressed { options } else { &within };
        return members(&origin, &cabinet, options, 1, &mut |report, data| {
            if report.state != State::Cabinet {
                visit(report, data);
            }
        });
    }
    if !is_likely(origin.name()) {
        return;
    }
    match u32::try_from(file.length()) {
        Ok(length @ 0..=MAX_MEMBER) => {
            let length = usize::try_from(length).unwrap_or(0);
            match storage::bytes(file, 0, length) {
                Ok(content) => visit(image(origin, &content, options), &content),
                Err(error) => visit(unreadable(os_error_text(&error)), &[]),
            }
        }
        _ => visit(
            unreadable(format!("it is larger than {MAX_MEMBER} bytes")),
            &[],
        ),
    }
}

/// The files to search in a disc image.
#[derive(Default)]
struct DiscFiles {
    /// Number of files in the tree with the most, without directories.
    files: u64,
    /// Paths and extents; each extent under the name that Windows shows.
    drivers: Vec<(String, Extent)>,
}

impl DiscFiles {
    fn in_volume(file: &dyn Storage, volume: &Volume) -> Result<DiscFiles, DiscError> {
        let mut found = DiscFiles::default();
        let mut extents = HashSet::new();
        let mut too_many = false;
        for tree in &volume.trees {
            let mut files = 0;
            Volume::walk(file, tree, &mut |entry| {
                if entry.is_directory {
                    return;
                }
                files += 1;
                let wanted = is_likely(entry.path) || is_archive(entry.path);
                if wanted && entry.is_plain && extents.insert(entry.extent) {
                    too_many |= found.drivers.len() >= MAX_FILES;
                    if !too_many {
                        found.drivers.push((entry.path.to_owned(), entry.extent));
                    }
                }
            })?;
            found.files = found.files.max(files);
        }
        match too_many {
            true => Err(DiscError::TooMany),
            false => Ok(found),
        }
    }
}

/// Members of a cabinet or self-extractor that are modules by name; they are not searched.
pub(crate) fn drivers_in(file: &dyn Storage) -> Vec<String> {
    let length = usize::try_from(file.length()).unwrap_or(HEAD).min(HEAD);
    let Ok(head) = storage::bytes(file, 0, length) else {
        return Vec::new();
    };
    let Some(Archive::Cabinet(data)) = Archive::of(&head, file, true) else {
        return Vec::new();
    };
    let names = Cabinet::new(&data).map(|cabinet| {
        let drivers = cabinet.names().filter(|name| is_module(name));
        drivers.map(str::to_owned).collect()
    });
    names.unwrap_or_default()
}

/// Whether a file of this name may be an archive.
pub(crate) fn is_archive(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    ["cab", "exe"]
        .iter()
        .any(|known| end.eq_ignore_ascii_case(known))
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
