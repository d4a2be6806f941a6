//! The arguments of the command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use scanner_core::Module;
use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT};

use crate::exit_codes;
use crate::image_probe::{Members, Options};
use crate::patch::DEFAULT_LIMIT;
use crate::patch::windows_folders::Choice;
use crate::simulated_load::LoadBase;
use crate::terminal::print_error;

/// Finds and explains the half-open TCP connection limit of Windows XP and
/// Server 2003.
///
/// Windows XP SP2 and later, XP x64 and Server 2003 SP1 and later let only ten
/// outgoing TCP connections be half-open at a time. The limit is a variable in
/// the drivers tcpip.sys and tcpip6.sys. This program finds it in files, also as
/// loaded by the kernel, shows the evidence, and refuses to guess. Only `patch`
/// and `restore` change drivers, and only with --in-place or --output.
#[derive(Debug, Parser)]
#[command(
    name = "tcplimit",
    // Even if the file is named tcplimit.exe.
    bin_name = "tcplimit",
    version,
    propagate_version = true,
    after_help = PROGRAM_EXAMPLES,
)]
pub(crate) struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const PROGRAM_EXAMPLES: &str = "\
Examples:
  tcplimit probe                      this system's driver, or a specimen
  tcplimit probe tcpip.sys            one file
  tcplimit probe -r /mnt/xp --json    all files on a disk, as JSON
  tcplimit explain tcpip.sys          the code behind each piece of evidence
  tcplimit patch tcpip.sys            the changes of a patch, without writing";

/// Options of the output.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArgs {
    /// Print more: each piece of evidence, every file in a folder
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Print results and errors only: no progress, no summary, no notes
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Colour the output (auto: on a terminal, unless NO_COLOR is set)
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Probe(Probe),
    Explain(Explain),
    Patch(Patch),
    Restore(Restore),
    Status(Status),
    Clean(Clean),
    /// Keep and check a manifest of known builds
    #[command(subcommand)]
    Corpus(Corpus),
    Completions(Completions),
    Man(Man),
}

