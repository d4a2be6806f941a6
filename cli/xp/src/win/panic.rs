//! What a panic does: it ends the program, and says so. Nothing is half done
//! then that `tcplimit repair` would not mend.

use core::panic::PanicInfo;

use tcplimit_xp::Stream;

use super::calls::ExitProcess;
use super::console;

/// As programs in Rust have it.
const CODE: u32 = 101;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    console::print_plain(
        Stream::Error,
        b"tcplimit: a fault of this program, or no memory. Please report what you did.\r\n",
    );
    // SAFETY: it has no conditions.
    unsafe { ExitProcess(CODE) }
}
