//! Disc images: patches the copies on a setup disc in a new image.
//!
//! The old content stays in place, byte for byte. A changed file is appended after
//! the old end; the directory records of the old file, in each tree, are changed to
//! name the new one, and the size of the volume grows. The last sector records the
//! old bytes, so that [`restore`](super::restore) reconstructs the old image
//! exactly.
//!
//! Read in this order: [`layout`] (checks of an image), [`new_image`] (the
//! changes), [`record`] (the last sector), [`image_writer`] (the new file).

mod image_writer;
mod layout;
mod new_image;
mod record;

use std::cell::Cell;
use std::path::Path;

use scanner_core::policy::PRISTINE_LIMIT;

use super::failure::{Failure, read_failure};
use super::filesystem::{FileSystem, HostFileSystem};
use super::job::Job;
use super::outcome::{FileResult, Outcome, Source, Target, Task};
use super::refusal::DiscRefusal;
use crate::iso;

use layout::{Archive, Layout};
use new_image::{EditedImage, NewImage, PlannedFile, plan_files};
use record::Record;

/// Whether a file is an ISO image.
pub(super) fn is_disc(path: &Path) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let file = is_file.then(|| HostFileSystem::default().open(path).ok());
    let Some(Some(file)) = file else {
        return false;
    };
    iso::is_image(&*file).is_ok_and(|is_image| is_image)
}

/// The result for an image.
#[derive(Debug)]
pub struct DiscResult {
    /// The result for each copy on it, or for the image itself if that is refused.
    pub copies: Vec<FileResult>,
    /// Cabinets and self-extractors on it that contain copies and are not rewritten.
    pub archives: Vec<Archive>,
    /// Why no image was written, if one copy prevents it.
    pub reason: Option<&'static str>,
}

/// Gets the bytes processed and their total; returns whether to continue.
pub type ImageProgress<'a> = dyn Fn(u64, u64) -> bool + 'a;

/// A planned image.
struct Prepared<'a> {
    copies: Vec<PlannedFile>,
    /// The new image; `None` if a copy is refused.
    changes: Option<NewImage<'a>>,
    archives: Vec<Archive>,
}

const REFUSED: &str = "A copy is refused or can't be read, so no image is written: all copies change together or not at all.";

/// Runs a job on all copies on a disc and writes a new image.
pub fn patch_disc(
    job: &Job,
    fs: &impl FileSystem,
    path: &Path,
    progress: &ImageProgress<'_>,
) -> DiscResult {
    let Prepared {
        copies,
        changes,
        archives,
    } = match prepare(job, fs, path, progress) {
        Ok(prepared) => prepared,
        Err(failure) => {
            return DiscResult {
                copies: vec![FileResult::new(path, Outcome::Failed(failure))],
                archives: Vec::new(),
                reason: None,
            };
        }
    };
    let written = match (&changes, &job.target) {
        (Some(changes), Target::Output(output)) if changes.is_needed() => {
            let (done, all) = (Cell::new(0_u64), changes.length().saturating_mul(2));
            let step = |bytes: u64| {
                done.set(done.get().saturating_add(bytes));
                progress(done.get(), all)
            };
            Some(image_writer::write(
                fs, path, output, changes, job.touch, &step,
            ))
        }
        _ => None,
    };
    let is_sound = changes.is_some();
    let done = |copy: PlannedFile| {
        let mut done = FileResult::new(path, outcome(&copy, is_sound, written.as_ref()));
        done.within = Some(copy.path);
        if let (Target::Output(output), Outcome::Changed) = (&job.target, &done.outcome) {
            done.output = Some(output.clone());
        }
        done.facts = copy.facts.unwrap_or_default();
        done
    };
    DiscResult {
        copies: copies.into_iter().map(done).collect(),
        archives,
        reason: (!is_sound).then_some(REFUSED),
    }
}

/// Plans the new image. Nothing is written.
fn prepare<'a>(
    job: &Job,
    fs: &'a impl FileSystem,
    path: &Path,
    progress: &ImageProgress<'_>,
) -> Result<Prepared<'a>, Failure> {
    match &job.target {
        Target::InPlace => return Err(DiscRefusal::InPlace.into()),
        Target::Output(output) if fs.exists(output).map_err(read_failure(output))? => {
            let shown = output.display().to_string();
            return Err(DiscRefusal::OutputExists(shown).into());
        }
        _ => {}
    }
    let file = fs.open(path).map_err(read_failure(path))?;
    let go_on = || progress(0, 0);
    let mut now = Layout::read(&*file, job.cabinets, &go_on)?;
    let record = Record::read(&*file, now.volume_sectors);
    // Cabinets that were rewritten before are among the copies.
    let end = record.as_ref().map_or(u64::MAX, |record| record.length);
    let is_new = |archive: &Archive| archive.is_cabinet && archive.start >= end;
    let cabinets = job.cabinets || now.archives.iter().any(is_new);
    if cabinets != job.cabinets {
        now = Layout::read(&*file, cabinets, &go_on)?;
    }
    let (limit, use_record) = match job.task {
        Task::Patch { limit } => (limit, false),
        Task::Restore { use_backup } => (PRISTINE_LIMIT, use_backup && record.is_some()),
    };
    let mut copies = plan_files(&*file, &now, job.module, limit);
    // A patched image is patched again from its original.
    let original = match record {
        Some(record) => EditedImage::original(file, record),
        None => EditedImage::unchanged(file),
    };
    if use_record {
        let before = Layout::read(&original, cabinets, &go_on)?;
        let copies = new_image::plan_restore(&original, &now, &before, job.module)?;
        let changes = NewImage::restored(original);
        if job.target == Target::DryRun {
            changes.check_source(&|_| go_on())?;
        }
        return Ok(Prepared {
            copies,
            changes: Some(changes),
            archives: now.archives,
        });
    }
    if matches!(job.task, Task::Restore { .. }) {
        for facts in copies.iter_mut().flat_map(|copy| &mut copy.facts).flatten() {
            facts.source = Some(Source::Pristine);
        }
    }
    let is_sound = copies.iter().all(|copy| copy.facts.is_ok());
    let changes = match (is_sound, copies.iter().any(PlannedFile::is_change)) {
        (false, _) => None,
        (true, false) => Some(NewImage::unchanged(original)),
        (true, true) => {
            let layout = Layout::read(&original, cabinets, &go_on)?;
            NewImage::patched(original, &layout, job.module, cabinets, limit, &mut copies)?
        }
    };
    Ok(Prepared {
        copies,
        changes,
        archives: now.archives,
    })
}

/// The outcome for a copy. `written` is the result for the image, if writing was
/// attempted.
fn outcome(copy: &PlannedFile, is_sound: bool, written: Option<&Result<(), Failure>>) -> Outcome {
    match (&copy.facts, written) {
        (Err(failure), _) => Outcome::Failed(failure.clone()),
        (Ok(_), _) if !copy.is_change() => Outcome::Unchanged,
        (_, Some(Ok(()))) => Outcome::Changed,
        (_, Some(Err(failure))) => Outcome::Failed(failure.clone()),
        _ if is_sound => Outcome::WouldChange,
        _ => Outcome::NotDone(REFUSED.to_owned()),
    }
}
