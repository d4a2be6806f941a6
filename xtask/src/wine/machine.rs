//! Wine for one processor: a separate prefix in `target/`, whose registry is restored
//! before each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::arch::Arch;
use super::debian_chroot::DebianChroot;
use crate::command::{self, Failure};
use crate::filesystem::copy;
use crate::workspace::Workspace;

/// The programs that Debian's `wine` script selects from.
const WINE64: &str = "/usr/lib/wine/wine64";
const WINE32: &str = "/usr/lib/wine/wine";
const SERVER: &str = "/usr/lib/wine/wineserver";
/// Folder of Wine's fonts.
const FONTS: &str = "/usr/share/wine/fonts";
/// The prefix inside the chroot for x86.
const PREFIX_IN_ROOT: &str = "/prefix";
/// Folder in the prefix with Wine's initial registry.
const CLEAN: &str = "clean";
const REGISTRY: [&str; 3] = ["system.reg", "user.reg", "userdef.reg"];

/// A Wine, ready to run.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    workspace: &'a Workspace,
    arch: Arch,
    /// The chroot of Wine for x86.
    chroot: Option<DebianChroot>,
    /// Path of the prefix on this machine.
    prefix: PathBuf,
    /// The display of programs with a window, if any.
    display: Option<String>,
}

impl<'a> Machine<'a> {
    /// Sets up Wine unless already done; or the reason why that is impossible.
    pub(super) fn set_up(
        workspace: &'a Workspace,
        arch: Arch,
        yes: bool,
    ) -> Result<Result<Self, String>, Failure> {
        let (chroot, prefix) = match arch {
            Arch::X64 if !is_installed() => {
                return Ok(Err("no wine64; cargo xtask setup installs it".into()));
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

    /// Sets or removes the display of programs that are started from now on.
    pub(super) fn set_display(&mut self, display: Option<&str>) {
        self.display = display.map(Into::into);
    }

    /// Copies Wine's fonts into a chroot without them: without fonts no text is drawn.
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

    /// Path of drive C on this machine.
    pub(super) fn drive(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    /// The file for the error output of this run's programs, with the debug output.
    pub(super) fn log(&self) -> PathBuf {
        self.workspace
            .target(&format!("wine/{}.log", self.arch.name()))
    }

    /// A command for a program in Wine, by its path there.
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

    /// Ends all programs in the prefix, of this run or of a crashed one.
    pub(super) fn stop_all(&self) -> Result<(), Failure> {
        // It fails if nothing runs.
        command::capture(self.unix_command(SERVER).arg("-k"))?;
        command::capture(self.unix_command(SERVER).arg("-w"))?;
        Ok(())
    }

    /// Ends all programs, and restores the initial registry.
    pub(super) fn restore(&self) -> Result<(), Failure> {
        self.stop_all()?;
        self.copy_registry(&self.prefix.join(CLEAN), &self.prefix)
    }

    fn make_prefix(&self) -> Result<(), Failure> {
        let clean = self.prefix.join(CLEAN);
        if clean.exists() {
            return Ok(());
        }
        println!("--- creating a Wine prefix in {}", self.prefix.display());
        if self.prefix.exists() {
            self.stop_all()?;
            fs::remove_dir_all(&self.prefix)?;
        }
        fs::create_dir_all(&self.prefix)?;
        let output = command::capture(self.wine("wineboot").arg("--init"))?;
        output.success("wineboot")?;
        // Wine writes the registry when the last program ends.
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

    /// A command outside Wine, with only Wine's environment variables: no dialogs, no menus,
    /// and no display unless one is set.
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
        // If that fails, the next run does it.
        let _ = self.stop_all();
    }
}

/// Whether Wine for x64 is installed.
pub(super) fn is_installed() -> bool {
    [WINE64, SERVER]
        .iter()
        .all(|program| Path::new(program).is_file())
}
