//! Why a disc image is left as it is, and what to do about it.

use std::fmt;

use crate::iso::Flaw;

/// Why no image is written. Sectors are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscRefusal {
    /// An image is changed in a copy only.
    InPlace,
    /// Something goes by the name of the new image.
    OutputExists(String),
    /// Its tables do not hold together.
    Damaged(String),
    /// The file is shorter than the volume in it.
    Cut {
        /// Sectors of the volume.
        stated: u32,
        /// Whole sectors in the file.
        there: u64,
    },
    /// It has a UDF tree, which Windows prefers.
    Udf,
    /// Another session's descriptors are in the image.
    Sessions {
        /// Where they are.
        sector: u32,
    },
    /// Its first sectors hold a partition table, which states sizes.
    Partitioned,
    /// Two things share sectors that are not one and the same file.
    Overlap {
        /// What begins first.
        first: String,
        /// What begins within it.
        second: String,
    },
    /// A copy's content is not one run of sectors.
    NotPlain(String),
    /// More records name copies than the last sector has room for.
    TooMany,
    /// The image would be larger than its tables can say.
    TooLarge,
    /// What it was before can't be had back.
    RecordDiffers,
    /// Ctrl-C.
    Interrupted,
}

impl DiscRefusal {
    /// Whether the input is at fault.
    pub(in crate::patch) fn is_bad_input(&self) -> bool {
        matches!(
            self,
            DiscRefusal::Damaged(_) | DiscRefusal::Cut { .. } | DiscRefusal::Overlap { .. }
        )
    }

    /// The word for it in JSON.
    pub(in crate::patch) fn name(&self) -> &'static str {
        match self {
            DiscRefusal::InPlace => "disc-in-place",
            DiscRefusal::OutputExists(_) => "output-exists",
            DiscRefusal::Damaged(_) => "damaged",
            DiscRefusal::Cut { .. } => "disc-cut",
            DiscRefusal::Udf => "disc-udf",
            DiscRefusal::Sessions { .. } => "disc-sessions",
            DiscRefusal::Partitioned => "disc-partitioned",
            DiscRefusal::Overlap { .. } => "disc-overlap",
            DiscRefusal::NotPlain(_) => "disc-not-plain",
            DiscRefusal::TooMany => "disc-too-many",
            DiscRefusal::TooLarge => "disc-too-large",
            DiscRefusal::RecordDiffers => "disc-record-differs",
            DiscRefusal::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for DiscRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiscRefusal::InPlace => f.write_str(
                "a disc image is not changed in place: write a new one with --output NEW.iso",
            ),
            DiscRefusal::OutputExists(name) => write!(
                f,
                "{name} is there already, and is never overwritten: name another file"
            ),
            DiscRefusal::Damaged(why) => write!(f, "{why}: make a fresh image of the disc"),
            DiscRefusal::Cut { stated, there } => write!(
                f,
                "the volume has {stated} sectors, the file {there}: it was cut, or is still being written; make a fresh image of the disc"
            ),
            DiscRefusal::Udf => f.write_str(
                "it has a UDF tree as well, which Windows reads first, and which would still show the unchanged driver: make an image without UDF of the files on it (docs/patch.md)",
            ),
            DiscRefusal::Sessions { sector } => write!(
                f,
                "it has several sessions (the descriptors of another are in sector {sector}), and which one is read depends on the drive: make an image of one session of the files on it (docs/patch.md)"
            ),
            DiscRefusal::Partitioned => f.write_str(
                "it has a partition table in its first sectors, as for a stick, which says where the image ends: make an image without one of the files on it (docs/patch.md)",
            ),
            DiscRefusal::Overlap { first, second } => write!(
                f,
                "{first} and {second} share sectors and are not the same file: make a fresh image of the disc"
            ),
            DiscRefusal::NotPlain(path) => write!(
                f,
                "{path} is in several parts, or has attributes or gaps between its sectors: make an image of the files on the disc (docs/patch.md)"
            ),
            DiscRefusal::TooMany => f.write_str(
                "more names lead to copies of the driver than can be undone: make an image of the files on the disc (docs/patch.md)",
            ),
            DiscRefusal::TooLarge => {
                f.write_str("with another file it would be larger than an ISO image can be")
            }
            DiscRefusal::RecordDiffers => f.write_str(
                "its last sector says that tcplimit changed it, but what it was before does not come out: it was changed since; take the original, or give --without-backup to set 10",
            ),
            DiscRefusal::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<Flaw> for DiscRefusal {
    fn from(flaw: Flaw) -> DiscRefusal {
        DiscRefusal::Damaged(flaw.to_string())
    }
}
