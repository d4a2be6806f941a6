//! Evidence: in tcpip.sys the code of event 4226 is in live code.

use scanner_core::Evidence;
use specimen::{Decoys, Defect, Module, Spec};

use crate::edit::{ending_earlier, put, with_room};
use crate::search::{assert_missing, in_memory, truth, without};

#[test]
fn tcpip_sys_logs_the_event() {
    for driver in without(Defect::NoEventId).filter(|it| it.spec.module == Module::Tcpip) {
        assert_missing(&driver, &[Evidence::EventId]);
    }
}

/// The search reads code in blocks, and then the rest.
#[test]
fn the_event_counts_wherever_code_ends() {
    let built = with_room(&Spec {
        decoys: Decoys::NONE,
        defect: Some(Defect::NoEventId),
        ..Spec::xp_x64()
    });
    for less in 0..64 {
        let (mut built, end) = ending_earlier(&built, less);
        assert_eq!(in_memory(&built).missing(), [Evidence::EventId], "{less}");
        put(&mut built, end - 4, &0x8000_1082_u32.to_le_bytes());
        assert_eq!(in_memory(&built), truth(&built), "{less}");
    }
}
