//! The new image: directory records and sizes changed in place, and appended files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use scanner_core::Module;
use scanner_core::policy::PRISTINE_LIMIT;
use sha2::{Digest, Sha256};
use tcplimit_report::State;

use super::layout::{DriverFile, Layout};
use super::record::{MAX_EDIT, Record};
use crate::cabinet::MAX_MEMBER;
use crate::cabinet::rewrite::MAX_CABINET;
use crate::iso::{RECORD_EXTENT, SECTOR, VOLUME_SIZE, both_orders, position};
use crate::patch::drivers::{Drivers, PlannedDriver};
use crate::patch::failure::Failure;
use crate::patch::outcome::{DriverFacts, Source};
use crate::patch::refusal::{DiscRefusal, Refusal};
use crate::storage::{self, Storage};
use crate::terminal::os_error_text;

/// A file on the disc, and the plans for the copies in it.
pub(super) struct PlannedFile {
    /// Its path from the root of the disc.
    pub(super) path: String,
    /// Facts about each copy, or why the file is refused.
    pub(super) facts: Result<Vec<DriverFacts>, Failure>,
}

impl PlannedFile {
    /// Whether the file changes.
    pub(super) fn is_change(&self) -> bool {
        let facts = self.facts.as_ref();
        facts.is_ok_and(|facts| facts.iter().any(DriverFacts::is_change))
    }
}

/// A file with the new limit; `content` is `None` if it is already correct.
struct PatchedFile {
    facts: Vec<DriverFacts>,
    content: Option<Vec<u8>>,
}

/// Plans the change of each file, without packing it.
pub(super) fn plan_files(
    file: &dyn Storage,
    layout: &Layout,
    module: Option<Module>,
    limit: u32,
) -> Vec<PlannedFile> {
    let copy = |driver: &DriverFile| PlannedFile {
        path: driver.path.clone(),
        facts: plan_file(file, driver, module, &|_| limit),
    };
    layout.drivers.iter().map(copy).collect()
}

/// Plans the change of the copies in a file. `limit` gives the limit of each, by its
/// index.
fn plan_file(
    file: &dyn Storage,
    driver: &DriverFile,
    module: Option<Module>,
    limit: &dyn Fn(usize) -> u32,
) -> Result<Vec<DriverFacts>, Failure> {
    let before = read_file(file, driver)?;
    let drivers = Drivers::parse(&before, driver.is_cabinet)?;
    let planned = drivers.plan_each(&driver.path, module, limit)?;
    let facts = planned.into_iter().map(|planned| planned.into_parts().0);
    Ok(facts.collect())
}

/// Patches a file.
fn patch_file(
    file: &dyn Storage,
    driver: &DriverFile,
    module: Option<Module>,
    limit: u32,
) -> Result<PatchedFile, Failure> {
    let before = read_file(file, driver)?;
    let drivers = Drivers::parse(&before, driver.is_cabinet)?;
    let planned = drivers.plan(&driver.path, module, limit)?;
    let (facts, after): (Vec<DriverFacts>, _) =
        planned.into_iter().map(PlannedDriver::into_parts).unzip();
    let content = match facts.iter().any(DriverFacts::is_change) {
        true => Some(drivers.pack(after)?),
        false => None,
    };
    Ok(PatchedFile { facts, content })
}

/// Reads the content of a file.
fn read_file(file: &dyn Storage, driver: &DriverFile) -> Result<Vec<u8>, Failure> {
    let unfit = |reason: String| Refusal::Unusable {
        state: State::Unreadable,
        reason,
    };
    let (most, why) = match driver.is_cabinet {
        true => (MAX_CABINET, "larger cabinets are not rewritten"),
        false => (MAX_MEMBER as usize, "no driver is"),
    };
    if driver.extent.length as usize > most {
        let reason = format!("larger than {most} bytes, and {why}");
        return Err(unfit(reason).into());
    }
    let length = usize::try_from(driver.extent.length).unwrap_or(usize::MAX);
    let content = storage::bytes(file, position(driver.extent.start), length);
    content.map_err(|error| unfit(os_error_text(&error)).into())
}