/// Find the limit in files, folders and cabinets
///
/// Prints for each file which module it is, whether the limit was located, the
/// value that start-up code stores, and the RVAs of limit, count and queue
/// length. Searches inside cabinets: TCPIP.SY_ from a setup disc, driver.cab.
///
/// Without a path, searches the drivers of the running Windows; on other
/// systems, a built-in specimen.
///
/// If another program truncates a file while it is being read, this program
/// may crash (SIGBUS): large files are mapped, not copied.
#[derive(Args, Debug)]
#[command(after_help = format!("{PROBE_EXAMPLES}\n\n{}", exit_codes::TABLE))]
pub(crate) struct Probe {
    /// Files, cabinets, and with -r folders; - is standard input
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// Print one JSON object per line (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

const PROBE_EXAMPLES: &str = "\
Examples:
  tcplimit probe C:\\Windows\\System32\\drivers\\tcpip.sys
  tcplimit probe /mnt/cdrom/i386/TCPIP.SY_
  tcplimit probe --module tcpip renamed.bin
  tcplimit probe --as-loaded=F7A80000 tcpip.sys
  tcplimit probe -r /mnt/xp
  tcplimit probe -r --json /mnt/xp | jq 'select(.located) | .path'";

/// Show the code behind each piece of evidence
///
/// Prints for each piece whether it holds, what it proves, and the
/// instructions that show it, with their RVAs and bytes. If nothing was
/// located, prints the best candidate and the evidence that it lacks.
///
/// Without a path, explains the built-in specimen.
#[derive(Args, Debug)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct Explain {
    /// A file or a cabinet; - is standard input
    #[arg(value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  tcplimit explain
  tcplimit explain tcpip.sys
  tcplimit explain --as-loaded --module tcpip6 renamed.bin

Exit codes:
  0    located in the file, or in at least one member of the cabinet
  1    not located; the best candidate is shown
  2    the command line is wrong
  3    the file can't be read, or is damaged
  130  interrupted by Ctrl-C";

/// Change the limit in files
///
/// Changes the value that start-up code stores into the limit, and the checksum
/// of the file: at most eight bytes. First locates the limit, in the file and
/// as loaded, with every piece of evidence. Refuses doubtful files, says why,
/// and leaves them unchanged.
///
/// Without --in-place or --output, shows the planned changes and writes nothing.
///
/// --in-place makes a backup beside the file, named by its hash, and then
/// replaces the file in one step. Ctrl-C, a full disk or a power failure leave
/// the old file or the new one, never half of each.
///
/// With -r, patches a tree of setup files, TCPIP.SY_ and TCPIP6.SY_ included. With
/// --root, patches every copy in an offline Windows, those of Windows File
/// Protection included, as one transaction. See docs/patch.md.
#[derive(Args, Debug)]
#[command(after_help = format!("{PATCH_EXAMPLES}\n\n{}", exit_codes::WRITING))]
pub(crate) struct Patch {
    /// New limit, 1 to 16777215
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(i64::from(MIN_LIMIT)..=i64::from(MAX_LIMIT)))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

const PATCH_EXAMPLES: &str = "\
Examples:
  tcplimit patch tcpip.sys
  tcplimit patch --limit 50 --in-place tcpip.sys
  tcplimit patch --output patched.sys tcpip.sys
  tcplimit patch -r --in-place ~/xp-setup
  tcplimit patch --root /mnt/xp --in-place --cabinets
  tcplimit patch --root /mnt/xp --in-place";

/// Undo a patch
///
/// Restores the backup that patch made, if there is one beside the file that
/// differs from it only in the limit and the checksum; otherwise makes start-up
/// code set 10 again. Says whether the result is a known build as shipped, byte
/// for byte. Restores a damaged or missing file from its backup, and keeps the
/// damaged one under another name.
///
/// Without --in-place or --output, shows the planned changes and writes nothing.
/// Backups stay where they are.
#[derive(Args, Debug)]
#[command(after_help = format!("{RESTORE_EXAMPLES}\n\n{}", exit_codes::WRITING))]
pub(crate) struct Restore {
    /// Set 10 and ignore backups
    #[arg(long)]
    pub(crate) without_backup: bool,
    /// Manifest of known builds to use instead of the built-in one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

const RESTORE_EXAMPLES: &str = "\
Examples:
  tcplimit restore tcpip.sys
  tcplimit restore --in-place tcpip.sys
  tcplimit restore --root /mnt/xp --in-place";

/// The files to change, and where to write them.
#[derive(Args, Debug)]
pub(crate) struct WriteArgs {
    /// Files, and with -r folders
    #[arg(value_name = "FILE", required_unless_present = "root", conflicts_with = "root", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Change the files themselves
    #[arg(long, conflicts_with = "output")]
    pub(crate) in_place: bool,
    /// Write a changed copy to OUT; never overwrites a file
    #[arg(long, value_name = "OUT", conflicts_with_all = ["recursive", "root"], value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Show the planned changes and write nothing
    #[arg(long, conflicts_with_all = ["in_place", "output"])]
    pub(crate) dry_run: bool,
    /// Search folders and their subfolders for setup files
    #[arg(short, long, conflicts_with = "root")]
    pub(crate) recursive: bool,
    /// Change every copy in the Windows on this disk as one transaction; DIR is the Windows folder or its parent
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) windows: WindowsArgs,
    /// Rewrite cabinets of several files too, and with --root compressed copies
    ///
    /// For example sp3.cab and driver.cab. Changes only the drivers in them: the
    /// other members keep content, order, date and attributes. Windows File
    /// Protection takes its copies from Driver Cache and dllcache: it can put an
    /// unpatched copy from there over a patched file. Cabinets of more than
    /// 256 MiB are not rewritten.
    #[arg(long, conflicts_with = "module")]
    pub(crate) cabinets: bool,
    /// Treat files as this module, whatever their names
    #[arg(long, value_enum, value_name = "MODULE", conflicts_with_all = ["root", "recursive"], long_help = MODULE_HELP)]
    pub(crate) module: Option<ModuleName>,
    /// Set the time of changed files to now; otherwise rsync, cp -u and backup programs may skip them
    #[arg(long)]
    pub(crate) touch: bool,
    /// Print one JSON object per line (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show the copies in an offline Windows
///
/// Lists each copy of tcpip.sys and tcpip6.sys in the Windows on a disk, also
/// inside cabinets: its purpose, the limit that it sets, and whether it is as
/// shipped. Then lists the backups, staged files, locks and journals of earlier
/// patch and restore runs, with age and meaning, and says if a run was
/// interrupted. If the disk has several Windows, shows all. Writes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tcplimit status --root /mnt/xp
  tcplimit status --root /mnt/xp --json

Exit codes:
  0    the limit was located in every copy
  1    not located in every copy, or there is no copy
  2    the command line is wrong
  3    there is no Windows, or a copy can't be read or is damaged
  130  interrupted by Ctrl-C")]
pub(crate) struct Status {
    /// The Windows folder or its parent
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "path")]
    pub(crate) root: Option<PathBuf>,
    /// Accepted for the hint that --root is missing
    #[arg(hide = true, conflicts_with = "root")]
    pub(crate) path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) windows: WindowsArgs,
    /// Print one JSON object per line (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove leftovers of patch and restore from an offline Windows
