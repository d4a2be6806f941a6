//! What a panic does: it keeps the driver from being linked.

use core::panic::PanicInfo;

unsafe extern "C" {
    /// Exists nowhere.
    fn tcplimit_sys_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: a program in which this can be reached does not link.
    unsafe { tcplimit_sys_can_panic() }
}
