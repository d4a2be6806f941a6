//! The largest number of half-open connections that was seen.

use simulation::kernel::{Configuration, Fault, Number};
use simulation::session::Action;
use specimen::Module;

use crate::session::{answer, query};

#[test]
fn the_peak_is_the_most_that_any_query_saw() {
    let half_open = |count| Action::Happens(Fault::HalfOpen(Module::Tcpip, Number(count)));
    let steps = [half_open(9), query(), half_open(4), query()];
    let said = answer(&Configuration::x86(), steps.clone());
    assert_eq!((said.values[1], said.peak), (4, 9));
    // An update that is half done looks like four thousand millions.
    let passing = steps.into_iter().chain([half_open(u32::MAX), query()]);
    assert_eq!(answer(&Configuration::x86(), passing).peak, 9);
}
