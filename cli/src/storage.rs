//! Storage that is read by position: a file of any size, a part of another storage, or memory. Disc
//! images may be larger than memory, and a mapped file that shrinks ends the process; a failed read
//! is only an error.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// Storage that is read by position.
pub trait Storage {
    /// The length in bytes.
    fn length(&self) -> u64;

    /// Fills a buffer with the bytes from `offset` on.
    ///
    /// # Errors
    /// If they can't be read, or there are fewer.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl<S: Storage + ?Sized> Storage for &S {
    fn length(&self) -> u64 {
        S::length(self)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        S::read_at(self, offset, buffer)
    }
}

impl Storage for [u8] {
    fn length(&self) -> u64 {
        to_u64(self.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

impl Storage for Vec<u8> {
    fn length(&self) -> u64 {
        to_u64(self.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buffer)
    }
}

/// A regular file.
#[derive(Debug)]
pub(crate) struct FileStorage {
    file: File,
    length: u64,
}

impl FileStorage {
    /// A file with its current length; bytes appended later are ignored.
    ///
    /// # Errors
    /// If its length can't be read.
    pub(crate) fn new(file: File) -> io::Result<FileStorage> {
        let length = file.metadata()?.len();
        Ok(FileStorage { file, length })
    }

    /// The file itself.
    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

impl Storage for FileStorage {
    fn length(&self) -> u64 {
        self.length
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                    offset = offset.saturating_add(to_u64(read));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A part of another storage.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    whole: &'a dyn Storage,
    start: u64,
    length: u64,
}

impl<'a> Part<'a> {
    /// `length` bytes from `start` on; `None` if there are fewer.
    pub(crate) fn new(whole: &'a dyn Storage, start: u64, length: u64) -> Option<Part<'a>> {
        let end = start.checked_add(length)?;
        (end <= whole.length()).then_some(Part {
            whole,
            start,
            length,
        })
    }
}

impl Storage for Part<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(to_u64(buffer.len()));
        match end.is_some_and(|end| end <= self.length) {
            true => self
                .whole
                .read_at(self.start.saturating_add(offset), buffer),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Reads `length` bytes into memory; the caller bounds `length`.
///
/// # Errors
/// If they can't be read, or there are fewer.
pub(crate) fn bytes(storage: &dyn Storage, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    // Check first: no memory is allocated for a length that the storage does not have.
    let end = offset.checked_add(to_u64(length));
    if end.is_none_or(|end| end > storage.length()) {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; length];
    storage.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

/// Reads a storage from its beginning to its end.
pub(crate) struct Cursor<S> {
    storage: S,
    at: u64,
}

impl<S: Storage> Cursor<S> {
    pub(crate) fn new(storage: S) -> Cursor<S> {
        Cursor { storage, at: 0 }
    }
}

impl<S: Storage> Read for Cursor<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.storage.length().saturating_sub(self.at);
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        self.storage.read_at(self.at, buffer)?;
        self.at = self.at.saturating_add(to_u64(length));
        Ok(length)
    }
}

impl<S: Storage> Seek for Cursor<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.at.checked_add_signed(distance),
            SeekFrom::End(distance) => self.storage.length().checked_add_signed(distance),
        };
        self.at = place.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_end_of_a_part_are_an_error_though_the_whole_has_them() {
        let whole: &[u8] = &[0, 1, 2, 3, 4, 5];
        let part = Part::new(&whole, 2, 3).unwrap();
        assert_eq!(bytes(&part, 0, 3).unwrap(), [2, 3, 4]);
        assert!(bytes(&part, 3, 0).unwrap().is_empty());
        for (offset, length) in [(0, 4), (1, 3), (4, 0), (u64::MAX, 1), (0, usize::MAX)] {
            assert!(bytes(&part, offset, length).is_err(), "{offset} {length}");
        }
        assert!(Part::new(&whole, 4, 3).is_none());
        assert!(Part::new(&whole, u64::MAX, 1).is_none());
    }

    #[test]
    fn a_file_gives_the_bytes_at_a_position_and_none_beyond_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, [7, 8, 9]).unwrap();
        let storage = FileStorage::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(bytes(&storage, 1, 2).unwrap(), [8, 9]);
        let mut buffer = [0; 2];
        assert!(storage.read_at(2, &mut buffer).is_err());
        let mut read = Vec::new();
        Cursor::new(&storage).read_to_end(&mut read).unwrap();
        assert_eq!(read, [7, 8, 9]);
    }
}
