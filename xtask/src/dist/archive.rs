//! An archive of a release, before it is packed.

use std::path::PathBuf;

use crate::driver::ProductKind;

/// A program in an archive.
#[derive(Debug)]
pub(super) struct Program {
    /// Its name there.
    pub(super) name: &'static str,
    pub(super) kind: ProductKind,
    /// The package that it is built from, and for which target.
    pub(super) package: &'static str,
    pub(super) target: String,
    /// The compiler, as it names itself.
    pub(super) compiler: String,
    /// Where it is now.
    pub(super) path: PathBuf,
}

/// Whom an archive is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The owner of a machine with this processor, who has Notepad.
    Xp { arch: &'static str },
    /// An engineer.
    Workbench,
}

/// An archive to be.
#[derive(Debug)]
pub(super) struct Archive {
    /// Without its ending.
    pub(super) name: String,
    pub(super) reader: Reader,
    pub(super) programs: Vec<Program>,
}

impl Archive {
    /// The name of the file.
    pub(super) fn file(&self) -> String {
        let ending = match self.reader {
            Reader::Xp { .. } => "zip",
            Reader::Workbench => "tar.gz",
        };
        format!("{}.{ending}", self.name)
    }

    /// The name of the list of sums inside.
    pub(super) fn sums(&self) -> &'static str {
        match self.reader {
            Reader::Xp { .. } => "SHA256SUMS.txt",
            Reader::Workbench => "SHA256SUMS",
        }
    }
}
