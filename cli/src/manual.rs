//! Completion scripts and manual pages, generated from the definition of the command line.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use tcplimit_report::Exit;

use crate::arguments::{self, Arguments, Completions};
use crate::terminal::{self, os_error_text, print_error};

/// The date of this version, for the title of the pages. Not the date of the build: the same
/// source gives the same pages.
const DATE: &str = "2026-11-28";

/// Writes a completion script.
///
/// # Errors
/// If it can't be written.
pub(crate) fn completions(args: &Completions) -> io::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Arguments::command(),
        "tcplimit",
        &mut script,
    );
    print(&script)
}

/// Writes the manual.
///
/// # Errors
/// If it can't be written to standard output.
pub(crate) fn pages(args: &arguments::Man) -> io::Result<Exit> {
    let mut command = Arguments::command();
    command.build();
    let Some(folder) = &args.output else {
        return print(&page(&command)?);
    };
    match write_all(folder, &command, "tcplimit") {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            print_error(&format!(
                "the pages can't be written to {}: {}",
                folder.display(),
                os_error_text(&error)
            ));
            Ok(Exit::Unreadable)
        }
    }
}

fn print(text: &[u8]) -> io::Result<Exit> {
    let mut out = terminal::stdout();
    out.write_all(text)?;
    Ok(out.finish(Exit::Done))
}

fn write_all(folder: &Path, command: &Command, name: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    let subcommands = command
        .get_subcommands()
        .filter(|subcommand| subcommand.get_name() != "help");
    for subcommand in subcommands {
        write_all(
            folder,
            subcommand,
            &format!("{name}-{}", subcommand.get_name()),
        )?;
    }
    Ok(())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let version = command.get_version().unwrap_or_default();
    let manual = Man::new(command.clone())
        .date(DATE)
        .source(format!("tcplimit {version}"));
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    manual.render_options_section(&mut page)?;
    if command.has_subcommands() {
        manual.render_subcommands_section(&mut page)?;
    }
    if let Some(help) = command.get_after_help() {
        after_help(&help.to_string()).to_writer(&mut page)?;
    }
    Ok(without_idle_breaks(&page))
}

/// Removes the line breaks that clap_mangen writes next to vertical space, which breaks the line
/// anyway: mandoc warns of them.
fn without_idle_breaks(page: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = page.split_inclusive(|&byte| byte == b'\n').collect();
    let is = |at: Option<usize>, name: &[u8]| {
        at.and_then(|at| lines.get(at))
            .is_some_and(|line| line.starts_with(name) || *line == b"\n")
    };
    let mut kept = Vec::with_capacity(page.len());
    for (at, line) in lines.iter().enumerate() {
        let beside = is(at.checked_sub(1), b".sp") || is(at.checked_add(1), b".sp");
        if !(line.starts_with(b".br") && beside) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// The help after the options, one section per paragraph: its first line is the heading, the other
/// lines stay as they are.
fn after_help(help: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in help.split("\n\n") {
        let mut lines = paragraph.lines();
        let heading = lines.next().unwrap_or_default().trim_end_matches(':');
        roff.control("SH", [heading.to_uppercase().as_str()]);
        roff.control("nf", []);
        for line in lines {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}
