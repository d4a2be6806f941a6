//! A Debian for x86 in `target/` with its Wine, since Debian's wine32 does not always
//! install beside wine64.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Failure, tail};
use crate::workspace::{Workspace, ask_consent};

/// The Debian release whose Wine the tests were written for.
const RELEASE: &str = "bookworm";
const FOLDER: &str = "wine/x86-root";

/// A chroot.
#[derive(Debug)]
pub(super) struct DebianChroot(PathBuf);

impl DebianChroot {
    /// The existing chroot, or a new one; or the reason why that is impossible.
    pub(super) fn set_up(
        workspace: &Workspace,
        yes: bool,
    ) -> Result<Result<Self, String>, Failure> {
        let chroot = Self(workspace.target(FOLDER));
        for program in ["unshare", "chroot"] {
            if !workspace.has_program(program) {
                return Ok(Err(format!("no {program}")));
            }
        }
        let output = command::capture(workspace.command("id").arg("-u"))?;
        if output.out.trim() != "0" {
            return Ok(Err("a chroot needs root".into()));
        }
        if !chroot.0.exists()
            && let Err(why) = chroot.fetch(workspace, yes)?
        {
            return Ok(Err(why));
        }
        let tried = command::capture(&mut chroot.command(workspace, "/bin/true"))?;
        if !tried.status.success() {
            return Ok(Err(format!("chroot: {}", tried.err.trim())));
        }
        Ok(Ok(chroot))
    }

    pub(super) fn exists(workspace: &Workspace) -> bool {
        workspace.target(FOLDER).exists()
    }

    /// Whether it exists or can be downloaded.
    pub(super) fn is_available(workspace: &Workspace) -> bool {
        Self::exists(workspace) || debootstrap(workspace).is_some()
    }

    /// Downloads it under another name first, so that an incomplete one is never used.
    fn fetch(&self, workspace: &Workspace, yes: bool) -> Result<Result<(), String>, Failure> {
        let Some(debootstrap) = debootstrap(workspace) else {
            return Ok(Err("no debootstrap; cargo xtask setup installs it".into()));
        };
        if !ask_consent("Download a small Debian for x86 with Wine (160 MB)?", yes) {
            return Ok(Err("no Wine for x86, and no consent to download it".into()));
        }
        let part = workspace.target("wine/x86-root.part");
        if part.exists() {
            fs::remove_dir_all(&part)?;
        }
        fs::create_dir_all(&part)?;
        println!("--- debootstrap into {}", self.0.display());
        let mut fetch = workspace.command(&debootstrap.display().to_string());
        fetch
            .args(["--arch=i386", "--variant=minbase", "--include=wine32,wine"])
            .arg(RELEASE)
            .arg(&part)
            .args(mirror());
        let output = command::capture(&mut fetch)?;
        if !output.status.success() {
            fs::remove_dir_all(&part)?;
            return Ok(Err(format!("debootstrap failed{}", tail(&output.out))));
        }
        for package in fs::read_dir(part.join("var/cache/apt/archives"))?.flatten() {
            // Packages that are unpacked.
            if package.path().extension().is_some_and(|kind| kind == "deb") {
                fs::remove_file(package.path())?;
            }
        }
        fs::rename(&part, &self.0)?;
        Ok(Ok(()))
    }

    /// The path on this machine of a path in the chroot.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside.trim_start_matches('/'))
    }

    /// A command in the chroot. `/proc` is mounted for it and its children only, so nothing
    /// needs to be unmounted.
    pub(super) fn command(&self, workspace: &Workspace, program: &str) -> Command {
        const ENTER: &str = r#"mount -t proc proc "$1/proc" && exec chroot "$@""#;
        let mut command = workspace.command("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-c", ENTER, "sh"])
            .arg(Path::new(&self.0))
            .arg(program);
        command
    }
}

/// debootstrap is in /usr/sbin, which not every PATH contains.
fn debootstrap(workspace: &Workspace) -> Option<PathBuf> {
    let installed = PathBuf::from("/usr/sbin/debootstrap");
    workspace
        .program("debootstrap")
        .or_else(|| installed.is_file().then_some(installed))
}

/// The mirror of this machine's apt, if found; debootstrap has a default.
fn mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(more) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(more.flatten().map(|entry| entry.path()));
    }
    let texts = files.iter().flat_map(fs::read_to_string);
    texts.filter_map(|text| first_mirror(&text)).next()
}

/// The first address of Debian in a list of sources, in either format.
fn first_mirror(text: &str) -> Option<String> {
    let words = text
        .lines()
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace);
    let mut mirrors = words.filter(|word| word.trim_end_matches('/').ends_with("/debian"));
    mirrors.next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_in_both_formats_of_a_list() {
        let line = "# deb http://no.example/debian\n\
            deb [signed-by=/k.gpg] http://one.example/debian bookworm main\n";
        let block = "Types: deb\nURIs: http://two.example/debian/\nSuites: bookworm\n";
        let other = "Types: deb\nURIs: http://three.example/debian-security\n";
        let found = |text| first_mirror(text);
        assert_eq!(found(line).as_deref(), Some("http://one.example/debian"));
        assert_eq!(found(block).as_deref(), Some("http://two.example/debian/"));
        assert_eq!(found(other), None);
    }
}
