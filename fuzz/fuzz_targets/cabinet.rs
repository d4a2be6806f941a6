//! `tcplimit patch --cabinets` on a damaged cabinet of several files: only the drivers change and
//! restore is byte-exact, or nothing changes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| verify::rewriting::any_edits(bytes));
