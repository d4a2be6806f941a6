//! Releases: archives for Windows XP and for the tool for files, lists of components,
//! and sums; the same bytes from the same sources.
//!
//! `target/dist` contains, for a version and this machine's triple:
//!
//! ```text
//! tcplimit-VERSION-winxp-x86.zip       the driver, and how to install it
//! tcplimit-VERSION-winxp-x64.zip
//! tcplimit-VERSION-TRIPLE.tar.gz       the tool for files, manual and completions
//! ARCHIVE.cdx.json                     components of its programs (CycloneDX)
//! SHA256SUMS
//! ```
//!
//! Each archive is then unpacked into a new folder and tried there.

mod archive;
mod components;
mod contents;
mod release;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, Failure};
use crate::driver;
use crate::executables::{self, ExecutableKind};
use crate::figures::Observations;
use crate::filesystem::{self, list, recreate_folder};
use crate::summary::Outcome;
use crate::workspace::Workspace;
use archive::Archive;
use components::Catalog;
use release::Release;

/// Builds the releases and tries them; `twice`: also builds them in another folder and
/// compares.
pub(crate) fn run(
    workspace: &Workspace,
    twice: bool,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    driver::run(workspace, driver::Rebuild::requested(twice), observations)?;
    let release = Release::prepare(workspace, "dist", |host| build(workspace, host))?;
    let archives = make_archives(&release)?;
    if twice {
        let copy = workspace.copy_elsewhere()?;
        println!("--- building again in {}", copy.path("").display());
        let mut second = Release::prepare(&copy, "dist", |host| build(&copy, host))?;
        // driver::run has built it twice and compared.
        second.driver.clone_from(&release.driver);
        make_archives(&second)?;
        compare_folders(&release.folder, &second.folder)?;
    }
    let tried = trial::all(&release, &archives)?;
    let twice = if twice {
        "built twice, same bytes; "
    } else {
        ""
    };
    Ok(Outcome::Passed(format!("target/dist: {twice}{tried}")))
}

/// The step of `cargo xtask test`: packs the results of other steps twice, compares and
/// tries the archives. They are no release: the tool for files is a test build.
pub(crate) fn step(workspace: &Workspace) -> Result<Outcome, Failure> {
    if !workspace.target("driver/compiler.txt").is_file() {
        return Ok(Outcome::Skipped(
            "no driver; cargo xtask driver builds it".into(),
        ));
    }
    if !filesystem::unpacks_zip(workspace) {
        return Ok(Outcome::Skipped(
            "no unzip; cargo xtask setup installs it".into(),
        ));
    }
    let built =
        |_: &str| executables::program(workspace, ExecutableKind::Program, executables::WORKBENCH);
    let second = Release::prepare(workspace, "dist-trial/again", built)?;
    make_archives(&second)?;
    let release = Release::prepare(workspace, "dist-trial/once", built)?;
    let archives = make_archives(&release)?;
    compare_folders(&release.folder, &second.folder)?;
    let tried = trial::all(&release, &archives)?;
    Ok(Outcome::Passed(format!(
        "packed twice, same bytes; {tried}"
    )))
}

/// Builds the tool for files without paths of this machine.
fn build(workspace: &Workspace, host: &str) -> Result<PathBuf, Failure> {
    let folder = workspace.target("dist-build");
    let mut build = workspace.cargo(&["build", "--locked", "--release", "--package", "tcplimit"]);
    build
        .args(["--bin", "tcplimit", "--target", host])
        // Some function names contain the hash of a folder.
        .args(["--config", "profile.release.strip=\"symbols\""])
        .arg("--target-dir")
        .arg(&folder)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            driver::remap_flags(workspace).join("\u{1f}"),
        );
    command::run(&mut build)?;
    let tool = folder.join(host).join("release").join(contents::TOOL);
    match machine_path_in(&fs::read(&tool)?, &driver::source_folders(workspace)) {
        None => Ok(tool),
        Some(folder) => Err(Failure(format!(
            "{} contains the path {folder}",
            tool.display()
        ))),
    }
}

