//! The entry and the panic handler of a program without the standard library;
//! the handler is the purpose of this crate.

use core::ffi::c_int;
use core::panic::PanicInfo;

// The C library's start-up code calls `main`, and the compiler lowers copies,
// fills and comparisons to its memcpy, memset and memcmp.
#[allow(unsafe_code)]
// SAFETY: nothing is declared, so no signature can be wrong.
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
    // SAFETY: never executed: a program that links does not contain this function.
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
