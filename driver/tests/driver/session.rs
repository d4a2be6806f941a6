//! Random sessions, and building blocks for named ones.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use simulation::kernel::{
    AddressLayout, Configuration, Fault, Installed, Number, Settings, Switch, Value, X64, X86,
};
use simulation::session::{
    self, Action, Answer, Output, Run, ScheduledFault, Session, SessionStep, StepResult,
};
use specimen::{Arch, Module};
use tcplimit_protocol::Reason;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16_384))]

    #[test]
    fn random_sessions_write_only_limits_and_get_true_answers(session: Session) {
        session::check(&session);
    }
}

/// Random sessions must be worthwhile: most answers predicted, most reasons
/// reached, many limits written.
#[test]
fn random_sessions_reach_every_case() {
    let mut runner = TestRunner::deterministic();
    let (mut answers, mut predicted, mut changes) = (0, 0, 0);
    let mut reached = Vec::new();
    for _ in 0..6144 {
        let session = any::<Session>().new_tree(&mut runner).expect("a session");
        let session = session.current();
        let response = match session.system.arch {
            Arch::X86 => Run::<X86>::session(&session, AddressLayout::First),
            Arch::X64 => Run::<X64>::session(&session, AddressLayout::First),
        };
        for response in &response {
            let changed = |event: &&String| event.contains("was changed from");
            changes += response.events.iter().filter(changed).count();
            answers += usize::from(!response.output.is_empty());
            predicted += usize::from(response.predicted);
            if response.output.starts_with(&[104, 0, 0, 0, 1, 0, 0, 0]) {
                let answer = Answer::read(&response.output);
                reached.extend([answer.reason(), answer.start_reason()]);
            }
        }
    }
    assert!(answers > 8192 && changes > 512, "{answers}, {changes}");
    assert!(predicted * 2 > answers, "{predicted} of {answers}");
    let missed = Reason::ALL
        .iter()
        .filter(|reason| !reached.contains(reason));
    let missed: Vec<_> = missed.collect();
    assert!(missed.len() <= 4, "{missed:?}");
}

/// Windows XP with this build of tcpip.sys.
pub(crate) fn with(build: &str) -> Configuration {
    Configuration {
        tcpip: Installed::with_build(build),
        ..Configuration::x86()
    }
}

/// Windows XP whose tcpip.sys has this limit.
pub(crate) fn with_limit(limit: u32) -> Configuration {
    let mut system = Configuration::x86();
    if let Some(tcpip) = &mut system.tcpip {
        tcpip.limit = Number(limit);
    }
    system
}

/// A system with stored limits, which the unload restores.
pub(crate) fn busy(system: Configuration) -> Configuration {
    Configuration {
        settings: Settings {
            limit: [Value::Number(Number(100)), Value::Number(Number(200))],
            restore: Switch::ON,
            ..Settings::NONE
        },
        ..system
    }
}

pub(crate) fn query() -> Action {
    Action::Query(Module::Tcpip)
}

/// Sets the limit of tcpip.sys without a named expected value.
pub(crate) fn set(limit: u32) -> Action {
    set_over(0, limit)
}

pub(crate) fn set_over(expected: u32, limit: u32) -> Action {
    Action::Set {
        module: Module::Tcpip,
        limit: Number(limit),
        expected: Number(expected),
    }
}

pub(crate) fn reset() -> Action {
    Action::Reset {
        module: Module::Tcpip,
        expected: Number(0),
    }
}

pub(crate) fn others_set(limit: u32) -> Action {
    Action::Happens(Fault::Limit(Module::Tcpip, Number(limit)))
}

/// An action with a fault right before the n-th call.
pub(crate) fn during(action: Action, call: u8, fault: Fault) -> SessionStep {
    SessionStep {
        action,
        faults: vec![ScheduledFault { call, fault }],
    }
}

/// Loads the driver and performs the actions, with all checks of sessions; the
/// results, the load's first.
pub(crate) fn results(
    system: &Configuration,
    steps: impl IntoIterator<Item = impl Into<SessionStep>>,
) -> Vec<StepResult> {
    let session = Session {
        steps: steps.into_iter().map(Into::into).collect(),
        ..Session::new(system.clone())
    };
    session::check(&session);
    match system.arch {
        Arch::X86 => Run::<X86>::session(&session, AddressLayout::First),
        Arch::X64 => Run::<X64>::session(&session, AddressLayout::First),
    }
}

/// The last answer of our device.
pub(crate) fn answer(
    system: &Configuration,
    steps: impl IntoIterator<Item = impl Into<SessionStep>>,
) -> Answer {
    let response = results(system, steps);
    Answer::read(&response.last().expect("a step").output)
}

/// The last answer of the legacy device: limit, half-open, error, and the log.
pub(crate) fn legacy(
    system: &Configuration,
    steps: impl IntoIterator<Item = impl Into<SessionStep>>,
) -> ([u32; 3], String) {
    let response = results(system, steps);
    let output = &response.last().expect("a step").output;
    let fields = [0, 4, 8].map(|at| {
        let field = output[at..at + 4].try_into().expect("a field");
        u32::from_le_bytes(field)
    });
    let (nul, log) = output[12..].split_last().expect("a log");
    assert_eq!(*nul, 0);
    (fields, String::from_utf8(log.to_vec()).expect("ASCII"))
}

pub(crate) fn legacy_get() -> Action {
    Action::LegacyGet(Output::Usual)
}

pub(crate) fn legacy_set(limit: u32) -> Action {
    Action::LegacySet(Number(limit), Output::Usual)
}
