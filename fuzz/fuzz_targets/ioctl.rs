//! A session of the driver in a system that fails wherever it is told to: only
//! limits are written, malformed requests touch nothing, and every answer is
//! the one that a small model of the driver gives.

#![no_main]

use simulation::session::{self, Session};

libfuzzer_sys::fuzz_target!(|session: Session| session::check(&session));
