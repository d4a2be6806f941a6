//! Help, generated from the table of verbs.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use crate::language::Text;
use crate::verb::{VERBS, Verb};

/// Those of [`Exit`](tcplimit_report::Exit) except the one for Ctrl-C, which ends `watch` as done.
const EXIT_CODES: Text = Text::new(
    "\
Exit codes:
  0  done
  1  not done: refused, not located, or not for this Windows
  2  the command line is wrong
  3  a file, the driver or a part of Windows can't be read or reached
",
);

/// The help of the program.
pub(crate) fn program_help() -> String {
    let mut text = String::from(phrase!(
        "tcplimit: the limit of half-open TCP connections in Windows XP SP2 and later\n\nUsage: \
         tcplimit VERB [OPTIONS]\n\nVerbs:\n"
    ));
    for verb in &VERBS {
        line(&mut text, &usage(verb), verb.action.help().about.get());
    }
    text.push_str(phrase!(
        "\nEvery verb takes --json, --lang and --help. To begin, as an Administrator:\n  tcplimit \
         install\n  tcplimit set 100\n\n"
    ));
    text.push_str(EXIT_CODES.get());
    text
}

/// The help of a verb.
pub(crate) fn verb_help(verb: &Verb) -> String {
    let help = verb.action.help();
    let mut text = text!(
        "tcplimit {name}: {about}\n\nUsage: tcplimit {call} [OPTIONS]\n",
        name = verb.name,
        about = help.about.get(),
        call = usage(verb)
    );
    let more = help.more.get();
    if !more.is_empty() {
        let _ = write!(text, "\n{more}");
    }
    text.push_str(phrase!("\nOptions:\n"));
    for switch in verb.all_switches() {
        let syntax = switch.syntax();
        let name = format!("{} {}", syntax.name, syntax.value);
        line(&mut text, name.trim_end(), switch.about());
    }
    text.push_str(phrase!("\nExamples:\n"));
    for example in help.examples {
        let _ = writeln!(text, "  tcplimit {example}");
    }
    text.push('\n');
    text.push_str(EXIT_CODES.get());
    text
}

/// A verb with its operand.
fn usage(verb: &Verb) -> String {
    let call = format!("{} {}", verb.name, verb.operand);
    call.trim_end().into()
}

fn line(text: &mut String, name: &str, about: &str) {
    let _ = writeln!(text, "  {name:<14} {about}");
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use tcplimit_report::Exit;

    use super::*;

    #[test]
    fn the_table_has_every_code_of_this_program() {
        let rows = EXIT_CODES.english().lines().skip(1);
        let codes: Vec<u8> = rows.map(|row| row[2..3].parse().unwrap()).collect();
        let mut all: Vec<u8> = Exit::ALL.map(Exit::code).into();
        all.retain(|&code| code != Exit::Interrupted.code());
        all.sort_unstable();
        assert_eq!(codes, all);
    }
}
