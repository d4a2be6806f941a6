//! A session of the driver in a system with injected faults: only limits are written, malformed
//! requests change nothing, and every answer agrees with a small model of the driver.

#![no_main]

use simulation::session::{self, Session};

libfuzzer_sys::fuzz_target!(|session: Session| session::check(&session));
