//! Sessions of the machine's owner with `tcplimit.exe`, from before its installation to
//! after its removal.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::arch::Arch;
use super::check_log::CheckLog;
use super::drive::{path, remove};
use super::machine::Machine;
use super::session::Session;
use super::tool::{FOLDER, RunningTool, VERSION, run, tool};
use super::{console, previous_version, watch, who};
use crate::command::{self, Failure};
use crate::filesystem;
use crate::workspace::Workspace;

/// Golden files with the output of command lines.
const GOLDEN: [&str; 2] = ["help", "usage"];

/// Plays all sessions of the program.
pub(super) fn test(
    workspace: &Workspace,
    machine: &Machine<'_>,
    folder: &Path,
    checks: &mut CheckLog,
) -> Result<(), Failure> {
    copy_files(machine, folder, FOLDER)?;
    remove_installed(machine)?;
    // The window has its own test.
    remove(&path(machine, &format!("{FOLDER}/tcplimitw.exe")))?;
    let answer = run(machine, "install")?;
    let refused = answer.starts_with("exit=1 ") && answer.contains("ended with Vista SP2");
    let description = "a Windows without the limit, Wine's default version, is refused";
    checks.check(description, refused, &answer);
    set_windows_version(machine)?;
    let session = &mut Session::begin(workspace, machine, checks)?;
    // With a client, so that Wine keeps running between two commands.
    check_golden(workspace, machine, session.checks)?;
    session.play("owner-before")?;
    session.play("owner-installed")?;
    session.play("owner-set")?;
    console::check_line_breaks(session, machine)?;
    let waiting = who::check_connections(session, machine)?;
    watch::check_json_lines(session, machine, &waiting)?;
    watch::check_screens(session, machine, &waiting)?;
    watch::check_log_file(session, machine, &waiting)?;
    who::check_ended(session, machine, waiting)?;
    session.play("owner-stored")?;
    check_upgrade(workspace, machine, session)?;
    session.play(match machine.arch() {
        Arch::X86 => "owner-compat",
        Arch::X64 => "owner-compat-x64",
    })?;
    session.play("owner-legacy")?;
    session.play("owner-repaired")?;
    check_killed_install(session, machine)?;
    check_read_only_folders(session, machine)?;
    check_status_json(session, machine)?;
    check_real_machine_script(workspace, session, machine)
}

/// Copies the program's files, on a Windows XP without an installed driver.
pub(super) fn prepare(machine: &Machine<'_>, folder: &Path) -> Result<(), Failure> {
    copy_files(machine, folder, FOLDER)?;
    remove_installed(machine)?;
    set_windows_version(machine)
}

/// Copies the files of a zip into a folder.
fn copy_files(machine: &Machine<'_>, from: &Path, folder: &str) -> Result<(), Failure> {
    let to = path(machine, folder);
    fs::create_dir_all(&to)?;
    for name in ["tcplimit.exe", "tcplimit.sys"] {
        filesystem::copy(&from.join(name), &to.join(name))?;
    }
    Ok(())
}

/// Removes installed drivers.
fn remove_installed(machine: &Machine<'_>) -> Result<(), Failure> {
    for left in ["tcplimit.sys", "tcplimit.sys.new", "tcpip_patcher.sys"] {
        remove(&path(machine, &format!("windows/system32/drivers/{left}")))?;
    }
    Ok(())
}

/// Checks an installation of this version over 0.1.0 without a restart.
fn check_upgrade(
    workspace: &Workspace,
    machine: &Machine<'_>,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    let Some(former) = previous_version::folder(workspace, machine, session.checks)? else {
        return Ok(());
    };
    copy_files(machine, &former, "an old zip")?;
    session.play("owner-upgraded")
}

/// Makes Wine report the program's version of Windows.
fn set_windows_version(machine: &Machine<'_>) -> Result<(), Failure> {
    let version = match machine.arch() {
        Arch::X64 => "winxp64",
        Arch::X86 => "winxp",
    };
    let key = r"HKCU\Software\Wine";
    let words = ["add", key, "/v", "Version", "/d", version, "/f"];
    let output = command::capture(machine.wine("reg").args(words))?;
    output.success("reg add").map(|_| ())
}

/// Checks that help and errors of the built program equal the golden files.
fn check_golden(
    workspace: &Workspace,
    machine: &Machine<'_>,
    checks: &mut CheckLog,
) -> Result<(), Failure> {
    for name in GOLDEN {
        let file = workspace.path(&format!("cli/xp/tests/golden/{name}.txt"));
        let text = fs::read_to_string(&file)
            .map_err(|error| Failure(format!("{}: {error}", file.display())))?;
        let mut failures = Vec::new();
        let mut count = 0;
        for part in text.split("\n> ") {
            let Some((command, expected)) = part.trim_start_matches("> ").split_once('\n') else {
                continue;
            };
            let line = command.trim_start_matches("tcplimit");
            let output = command::capture(&mut tool(machine, line))?;
            let code = output.status.code().unwrap_or(-1);
            let text = format!("{}{}[{code}]", output.out, output.err);
            let is_dos = text.matches('\n').count() == text.matches("\r\n").count();
            let text = text.replace("\r\n", "\n").replace(VERSION, "VERSION");
            count += 1;
            if !is_dos || text.trim_end() != expected.trim_end() {
                failures.push(format!("`{command}` gave {text}"));
            }
        }
        let description =
            format!("{count} command lines print the output of tests/golden/{name}.txt");
        checks.check_no_failures(&description, &failures);
        checks.check("the golden file is complete", count >= 15, &count);
    }
    Ok(())
}