/// Plans the restoration of each copy to its content in the original image.
///
/// # Errors
/// When the original image does not contain these copies.
pub(super) fn plan_restore(
    original: &EditedImage<'_>,
    now: &Layout,
    before: &Layout,
    module: Option<Module>,
) -> Result<Vec<PlannedFile>, Failure> {
    let copy = |driver: &DriverFile| {
        let old = before.drivers.iter().find(|old| old.path == driver.path);
        let old = read_file(original, old.ok_or(DiscRefusal::RecordMismatch)?)?;
        let old = Drivers::parse(&old, driver.is_cabinet)?;
        // Any limit will do: only the stored values are used.
        let old = old.plan(&driver.path, module, PRISTINE_LIMIT)?;
        let value = |number| {
            old.get(number)
                .map_or(PRISTINE_LIMIT, |old: &PlannedDriver| old.plan.before)
        };
        let mut facts = plan_file(original.now(), driver, module, &value)?;
        if facts.len() != old.len() {
            return Err(DiscRefusal::RecordMismatch.into());
        }
        for (facts, old) in facts.iter_mut().zip(old) {
            facts.source = Some(Source::DiscRecord);
            facts.after = old.before;
        }
        Ok(PlannedFile {
            path: driver.path.clone(),
            facts: Ok(facts),
        })
    };
    now.drivers.iter().map(copy).collect()
}

/// An image with some bytes changed, and perhaps shortened.
pub(super) struct EditedImage<'a> {
    file: Box<dyn Storage + 'a>,
    edits: BTreeMap<u64, Vec<u8>>,
    length: u64,
    /// The hash that it must have, if known.
    sha256: Option<[u8; 32]>,
}

impl<'a> EditedImage<'a> {
    /// The image itself.
    pub(super) fn unchanged(file: Box<dyn Storage + 'a>) -> EditedImage<'a> {
        EditedImage {
            length: file.length(),
            file,
            edits: BTreeMap::new(),
            sha256: None,
        }
    }

    /// The original of a changed image.
    pub(super) fn original(file: Box<dyn Storage + 'a>, record: Record) -> EditedImage<'a> {
        EditedImage {
            file,
            edits: record.edits,
            length: record.length,
            sha256: Some(record.sha256),
        }
    }

    /// The present image.
    pub(super) fn now(&self) -> &dyn Storage {
        &*self.file
    }
}

impl Storage for EditedImage<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(to_u64(buffer.len()));
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_at(offset, buffer)?;
        overlay(&self.edits, offset, buffer);
        Ok(())
    }
}

/// Applies edits to bytes that begin at `offset`.
fn overlay(edits: &BTreeMap<u64, Vec<u8>>, offset: u64, buffer: &mut [u8]) {
    let end = offset.saturating_add(to_u64(buffer.len()));
    let first = offset.saturating_sub(to_u64(MAX_EDIT));
    for (&at, bytes) in edits.range(first..end) {
        for (place, byte) in (at..).zip(bytes) {
            let index = place
                .checked_sub(offset)
                .and_then(|i| usize::try_from(i).ok());
            if let Some(target) = index.and_then(|index| buffer.get_mut(index)) {
                *target = *byte;
            }
        }
    }
}

/// The new image: the original with edits and appended files.
pub(super) struct NewImage<'a> {
    image: EditedImage<'a>,
    patch: Option<Patch>,
    is_needed: bool,
}

/// The difference from the original.
struct Patch {
    edits: BTreeMap<u64, Vec<u8>>,
    /// The bytes that the edits replace.
    before: BTreeMap<u64, Vec<u8>>,
    /// Files, each padded to a sector.
    appended: Vec<u8>,
    volume_sectors: u32,
    /// To verify the result: the limit, and for each file the hashes of the copies in
    /// it.
    limit: u32,
    module: Option<Module>,
    cabinets: bool,
    hashes: Vec<(String, Vec<String>)>,
}

/// The number of bytes to copy at a time.
const CHUNK: u64 = 1 << 20;