/// The first folder whose path occurs in the file.
fn machine_path_in(file: &[u8], folders: &[(PathBuf, &str)]) -> Option<String> {
    let paths = folders
        .iter()
        .map(|(folder, _)| folder.display().to_string());
    paths
        .map(|path| path.trim_end_matches('/').to_string())
        .find(|path| {
            file.windows(path.len())
                .any(|bytes| bytes == path.as_bytes())
        })
}

/// Makes all files of a release; returns the archives.
fn make_archives(release: &Release<'_>) -> Result<Vec<Archive>, Failure> {
    let workspace = release.workspace;
    recreate_folder(&release.folder)?;
    let catalog = Catalog::read(workspace)?;
    let staged = workspace.target("dist-build/staged");
    recreate_folder(&staged)?;
    let archives = contents::all(release)?;
    for archive in &archives {
        let folder = staged.join(&archive.name);
        let parts = catalog.parts(workspace, archive)?;
        contents::stage(release, archive, &parts, &folder)?;
        let sums = folder.join(archive.sums());
        release.pack("sums", &sums, &folder)?;
        release.pack("archive", &release.folder.join(archive.file()), &folder)?;
        let component_list = components::component_list(archive, &release.version, &parts, &sums)?;
        let component_list = serde_json::to_string_pretty(&component_list)
            .map_err(|error| Failure(format!("the list of components: {error}")))?;
        let to = format!("{}.cdx.json", archive.file());
        fs::write(release.folder.join(to), component_list + "\n")?;
    }
    release.pack("sums", &release.folder.join("SHA256SUMS"), &release.folder)?;
    for (name, bytes) in list(&release.folder)? {
        println!("{bytes:>9} bytes  {name}");
    }
    Ok(archives)
}

/// Both folders must contain the same files with the same bytes.
fn compare_folders(one: &Path, other: &Path) -> Result<(), Failure> {
    let (files, others) = (list(one)?, list(other)?);
    let names = |files: &[(String, u64)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    if names(&files) != names(&others) || files.is_empty() {
        return Err(Failure(format!(
            "not reproducible: {} and {} contain different files",
            one.display(),
            other.display()
        )));
    }
    for (name, _) in &files {
        driver::compare(&one.join(name), &other.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_machine_is_found_anywhere_in_a_file() {
        let folders = [
            (PathBuf::from("/a/b/"), "one"),
            (PathBuf::from("/c"), "other"),
        ];
        let find = |file: &[u8]| machine_path_in(file, &folders);
        assert_eq!(find(b"/a/b").as_deref(), Some("/a/b"));
        assert_eq!(find(b"..\0/a/b/d").as_deref(), Some("/a/b"));
        assert_eq!(find(b"e/c/d").as_deref(), Some("/c"));
        assert_eq!(find(b"/a/d/a"), None);
        assert_eq!(find(b""), None);
    }

    #[test]
    fn different_names_or_bytes_are_different_releases() {
        let folders = ["one", "other"].map(|name| {
            let folder =
                std::env::temp_dir().join(format!("tcplimit-same-{}-{name}", std::process::id()));
            recreate_folder(&folder).unwrap();
            folder
        });
        let [one, other] = &folders;
        assert!(
            compare_folders(one, other).is_err(),
            "empty folders are no release"
        );
        fs::write(one.join("a"), "1").unwrap();
        fs::write(other.join("a"), "1").unwrap();
        assert!(compare_folders(one, other).is_ok());
        fs::write(other.join("a"), "2").unwrap();
        assert!(compare_folders(one, other).is_err());
        fs::write(other.join("a"), "1").unwrap();
        fs::write(other.join("b"), "1").unwrap();
        assert!(compare_folders(one, other).is_err());
        for folder in &folders {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
