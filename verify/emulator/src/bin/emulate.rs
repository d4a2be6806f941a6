//! Runs the shipped drivers in the emulator; `cargo xtask emulate` calls it.
//! Exit codes: 1 for a violation by the driver, 2 if nothing could be run.

use std::process::ExitCode;

use emulator::command::CommandError;

fn main() -> ExitCode {
    match emulator::command::main(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{wrong}");
            match wrong {
                CommandError::Driver(_) => ExitCode::FAILURE,
                CommandError::Input(_) => ExitCode::from(2),
            }
        }
    }
}
