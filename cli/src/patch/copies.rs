//! The copies in a Windows that does not run, as one change.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::Refusal;
use super::job::{Done, Prepared, Target, Verdict};
use super::journal::{self, Exchange, Found, exchange_all};
use super::replace::{Failure, backup_of};
use super::system::{Place, System};
use super::verb::{Run, exit_of};
use crate::exit::Exit;
use crate::output::complain;
use crate::text::count;

const REFUSED: &str =
    "A copy is refused or can't be read, so none is changed: they are treated alike or not at all.";

type Ready<'a> = (&'a Place, PathBuf, Result<Prepared, Failure>);

impl Run<'_> {
    /// All copies in a Windows, as one change.
    pub(super) fn system(&mut self, root: &Path) -> io::Result<()> {
        let system = match System::find(root) {
            Ok(system) => system,
            Err(reason) => {
                self.because(Exit::Input, &reason);
                return Ok(());
            }
        };
        if !self.unfinished(&system.home) {
            return Ok(());
        }
        let mut ready = Vec::new();
        for place in &system.places {
            let path = system.home.join(&place.path);
            if place.is_packed {
                self.look_into(&path, Some(place))?;
                continue;
            }
            let prepared = self.job.prepare(&self.disk, &path).and_then(|prepared| {
                self.job.is_free(&self.disk, &path, &prepared)?;
                Ok(prepared)
            });
            ready.push((place, path, prepared));
        }
        if ready.is_empty() {
            let home = system.home.display();
            let reason = format!("{home}: neither tcpip.sys nor tcpip6.sys is here");
            self.because(Exit::NotLocated, &reason);
            return Ok(());
        }
        let is_sound = ready.iter().all(|(.., prepared)| prepared.is_ok());
        let changed = match is_sound && self.job.target == Target::InPlace {
            true => Some(self.exchange(&system, &ready)),
            false => None,
        };
        for (place, path, prepared) in ready {
            let done = match prepared {
                Ok(prepared) => {
                    let mut done = Done::new(&path, verdict(&prepared, is_sound, changed.as_ref()));
                    if matches!(done.verdict, Verdict::Changed) && self.job.makes_backup() {
                        done.backup = Some(backup_of(&path, &prepared.before));
                    }
                    done.facts = Some(prepared.facts);
                    done
                }
                Err(failure) => Done::new(&path, Verdict::Failed(failure)),
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
                self.because(exit_of(&failure), &reason);
            }
            None if !is_sound => {
                self.out.flush()?;
                self.because(Exit::Done, REFUSED);
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
                    let note = format!(
                        "an earlier run was interrupted: {} says what it was about. The next run with --in-place puts everything back first.",
                        home.join(journal::NAME).display()
                    );
                    complain(&note);
                    self.totals.notes.push(note);
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
                self.because(Exit::Input, &failure.to_string());
                false
            }
        }
    }
}

/// What became of a copy that could be changed. `changed` is what became of the
/// change as a whole, when it was tried.
fn verdict(prepared: &Prepared, is_sound: bool, changed: Option<&Result<(), Failure>>) -> Verdict {
    match changed {
        _ if prepared.before == prepared.after => Verdict::Unchanged,
        None if is_sound => Verdict::WouldChange,
        None => Verdict::NotDone(REFUSED.to_owned()),
        Some(Ok(())) => Verdict::Changed,
        // Of one copy, and that is named.
        Some(Err(failure @ (Failure::Refused(_) | Failure::Interrupted))) => {
            Verdict::NotDone(failure.to_string())
        }
        Some(Err(failure)) => Verdict::Failed(failure.again()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::{Disk, Machine};
    use super::super::job::{Job, Task};
    use super::*;
    use crate::source::SPECIMEN;

    #[test]
    fn what_is_said_of_a_copy_is_what_became_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tcpip.sys");
        let disk = Machine::default();
        disk.create(&path, SPECIMEN).unwrap();
        let prepared = |limit| {
            let job = Job {
                task: Task::Patch { limit },
                target: Target::InPlace,
                module: None,
                running: Vec::new(),
            };
            job.prepare(&disk, &path).unwrap()
        };
        let (same, other) = (prepared(10), prepared(100));
        let unsure = Err(Failure::Unsure {
            why: "x".to_owned(),
            path: path.clone(),
        });
        let failed = Err(Failure::Disk {
            what: "x".to_owned(),
            error: io::ErrorKind::StorageFull.into(),
        });
        let refused = Err(Refusal::NotItself.into());
        let of = |is_sound, changed| verdict(&other, is_sound, changed);
        assert!(matches!(of(true, None), Verdict::WouldChange));
        assert!(matches!(of(false, None), Verdict::NotDone(_)));
        assert!(matches!(of(true, Some(&Ok(()))), Verdict::Changed));
        assert!(matches!(of(true, Some(&refused)), Verdict::NotDone(_)));
        assert!(matches!(
            of(true, Some(&Err(Failure::Interrupted))),
            Verdict::NotDone(_)
        ));
        assert!(matches!(
            of(true, Some(&unsure)),
            Verdict::Failed(Failure::Unsure { .. })
        ));
        match of(true, Some(&failed)) {
            Verdict::Failed(again @ Failure::Disk { .. }) => {
                assert!(again.to_string().contains("make room"), "{again}");
            }
            other => panic!("{other:?}"),
        }
        for changed in [Some(&unsure), Some(&Ok(())), None] {
            let verdict = verdict(&same, true, changed);
            assert!(matches!(verdict, Verdict::Unchanged), "{verdict:?}");
        }
    }
}
