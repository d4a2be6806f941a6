//! `tcplimit corpus add`: puts builds into a manifest of known ones.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use scanner_core::Module;

use crate::arguments::Add;
use crate::command::refuse_folders;
use crate::exit::Exit;
use crate::file::Input;
use crate::loaded::LoadBase;
use crate::manifest::{Build, Manifest};
use crate::output::{self, GOOD, cause, complain, printable};
use crate::probe::{self, Members, Options};
use crate::report::{Origin, Report};

/// What both views of a file say of it, when they agree.
///
/// # Errors
/// Why there is no such thing.
pub(crate) fn locate_both(
    origin: &Origin,
    data: &[u8],
    module: Option<Module>,
    name: Option<&str>,
) -> Result<Build, String> {
    let view = |as_loaded| {
        let options = Options {
            module,
            as_loaded,
            members: Members::All,
        };
        let report = probe::image(origin.clone(), data, &options);
        Build::of(&report, name).ok_or_else(|| refusal(&report))
    };
    let file = view(None)?;
    let loaded = view(Some(LoadBase::Typical)).map_err(|reason| format!("as loaded, {reason}"))?;
    match file.differences(&loaded).first() {
        None => Ok(file),
        Some(difference) => Err(format!("file and loaded image differ: {difference}")),
    }
}

fn refusal(report: &Report) -> String {
    let state = report.state.name();
    match &report.reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state.to_owned(),
    }
}

/// Runs `corpus add`.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn add(verb: &Add) -> io::Result<Exit> {
    if let Some(exit) = refuse_folders(&verb.files, false, "probe") {
        return Ok(exit);
    }
    if verb.name.is_some() && verb.files.len() > 1 {
        complain("--name names one build: give one FILE with it.");
        return Ok(Exit::Usage);
    }
    let shown = verb.manifest.display();
    let old = match fs::read_to_string(&verb.manifest) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            complain(&format!("{shown} can't be read: {}", cause(&error)));
            return Ok(Exit::Input);
        }
    };
    let mut manifest = match Manifest::parse(&old) {
        Ok(manifest) => manifest,
        Err(error) => {
            complain(&format!("{shown} is no manifest of builds: {error}"));
            return Ok(Exit::Usage);
        }
    };

    let mut out = output::stdout();
    let mut text = old.clone();
    let mut exit = Exit::Done;
    let module = verb.module.map(Module::from);
    for path in &verb.files {
        let content = match Input::open(path).and_then(Input::content) {
            Ok(content) => content,
            Err(error) => {
                complain(&format!("{}: {}", path.display(), cause(&error)));
                exit = exit.max(Exit::Input);
                continue;
            }
        };
        let mut found = false;
        let options = Options {
            module,
            as_loaded: None,
            members: Members::Likely,
        };
        let mut refusals = Vec::new();
        probe::visit(
            &path.to_string_lossy(),
            &content,
            &options,
            &mut |report, data| {
                let origin = report.origin.clone();
                match add_one(&mut manifest, &origin, data, module, verb.name.as_deref()) {
                    Ok(added) => {
                        found = true;
                        let said = match &added {
                            Added::New(build) => {
                                text.push_str(&build.to_toml());
                                "added"
                            }
                            Added::Known => "known already",
                        };
                        let origin = origin.to_string();
                        let _ = writeln!(out, "{}: {GOOD}{said}{GOOD:#}", printable(&origin));
                    }
                    Err(reason) => refusals.push(format!("{origin}: not added: {reason}")),
                }
            },
        );
        if !found || !refusals.is_empty() {
            refusals.iter().for_each(|refusal| complain(refusal));
            exit = exit.max(Exit::NotLocated);
        }
    }
    if text != old
        && let Err(error) = replace(&verb.manifest, &text)
    {
        complain(&format!("{shown} can't be written: {}", cause(&error)));
        exit = exit.max(Exit::Input);
    }
    out.flush()?;
    Ok(exit)
}

/// What became of one file.
enum Added {
    New(Build),
    Known,
}

fn add_one(
    manifest: &mut Manifest,
    origin: &Origin,
    data: &[u8],
    module: Option<Module>,
    name: Option<&str>,
) -> Result<Added, String> {
    let build = locate_both(origin, data, module, name)?;
    for (whose, known) in [
        ("the manifest", manifest.find(&build.sha256)),
        (
            "the built-in manifest",
            Manifest::built_in().find(&build.sha256),
        ),
    ] {
        if let Some(difference) = known.and_then(|known| known.differences(&build).pop()) {
            return Err(format!("{whose} says otherwise: {difference}"));
        }
    }
    if manifest.find(&build.sha256).is_some() {
        return Ok(Added::Known);
    }
    manifest.builds.push(build.clone());
    Ok(Added::New(build))
}

/// Puts a new file in the place of the old in one step: at no moment is there
/// half a manifest.
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
