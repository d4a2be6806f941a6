//! The dispatcher: runs the command of the command line and turns its result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use tcplimit_report::Exit;

use crate::arguments::{Arguments, Colour, Command, Corpus};
use crate::terminal::{os_error_text, print_error};
use crate::{corpus_add, corpus_check, explain, manual, patch, probe};

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let choice = match arguments.output.color {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    let output = arguments.output;
    let result = match arguments.command {
        Command::Probe(args) => probe::run(args, output),
        Command::Explain(args) => explain::run(&args),
        Command::Patch(args) => patch::patch(&args, output),
        Command::Restore(args) => patch::restore(&args, output),
        Command::Status(args) => patch::status(&args, output),
        Command::Clean(args) => patch::clean(&args, output),
        Command::Corpus(Corpus::Add(args)) => corpus_add::add(&args),
        Command::Corpus(Corpus::Check(args)) => corpus_check::run(&args, output),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::pages(&args),
    };
    match result {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            print_error(&format!(
                "the output can't be written: {}",
                os_error_text(&error)
            ));
            ExitCode::from(Exit::Unreadable.code())
        }
    }
}
