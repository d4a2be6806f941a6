//! A specimen's layout, as `verify`'s example of that name says it.

use serde::Deserialize;

use crate::built::{self, Kind};
use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// A specimen. Offsets and sizes are in bytes.
#[derive(Debug, Deserialize)]
pub(super) struct Layout {
    pub(super) kind: String,
    pub(super) module: String,
    pub(super) arch: String,
    pub(super) file_size: u32,
    pub(super) image_size: u32,
    /// Where headers end.
    pub(super) headers: u32,
    pub(super) sections: Vec<Section>,
    pub(super) variables: Variables,
    pub(super) marks: Vec<Mark>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) rva: u32,
    /// In memory.
    pub(super) size: u32,
    pub(super) offset: u32,
    /// In the file.
    pub(super) raw_size: u32,
    pub(super) discardable: bool,
    pub(super) pageable: bool,
    /// Whether the driver reads it.
    pub(super) read: bool,
}

/// Where they are: RVAs.
#[derive(Debug, Deserialize)]
pub(super) struct Variables {
    pub(super) queue: u32,
    pub(super) threshold: u32,
    pub(super) count: u32,
    /// Where the locator finds them, in the same order.
    pub(super) located: [u32; 3],
    /// What the limit is after start-up.
    pub(super) limit: u32,
}

/// A run of bytes that is evidence.
#[derive(Debug, Deserialize)]
pub(super) struct Mark {
    pub(super) what: What,
    pub(super) rva: u32,
    pub(super) offset: u32,
    /// In hexadecimal.
    pub(super) bytes: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum What {
    #[serde(rename = "gate")]
    Gate,
    #[serde(rename = "queue test")]
    QueueTest,
    #[serde(rename = "event")]
    Event,
    #[serde(rename = "atomic")]
    Atomic,
    #[serde(rename = "start-up")]
    StartUp,
}

impl What {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::QueueTest => "queue test",
            Self::Event => "code of event 4226",
            Self::Atomic => "atomic update of the count",
            Self::StartUp => "start-up store",
        }
    }

    /// For the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::QueueTest => "queue",
            Self::Event => "event",
            Self::Atomic => "atomic",
            Self::StartUp => "start",
        }
    }
}

impl Layout {
    /// Has the specimen built, and its layout said.
    ///
    /// # Errors
    /// When there is no such kind, or what is said makes no sense.
    pub(super) fn of(workspace: &Workspace, kind: &str) -> Result<Self, Failure> {
        let layout = built::program(workspace, Kind::Example, "layout")?;
        let mut layout = workspace.command(&layout.to_string_lossy());
        let said = command::listen(layout.arg(kind))?.success("the layout of a specimen")?;
        let layout: Self = serde_json::from_str(&said)
            .map_err(|error| Failure(format!("the layout of {kind}: {error}")))?;
        let found = &layout.variables;
        if found.located != [found.queue, found.threshold, found.count] {
            let why = "the limit was not located where it was put";
            return Err(Failure(format!("{kind}: {why}")));
        }
        Ok(layout)
    }

    /// The section that holds an RVA.
    pub(super) fn section(&self, rva: u32) -> Option<&Section> {
        let mut sections = self.sections.iter();
        sections.find(|section| {
            rva.checked_sub(section.rva)
                .is_some_and(|at| at < section.size)
        })
    }

    /// Where the limit lies in the file, if it does.
    pub(super) fn limit_in_file(&self) -> Option<u32> {
        let rva = self.variables.threshold;
        let section = self.section(rva)?;
        let inside = rva - section.rva;
        (inside < section.raw_size).then(|| section.offset + inside)
    }
}