impl<'a> NewImage<'a> {
    /// The image without changes.
    pub(super) fn unchanged(image: EditedImage<'a>) -> NewImage<'a> {
        NewImage {
            image,
            patch: None,
            is_needed: false,
        }
    }

    /// The restored original.
    pub(super) fn restored(image: EditedImage<'a>) -> NewImage<'a> {
        NewImage {
            image,
            patch: None,
            is_needed: true,
        }
    }

    /// The image with this limit in each copy. If a file can't be packed, its entry in
    /// `copies` becomes a failure, and the result is `None`.
    ///
    /// # Errors
    /// When the image would become too large.
    pub(super) fn patched(
        image: EditedImage<'a>,
        layout: &Layout,
        module: Option<Module>,
        cabinets: bool,
        limit: u32,
        copies: &mut [PlannedFile],
    ) -> Result<Option<NewImage<'a>>, Failure> {
        let mut next = image.length().div_ceil(SECTOR.into());
        let (mut edits, mut appended, mut hashes) = (BTreeMap::new(), Vec::new(), Vec::new());
        for driver in &layout.drivers {
            let PatchedFile { facts, content } = match patch_file(&image, driver, module, limit) {
                Ok(changed) => changed,
                Err(failure) => {
                    let copy = copies.iter_mut().find(|copy| copy.path == driver.path);
                    let Some(copy) = copy else {
                        return Err(failure);
                    };
                    copy.facts = Err(failure);
                    return Ok(None);
                }
            };
            let of_each = facts.into_iter().map(|facts| facts.after);
            hashes.push((driver.path.clone(), of_each.collect()));
            let Some(mut content) = content else { continue };
            let size = u32::try_from(content.len()).map_err(|_| DiscRefusal::TooLarge)?;
            let start = u32::try_from(next).map_err(|_| DiscRefusal::TooLarge)?;
            let numbers = [both_orders(start), both_orders(size)].concat();
            for record in &driver.records {
                edits.insert(record.saturating_add(RECORD_EXTENT), numbers.clone());
            }
            content.resize(content.len().next_multiple_of(SECTOR as usize), 0);
            next = next.saturating_add(to_u64(content.len()) / u64::from(SECTOR));
            appended.append(&mut content);
            if appended.len() > MAX_CABINET {
                return Err(DiscRefusal::TooMany.into());
            }
        }
        if edits.is_empty() {
            return Ok(Some(NewImage::restored(image)));
        }
        // One more sector for the record.
        let volume_sectors =
            u32::try_from(next.saturating_add(1)).map_err(|_| DiscRefusal::TooLarge)?;
        for &descriptor in &layout.descriptors {
            let at = position(descriptor).saturating_add(VOLUME_SIZE);
            edits.insert(at, both_orders(volume_sectors).to_vec());
        }
        if edits.len() > Record::MAX_EDITS {
            return Err(DiscRefusal::TooMany.into());
        }
        let mut before = BTreeMap::new();
        for (&at, new) in &edits {
            let old = storage::bytes(&image, at, new.len());
            let old = old.map_err(|error| DiscRefusal::Damaged(os_error_text(&error)))?;
            before.insert(at, old);
        }
        Ok(Some(NewImage {
            image,
            patch: Some(Patch {
                edits,
                before,
                appended,
                volume_sectors,
                limit,
                module,
                cabinets,
                hashes,
            }),
            is_needed: true,
        }))
    }

    /// Whether the new image differs from the present one.
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// The length of the source file in bytes.
    pub(super) fn source_length(&self) -> u64 {
        self.image.now().length()
    }

    /// The length of the new image in bytes.
    pub(super) fn length(&self) -> u64 {
        match &self.patch {
            Some(patch) => position(patch.volume_sectors),
            None => self.image.length(),
        }
    }

    /// Checks that the source image is unchanged since the plan. `step` gets the number
    /// of bytes processed, and returns whether to continue.
    ///
    /// # Errors
    /// When the source image has changed.
    pub(super) fn check_source(&self, step: &dyn Fn(u64) -> bool) -> Result<(), Failure> {
        self.write(&mut io::sink(), step).map(|_| ())
    }

    /// Writes the new image; returns its hash.
    ///
    /// # Errors
    /// When it can't be written, or the source image has changed.
    pub(super) fn write(
        &self,
        out: &mut dyn Write,
        step: &dyn Fn(u64) -> bool,
    ) -> Result<[u8; 32], Failure> {
        let failed = |problem: &'static str| {
            move |error| Failure::Io {
                problem: problem.to_owned(),
                error,
            }
        };
        let (mut old, mut new) = (Sha256::new(), Sha256::new());
        let mut put = |bytes: &[u8]| {
            new.update(bytes);
            out.write_all(bytes)
                .map_err(failed("the new image can't be written"))
        };
        let mut buffer = Vec::new();
        let (mut at, length) = (0, self.image.length());
        while at < length {
            let size = CHUNK.min(length - at);
            buffer.resize(usize::try_from(size).unwrap_or(0), 0);
            self.image
                .read_at(at, &mut buffer)
                .map_err(failed("the image can't be read"))?;
            old.update(&buffer);
            if let Some(patch) = &self.patch {
                overlay(&patch.edits, at, &mut buffer);
            }
            put(&buffer)?;
            at += size;
            if !step(size) {
                return Err(Failure::Interrupted);
            }
        }
        let sha256: [u8; 32] = old.finalize().into();
        if self.image.sha256.is_some_and(|known| known != sha256) {
            return Err(DiscRefusal::RecordMismatch.into());
        }
        if let Some(patch) = &self.patch {
            // These bytes may have changed if the file is still being written.
            for (&at, bytes) in &patch.before {
                let now = storage::bytes(&self.image, at, bytes.len());
                if now.is_ok_and(|now| now != *bytes) {
                    return Err(Refusal::ChangedMeanwhile("the image".to_owned()).into());
                }
            }
            let filled = length.next_multiple_of(SECTOR.into()) - length;
            put(&vec![0; usize::try_from(filled).unwrap_or(0)])?;
            put(&patch.appended)?;
            let record = Record {
                length,
                sha256,
                edits: patch.before.clone(),
            };
            put(&record.sector())?;
        }
        Ok(new.finalize().into())
    }

