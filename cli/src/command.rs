//! The dispatcher: from the command line to a verb, from its result to an exit code.

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
        Command::Probe(verb) => probe::run(verb, output),
        Command::Explain(verb) => explain::run(&verb),
        Command::Patch(verb) => patch::patch(&verb, output),
        Command::Restore(verb) => patch::restore(&verb, output),
        Command::Status(verb) => patch::status(&verb, output),
        Command::Clean(verb) => patch::clean(&verb, output),
        Command::Corpus(Corpus::Add(verb)) => corpus_add::add(&verb),
        Command::Corpus(Corpus::Check(verb)) => corpus_check::run(&verb, output),
        Command::Completions(verb) => manual::completions(&verb),
        Command::Man(verb) => manual::pages(&verb),
    };
    match result {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            print_error(&format!("it can't be written: {}", os_error_text(&error)));
            ExitCode::from(Exit::Unreadable.code())
        }
    }
}
