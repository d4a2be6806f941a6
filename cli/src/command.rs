//! The dispatcher: from the command line to a verb, from its result to an exit code.

use std::process::ExitCode;

use clap::Parser;
use tcplimit_report::Exit;

use crate::arguments::{Arguments, Colour, Corpus, Verb};
use crate::output::{cause, complain};
use crate::{check, corpus, explain, manual, patch, probe};

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let choice = match arguments.talk.color {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    let talk = arguments.talk;
    let result = match arguments.verb {
        Verb::Probe(verb) => probe::run(verb, talk),
        Verb::Explain(verb) => explain::run(&verb),
        Verb::Patch(verb) => patch::patch(&verb, talk),
        Verb::Restore(verb) => patch::restore(&verb, talk),
        Verb::Status(verb) => patch::status(&verb, talk),
        Verb::Clean(verb) => patch::clean(&verb, talk),
        Verb::Corpus(Corpus::Add(verb)) => corpus::add(&verb),
        Verb::Corpus(Corpus::Check(verb)) => check::run(&verb, talk),
        Verb::Completions(verb) => manual::completions(&verb),
        Verb::Man(verb) => manual::pages(&verb),
    };
    match result {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            complain(&format!("it can't be written: {}", cause(&error)));
            ExitCode::from(Exit::Unreadable.code())
        }
    }
}
