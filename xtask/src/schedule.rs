//! Runs steps in parallel: each in a separate process, with its output in one piece.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::Failure;
use crate::last_run::{self, Verdict};
use crate::process_groups;
use crate::summary::Summary;

/// A step to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    /// Jobs that must have ended, with any result; names that are not among the jobs are
    /// ignored.
    pub(crate) after: &'static [&'static str],
    /// Runs the step, and writes a [`last_run::StepRecord`] to [`Job::result`].
    pub(crate) command: Command,
    /// The file for its output.
    pub(crate) log: PathBuf,
    pub(crate) result: PathBuf,
}

/// Time between two lists of running steps.
const STATUS_INTERVAL: Duration = Duration::from_secs(60);

/// Runs all jobs in their order, at most `limit` at a time. A failure does not stop the
/// others.
pub(crate) fn run(mut jobs: Vec<Job>, limit: usize, summary: &mut Summary<'_>) {
    process_groups::end_on_interrupt();
    let (sender, ended) = mpsc::channel();
    let mut running: Vec<(&'static str, Instant)> = Vec::new();
    loop {
        while running.len() < limit
            && let Some(at) = next(&jobs, &running)
        {
            let job = jobs.remove(at);
            println!("--- {} begins", job.name);
            running.push((job.name, Instant::now()));
            let sender = sender.clone();
            thread::spawn(move || {
                let (name, log) = (job.name, job.log.clone());
                // The receiver is gone if the run was given up.
                let _ = sender.send((name, log, run_job(job)));
            });
        }
        if running.is_empty() {
            break;
        }
        match ended.recv_timeout(STATUS_INTERVAL) {
            Ok((name, log, step)) => {
                running.retain(|(other, _)| *other != name);
                println!("\n=== {name}");
                print!("{}", read_log(&log));
                summary.add(step);
            }
            Err(RecvTimeoutError::Timeout) => {
                let names = running.iter().map(|(name, since)| {
                    let seconds = since.elapsed().as_secs();
                    format!("{name} for {seconds} s")
                });
                let names: Vec<String> = names.collect();
                println!("--- still running: {}", names.join(", "));
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
}

/// The first job that waits for no running or pending job.
fn next(jobs: &[Job], running: &[(&'static str, Instant)]) -> Option<usize> {
    let pending = |name: &&str| {
        jobs.iter().any(|job| job.name == *name)
            || running.iter().any(|(running, _)| running == name)
    };
    jobs.iter().position(|job| !job.after.iter().any(&pending))
}

/// Runs a job.
fn run_job(mut job: Job) -> last_run::StepRecord {
    let start = Instant::now();
    let result = spawn(&mut job).and_then(|mut child| {
        let status = process_groups::wait(&mut child)?;
        last_run::StepRecord::read(&job.result)
            .map_err(|_| Failure(format!("the step ended without a result: {status}")))
    });
    result.unwrap_or_else(|failure| last_run::StepRecord {
        name: job.name.into(),
        verdict: Verdict::Failed,
        seconds: start.elapsed().as_secs_f64(),
        note: failure.to_string(),
        ..last_run::StepRecord::default()
    })
}

fn spawn(job: &mut Job) -> Result<Child, Failure> {
    if let Some(folder) = job.log.parent() {
        fs::create_dir_all(folder)?;
    }
    // The result of an earlier run must not be used.
    let _ = fs::remove_file(&job.result);
    let log = File::create(&job.log)?;
    job.command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(process_groups::spawn(&mut job.command)?)
}

/// The output, with a line end at its end.
fn read_log(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn job(name: &'static str, after: &'static [&'static str], script: &str) -> Job {
        let folder = std::env::temp_dir().join(format!("tcplimit-jobs-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir("/");
        Job {
            name,
            after,
            command,
            log: folder.join(format!("{name}.log")),
            result: folder.join(format!("{name}.json")),
        }
    }

    #[test]
    fn a_step_begins_when_those_before_it_have_ended() {
        let jobs = [
            job("last", &["first", "second", "not-asked-for"], ""),
            job("first", &[], ""),
        ];
        let now = Instant::now();
        assert_eq!(next(&jobs, &[("second", now)]), Some(1));
        assert_eq!(next(&jobs[..1], &[("second", now)]), None);
        assert_eq!(next(&jobs[..1], &[]), Some(0));
    }

    #[test]
    fn a_crashed_step_has_failed_and_its_output_is_kept() {
        let crashes = job("crashes", &[], "echo one; echo two >&2; kill -9 $$");
        let log = crashes.log.clone();
        let step = run_job(crashes);
        assert_eq!(step.verdict, Verdict::Failed);
        assert!(step.note.contains("signal: 9"), "{}", step.note);
        assert_eq!(read_log(&log), "one\ntwo\n");
    }

    #[test]
    fn a_result_of_an_earlier_run_is_not_used() {
        let job = job("stale", &[], "true");
        fs::create_dir_all(job.result.parent().unwrap()).unwrap();
        let passed = last_run::StepRecord::default();
        passed.write(&job.result).unwrap();
        assert_eq!(run_job(job).verdict, Verdict::Failed);
    }

    #[test]
    fn a_failure_keeps_no_other_step_from_running() {
        let one = job("one", &[], "exit 1");
        let result = job("two", &[], "").result;
        let passed = serde_json::to_string(&last_run::StepRecord::default()).unwrap();
        let script = format!("printf '%s' '{passed}' > {}", result.display());
        let two = job("two", &["one"], &script);
        let mut summary = Summary::default();
        run(vec![two, one], 1, &mut summary);
        let verdicts = summary.steps().iter().map(|step| step.verdict);
        let verdicts: Vec<Verdict> = verdicts.collect();
        assert_eq!(verdicts, [Verdict::Failed, Verdict::Passed]);
    }
}
