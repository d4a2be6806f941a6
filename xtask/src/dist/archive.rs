//! An archive of a release, before it is packed.

use std::path::PathBuf;

use crate::driver::ProductKind;

/// A program in an archive.
#[derive(Debug)]
pub(super) struct Program {
    /// Its name in the archive.
    pub(super) name: &'static str,
    pub(super) kind: ProductKind,
    /// Its package and target.
    pub(super) package: &'static str,
    pub(super) target: String,
    /// The compiler's version.
    pub(super) compiler: String,
    /// Path of the built program.
    pub(super) path: PathBuf,
}

/// The audience of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The owner of an XP machine with this processor, who reads texts in Notepad.
    Xp { arch: &'static str },
    /// An engineer who uses the tool for files.
    Workbench,
}

/// An archive.
#[derive(Debug)]
pub(super) struct Archive {
    /// Its name without ending.
    pub(super) name: String,
    pub(super) reader: Reader,
    pub(super) programs: Vec<Program>,
}

impl Archive {
    /// File name.
    pub(super) fn file(&self) -> String {
        let ending = match self.reader {
            Reader::Xp { .. } => "zip",
            Reader::Workbench => "tar.gz",
        };
        format!("{}.{ending}", self.name)
    }

    /// Name of its list of sums.
    pub(super) fn sums(&self) -> &'static str {
        match self.reader {
            Reader::Xp { .. } => "SHA256SUMS.txt",
            Reader::Workbench => "SHA256SUMS",
        }
    }
}
