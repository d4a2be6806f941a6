//! Starts programs in separate process groups, so that an interrupt of this program ends
//! them with all their children.

use std::io;
use std::process::{Child, Command, ExitStatus, exit};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::Duration;

/// The IDs of running processes, which are also the IDs of their groups.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// The exit code of an interrupted program: 128 plus SIGINT.
const INTERRUPTED: i32 = 130;

/// Time for the groups to end by themselves.
const GRACE: Duration = Duration::from_secs(3);

/// From here on an interrupt or termination signal ends all groups and then this
/// program.
pub(crate) fn end_on_interrupt() {
    static ONCE: Once = Once::new();
    ONCE.call_once(install_handler);
}

fn install_handler() {
    let interrupted = || {
        // Stays locked, so that nothing more is started.
        let running = RUNNING.lock();
        let groups: &[u32] = running.as_ref().map_or(&[], |groups| groups);
        println!("\ninterrupted: ending all running steps");
        for &group in groups {
            interrupt(group);
        }
        thread::sleep(GRACE);
        for &group in groups {
            kill(group);
        }
        exit(INTERRUPTED);
    };
    if let Err(error) = ctrlc::set_handler(interrupted) {
        println!("An interrupt will not end the running steps: {error}");
    }
}

/// Starts a program in its own group.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut running = RUNNING.lock().map_err(|_| io::ErrorKind::Other)?;
    let child = command.spawn()?;
    running.push(child.id());
    Ok(child)
}

/// Waits for a program of [`spawn`], and ends its group.
pub(crate) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let status = child.wait();
    // Children that it left would run beside the other steps.
    kill(child.id());
    if let Ok(mut running) = RUNNING.lock() {
        running.retain(|&group| group != child.id());
    }
    status
}

#[cfg(unix)]
fn interrupt(group: u32) {
    signal(group, nix::sys::signal::Signal::SIGINT);
}

#[cfg(unix)]
fn kill(group: u32) {
    signal(group, nix::sys::signal::Signal::SIGKILL);
}

/// Ignores groups that have ended.
#[cfg(unix)]
fn signal(group: u32, signal: nix::sys::signal::Signal) {
    if let Ok(group) = i32::try_from(group) {
        let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), signal);
    }
}

/// On a console all programs are interrupted together.
#[cfg(not(unix))]
fn interrupt(_group: u32) {}

#[cfg(not(unix))]
fn kill(_group: u32) {}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Instant;

    use nix::sys::signal;
    use nix::unistd::Pid;

    use super::*;

    /// Starts a shell that starts another program; returns that program's ID.
    fn with_another(script: &str) -> (Child, i32) {
        use std::io::{BufRead, BufReader};
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("sleep 600 & echo $!; {script}")]);
        let mut shell = spawn(shell.stdout(std::process::Stdio::piped())).unwrap();
        let mut line = String::new();
        let out = shell.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        (shell, line.trim().parse().unwrap())
    }

    /// Waits until the program is gone; its new parent may take some time.
    fn is_gone(id: i32) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
            let is_dead = state.is_ok_and(|state| state.contains(") Z "));
            if is_dead || signal::kill(Pid::from_raw(id), None).is_err() {
                return true;
            }
            thread::yield_now();
        }
        false
    }

    #[test]
    fn a_programs_children_end_with_it() {
        let (mut shell, other) = with_another("exit 0");
        assert!(wait(&mut shell).unwrap().success());
        assert!(is_gone(other));
    }

    #[test]
    fn an_interrupt_reaches_all_that_a_program_has_started() {
        let (mut shell, other) = with_another("wait");
        interrupt(shell.id());
        // A shell's background programs ignore an interrupt: they are killed.
        assert!(!wait(&mut shell).unwrap().success());
        assert!(is_gone(other));
    }
}
