//! Evidence: no live code writes the limit.

use scanner_core::Evidence;
use specimen::{Decoys, Defect, Spec};

use crate::edit::{address, driver, free, put, section};
use crate::search::{assert_missing, in_memory, without};

#[test]
fn a_variable_that_live_code_writes_is_no_limit() {
    for driver in without(Defect::LiveWriter) {
        assert_missing(&driver, &[Evidence::NoLiveWriter]);
    }
}

/// On x64 the distance is relative to the end of the immediate, which is short here.
#[test]
fn a_store_of_sixteen_bits_is_a_write() {
    let spec = Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_x64()
    };
    let mut driver = spec.build();
    let place = free(&driver)[0];
    let text = section(&driver, b".text");
    let next = u32::try_from(place).unwrap() - text.offset + text.rva + 9;
    let distance = driver.truth.threshold.wrapping_sub(next).to_le_bytes();
    put(
        &mut driver,
        place,
        &[&[0x66, 0xC7, 0x05][..], &distance, &[1, 0]].concat(),
    );
    assert_eq!(in_memory(&driver).missing(), [Evidence::NoLiveWriter]);
}

/// A counter of eight bytes, part of whose upper half is written, is no limit.
#[test]
fn an_access_to_one_byte_of_the_limit_counts() {
    for byte in 0..4 {
        let mut built = driver();
        let text = *section(&built, b".text");
        let end = (text.offset + text.virtual_size) as usize;
        let operand = address(&built, built.truth.threshold + byte);
        // mov byte [limit + byte], 0
        put(&mut built, end - 7, &[0xC6, 0x05]);
        put(&mut built, end - 5, &operand);
        put(&mut built, end - 1, &[0]);
        assert_eq!(
            in_memory(&built).missing(),
            [Evidence::NoLiveWriter],
            "{byte}"
        );
    }
}
