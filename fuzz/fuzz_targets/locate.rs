//! Raw bytes, read as a file and as a loaded image: an answer in bounded time,
//! and none that the oracle would not have given.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    verify::property::any_bytes(bytes);
});
