//! Runs the shipped drivers in the emulator: `cargo xtask emulate` calls it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match emulator::command::main(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
