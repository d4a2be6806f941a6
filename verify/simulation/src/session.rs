//! Whole sessions: a system, and the steps that happen in it. [`check`] runs one
//! and panics where the driver breaks an invariant or contradicts its model.
//!
//! Tests run proptest's sessions, the fuzz target libFuzzer's, and named tests
//! their own.

mod answer;
mod checkpoint;
mod lifecycle;
mod model;
mod module_history;
mod request;
mod run;
mod start;

use arbitrary::Unstructured;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, sample};

use crate::kernel::{AddressLayout, Configuration, Fault, Number, X64, X86};
use specimen::{Arch, Module};

pub use answer::Answer;
pub use request::{Code, Content, Output, RawRequest};
pub use run::{Run, StepResult};

/// A system and the steps that happen in it.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Session {
    /// The system.
    pub system: Configuration,
    /// Faults during the first load.
    #[arbitrary(with = seldom)]
    #[proptest(strategy = "few()")]
    pub faults: Vec<ScheduledFault>,
    /// The steps after it.
    #[proptest(strategy = "collection::vec(any::<SessionStep>(), 0..10)")]
    pub steps: Vec<SessionStep>,
}

/// An action, and the faults during it.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct SessionStep {
    /// The action.
    pub action: Action,
    /// Faults during it.
    #[arbitrary(with = seldom)]
    #[proptest(strategy = "few()")]
    pub faults: Vec<ScheduledFault>,
}

/// A fault and its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct ScheduledFault {
    /// Before the n-th call of the system by the driver, from 0.
    #[arbitrary(with = call)]
    #[proptest(strategy = "0u8..40")]
    pub call: u8,
    /// The fault.
    pub fault: Fault,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Action {
    /// Loads the driver, if it is not loaded.
    #[proptest(weight = 3)]
    Load,
    /// Unloads it, if it is loaded.
    Unload,
    /// Restarts Windows without an unload.
    Restart,
    /// Unloads the driver, deletes the service with its key, and creates it anew
    /// under its own name or the name of 2005.
    Recreate,
    /// A fault between requests.
    Happens(Fault),
    /// Opens a device.
    Open {
        /// Relative to another file, or by a longer name.
        relative: bool,
    },
    /// Queries a limit.
    #[proptest(weight = 8)]
    Query(Module),
    /// Sets a limit.
    #[proptest(weight = 10)]
    Set {
        /// The module.
        module: Module,
        /// The new limit.
        #[proptest(strategy = "wanted()")]
        limit: Number,
        /// The expected limit; 0 leaves it to the driver.
        expected: Number,
    },
    /// Resets a limit.
    #[proptest(weight = 2)]
    Reset {
        /// The module.
        module: Module,
        /// As in `Set`.
        expected: Number,
    },
    /// Reads the limit as programs of 2005 do.
    #[proptest(weight = 2)]
    LegacyGet(Output),
    /// Sets the limit as programs of 2005 do.
    #[proptest(weight = 2)]
    LegacySet(#[proptest(strategy = "wanted()")] Number, Output),
    /// Sends an arbitrary request.
    #[proptest(weight = 4)]
    Raw(RawRequest),
}

impl Session {
    /// A session without faults and further steps.
    pub fn new(system: Configuration) -> Session {
        Session {
            system,
            faults: Vec::new(),
            steps: Vec::new(),
        }
    }
}

impl From<Action> for SessionStep {
    fn from(action: Action) -> SessionStep {
        SessionStep {
            action,
            faults: Vec::new(),
        }
    }
}

/// Runs a session in both address layouts. Answers must not depend on where
/// modules lie.
pub fn check(session: &Session) {
    let [first, second] =
        [AddressLayout::First, AddressLayout::Second].map(|layout| match session.system.arch {
            Arch::X86 => Run::<X86>::session(session, layout),
            Arch::X64 => Run::<X64>::session(session, layout),
        });
    for (step, (first, second)) in first.iter().zip(&second).enumerate() {
        assert_eq!(first, second, "step {step} tells where modules lie");
    }
    assert_eq!(first.len(), second.len());
}

fn few() -> impl Strategy<Value = Vec<ScheduledFault>> {
    prop_oneof![
        3 => collection::vec(any::<ScheduledFault>(), 0..1),
        1 => collection::vec(any::<ScheduledFault>(), 1..4),
    ]
}

/// A limit to set: mostly not the one in force.
fn wanted() -> impl Strategy<Value = Number> {
    prop_oneof![
        1 => any::<Number>(),
        1 => sample::select(&[50, 60, 100, 1000, 0x00FF_FFFF][..]).prop_map(Number),
    ]
}

fn seldom(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<ScheduledFault>> {
    if input.ratio(1u8, 4u8)? {
        input.arbitrary()
    } else {
        Ok(Vec::new())
    }
}

fn call(input: &mut Unstructured<'_>) -> arbitrary::Result<u8> {
    input.int_in_range(0..=39)
}
