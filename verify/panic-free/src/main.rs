//! A program that links only if no public function of scanner-core can panic.
//!
//! With `--profile panic-free` it has no standard library, and its panic handler
//! calls a function that exists nowhere. The optimiser removes an unreachable
//! handler; a reachable one leaves an undefined symbol, and the link fails.
//! `cargo xtask panic-free` builds it, then once more with the feature `canary`,
//! one reachable panic, to see the link fail.
//!
//! It proves the absence of panics for this compiler at this optimisation level,
//! with which the driver is built. It does not cover endless loops (scanner-core's
//! tests count steps) or stack depth.
//!
//! In every other profile it is an ordinary program, so that clippy and the
//! workspace's tests cover it.

#![cfg_attr(panic = "abort", no_std, no_main)]

#[cfg(panic = "abort")]
mod bare;
mod calls;

#[cfg(not(panic = "abort"))]
fn main() {
    calls::all();
}

#[cfg(test)]
mod completeness;