/// Checks that `install` completes an install that was killed after its first step, and
/// `repair` too.
fn check_killed_install(session: &mut Session<'_>, machine: &Machine<'_>) -> Result<(), Failure> {
    for mend in ["install", "repair"] {
        session.check("", "tcplimit uninstall", "exit=0")?;
        let mut install = RunningTool::start(machine, "install")?;
        let first = install.next_line()?;
        // SIGKILL ends it at once.
        install.child.kill()?;
        install.child.wait()?;
        drop(install);
        let started = first.starts_with("Copied tcplimit.sys to ");
        session
            .checks
            .check("an install is killed between its steps", started, &first);
        session.check(
            &format!("{mend} repairs it"),
            &format!("tcplimit {mend}"),
            "exit=0",
        )?;
        session.check("", "tcplimit install", "exit=0")?;
        session.check("the driver is installed again", "tcplimit get", "exit=0")?;
    }
    Ok(())
}

/// Checks read-only folders. Access rights do not stop root, so the test uses `/proc`,
/// where root can't write either.
fn check_read_only_folders(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
) -> Result<(), Failure> {
    if machine.arch() == Arch::X86 {
        let answer = run(machine, r"install --compat Z:\proc")?;
        // The program queries the access list first, and Wine has none for it.
        let refused = answer.starts_with("exit=3 ") && answer.contains(r"Z:\proc");
        let description = "the error names a folder that is read-only";
        session.checks.check(description, refused, &answer);
    }
    let file = path(machine, "windows/system32/drivers/tcplimit.sys");
    session.check("", "tcplimit uninstall", "exit=0")?;
    // A file can't replace a folder of that name.
    fs::create_dir(&file)?;
    let answer = run(machine, "install");
    fs::remove_dir(&file)?;
    let answer = answer?;
    let refused = answer.starts_with("exit=3 ") && answer.contains(r"drivers\tcplimit.sys: access");
    let description = "the error names a driver file that can't be replaced";
    session.checks.check(description, refused, &answer);
    session.check("no service is left", "state TcpLimit", "error=6")?;
    session.check("", "tcplimit install", "exit=0")
}

/// Checks that `status --json` is one object in ASCII with the right values; then
/// uninstalls the program.
fn check_status_json(session: &mut Session<'_>, machine: &Machine<'_>) -> Result<(), Failure> {
    let output = command::capture(&mut tool(machine, "status --json"))?;
    let object: Value = serde_json::from_str(&output.out).unwrap_or(Value::Null);
    let module = &object["modules"][0];
    let right = output.out.is_ascii()
        && output.out.lines().count() == 1
        && object["service"]["state"] == "running"
        && object["event_source"] == true
        && module["memory"]["limit"] == 10
        && module["file"]["state"] == "unpatched"
        && module["memory"]["rvas"]["threshold"] == module["file"]["rvas"]["threshold"];
    let description = "status --json reports memory and file, which agree";
    session.checks.check(description, right, &output.out);
    session.play("owner-gone")
}

/// Checks the script for a real machine in Wine's cmd. Page rights are unknown there, and
/// the test-only value is not set: the first set is refused, and the script must stop,
/// undo its changes and report that.
fn check_real_machine_script(
    workspace: &Workspace,
    session: &mut Session<'_>,
    machine: &Machine<'_>,
) -> Result<(), Failure> {
    let name = "on-real-xp.cmd";
    let folder = machine.drive().join(FOLDER);
    filesystem::copy(&workspace.path("docs").join(name), &folder.join(name))?;
    let mut cmd = machine.wine("cmd");
    let output = command::capture(cmd.args(["/c", &format!(r"C:\{FOLDER}\{name}"), "/y"]))?;
    let code = output.status.code();
    let log = fs::read_to_string(folder.join("on-real-xp.log")).unwrap_or_default();
    let actual = format!("{code:?} {}", output.out);
    let in_order = |words: &[&str]| {
        let mut left = log.as_str();
        words.iter().all(|word| match left.split_once(word) {
            Some((_, rest)) => {
                left = rest;
                true
            }
            None => false,
        })
    };
    let went = in_order(&[
        "1. tcplimit version",
        "code 0, expected 0",
        "3. tcplimit probe tcplimit.sys",
        "code 1, expected 1",
        "4. tcplimit set",
        "code 2, expected 2",
        "5. tcplimit install",
        "the limit is 10, expected 10, code 0",
        "tcplimit set 100 --expect 11",
        "code 1, expected 1",
        "the limit is 10, expected 10, code 0",
    ]);
    let checks = &mut *session.checks;
    checks.check(
        "the script for a real machine runs as far as Wine allows",
        went,
        &actual,
    );
    let stopped = code == Some(1)
        && in_order(&[
            "tcplimit set 100",
            "code 1, expected 0",
            "This result is not as expected",
            "The driver is removed.",
        ]);
    checks.check(
        "after a surprise the script undoes its changes",
        stopped,
        &actual,
    );
    session.check("no service is left", "state TcpLimit", "error=6")?;
    session.check(
        "no driver file is left",
        r"same windows/system32/drivers/tcplimit.sys driver",
        "there=false",
    )?;
    session.check("the limit is 10", "target tcpip look", "limit=10")
}
