//! `tcplimit probe` on the content of one file, cabinets included: a report, never a crash.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| verify::probing::any_content(bytes));
