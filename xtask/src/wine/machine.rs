//! Wine for one processor: a prefix of its own under `target/`, whose registry
//! is put back before each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::arch::Arch;
use super::debian_chroot::DebianChroot;
use crate::command::{self, Failure};
use crate::filesystem::copy;
use crate::workspace::Workspace;

/// Where Debian has what its `wine` script chooses from.
const WINE64: &str = "/usr/lib/wine/wine64";
const WINE32: &str = "/usr/lib/wine/wine";
const SERVER: &str = "/usr/lib/wine/wineserver";
/// Where Wine finds its fonts.
const FONTS: &str = "/usr/share/wine/fonts";
/// The prefix inside the Debian for x86.
const PREFIX_IN_ROOT: &str = "/prefix";
/// Where the registry is kept as Wine first made it, inside the prefix.
const CLEAN: &str = "clean";
const REGISTRY: [&str; 3] = ["system.reg", "user.reg", "userdef.reg"];

/// A Wine that can run.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    workspace: &'a Workspace,
    arch: Arch,
    /// Around x86's Wine.
    chroot: Option<DebianChroot>,
    /// The prefix, from outside.
    prefix: PathBuf,
    /// The screen of programs with a window, if there is one.
    display: Option<String>,
}

impl<'a> Machine<'a> {
    /// Sets it up if that was not done before, or tells why it can't be.
    pub(super) fn set_up(
        workspace: &'a Workspace,
        arch: Arch,
        yes: bool,
    ) -> Result<Result<Self, String>, Failure> {
        let (chroot, prefix) = match arch {
            Arch::X64 if !is_installed() => {
                return Ok(Err("no wine64: cargo xtask setup".into()));
            }
            Arch::X64 => (None, workspace.target("wine/x64-prefix")),
            Arch::X86 => match DebianChroot::set_up(workspace, yes)? {
                Ok(chroot) => {
                    let prefix = chroot.path(PREFIX_IN_ROOT);
                    (Some(chroot), prefix)
                }
                Err(why) => return Ok(Err(why)),
            },
        };
        let machine = Self {
            workspace,
            arch,
            chroot,
            prefix,
            display: None,
        };
        machine.make_prefix()?;
        Ok(Ok(machine))
    }

    pub(super) fn arch(&self) -> Arch {
        self.arch
    }

    /// Gives programs that are started from now on a screen, or none.
    pub(super) fn set_display(&mut self, display: Option<&str>) {
        self.display = display.map(Into::into);
    }

    /// Wine's fonts, for a root that came without: without any nothing is written.
    pub(super) fn install_fonts(&self) -> Result<(), Failure> {
        let Some(to) = self.chroot.as_ref().map(|chroot| chroot.path(FONTS)) else {
            return Ok(());
        };
        fs::create_dir_all(&to)?;
        for font in fs::read_dir(FONTS)?.flatten() {
            let to = to.join(font.file_name());
            if !to.exists() {
                copy(&font.path(), &to)?;
            }
        }
        Ok(())
    }

    /// Drive C, from outside.
    pub(super) fn drive(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    /// What the programs of this run say on their error output: debug output.
    pub(super) fn log(&self) -> PathBuf {
        self.workspace
            .target(&format!("wine/{}.log", self.arch.name()))
    }

    /// A program in Wine, by its path there.
    pub(super) fn wine(&self, program: &str) -> Command {
        let mut wine = self.unix_command(self.loader());
        wine.arg(program);
        wine
    }

    fn loader(&self) -> &'static str {
        match self.arch {
            Arch::X64 => WINE64,
            Arch::X86 => WINE32,
        }
    }

    /// Ends whatever runs in the prefix, of this run or of one that crashed.
    pub(super) fn stop_all(&self) -> Result<(), Failure> {
        // It fails where nothing runs.
        command::capture(self.unix_command(SERVER).arg("-k"))?;
        command::capture(self.unix_command(SERVER).arg("-w"))?;
        Ok(())
    }

    /// Ends what runs, and puts the registry back: no service, no setting.
    pub(super) fn restore(&self) -> Result<(), Failure> {
        self.stop_all()?;
        self.copy_registry(&self.prefix.join(CLEAN), &self.prefix)
    }

    fn make_prefix(&self) -> Result<(), Failure> {
        let clean = self.prefix.join(CLEAN);
        if clean.exists() {
            return Ok(());
        }
        println!("--- a prefix in {}", self.prefix.display());
        if self.prefix.exists() {
            self.stop_all()?;
            fs::remove_dir_all(&self.prefix)?;
        }
        fs::create_dir_all(&self.prefix)?;
        let output = command::capture(self.wine("wineboot").arg("--init"))?;
        output.success("wineboot")?;
        // The registry is written when the last program ends.
        command::capture(self.unix_command(SERVER).arg("-w"))?;
        let part = self.prefix.join("clean.part");
        fs::create_dir_all(&part)?;
        self.copy_registry(&self.prefix, &part)?;
        fs::rename(part, clean)?;
        Ok(())
    }

    fn copy_registry(&self, from: &Path, to: &Path) -> Result<(), Failure> {
        for file in REGISTRY {
            copy(&from.join(file), &to.join(file))?;
        }
        Ok(())
    }

    /// A program outside Wine, with the variables that Wine looks at and no
    /// others: no questions, no menus, and no screen unless it was given one.
    fn unix_command(&self, path: &str) -> Command {
        let (mut command, prefix) = match &self.chroot {
            None => (
                self.workspace.command("env"),
                self.prefix.display().to_string(),
            ),
            Some(chroot) => (
                chroot.command(self.workspace, "/usr/bin/env"),
                PREFIX_IN_ROOT.to_string(),
            ),
        };
        let bits = match self.arch {
            Arch::X64 => "win64",
            Arch::X86 => "win32",
        };
        command
            .args(["-i", "PATH=/usr/bin:/bin"])
            .arg(format!("HOME={prefix}"))
            .arg(format!("WINEPREFIX={prefix}"))
            .arg(format!("WINEARCH={bits}"))
            .arg(format!("WINELOADER={}", self.loader()))
            .arg("WINEDLLOVERRIDES=mscoree,mshtml=;winemenubuilder.exe=")
            .arg("WINEDEBUG=-all,+debugstr")
            .args(
                self.display
                    .iter()
                    .map(|number| format!("DISPLAY={number}")),
            )
            .arg(path);
        command
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // Should that fail, the next run does it.
        let _ = self.stop_all();
    }
}

/// Whether there is a Wine for x64.
pub(super) fn is_installed() -> bool {
    [WINE64, SERVER]
        .iter()
        .all(|program| Path::new(program).is_file())
}
