//! `tcplimit patch --in-place` on the content of one file, cabinets included: only value and
//! checksum change and restore is byte-exact, or nothing changes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| verify::patching::any_content(bytes));
