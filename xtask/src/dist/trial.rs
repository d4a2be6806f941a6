//! Trial of archives: unpacks them into new folders and runs them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::archive::{Archive, Reader};
use super::contents::{TOOL, for_notepad};
use super::release::Release;
use crate::command::{self, Failure};
use crate::driver::ProductKind;
use crate::executables;
use crate::filesystem::{files, list, read_text, recreate_folder, unpack};
use crate::wine;
use crate::workspace::Workspace;

/// A specimen with a known limit.
const SPECIMEN: &str = "corpus/specimens/tcpip-xp-sp3-x86.sys";

/// Tries every archive; returns a summary.
pub(super) fn all(release: &Release<'_>, archives: &[Archive]) -> Result<String, Failure> {
    let workspace = release.workspace;
    check_sums(workspace, &release.folder, "SHA256SUMS")?;
    let unpacked = workspace.target("dist-build/unpacked");
    recreate_folder(&unpacked)?;
    let mut notes = vec![format!("{} archives unpacked, sums match", archives.len())];
    for archive in archives {
        let folder = unpacked.join(&archive.name);
        let into = match archive.reader {
            Reader::Xp { .. } => &folder,
            Reader::Workbench => &unpacked,
        };
        fs::create_dir_all(&folder)?;
        unpack(workspace, &release.folder.join(archive.file()), into)?;
        check_sums(workspace, &folder, archive.sums())?;
        match archive.reader {
            Reader::Xp { arch } => notes.extend(xp(release, archive, arch, &folder)?),
            Reader::Workbench => notes.push(workbench(release, &folder)?),
        }
    }
    Ok(notes.join("; "))
}

/// Checks with an independent program that the list contains every file and that the
/// sums match.
fn check_sums(workspace: &Workspace, folder: &Path, name: &str) -> Result<(), Failure> {
    let mut check = if workspace.has_program("sha256sum") {
        workspace.command("sha256sum")
    } else {
        let mut check = workspace.command("shasum");
        check.args(["-a", "256"]);
        check
    };
    check.args(["--check", "--strict", "--quiet", name]);
    command::capture(check.current_dir(folder))?.success(name)?;
    let list = read_text(&folder.join(name))?;
    let named: BTreeSet<&str> = list.lines().filter_map(|line| line.get(66..)).collect();
    let there: BTreeSet<String> = files(folder)?
        .iter()
        .filter_map(|(path, _)| path.strip_prefix(folder).ok())
        .map(|path| path.display().to_string().replace('\\', "/"))
        .filter(|file| file != name)
        .collect();
    if there.is_empty() || !there.iter().map(String::as_str).eq(named) {
        return Err(Failure(format!(
            "{name} does not list exactly the existing files"
        )));
    }
    Ok(())
}

/// Checks the files of an archive for XP.
fn xp(
    release: &Release<'_>,
    archive: &Archive,
    arch: &'static str,
    folder: &Path,
) -> Result<Vec<String>, Failure> {
    let workspace = release.workspace;
    for (name, _) in list(folder)? {
        if name.ends_with(".txt") || name.ends_with(".cmd") {
            let text = read_text(&folder.join(&name))?;
            if text != for_notepad(&text) {
                return Err(Failure(format!("{name}: lines do not end with CR LF")));
            }
        }
    }
    let readme = read_text(&folder.join("README.txt"))?;
    if !readme.is_ascii() || readme.contains('{') || !readme.contains(&release.version) {
        return Err(Failure(
            "README.txt: not ASCII, or a placeholder is left".into(),
        ));
    }
    for (name, _) in list(folder)? {
        if name != "README.txt" && !readme.contains(&format!("  {name} ")) {
            return Err(Failure(format!("README.txt does not describe {name}")));
        }
    }
    let mut notes = Vec::new();
    for program in &archive.programs {
        let file = folder.join(program.name);
        let checks = executables::program(
            workspace,
            executables::ExecutableKind::Program,
            executables::CHECKER,
        )?;
        let mut check = workspace.command(&checks.to_string_lossy());
        check.args([program.kind.name(), arch]).arg(&file);
        command::capture(&mut check)?.success(program.name)?;
        if program.kind == ProductKind::Program {
            notes.push(in_wine(release, program.name, arch, folder)?);
        }
    }
    Ok(notes)
}

/// Runs `version` and `help` of the program in Wine.
fn in_wine(
    release: &Release<'_>,
    name: &str,
    arch: &'static str,
    folder: &Path,
) -> Result<String, Failure> {
    for (verb, answer) in [
        ("version", release.version.as_str()),
        ("help", "tcplimit install"),
    ] {
        let output = match wine::run_unpacked(release.workspace, arch, folder, name, &[verb])? {
            Ok(output) => output,
            Err(why) => return Ok(format!("{arch} in Wine SKIPPED: {why}")),
        };
        let what = format!("{name} {verb}");
        let out = output.success(&what)?;
        if !out.contains(answer) {
            return Err(Failure(format!("{what}: {out}")));
        }
    }
    Ok(format!("{arch} programs run in Wine"))
}

/// Checks that the tool locates the limit of a specimen, and that manual and
/// completions are present.
fn workbench(release: &Release<'_>, folder: &Path) -> Result<String, Failure> {
    let workspace = release.workspace;
    let tool = folder.join(TOOL).display().to_string();
    let run = |words: &[&str]| {
        let mut command = workspace.command(&tool);
        command::capture(command.args(words).current_dir(folder))
    };
    let version = run(&["--version"])?.success("tcplimit --version")?;
    if version.trim() != format!("tcplimit {}", release.version) {
        return Err(Failure(format!("tcplimit --version: {version}")));
    }
    let specimen = workspace.path(SPECIMEN).display().to_string();
    let output = run(&["probe", "--json", &specimen])?.success("tcplimit probe")?;
    let answer: Value = serde_json::from_str(output.trim())
        .map_err(|error| Failure(format!("tcplimit probe: {error}")))?;
    if answer["located"] != true {
        return Err(Failure(format!("tcplimit probe: {output}")));
    }
    let page = read_text(&folder.join("man/man1/tcplimit-probe.1"))?;
    let script = read_text(&folder.join("completions/tcplimit.bash"))?;
    if !page.contains(".TH") || !script.contains("probe") {
        return Err(Failure("no manual or no completions in the archive".into()));
    }
    Ok("the tool for files locates a specimen's limit".into())
}

// Only there sha256sum is always available.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// "abc", by FIPS 180-2, appendix B.1.
    const LIST: &str =
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  docs/abc\r\n";

    #[test]
    fn a_changed_file_one_too_many_or_one_too_few_is_noticed() {
        let workspace = Workspace::current();
        let folder = std::env::temp_dir().join(format!("tcplimit-sums-{}", std::process::id()));
        recreate_folder(&folder).unwrap();
        fs::create_dir(folder.join("docs")).unwrap();
        fs::write(folder.join("docs/abc"), "abc").unwrap();
        fs::write(folder.join("SUMS.txt"), LIST).unwrap();
        let held = || check_sums(&workspace, &folder, "SUMS.txt").is_ok();
        assert!(held());
        fs::write(folder.join("docs/abc"), "abd").unwrap();
        assert!(!held(), "changed");
        fs::write(folder.join("docs/abc"), "abc").unwrap();
        fs::write(folder.join("other"), "abc").unwrap();
        assert!(!held(), "one too many");
        fs::remove_file(folder.join("other")).unwrap();
        fs::remove_file(folder.join("docs/abc")).unwrap();
        assert!(!held(), "one too few");
        fs::remove_dir_all(folder).unwrap();
    }
}
