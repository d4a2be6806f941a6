//! The value that must be in force before a write.

use simulation::kernel::Configuration;
use tcplimit_protocol::Reason;

use crate::session::{answer, others_set, set, set_over};

#[test]
fn a_foreign_limit_is_replaced_only_if_named_as_expected() {
    let refused = answer(&Configuration::x86(), [others_set(50), set(100)]);
    assert_eq!(refused.reason(), Reason::UnexpectedValue);
    assert_eq!(refused.values[0], 50);
    let named = answer(&Configuration::x86(), [others_set(50), set_over(50, 100)]);
    assert_eq!((named.reason(), named.values[0]), (Reason::Done, 100));
    assert_eq!((named.written, named.original), (100, 50));
}
