//! The panic handler: a reachable panic makes the link fail.

use core::panic::PanicInfo;

unsafe extern "C" {
    /// Defined nowhere.
    fn tcplimit_sys_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: a program in which this is reachable does not link.
    unsafe { tcplimit_sys_can_panic() }
}
