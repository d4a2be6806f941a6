//! A write: the limit is set, read back and reset; nothing else is written.

use simulation::kernel::{Configuration, Fault, Number};
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, during, others_set, query, reset, set};

const TCPIP: Module = Module::Tcpip;

#[test]
fn a_limit_is_set_read_and_reset_on_both_systems() {
    for system in [Configuration::x86(), Configuration::x64()] {
        let response = answer(&system, [set(100)]);
        assert_eq!(
            (response.reason(), response.values),
            (Reason::Done, [100, 3, 2])
        );
        let response = answer(&system, [set(100), query()]);
        assert_eq!(
            (response.values, response.written, response.original),
            ([100, 3, 2], 100, 10)
        );
        let response = answer(&system, [set(16_777_215), reset()]);
        assert_eq!(
            (response.values, response.written, response.original),
            ([10, 3, 2], 10, 10)
        );
    }
}

#[test]
fn a_write_undone_at_once_by_others_is_reported_as_overwritten() {
    let mut seen = Vec::new();
    for call in 0..28 {
        let response = answer(
            &Configuration::x86(),
            [during(set(100), call, Fault::Limit(TCPIP, Number(77)))],
        );
        seen.push(response.reason());
        if response.reason() == Reason::Overwritten {
            assert_eq!(
                (response.values[0], response.written, response.original),
                (77, 100, 10)
            );
        }
    }
    // First before the check, then between check and write, then after.
    seen.dedup();
    assert_eq!(
        seen[..3],
        [
            Reason::UnexpectedValue,
            Reason::ChangedMeanwhile,
            Reason::Overwritten
        ]
    );
}

#[test]
fn an_implausible_current_value_is_never_overwritten() {
    for nonsense in [0, 16_777_216, 0x8000_0000, u32::MAX] {
        for expected in [0, nonsense] {
            let steps = [
                others_set(nonsense),
                crate::session::set_over(expected, 100),
            ];
            let response = answer(&Configuration::x86(), steps);
            assert_ne!(response.reason(), Reason::Done);
            assert_eq!(response.values[0], nonsense);
        }
    }
}
