//! Help, from the table of verbs.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use crate::exit;
use crate::verb::{VERBS, Verb};

/// For the program.
pub(crate) fn program() -> String {
    let mut text = String::from(
        "tcplimit: the limit of half-open TCP connections of Windows XP SP2 and later\n\n\
         Usage: tcplimit VERB [OPTIONS]\n\nVerbs:\n",
    );
    for verb in &VERBS {
        line(&mut text, &call(verb), verb.about);
    }
    text.push_str(
        "\nAll take --json and --help. In a minute, as an Administrator:\n\
         \x20 tcplimit install\n  tcplimit set 100\n\n",
    );
    text.push_str(exit::TABLE);
    text
}

/// For a verb.
pub(crate) fn of(verb: &Verb) -> String {
    let mut text = format!(
        "tcplimit {}: {}\n\nUsage: tcplimit {} [OPTIONS]\n",
        verb.name,
        verb.about,
        call(verb)
    );
    if !verb.more.is_empty() {
        let _ = write!(text, "\n{}", verb.more);
    }
    text.push_str("\nOptions:\n");
    for switch in verb.all_switches() {
        let told = switch.told();
        let name = format!("{} {}", told.name, told.value);
        line(&mut text, name.trim_end(), told.about);
    }
    text.push_str("\nExamples:\n");
    for example in verb.examples {
        let _ = writeln!(text, "  tcplimit {example}");
    }
    text.push('\n');
    text.push_str(exit::TABLE);
    text
}

/// A verb with what it takes.
fn call(verb: &Verb) -> String {
    let call = format!("{} {}", verb.name, verb.operand);
    call.trim_end().into()
}

fn line(text: &mut String, name: &str, about: &str) {
    let _ = writeln!(text, "  {name:<14} {about}");
}