    /// Verifies the written image: it must have this hash, and the limit must be
    /// located in every copy with its new value.
    ///
    /// # Errors
    /// When the verification fails.
    pub(super) fn check(
        &self,
        written: &dyn Storage,
        hash: [u8; 32],
        step: &dyn Fn(u64) -> bool,
    ) -> Result<(), Failure> {
        let unread = |error| Failure::Io {
            problem: "the new image can't be read back".to_owned(),
            error,
        };
        let other = || {
            unread(io::Error::other(
                "the content read back differs from the content written",
            ))
        };
        if written.length() != self.length() {
            return Err(other());
        }
        let mut again = Sha256::new();
        let mut buffer = Vec::new();
        let (mut at, length) = (0, written.length());
        while at < length {
            let size = CHUNK.min(length - at);
            buffer.resize(usize::try_from(size).unwrap_or(0), 0);
            written.read_at(at, &mut buffer).map_err(unread)?;
            again.update(&buffer);
            at += size;
            if !step(size) {
                return Err(Failure::Interrupted);
            }
        }
        if again.finalize()[..] != hash {
            return Err(other());
        }
        let Some(patch) = &self.patch else {
            return Ok(());
        };
        let layout = Layout::read(written, patch.cabinets, &|| step(0))?;
        let found = plan_files(written, &layout, patch.module, patch.limit);
        let same = found.len() == patch.hashes.len()
            && found.iter().all(|copy| {
                let hashes = patch.hashes.iter().find(|(path, _)| *path == copy.path);
                let facts = copy.facts.as_ref();
                !copy.is_change()
                    && facts.is_ok_and(|facts| {
                        let of_each = facts.iter().map(|facts| &facts.after);
                        hashes.is_some_and(|(_, hashes)| of_each.eq(hashes))
                    })
            });
        match same && layout.volume_sectors == patch.volume_sectors {
            true => Ok(()),
            false => Err(Refusal::VerificationFailed.into()),
        }
    }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::Extent;

    #[test]
    fn a_file_may_have_the_size_of_the_largest_driver_and_no_more() {
        let (most, sector) = (MAX_MEMBER, SECTOR);
        let image = vec![0_u8; (most + 2 * sector) as usize];
        let read = |length| {
            let extent = Extent { start: 1, length };
            let file = DriverFile {
                path: "A".to_owned(),
                extent,
                is_cabinet: false,
                records: Vec::new(),
            };
            read_file(&image, &file).map(|content| content.len())
        };
        assert_eq!(read(most).unwrap(), most as usize);
        let failure = read(most + 1).unwrap_err().to_string();
        assert!(failure.contains("no driver is"), "{failure}");
    }
}
