//! Interrupt request levels.

use crate::violation::Violation;

/// A level; each masks those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Irql {
    /// PASSIVE_LEVEL: NT calls the functions of a driver like this at it.
    Passive,
    /// APC_LEVEL.
    Apc,
    /// DISPATCH_LEVEL: no waits and no page faults are allowed.
    Dispatch,
    /// HIGH_LEVEL.
    High,
}

impl Irql {
    /// Whether a function may be called at this level.
    ///
    /// # Errors
    /// The level is above the highest that the function's documentation allows.
    pub(crate) fn permits(self, import: &'static str, highest: Irql) -> Result<(), Violation> {
        if self <= highest {
            return Ok(());
        }
        let detail = format!("called at {self:?} level, above {highest:?}");
        Err(Violation::Call { import, detail })
    }
}
