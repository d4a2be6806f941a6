//! What `tcplimit patch --in-place` does with the content of one file, cabinets
//! included: value and checksum change, and come back, or nothing does.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| verify::patching::any_content(bytes));
