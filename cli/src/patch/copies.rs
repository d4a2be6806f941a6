//! The copies in a Windows that does not run, as one change.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::Refusal;
use super::job::{Done, Prepared, Target, Verdict};
use super::journal::{self, Exchange, Found, exchange_all};
use super::replace::{Failure, backup_of};
use super::system::{Place, System};
use super::verb::{Run, drivers_in, exit_of};
use crate::exit::Exit;
use crate::output::complain;
use crate::text::count;

const REFUSED: &str =
    "A copy is refused, so none is changed: they are treated alike or not at all.";

type Ready<'a> = (&'a Place, PathBuf, Result<Prepared, Failure>);

impl Run<'_> {
    /// All copies in a Windows, as one change.
    pub(super) fn system(&mut self, root: &Path) -> io::Result<()> {
        let system = match System::find(root) {
            Ok(system) => system,
            Err(reason) => {
                complain(&reason);
                self.totals.exit = Exit::Input;
                return Ok(());
            }
        };
        if !self.unfinished(&system.home) {
            return Ok(());
        }
        let mut ready = Vec::new();
        for place in &system.places {
            let path = system.home.join(&place.path);
            if place.is_cabinet {
                let drivers = drivers_in(&path);
                if !drivers.is_empty() {
                    self.cabinet(&path, &drivers, Some(place))?;
                }
                continue;
            }
            let prepared = self.job.prepare(&self.disk, &path).and_then(|prepared| {
                self.job.is_free(&self.disk, &path, &prepared)?;
                Ok(prepared)
            });
            ready.push((place, path, prepared));
        }
        if ready.is_empty() {
            complain(&format!(
                "{}: neither tcpip.sys nor tcpip6.sys is here",
                system.home.display()
            ));
            self.totals.exit = Exit::NotLocated;
            return Ok(());
        }
        let is_sound = ready.iter().all(|(.., prepared)| prepared.is_ok());
        let changed = match is_sound && self.job.target == Target::InPlace {
            true => Some(self.exchange(&system, &ready)),
            false => None,
        };
        let verdict = |prepared: &Prepared| match (&changed, prepared.before == prepared.after) {
            (_, true) => Verdict::Unchanged,
            (Some(Ok(())), false) => Verdict::Changed,
            _ => Verdict::WouldChange,
        };
        for (place, path, prepared) in ready {
            let done = match prepared {
                Ok(prepared) => Done {
                    verdict: verdict(&prepared),
                    backup: match verdict(&prepared) {
                        Verdict::Changed if self.job.makes_backup() => {
                            Some(backup_of(&path, &prepared.before))
                        }
                        _ => None,
                    },
                    path,
                    facts: Some(prepared.facts),
                    output: None,
                },
                Err(failure) => Done {
                    path,
                    verdict: Verdict::Failed(failure),
                    facts: None,
                    backup: None,
                    output: None,
                },
            };
            self.tell(&done, Some(place))?;
        }
        match changed {
            Some(Err(Failure::Interrupted)) => self.totals.interrupted = true,
            Some(Err(failure)) => {
                self.out.flush()?;
                let reason = match &failure {
                    Failure::Unsure { .. } => failure.to_string(),
                    _ => format!("{failure}. No copy was changed."),
                };
                complain(&reason);
                self.worst(exit_of(&failure));
                self.totals.reason = Some(reason);
            }
            None if !is_sound => {
                self.out.flush()?;
                complain(REFUSED);
                self.totals.reason = Some(REFUSED.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn exchange(&self, system: &System, ready: &[Ready<'_>]) -> Result<(), Failure> {
        let sound = ready.iter().filter_map(|(place, path, prepared)| {
            let prepared = prepared.as_ref().ok()?;
            let file = Exchange {
                path: place.path.clone(),
                before: prepared.before.clone(),
                after: prepared.after.clone(),
            };
            (prepared.before != prepared.after).then_some((file, (path, prepared)))
        });
        let (files, sound): (Vec<Exchange>, Vec<_>) = sound.unzip();
        if files.is_empty() {
            return Ok(());
        }
        let check = |file: &Exchange, now: &[u8]| {
            let pairs = files.iter().zip(&sound);
            match pairs.into_iter().find(|(known, _)| *known == file) {
                Some((_, (path, prepared))) => self.job.look_again(path, prepared, now),
                None => Err(Refusal::NotItself.into()),
            }
        };
        let go_on = || !self.stop.load(Ordering::Relaxed);
        let backup = self.job.makes_backup();
        exchange_all(&self.disk, &system.home, &files, backup, &go_on, &check).map(|_| ())
    }

    /// Puts back what a killed run left; `false` when that has to be done
    /// first and can't.
    fn unfinished(&mut self, home: &Path) -> bool {
        let found = match self.job.target {
            Target::InPlace => journal::recover(&self.disk, home),
            _ => match journal::is_pending(&self.disk, home) {
                Ok(true) => {
                    complain(&format!(
                        "an earlier run was interrupted: {} says what it was about. The next run with --in-place puts everything back first.",
                        home.join(journal::NAME).display()
                    ));
                    Ok(Found::Nothing)
                }
                Ok(false) => Ok(Found::Nothing),
                Err(failure) => Err(failure),
            },
        };
        match found {
            Ok(found) => {
                if let Found::PutBack(paths) = &found {
                    let number = u64::try_from(paths.len()).unwrap_or(u64::MAX);
                    complain(&format!(
                        "an earlier run was interrupted: {} put back first.",
                        count(number, "file")
                    ));
                }
                self.totals.found = found;
                true
            }
            Err(failure) => {
                complain(&failure.to_string());
                self.worst(Exit::Input);
                false
            }
        }
    }
}