///
/// Removes staged files of runs that have ended, lock files of runs that were
/// killed, journals whose files are all unchanged or all changed as planned, and
/// backups of files that have the same content again. Never removes the only
/// copy of a build: an unpatched driver that is nowhere else in this Windows
/// stays, whatever its name.
///
/// Without --in-place, shows the files to remove and removes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tcplimit clean --root /mnt/xp
  tcplimit clean --root /mnt/xp --in-place

Exit codes:
  0    the leftovers were removed or shown, or there were none
  1    an interrupted run must be rolled back first; nothing was removed
  2    the command line is wrong
  3    there is no Windows, something can't be read or removed, or another run
       is in progress
  130  interrupted by Ctrl-C")]
pub(crate) struct Clean {
    /// The Windows folder or its parent
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: PathBuf,
    #[command(flatten)]
    pub(crate) windows: WindowsArgs,
    /// Remove the files
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Show the files to remove and remove nothing
    #[arg(long, conflicts_with = "in_place")]
    pub(crate) dry_run: bool,
    /// Print one JSON object per line (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// The choice between several Windows on a disk.
#[derive(Args, Debug)]
pub(crate) struct WindowsArgs {
    /// If the disk has several Windows: the folder of the one to use
    #[arg(long, value_name = "DIR", requires = "root", value_hint = ValueHint::DirPath)]
    pub(crate) windows: Option<PathBuf>,
    /// If the disk has several Windows: use every one, one after the other
    #[arg(long, requires = "root", conflicts_with = "windows")]
    pub(crate) every: bool,
}

impl WindowsArgs {
    /// The choice between several Windows.
    pub(crate) fn choice(&self) -> Choice<'_> {
        match (&self.windows, self.every) {
            (Some(name), _) => Choice::Named(name),
            (None, true) => Choice::Every,
            (None, false) => Choice::Only,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Corpus {
    Add(Add),
    Check(Check),
}

/// Add builds that you have to a manifest
///
/// Locates the limit in each file, as a file and as loaded, and appends the
/// result. Skips files that the manifest has already, and refuses them if it
/// has other values.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tcplimit corpus add tcpip.sys
  tcplimit corpus add --manifest my.toml --name \"XP SP2, hotfix 917953\" tcpip.sys

Exit codes:
  0    all files are in the manifest now
  1    a file was not located, or the manifest has other values for it
  2    the command line or the manifest is wrong
  3    a file can't be read or is damaged, or the manifest can't be read or written
  130  interrupted by Ctrl-C")]
pub(crate) struct Add {
    /// Files and cabinets
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Manifest to append to; created if missing
    #[arg(long, value_name = "FILE", default_value = "corpus/builds.toml", value_hint = ValueHint::FilePath)]
    pub(crate) manifest: PathBuf,
    /// Name of the build; for one file
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Treat files as this module, whatever their names
    #[arg(long, value_enum, value_name = "MODULE", long_help = MODULE_HELP)]
    pub(crate) module: Option<ModuleName>,
}

/// Check that the locator agrees with the manifest on the builds you have
///
/// Hashes every driver, locates the limit in those that the manifest has, as
/// files and as loaded, and compares. Without a path, checks only the
/// manifest itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tcplimit corpus check
  tcplimit corpus check -r /mnt/xp
  tcplimit corpus check --manifest my.toml tcpip.sys

Exit codes:
  0    the manifest is consistent, and all known builds agree with it
  1    a build disagrees, or none of the files is known
  2    the command line or the manifest is wrong
  3    a file or the manifest can't be read
  130  interrupted by Ctrl-C")]
pub(crate) struct Check {
    /// Files, cabinets, and with -r folders
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Manifest to use instead of the built-in one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
}

/// Write a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tcplimit completions bash > ~/.local/share/bash-completion/completions/tcplimit
  tcplimit completions powershell >> $PROFILE")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Write the manual pages
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tcplimit man | man -l -
  tcplimit man --output /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Write one page per command to this folder instead of one page to standard output
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,
}

const MODULE_HELP: &str = "Treat files as this module, whatever their names. Programs and libraries (images that are not native) are still not searched";

/// Options of the search in one file.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct SearchArgs {
    /// Treat files as this module, whatever their names
    #[arg(long, value_enum, value_name = "MODULE", long_help = MODULE_HELP)]
    pub(crate) module: Option<ModuleName>,
    /// Search the image as loaded at a base, as the kernel driver sees it
    #[arg(
        long,
        value_name = "BASE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = TYPICAL,
        value_parser = load_base,
        long_help = "Search the image as loaded at a base, as the kernel driver sees it: relocated, with imports filled in, without INIT, resources and relocations. BASE is hexadecimal and a multiple of 1000h; by default, a typical base."
    )]
    pub(crate) as_loaded: Option<LoadBase>,
}

