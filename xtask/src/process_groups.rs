//! Programs that are started in process groups of their own, so that they end
//! with all that they have started when this one is interrupted.

use std::io;
use std::process::{Child, Command, ExitStatus, exit};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::Duration;

/// The process IDs of those that run, which are those of their groups too.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// How a program ends that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// How long the groups may take to end by themselves.
const GRACE: Duration = Duration::from_secs(3);

/// From here on an interrupt, or a request to terminate, ends all groups and
/// then this program.
pub(crate) fn end_on_interrupt() {
    static ONCE: Once = Once::new();
    ONCE.call_once(install_handler);
}

fn install_handler() {
    let interrupted = || {
        // Locked until the end, so that nothing more is started.
        let running = RUNNING.lock();
        let groups: &[u32] = running.as_ref().map_or(&[], |groups| groups);
        println!("\ninterrupted: ending what runs");
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
        println!("An interrupt will not end what runs: {error}");
    }
}

/// Starts the program in a group of its own.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut running = RUNNING.lock().map_err(|_| io::ErrorKind::Other)?;
    let child = command.spawn()?;
    running.push(child.id());
    Ok(child)
}

/// Waits for a program that was started here.
pub(crate) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let status = child.wait();
    // What it has left behind would run on beside the other steps.
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

/// One that is gone already needs none.
#[cfg(unix)]
fn signal(group: u32, signal: nix::sys::signal::Signal) {
    if let Ok(group) = i32::try_from(group) {
        let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), signal);
    }
}

/// A console's programs are interrupted together.
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

    /// Starts a shell that starts another program, and says that one's number.
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

    /// Waits until the program is gone; whoever inherits it may take a while.
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
