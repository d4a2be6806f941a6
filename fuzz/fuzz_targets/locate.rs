//! Raw bytes as a file and as a loaded image: an answer in bounded time, and located only if the
//! oracle locates it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    verify::property::any_bytes(bytes);
});
