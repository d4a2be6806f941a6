//! Disc images: the copies on a setup disc, changed in a new image.
//!
//! What is there stays where it is, byte for byte. A changed file is appended
//! behind the old end; the directory records that named the old one, in each
//! tree, name the new one, and the volume's size grows. The last sector says
//! what stood there before, so that [`restore`](super::restore) gives the old
//! image again, to the byte.
//!
//! Read in this order: [`layout`] (what must hold of an image), [`changes`]
//! (what becomes of it), [`record`] (the last sector), [`stage`] (the new file).

mod changes;
mod layout;
mod record;
mod refusal;
mod stage;

use std::cell::Cell;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

use scanner_core::policy::PRISTINE_LIMIT;

use super::Refusal;
use super::disk::Disk;
use super::job::{Done, Job, Target, Task, Verdict};
use super::replace::{Failure, unread};
use super::restore::Source;
use super::verb::Run;
use crate::exit::Exit;
use crate::iso;
use crate::progress::Progress;

pub use refusal::DiscRefusal;

use changes::{Changes, Copy, Edited, copies};
use layout::Layout;
use record::Record;

/// Whether a file is an ISO image.
pub(super) fn is_disc(path: &Path) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|about| about.is_file());
    let file = is_file.then(|| super::disk::Machine::default().open(path).ok());
    let Some(Some(file)) = file else {
        return false;
    };
    iso::is_image(&*file).is_ok_and(|is_image| is_image)
}

/// What became of an image.
#[derive(Debug)]
pub struct DiscDone {
    /// Each copy on it, or the image itself where that is refused.
    pub copies: Vec<Done>,
    /// Cabinets and self-extractors on it with copies in them, which are not
    /// rewritten.
    pub archives: Vec<Archive>,
    /// Why no image was written, where one copy is why others are not changed.
    pub reason: Option<&'static str>,
}

/// A cabinet of several files or a self-extractor on a disc.
#[derive(Debug)]
pub struct Archive {
    /// Its path from the root of the disc.
    pub path: String,
    /// The names of the copies in it.
    pub drivers: Vec<String>,
    /// It is a cabinet by itself, which `--cabinets` rewrites.
    pub is_cabinet: bool,
    /// Where it begins in the image, in bytes.
    start: u64,
}

/// Gets the bytes done and the bytes in all, and says whether to go on.
pub type Watch<'a> = dyn Fn(u64, u64) -> bool + 'a;

/// What is to be done with an image.
struct Prepared<'a> {
    copies: Vec<Copy>,
    /// The image as it is to be; `None` where a copy is refused.
    changes: Option<Changes<'a>>,
    archives: Vec<Archive>,
}

const REFUSED: &str =
    "A copy is refused or can't be read, so no image is written: all are treated alike.";

impl Job {
    /// Does it with the copies on a disc, in a new image.
    pub fn run_disc(&self, disk: &impl Disk, path: &Path, watch: &Watch<'_>) -> DiscDone {
        let Prepared {
            copies,
            changes,
            archives,
        } = match self.prepare_disc(disk, path, watch) {
            Ok(prepared) => prepared,
            Err(failure) => {
                return DiscDone {
                    copies: vec![Done::new(path, Verdict::Failed(failure))],
                    archives: Vec::new(),
                    reason: None,
                };
            }
        };
        let written = match (&changes, &self.target) {
            (Some(changes), Target::Output(output)) if changes.is_needed() => {
                let (done, all) = (Cell::new(0_u64), changes.length().saturating_mul(2));
                let step = |bytes: u64| {
                    done.set(done.get().saturating_add(bytes));
                    watch(done.get(), all)
                };
                Some(stage::write(disk, path, output, changes, self.touch, &step))
            }
            _ => None,
        };
        let is_sound = changes.is_some();
        let done = |copy: Copy| {
            let mut done = Done::new(path, verdict(&copy, is_sound, written.as_ref()));
            done.within = Some(copy.path);
            if let (Target::Output(output), Verdict::Changed) = (&self.target, &done.verdict) {
                done.output = Some(output.clone());
            }
            done.facts = copy.facts.unwrap_or_default();
            done
        };
        DiscDone {
            copies: copies.into_iter().map(done).collect(),
            archives,
            reason: (!is_sound).then_some(REFUSED),
        }
    }

