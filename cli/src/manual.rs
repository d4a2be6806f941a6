//! Completion scripts and manual pages, made from the description of the
//! command line.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::arguments::{Arguments, Completions, Man};
use crate::exit::Exit;
use crate::output::{cause, complain};

/// Writes a completion script.
///
/// # Errors
/// When it can't be written.
pub(crate) fn completions(verb: &Completions) -> io::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(
        verb.shell,
        &mut Arguments::command(),
        "tcplimit",
        &mut script,
    );
    io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}

/// Writes the manual.
///
/// # Errors
/// When it can't be written to standard output.
pub(crate) fn pages(verb: &Man) -> io::Result<Exit> {
    let mut command = Arguments::command();
    command.build();
    let Some(folder) = &verb.output else {
        io::stdout().write_all(&page(&command)?)?;
        return Ok(Exit::Done);
    };
    match write_all(folder, &command, "tcplimit") {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            complain(&format!(
                "the pages can't be written to {}: {}",
                folder.display(),
                cause(&error)
            ));
            Ok(Exit::Input)
        }
    }
}

fn write_all(folder: &Path, command: &Command, name: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    let verbs = command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help");
    for verb in verbs {
        write_all(folder, verb, &format!("{name}-{}", verb.get_name()))?;
    }
    Ok(())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
