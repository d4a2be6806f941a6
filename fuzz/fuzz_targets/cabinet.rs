//! What `tcplimit patch --cabinets` makes of a damaged cabinet of several files: only
//! the drivers differ, and it comes back to the byte, or nothing is changed.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| verify::rewriting::any_edits(bytes));
