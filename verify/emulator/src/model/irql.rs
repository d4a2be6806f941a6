//! Interrupt request levels: how far the processor is from where everything may be
//! called.

use crate::violation::Violation;

/// A level; each keeps off what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Irql {
    /// PASSIVE_LEVEL: where NT calls the functions of a driver like this.
    Passive,
    /// APC_LEVEL.
    Apc,
    /// DISPATCH_LEVEL: nothing may wait, and nothing may be paged.
    Dispatch,
    /// HIGH_LEVEL.
    High,
}

impl Irql {
    /// Whether a function may be called at this level.
    ///
    /// # Errors
    /// When the level is above the highest that its documentation allows.
    pub(crate) fn permits(self, import: &'static str, highest: Irql) -> Result<(), Violation> {
        if self <= highest {
            return Ok(());
        }
        let detail = format!("called at {self:?} level, {highest:?} at most");
        Err(Violation::Call { import, detail })
    }
}
