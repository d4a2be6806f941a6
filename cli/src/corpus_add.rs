//! `tcplimit corpus add`: adds builds to a manifest of known ones.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use scanner_core::{Checksum, Headers, Module};
use tcplimit_report::{Exit, Origin, Report};

use crate::arguments::Add;
use crate::image_probe::{self, Members, Options};
use crate::input::Input;
use crate::manifest::{Build, Manifest};
use crate::probe;
use crate::simulated_load::LoadBase;
use crate::terminal::{self, GOOD, os_error_text, print_error, printable};
use crate::text;

/// The entry of a file, if the limit is located in the file and as loaded, with the same values.
///
/// # Errors
/// The reason, if not.
pub(crate) fn locate_both(
    origin: &Origin,
    data: &[u8],
    sha256: &str,
    module: Option<Module>,
    name: Option<&str>,
) -> Result<Build, String> {
    let view = |as_loaded| {
        let options = Options {
            module,
            as_loaded,
            members: Members::All,
        };
        let report = image_probe::image(origin.clone(), data, &options);
        Build::of(&report, sha256, name).ok_or_else(|| refusal(&report))
    };
    let mut file = view(None)?;
    let loaded = view(Some(LoadBase::Typical)).map_err(|reason| format!("as loaded, {reason}"))?;
    match file.differences(&loaded).first() {
        None => {
            let sum = Headers::parse(data).map(|headers| Checksum::compute(&headers, data));
            let right = sum.ok().filter(Checksum::is_right);
            file.checksum = right.map(|sum| sum.computed);
            Ok(file)
        }
        Some(difference) => Err(format!("file and loaded image differ: {difference}")),
    }
}

fn refusal(report: &Report) -> String {
    let reason = report.reason.as_deref();
    reason.unwrap_or("not located").to_owned()
}

/// Runs `corpus add`.
///
/// # Errors
/// If the output can't be written.
pub(crate) fn add(args: &Add) -> io::Result<Exit> {
    if let Some(folder) = args.files.iter().find(|path| path.is_dir()) {
        let shown = folder.display();
        print_error(&format!("{shown} is a folder: pass the files in it."));
        return Ok(Exit::Usage);
    }
    if args.name.is_some() && args.files.len() > 1 {
        print_error("--name is for one build: pass one FILE.");
        return Ok(Exit::Usage);
    }
    let shown = args.manifest.display();
    let old = match fs::read_to_string(&args.manifest) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            print_error(&format!("{shown} can't be read: {}", os_error_text(&error)));
            return Ok(Exit::Unreadable);
        }
    };
    let manifest = match Manifest::parse(&old) {
        Ok(manifest) => manifest,
        Err(error) => {
            print_error(&format!("{shown} is not a valid manifest: {error}"));
            return Ok(Exit::Usage);
        }
    };

    let mut addition = Addition {
        module: args.module.map(Module::from),
        name: args.name.as_deref(),
        manifest,
        text: old.clone(),
        done: Vec::new(),
        exit: Exit::Done,
    };
    for path in &args.files {
        addition.file(path);
    }
    let Addition {
        text, done, exit, ..
    } = addition;
    if args.name.is_some() && done.len() > 1 {
        print_error(&format!(
            "--name is for one build, but {} were found: add them without it.",
            done.len()
        ));
        return Ok(Exit::Usage);
    }
    if text != old
        && let Err(error) = replace(&args.manifest, &text)
    {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => {
                ": its folder does not exist; pass a manifest of your own with --manifest FILE"
            }
            _ => "",
        };
        print_error(&format!(
            "{shown} can't be written: {}{hint}",
            os_error_text(&error)
        ));
        return Ok(Exit::Unreadable);
    }
    let mut out = terminal::stdout();
    for (origin, result) in done {
        let origin = origin.to_string();
        writeln!(out, "{}: {GOOD}{result}{GOOD:#}", printable(&origin))?;
    }
    Ok(out.finish(exit))
}

/// The additions to a manifest; nothing is written yet.
struct Addition<'a> {
    module: Option<Module>,
    name: Option<&'a str>,
    manifest: Manifest,
    text: String,
    /// The line to print for each build once the manifest is written.
    done: Vec<(Origin, &'static str)>,
    exit: Exit,
}

impl Addition<'_> {
    /// Adds a file, or the members of a cabinet. Members that could not be expected to be a module
    /// are not mentioned, unless there are no others.
    fn file(&mut self, path: &Path) {
        let content = match Input::open(path).and_then(Input::content) {
            Ok(content) => content,
            Err(error) => {
                let text = format!("{}: {}", path.display(), os_error_text(&error));
                return self.refuse(&text, Exit::Unreadable);
            }
        };
        let options = Options {
            module: self.module,
            as_loaded: None,
            members: Members::All,
        };
        let path = path.to_string_lossy();
        let (mut members, mut reported) = (0, false);
        probe::visit(&path, &content, &options, &mut |report, data| {
            let is_member = report.origin.member.is_some();
            members += usize::from(is_member);
            if is_member && !report.is_of_interest() {
                return;
            }
            reported = true;
            match self.image(&report, data) {
                Ok(result) => self.done.push((report.origin, result)),
                Err(reason) => {
                    let exit = match report.state.is_bad_input() {
                        true => Exit::Unreadable,
                        false => Exit::Refused,
                    };
                    let text = format!("{}: not added: {reason}", report.origin);
                    self.refuse(&text, exit);
                }
            }
        });
        if !reported {
            let text = text::no_member(&path, members, "tcplimit probe -v");
            self.refuse(&text, Exit::Refused);
        }
    }

    /// Adds an image; returns the result in words.
    fn image(&mut self, report: &Report, data: &[u8]) -> Result<&'static str, String> {
        // Such a report may not be about this data.
        if report.image.is_none() {
            return Err(refusal(report));
        }
        let sha256 = tcplimit_report::sha256(data);
        let build = locate_both(&report.origin, data, &sha256, self.module, self.name)?;
        for (manifest, known) in [
            ("the manifest", self.manifest.find(&sha256)),
            ("the built-in manifest", Manifest::built_in().find(&sha256)),
        ] {
            if let Some(difference) = known.and_then(|known| known.differences(&build).pop()) {
                return Err(format!("{manifest} has other values: {difference}"));
            }
        }
        if self.manifest.find(&sha256).is_some() {
            return Ok("already in the manifest");
        }
        let entry = build.to_toml();
        match self.text.is_empty() {
            true => self.text.push_str(entry.trim_start()),
            false => self.text.push_str(&entry),
        }
        self.manifest.builds.push(build);
        Ok("added")
    }

    fn refuse(&mut self, text: &str, exit: Exit) {
        print_error(text);
        self.exit = self.exit.max(exit);
    }
}

/// Replaces the manifest in one step, so that it is never half written.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
