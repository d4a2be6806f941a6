//! What a program without the standard library needs: an entry and a panic
//! handler, and here the handler is the whole point.

use core::ffi::c_int;
use core::panic::PanicInfo;

// The C library's start-up code calls `main`; its memcpy, memset and memcmp are
// what the compiler lowers copies, fills and comparisons to.
#[allow(unsafe_code)]
// SAFETY: nothing is declared, so there is no signature to get wrong.
#[link(name = "c")]
unsafe extern "C" {}

#[allow(unsafe_code)]
// SAFETY: defined nowhere on purpose: a program that could call it doesn't link.
unsafe extern "C" {
    fn scanner_core_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[allow(unsafe_code)]
    // SAFETY: never executed: in a program that links, this function is gone.
    unsafe {
        scanner_core_can_panic()
    }
}

#[allow(unsafe_code)]
// SAFETY: `int main(void)` is one of the two forms the C standard gives (C11,
// 5.1.2.2.1), and the program has no other symbol of that name.
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    crate::calls::all();
    0
}
