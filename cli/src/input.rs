//! The content of an input file; large files are mapped, not copied.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::storage::{FileStorage, Storage};

/// Size of the first read, in bytes: it holds the headers of nearly every file, and for most files
/// that are no driver nothing else needs to be read.
pub(crate) const HEAD: usize = 4096;
/// Files up to this size, in bytes, are read: mapping them would take longer.
const SMALL: u64 = 64 << 10;
/// Limit for input that is no regular file, such as a pipe, in bytes.
const MAX_STREAM: u64 = 256 << 20;

/// An open file whose beginning was read.
pub(crate) struct Input {
    /// The file, if more of it is left to read.
    file: Option<FileStorage>,
    head: Vec<u8>,
    length: u64,
}

/// The path that means standard input.
const STANDARD_INPUT: &str = "-";

impl Input {
    /// As [`open`](Input::open), but `-` is standard input.
    ///
    /// # Errors
    /// As [`open`](Input::open).
    pub(crate) fn named(path: &Path) -> io::Result<Input> {
        match path.as_os_str() == STANDARD_INPUT {
            true => Input::all_of(&mut io::stdin().lock()),
            false => Input::open(path),
        }
    }

    /// Opens a file and reads its beginning, or all of a pipe or other special file.
    ///
    /// # Errors
    /// If it can't be read, is a folder, or is no regular file and too long.
    pub(crate) fn open(path: &Path) -> io::Result<Input> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !about.is_file() {
            return Input::all_of(&mut file);
        }
        let mut head = Vec::new();
        file.by_ref().take(to_u64(HEAD)).read_to_end(&mut head)?;
        let read = to_u64(head.len());
        // If the file grew or shrank meanwhile, the bytes read count.
        let length = match read == to_u64(HEAD) {
            true => about.len().max(read),
            false => read,
        };
        Ok(Input {
            file: match length != read {
                true => Some(FileStorage::new(file)?),
                false => None,
            },
            head,
            length,
        })
    }

    /// Reads all of a stream.
    fn all_of(stream: &mut dyn Read) -> io::Result<Input> {
        let mut head = Vec::new();
        stream.take(MAX_STREAM + 1).read_to_end(&mut head)?;
        let length = to_u64(head.len());
        if length > MAX_STREAM {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is not a regular file, and longer than {MAX_STREAM} bytes"),
            ));
        }
        Ok(Input {
            file: None,
            head,
            length,
        })
    }

    /// The first [`HEAD`] bytes, or all if there are fewer.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The length of the file in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The file by position, if it is a regular one with more left to read.
    pub(crate) fn storage(&self) -> Option<&dyn Storage> {
        self.file.as_ref().map(|file| file as &dyn Storage)
    }

    /// The whole content.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn content(self) -> io::Result<Content> {
        let Input {
            file,
            mut head,
            length,
        } = self;
        let Some(file) = file else {
            return Ok(Content::Read(head));
        };
        let mut file = file.into_file();
        if length > SMALL
            && let Ok(map) = map(&file)
        {
            return Ok(Content::Mapped(map));
        }
        file.read_to_end(&mut head)?;
        Ok(Content::Read(head))
    }
}

/// The bytes of a file.
pub(crate) enum Content {
    /// Copied.
    Read(Vec<u8>),
    /// In the system's own copy.
    Mapped(Mmap),
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Content::Read(bytes) => bytes,
            Content::Mapped(map) => map,
        }
    }
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: `Mmap::map` requires that the file not change while it is mapped,
    // which no program can guarantee. If another program changes it:
    //
    // * Bytes change. Readers may see old or new bytes. All readers are safe
    //   code that checks every offset against the length of the slice, which
    //   does not change; none relies on reading the same byte twice. At worst
    //   the report is wrong about a file that was being rewritten.
    // * The file is truncated. On Windows that fails while it is mapped. On
    //   Unix, reading beyond the new end raises SIGBUS, which ends the
    //   process; nothing was being written, so only the rest of the report is
    //   lost. No other memory is touched.
    //
    // The mapping is read-only.
    unsafe { Mmap::map(file) }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_mapped_content_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, HEAD - 1, HEAD, HEAD + 1, 65_536, 65_537, 300_000] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let path = folder.path().join(length.to_string());
            std::fs::write(&path, &bytes).unwrap();
            let input = Input::open(&path).unwrap();
            assert_eq!(input.head(), &bytes[..length.min(HEAD)]);
            assert_eq!(input.length(), to_u64(length));
            assert_eq!(*input.content().unwrap(), *bytes);
        }
    }

    #[test]
    fn a_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Input::open(folder.path()).is_err());
    }
}
