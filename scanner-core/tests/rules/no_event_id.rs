//! Evidence: in tcpip6.sys the code of event 4226 is not in live code.

use scanner_core::Evidence;
use specimen::{Defect, Module};

use crate::search::{assert_missing, without};

#[test]
fn tcpip6_sys_does_not_log_the_event() {
    for driver in without(Defect::NoEventId).filter(|it| it.spec.module == Module::Tcpip6) {
        assert_missing(&driver, &[Evidence::NoEventId]);
    }
}
