//! A program that links only if no public function of scanner-core can panic.
//!
//! Built with `--profile panic-free` it has no standard library, and its panic
//! handler calls a function that exists nowhere. The optimiser drops the handler
//! when nothing can reach it; whatever it cannot rule out is an undefined symbol,
//! and no program. `cargo xtask panic-free` builds it, then once more with the
//! feature `canary`, one reachable panic, to see that the link does fail.
//!
//! It proves the absence of panics for this compiler at this optimisation level,
//! which is how the driver is built. It says nothing about endless loops (steps
//! are counted in scanner-core's tests) or stack depth.
//!
//! In every other profile it is an ordinary program, so that clippy and the
//! tests of the workspace cover it.

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
