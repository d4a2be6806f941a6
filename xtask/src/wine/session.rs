//! A run of Wine: sends commands to the client and checks the answers.

use std::fs::{self, File};

use super::check_log::CheckLog;
use super::client::Client;
use super::effective_limit::effective_limits;
use super::machine::Machine;
use super::programs::TargetLimit;
use super::script::{self, Check, missing_words};
use super::{drive, tool};
use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// The answer of a command that succeeded.
const DONE: &str = "error=0";
const LOAD: [&str; 2] = ["start TcpLimit", "open ours TcpLimit"];
/// NT unloads a driver only when its last handle is closed.
const UNLOAD: [&str; 2] = ["close ours", "stop TcpLimit"];
/// STATUS_FILE_DELETED: the device of a handle was deleted.
pub(super) const FILE_DELETED: &str = "status=0xc0000123";

/// Wine with a client in it.
#[derive(Debug)]
pub(super) struct Session<'a> {
    workspace: &'a Workspace,
    machine: &'a Machine<'a>,
    client: Client,
    /// The program that controls the window.
    pub(super) window_driver: Option<Client>,
    pub(super) checks: &'a mut CheckLog,
}

impl<'a> Session<'a> {
    /// Starts Wine.
    pub(super) fn begin(
        workspace: &'a Workspace,
        machine: &'a Machine<'a>,
        checks: &'a mut CheckLog,
    ) -> Result<Self, Failure> {
        let log = File::create(machine.log())?;
        let client = Client::start(machine.wine(r"C:\client.exe").stderr(log))?;
        let mut session = Self {
            workspace,
            machine,
            client,
            window_driver: None,
            checks,
        };
        let answer = session.send_all(&["create Mend mend.sys", "start Mend"])?;
        let description = "verify/wine/mend.c completes Wine's kernel";
        session.checks.check(description, answer == DONE, &answer);
        Ok(session)
    }

    /// Plays a file of `verify/wine/session`.
    pub(super) fn play(&mut self, name: &str) -> Result<(), Failure> {
        let file = format!("verify/wine/session/{name}.txt");
        let text = fs::read_to_string(self.workspace.path(&file))
            .map_err(|error| Failure(format!("{file}: {error}")))?;
        let checks = script::parse(&text.replace("VERSION", tool::VERSION))
            .map_err(|failure| Failure(format!("{file}: {failure}")))?;
        checks.iter().try_for_each(|check| self.run_check(check))
    }

    /// Runs a check.
    ///
    /// # Errors
    /// Wine's process of drivers has ended, so that later checks would be meaningless.
    fn run_check(&mut self, check: &Check) -> Result<(), Failure> {
        let mut failures = Vec::new();
        for step in &check.steps {
            let (command, expected) = (&step.command, &step.expected);
            let answer = self.send(command)?;
            let lacks = missing_words(&answer, expected);
            if !lacks.is_empty() {
                failures.push(format!("`{command}` gave {}", lacks.join(", ")));
            }
            for (target, limit) in effective_limits(command, &answer) {
                let actual = self.send(&format!("target {target} look"))?;
                let lacks = missing_words(&actual, &format!("limit={limit}"));
                if !lacks.is_empty() {
                    let lacks = lacks.join(", ");
                    failures.push(format!("after `{command}` {target} has {lacks}"));
                }
                self.checks.count_target_read();
            }
        }
        let description = if check.description.is_empty() {
            "(preparation)"
        } else {
            &check.description
        };
        // Preparation counts only if it fails.
        if !check.description.is_empty() || !failures.is_empty() {
            self.checks.check_no_failures(description, &failures);
        }
        if failures
            .iter()
            .any(|failures| failures.contains(FILE_DELETED))
        {
            let log = self.machine.log();
            let why = "Wine's process of drivers ended; its last output is in";
            return Err(Failure(format!("{why} {}", log.display())));
        }
        Ok(())
    }

