//! Faults, and the data that a power failure leaves on the medium.

/// A fault at a step, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Only that step fails. A file that was being written is half there.
    Fails(u32),
    /// From that step on the disk is full.
    Full(u32),
    /// The run ends in that step. The system continues.
    Killed(u32),
    /// The power fails in that step.
    PowerLoss(u32, Loss),
}

/// The unflushed data that remains on the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The remaining changes of names in each folder.
    pub names: SurvivingNames,
    /// The remaining content of files.
    pub content: SurvivingContent,
}

/// The remaining changes of names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurvivingNames {
    /// The first ones.
    First(usize),
    /// The last ones: no order is guaranteed.
    Last(usize),
}

/// The remaining content of a file that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurvivingContent {
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
    /// All losses that are tested.
    pub fn all() -> impl Iterator<Item = Loss> {
        let contents = [
            SurvivingContent::All,
            SurvivingContent::Half,
            SurvivingContent::Zeros,
            SurvivingContent::Nothing,
        ];
        let each = move |names| contents.map(|content| Loss { names, content });
        let names = [
            SurvivingNames::First(0),
            SurvivingNames::First(1),
            SurvivingNames::First(2),
            SurvivingNames::First(usize::MAX),
            SurvivingNames::Last(2),
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

    /// Whether the fault ends the run.
    pub fn ends(self) -> bool {
        matches!(self, Fault::Killed(_) | Fault::PowerLoss(..))
    }
}
