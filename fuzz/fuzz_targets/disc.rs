//! `tcplimit probe` on a disc image with damaged tables: a report, never a crash, never a wrong
//! limit.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| verify::probing::any_disc_tables(bytes));
