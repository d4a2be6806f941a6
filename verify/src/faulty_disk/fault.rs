//! What may go wrong, and what is left on the medium then.

/// What goes wrong at a step, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// That step fails, and no other. A file that was being written is there in
    /// half.
    Fails(u32),
    /// From that step on there is no room: files are written in half.
    Full(u32),
    /// The run ends in that step. The system goes on.
    Killed(u32),
    /// The power fails in that step.
    PowerLoss(u32, Loss),
}

/// What is left on the medium of what was not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Of the changes of names in each folder.
    pub names: Names,
    /// Of the content of files.
    pub content: Content,
}

/// What is left of the changes of names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// So many of the first.
    First(usize),
    /// So many of the last: no order is promised.
    Last(usize),
}

/// What is left of the content of a file that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// All.
    All,
    /// The first half.
    Half,
    /// Zeros.
    Zeros,
    /// Nothing.
    Nothing,
}

impl Loss {
    /// All that are tried.
    pub fn all() -> impl Iterator<Item = Loss> {
        let contents = [
            Content::All,
            Content::Half,
            Content::Zeros,
            Content::Nothing,
        ];
        let each = move |names| contents.map(|content| Loss { names, content });
        let names = [
            Names::First(0),
            Names::First(1),
            Names::First(2),
            Names::First(usize::MAX),
            Names::Last(2),
        ];
        names.into_iter().flat_map(each)
    }
}

impl Fault {
    /// All faults at a step.
    pub fn at(step: u32) -> impl Iterator<Item = Fault> {
        let losses = Loss::all().map(move |loss| Fault::PowerLoss(step, loss));
        [Fault::Fails(step), Fault::Full(step), Fault::Killed(step)]
            .into_iter()
            .chain(losses)
    }

    /// Whether it ends the run.
    pub fn ends(self) -> bool {
        matches!(self, Fault::Killed(_) | Fault::PowerLoss(..))
    }
}