    /// Finds out what is to be done. Nothing is written.
    fn prepare_disc<'a>(
        &self,
        disk: &'a impl Disk,
        path: &Path,
        watch: &Watch<'_>,
    ) -> Result<Prepared<'a>, Failure> {
        match &self.target {
            Target::InPlace => return Err(DiscRefusal::InPlace.into()),
            Target::Output(output) if disk.exists(output).map_err(unread(output))? => {
                let shown = output.display().to_string();
                return Err(DiscRefusal::OutputExists(shown).into());
            }
            _ => {}
        }
        let file = disk.open(path).map_err(unread(path))?;
        let go_on = || watch(0, 0);
        let mut now = Layout::of(&*file, self.cabinets, &go_on)?;
        let record = Record::of(&*file, now.volume_sectors);
        // Where cabinets were rewritten before, they are among the copies.
        let end = record.as_ref().map_or(u64::MAX, |record| record.length);
        let is_new = |archive: &Archive| archive.is_cabinet && archive.start >= end;
        let cabinets = self.cabinets || now.archives.iter().any(is_new);
        if cabinets != self.cabinets {
            now = Layout::of(&*file, cabinets, &go_on)?;
        }
        let (limit, use_record) = match self.task {
            Task::Patch { limit } => (limit, false),
            Task::Restore { use_backup } => (PRISTINE_LIMIT, use_backup && record.is_some()),
        };
        let mut copies = copies(&*file, &now, self.module, limit);
        // What was patched before is patched anew from the image that it was.
        let original = match record {
            Some(record) => Edited::original(file, record),
            None => Edited::unchanged(file),
        };
        if use_record {
            let before = Layout::of(&original, cabinets, &go_on)?;
            let copies = changes::restored(&original, &now, &before, self.module)?;
            let changes = Changes::restoring(original);
            if self.target == Target::Show {
                changes.check_source(&|_| go_on())?;
            }
            return Ok(Prepared {
                copies,
                changes: Some(changes),
                archives: now.archives,
            });
        }
        if matches!(self.task, Task::Restore { .. }) {
            for facts in copies.iter_mut().flat_map(|copy| &mut copy.facts).flatten() {
                facts.source = Some(Source::Ten);
            }
        }
        let is_sound = copies.iter().all(|copy| copy.facts.is_ok());
        let changes = match (is_sound, copies.iter().any(Copy::is_change)) {
            (false, _) => None,
            (true, false) => Some(Changes::none(original)),
            (true, true) => {
                let layout = Layout::of(&original, cabinets, &go_on)?;
                Some(Changes::patching(
                    original,
                    &layout,
                    self.module,
                    cabinets,
                    limit,
                )?)
            }
        };
        Ok(Prepared {
            copies,
            changes,
            archives: now.archives,
        })
    }
}

/// What became of a copy. `written` is what became of the image, when that was
/// tried.
fn verdict(copy: &Copy, is_sound: bool, written: Option<&Result<(), Failure>>) -> Verdict {
    match (&copy.facts, written) {
        (Err(failure), _) => Verdict::Failed(failure.again()),
        (Ok(_), _) if !copy.is_change() => Verdict::Unchanged,
        (_, Some(Ok(()))) => Verdict::Changed,
        (_, Some(Err(failure))) => Verdict::Failed(failure.again()),
        _ if is_sound => Verdict::WouldChange,
        _ => Verdict::NotDone(REFUSED.to_owned()),
    }
}

impl Run<'_> {
    /// Changes the copies on a disc, in a new image.
    pub(super) fn disc(&mut self, path: &Path) -> io::Result<()> {
        self.totals.images += 1;
        let progress = match self.talk.quiet {
            true => Progress::hidden(),
            false => Progress::of_bytes(),
        };
        let watch = |done: u64, all: u64| {
            progress.is_at(done, all);
            !self.stop.load(Ordering::Relaxed)
        };
        let DiscDone {
            copies,
            archives,
            reason,
        } = self.job.run_disc(self.disk, path, &watch);
        progress.finish();
        for archive in archives {
            let drivers = archive.drivers;
            let reason = match archive.is_cabinet {
                true => Refusal::SeveralMembers {
                    drivers: drivers.clone(),
                }
                .to_string(),
                false => format!(
                    "a self-extractor with {} in it. What it installs is the unchanged one",
                    drivers.join(" and ")
                ),
            };
            let path = path.join(archive.path);
            self.aside(&path, "cabinet", &reason, &drivers, None)?;
        }
        if copies.is_empty() {
            let reason = format!(
                "{}: neither tcpip.sys nor tcpip6.sys is on this disc as a file of its own",
                path.display()
            );
            self.because(Exit::NotLocated, &reason);
            return Ok(());
        }
        for done in copies {
            if matches!(done.verdict, Verdict::Failed(Failure::Interrupted)) {
                self.totals.interrupted = true;
            }
            self.tell(done, None)?;
        }
        if let Some(reason) = reason {
            self.out.flush()?;
            self.because(Exit::Done, reason);
        }
        Ok(())
    }
}