    /// Runs a check that is not in a file.
    pub(super) fn check(
        &mut self,
        description: &str,
        command: &str,
        expected: &str,
    ) -> Result<(), Failure> {
        self.run_check(&Check {
            description: description.into(),
            steps: vec![script::Exchange {
                command: command.into(),
                expected: expected.into(),
            }],
        })
    }

    /// Sends a command to the client, or runs one that the client does not have.
    pub(super) fn send(&mut self, command: &str) -> Result<String, Failure> {
        let (verb, words) = command.split_once(' ').unwrap_or((command, ""));
        if let Some(answer) = drive::run_command(self.machine, verb, words)? {
            return Ok(answer);
        }
        match (verb, words) {
            ("tcplimit", line) => tool::run(self.machine, line),
            ("window", line) => match &mut self.window_driver {
                Some(driver) => driver.send(line),
                None => Err(Failure("no program controls the window".into())),
            },
            ("former", line) => tool::run_previous(self.machine, line),
            ("load", _) => self.send_all(&LOAD),
            ("unload", _) => self.send_all(&UNLOAD),
            ("reload", _) => self.send_all(&[UNLOAD, LOAD].concat()),
            ("legacy", limit) => self.run_program(r"C:\legacy.exe", limit),
            ("example", words) => self.run_program(r"C:\limit.exe", words),
            _ => self.client.send(command),
        }
    }

    /// Sends several commands, up to the first that fails.
    fn send_all(&mut self, commands: &[&str]) -> Result<String, Failure> {
        for command in commands {
            let answer = self.client.send(command)?;
            if answer != DONE {
                return Ok(format!("{command}: {answer}"));
            }
        }
        Ok(DONE.into())
    }

    /// Runs a program other than the client: that of 2005, or the example.
    fn run_program(&mut self, path: &str, words: &str) -> Result<String, Failure> {
        let mut run = self.machine.wine(path);
        let output = command::capture(run.args(words.split_whitespace()))?;
        let code = output.status.code().unwrap_or(-1);
        let text: Vec<&str> = output.out.split_whitespace().collect();
        Ok(format!("exit={code} {}", text.join(" ")))
    }

    /// Checks that the driver locates the limit at the same RVA as the tool for files.
    pub(super) fn check_located(&mut self, limits: &[TargetLimit]) -> Result<(), Failure> {
        for &TargetLimit { module, rva } in limits {
            self.check(
                &format!("module {module} is located at {rva:X}, as by probe"),
                &format!("query ours {module}"),
                // Flag 4: Wine's module list is made up.
                &format!("status=0x0 state=2 reason=0 limit=10 limit_rva={rva} written=0 flags=4"),
            )?;
        }
        Ok(())
    }

    /// Checks that only Administrators can open the device.
    pub(super) fn check_access(&mut self) -> Result<(), Failure> {
        const TRIED: &str = "impersonated=1 before=1 after=0";
        let answer = self.send("restricted TcpLimit")?;
        let has = |words: &str| missing_words(&answer, words).is_empty();
        if has("error=0 guarded=5") && has(TRIED) {
            self.checks.note(
                "Wine checks no access to devices (but to an event with such a list): \
                 it can't show that others are denied access",
            );
        } else {
            let kept_out = has("error=5") && has(TRIED);
            let description = "only Administrators can open the device";
            self.checks.check(description, kept_out, &answer);
        }
        Ok(())
    }

    /// Checks the driver's debug output.
    pub(super) fn check_debug_output(&mut self) -> Result<(), Failure> {
        let log = fs::read_to_string(self.machine.log())?;
        for sentence in [
            "tcpip.sys: the limit of half-open connections was located; it is 10.",
            "tcpip.sys: the limit of half-open connections was changed from 10 to 100.",
            "tcpip.sys: the limit was not set to 100. The system's list of modules contradicts",
            "TestOnlyAcceptUnknownRights is set.",
        ] {
            let description = format!("the debug output has: {sentence}");
            self.checks
                .check(&description, log.contains(sentence), &"it does not");
        }
        Ok(())
    }
}