impl SearchArgs {
    pub(crate) fn options(self) -> Options {
        Options {
            module: self.module.map(Module::from),
            as_loaded: self.as_loaded,
            members: Members::All,
        }
    }
}

/// Options of a run over many files.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ScanArgs {
    /// Search folders and their subfolders
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Number of files to search in parallel [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModuleName {
    /// tcpip.sys, IPv4
    #[value(alias = "tcpip.sys")]
    Tcpip,
    /// tcpip6.sys, IPv6
    #[value(alias = "tcpip6.sys")]
    Tcpip6,
}

impl From<ModuleName> for Module {
    fn from(name: ModuleName) -> Module {
        match name {
            ModuleName::Tcpip => Module::Tcpip,
            ModuleName::Tcpip6 => Module::Tcpip6,
        }
    }
}

const TYPICAL: &str = "typical";

/// Prints a hint if a path does not exist, looks like a base and follows a bare `--as-loaded`.
pub(crate) fn hint_at_base(paths: &[PathBuf]) {
    let words: Vec<_> = std::env::args_os().collect();
    let missing = paths.iter().filter(|path| !path.exists());
    for path in missing {
        if let Some(base) = base_behind(&words, path.as_os_str()) {
            print_error(&format!(
                "{base} is treated as a path. To load at that base, write --as-loaded={base}"
            ));
        }
    }
}

/// The path, if it may have been meant as a base.
fn base_behind<'a>(words: &[OsString], path: &'a OsStr) -> Option<&'a str> {
    let follows = |pair: &[OsString]| matches!(pair, [option, word] if option == "--as-loaded" && word == path);
    let text = path.to_str()?;
    let digits = base_digits(text);
    let hexadecimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal && words.windows(2).any(follows)).then_some(text)
}

/// The digits without 0x, h, and the ` that debuggers write.
fn base_digits(text: &str) -> String {
    let digits = text.trim_start_matches("0x").trim_start_matches("0X");
    digits.trim_end_matches(['h', 'H']).replace(['`', '_'], "")
}

/// Parses a hexadecimal base.
fn load_base(text: &str) -> Result<LoadBase, String> {
    if text == TYPICAL {
        return Ok(LoadBase::Typical);
    }
    match u64::from_str_radix(&base_digits(text), 16) {
        Ok(base) if base != 0 && base & 0xFFF == 0 => Ok(LoadBase::At(base)),
        Ok(_) => Err("the base must be a multiple of 1000h, and not 0".to_owned()),
        Err(_) => Err("give the base in hexadecimal: F7A80000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_definition_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn only_a_path_right_after_as_loaded_may_be_a_base() {
        let behind = |words: &[&str], path: &'static str| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            base_behind(&words, OsStr::new(path))
        };
        let words = ["probe", "--as-loaded", "F7A80000", "abc"];
        assert_eq!(behind(&words, "F7A80000"), Some("F7A80000"));
        assert_eq!(behind(&words, "abc"), None);
        assert_eq!(behind(&["--as-loaded", "tcpip.sys"], "tcpip.sys"), None);
    }

    #[test]
    fn a_base_may_be_written_as_debuggers_do() {
        for text in ["F7A80000", "0xf7a80000", "f7a80000h"] {
            assert_eq!(load_base(text), Ok(LoadBase::At(0xF7A8_0000)), "{text}");
        }
        assert_eq!(
            load_base("fffffadf`90000000"),
            Ok(LoadBase::At(0xFFFF_FADF_9000_0000))
        );
        for text in ["", "0", "F7A80001", "base", "1ffffffffffff0000", "-1000"] {
            assert!(load_base(text).is_err(), "{text}");
        }
    }
}
