//! What a panic does: it ends the program, and says so. Nothing is half done
//! then that `tcplimit repair` would not mend.

use core::panic::PanicInfo;

use super::imports::ExitProcess;

/// As programs in Rust have it.
const CODE: u32 = 101;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    crate::print_fault(
        c"tcplimit: a fault of this program, or no memory. Please report what you did.\r\n",
    );
    // SAFETY: it has no conditions.
    unsafe { ExitProcess(CODE) }
}
