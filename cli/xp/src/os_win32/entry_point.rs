//! The entry point of the program.

use tcplimit_xp::{Exit, Stream, split_command_line};

use super::console;
use super::imports::{ExitProcess, GetCommandLineW};
use super::wide::units;

/// The loader calls it once, without arguments.
#[unsafe(no_mangle)]
extern "C" fn start() -> ! {
    // SAFETY: the command line is UTF-16 with a NUL, and does not change.
    let line = unsafe { units(GetCommandLineW()) };
    let exit = match split_command_line(line) {
        Some(words) => crate::program(&words),
        None => {
            let message = "tcplimit: an argument is not valid Unicode.\n";
            console::print(Stream::Error, message);
            Exit::Usage
        }
    };
    // SAFETY: no preconditions; all threads end.
    unsafe { ExitProcess(exit.code().into()) }
}
