//! The panic handler prints a message and ends the program. `tcplimit repair` mends anything half
//! done.

use core::panic::PanicInfo;

use super::imports::ExitProcess;

/// The usual exit code of Rust programs.
const CODE: u32 = 101;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    crate::print_fault(
        c"tcplimit: internal error, or out of memory. Please report what you did.\r\n",
    );
    // SAFETY: no preconditions.
    unsafe { ExitProcess(CODE) }
}
