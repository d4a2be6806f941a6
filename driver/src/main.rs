//! `tcplimit.sys`: the driver over NT. `cargo xtask driver` builds it.
//!
//! All decisions are in the library; this program only calls NT. Its panic
//! handler calls a function that exists nowhere, so the link fails if a panic
//! is reachable: in a kernel it would be a blue screen.

#![cfg_attr(
    any(target_os = "uefi", all(windows, feature = "wdk")),
    no_std,
    no_main
)]

#[cfg(any(target_os = "uefi", all(windows, feature = "wdk")))]
#[expect(unsafe_code, reason = "it calls the kernel, and the kernel calls it")]
mod nt;

#[cfg(not(any(target_os = "uefi", all(windows, feature = "wdk"))))]
fn main() {
    println!("tcplimit.sys runs in the kernel. To build it: cargo xtask driver");
}
