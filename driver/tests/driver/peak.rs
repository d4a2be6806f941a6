//! The largest number of half-open connections.

use simulation::kernel::{Configuration, Fault, Number};
use simulation::session::Action;
use specimen::Module;

use crate::session::{answer, query};

#[test]
fn the_peak_is_the_most_that_any_query_saw() {
    let half_open = |count| Action::Happens(Fault::HalfOpen(Module::Tcpip, Number(count)));
    let steps = [half_open(9), query(), half_open(4), query()];
    let response = answer(&Configuration::x86(), steps.clone());
    assert_eq!((response.values[1], response.peak), (4, 9));
    // During an update the count may be -1.
    let passing = steps.into_iter().chain([half_open(u32::MAX), query()]);
    assert_eq!(answer(&Configuration::x86(), passing).peak, 9);
}
