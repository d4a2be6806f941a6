//! Whole sessions: a system, and what happens to the driver in it, step by
//! step. [`check`] runs one and panics where the driver does what it must not,
//! or answers otherwise than a small model of it.
//!
//! Tests call it with proptest's sessions, the fuzz target with libFuzzer's,
//! and named tests with sessions spelt out.

mod answer;
mod before;
mod known;
mod life;
mod model;
mod request;
mod run;
mod start;

use arbitrary::Unstructured;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, sample};

use crate::kernel::{AddressLayout, Configuration, Fault, Number, X64, X86};
use specimen::{Arch, Module};

pub use answer::Answer;
pub use request::{Code, Content, Odd, Output};
pub use run::{Run, Said};

/// A system and what happens in it.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Session {
    /// What is started.
    pub system: Configuration,
    /// What goes wrong while the driver is loaded for the first time.
    #[arbitrary(with = seldom)]
    #[proptest(strategy = "few()")]
    pub faults: Vec<Armed>,
    /// What happens then.
    #[proptest(strategy = "collection::vec(any::<Step>(), 0..10)")]
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Step {
    /// What.
    pub action: Action,
    /// What goes wrong meanwhile.
    #[arbitrary(with = seldom)]
    #[proptest(strategy = "few()")]
    pub faults: Vec<Armed>,
}

/// A fault, and when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Armed {
    /// SectionRight before the driver calls the system for the n-th time, from 0.
    #[arbitrary(with = call)]
    #[proptest(strategy = "0u8..40")]
    pub call: u8,
    /// What happens.
    pub fault: Fault,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Action {
    /// The driver is loaded, if it is not.
    #[proptest(weight = 3)]
    Load,
    /// It is unloaded, if it is loaded.
    Unload,
    /// Windows is restarted without asking anybody.
    Restart,
    /// The service is deleted with all below its key, once the driver is
    /// unloaded, and created anew under its own name or that of 2005.
    Recreate,
    /// Something goes wrong while nobody asks the driver for anything.
    Happens(Fault),
    /// A program opens a device, relative to another file or by a longer name.
    Open {
        /// So it does.
        relative: bool,
    },
    /// A program asks for all about a limit.
    #[proptest(weight = 8)]
    Query(Module),
    /// A program sets a limit.
    #[proptest(weight = 10)]
    Set {
        /// Whose.
        module: Module,
        /// The new one.
        #[proptest(strategy = "wanted()")]
        limit: Number,
        /// The old one; 0 for what the driver thinks.
        expected: Number,
    },
    /// A program puts a limit back.
    #[proptest(weight = 2)]
    Reset {
        /// Whose.
        module: Module,
        /// As in `Set`.
        expected: Number,
    },
    /// A program of 2005 reads.
    #[proptest(weight = 2)]
    LegacyGet(Output),
    /// A program of 2005 sets.
    #[proptest(weight = 2)]
    LegacySet(#[proptest(strategy = "wanted()")] Number, Output),
    /// A program sends what it should not.
    #[proptest(weight = 4)]
    Odd(Odd),
}

impl Session {
    /// A system in which nothing happens but that the driver is loaded.
    pub fn of(system: Configuration) -> Session {
        Session {
            system,
            faults: Vec::new(),
            steps: Vec::new(),
        }
    }
}

impl From<Action> for Step {
    fn from(action: Action) -> Step {
        Step {
            action,
            faults: Vec::new(),
        }
    }
}

/// Runs a session in both layouts: whatever is broken is broken aloud, and what
/// the driver says does not depend on where modules lie.
pub fn check(session: &Session) {
    let [first, second] =
        [AddressLayout::First, AddressLayout::Second].map(|layout| match session.system.arch {
            Arch::X86 => Run::<X86>::all(session, layout),
            Arch::X64 => Run::<X64>::all(session, layout),
        });
    for (step, (first, second)) in first.iter().zip(&second).enumerate() {
        assert_eq!(first, second, "step {step} tells where modules lie");
    }
    assert_eq!(first.len(), second.len());
}

fn few() -> impl Strategy<Value = Vec<Armed>> {
    prop_oneof![
        3 => collection::vec(any::<Armed>(), 0..1),
        1 => collection::vec(any::<Armed>(), 1..4),
    ]
}

/// A limit that somebody sets: mostly another than the one that is there.
fn wanted() -> impl Strategy<Value = Number> {
    prop_oneof![
        1 => any::<Number>(),
        1 => sample::select(&[50, 60, 100, 1000, 0x00FF_FFFF][..]).prop_map(Number),
    ]
}

fn seldom(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<Armed>> {
    if input.ratio(1u8, 4u8)? {
        input.arbitrary()
    } else {
        Ok(Vec::new())
    }
}

fn call(input: &mut Unstructured<'_>) -> arbitrary::Result<u8> {
    input.int_in_range(0..=39)
}
