//! Writes the new image under a temporary name, flushes it, reads it back, and only
//! then gives it its name. A run that ends before that leaves nothing under the
//! name. The old image is only read.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::new_image::NewImage;
use crate::patch::failure::{Failure, io_failure, read_failure};
use crate::patch::file_names::{ATTEMPTS, TEMPORARY, with_suffix};
use crate::patch::filesystem::FileSystem;
use crate::patch::refusal::{DiscRefusal, Refusal};
use crate::patch::replace::publish;

/// Writes the new image. `step` gets the number of bytes processed, and returns
/// whether to continue.
///
/// # Errors
/// When the new image was not written.
pub(super) fn write(
    fs: &impl FileSystem,
    path: &Path,
    output: &Path,
    changes: &NewImage<'_>,
    touch: bool,
    step: &dyn Fn(u64) -> bool,
) -> Result<(), Failure> {
    let (temporary, hash) = create(fs, output, changes, step)?;
    let shown = output.display();
    fs.copy_metadata(path, &temporary, false)
        .and_then(|()| match touch {
            true => fs.touch(&temporary),
            false => Ok(()),
        })
        .and_then(|()| fs.sync(&temporary))
        .map_err(io_failure(format!("{shown} can't be written")))
        .and_then(|()| fs.open(&temporary).map_err(read_failure(&temporary)))
        .and_then(|written| changes.check(&*written, hash, step))
        .and_then(|()| check_length(fs, path, changes))
        .inspect_err(|_| {
            let _ = fs.remove(&temporary);
        })?;
    publish(fs, &temporary, output).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => DiscRefusal::OutputExists(shown.to_string()).into(),
        _ => io_failure(format!("{shown} can't be written"))(error),
    })
}

/// Writes it under an unused temporary name; returns that name and the hash.
fn create(
    fs: &impl FileSystem,
    output: &Path,
    changes: &NewImage<'_>,
    step: &dyn Fn(u64) -> bool,
) -> Result<(PathBuf, [u8; 32]), Failure> {
    for attempt in 1..=ATTEMPTS {
        let temporary = with_suffix(output, &format!(".{attempt}{TEMPORARY}"));
        let mut result = None;
        let created = fs.create_with(&temporary, &mut |out| {
            let written = changes.write(out, step);
            let is_written = written.is_ok();
            result = Some(written);
            match is_written {
                true => Ok(()),
                // `result` has the error.
                false => Err(io::Error::other("it can't be written")),
            }
        });
        match (created, result) {
            (Ok(()), Some(Ok(hash))) => return Ok((temporary, hash)),
            // Another program created it: it stays.
            (Err(error), None) if error.kind() == ErrorKind::AlreadyExists => {}
            (created, result) => {
                let _ = fs.remove(&temporary);
                return Err(match (result, created) {
                    (Some(Err(failure)), _) => failure,
                    (_, Err(error)) => {
                        io_failure(format!("{} can't be written", temporary.display()))(error)
                    }
                    (_, Ok(())) => Refusal::VerificationFailed.into(),
                });
            }
        }
    }
    let taken = io::Error::from(ErrorKind::AlreadyExists);
    Err(io_failure(format!("{} can't be written", output.display()))(taken))
}

/// Checks that the old image has its old length: it may still be being written.
fn check_length(fs: &impl FileSystem, path: &Path, changes: &NewImage<'_>) -> Result<(), Failure> {
    let now = fs.open(path).map_err(read_failure(path))?;
    match now.length() == changes.source_length() {
        true => Ok(()),
        false => Err(Refusal::ChangedMeanwhile(path.display().to_string()).into()),
    }
}
