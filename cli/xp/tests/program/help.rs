//! Help and usage errors equal `tests/golden`. `cargo xtask wine` checks the built program against
//! the same files.

use tcplimit_xp::split_command_line;

use crate::machine::Machine;

const GOLDEN: [(&str, &str); 2] = [
    ("help.txt", include_str!("../golden/help.txt")),
    ("usage.txt", include_str!("../golden/usage.txt")),
];

/// The output of a command line, with its exit code.
fn run_line(line: &str) -> String {
    let machine = Machine::new();
    let units: Vec<u16> = line.encode_utf16().collect();
    let words = split_command_line(&units).expect("Unicode");
    let exit = tcplimit_xp::run(&machine, &words);
    let (out, error) = (machine.out.borrow(), machine.error.borrow());
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(machine.changes.get(), 0, "{line}");
    format!("{out}{error}[{}]\n", exit.code()).replace(version, "VERSION")
}

/// A file's commands, each with the expected output.
fn commands(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let commands = text.split("\n> ").map(|part| part.trim_start_matches("> "));
    commands.filter_map(|part| part.split_once('\n'))
}

#[test]
fn help_and_errors_are_those_of_the_golden_files() {
    let mut seen = 0;
    for (file, text) in GOLDEN {
        for (command, expected) in commands(text) {
            assert_eq!(
                run_line(command).trim_end(),
                expected.trim_end(),
                "{file}: {command}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 28, "{seen}");
}

#[test]
fn every_listed_verb_has_a_help_page() {
    let help = run_line("tcplimit help");
    let verbs = help.lines().skip_while(|line| *line != "Verbs:").skip(1);
    let verbs: Vec<&str> = verbs
        .map_while(|line| line.strip_prefix("  ")?.split(' ').next())
        .collect();
    assert_eq!(verbs.len(), 14);
    for verb in verbs {
        let of_verb = run_line(&format!("tcplimit help {verb}"));
        assert!(
            of_verb.starts_with(&format!("tcplimit {verb}: ")),
            "{of_verb}"
        );
        assert_eq!(of_verb, run_line(&format!("tcplimit {verb} --help")));
        assert_eq!(of_verb, run_line(&format!("tcplimit {verb} /?")));
        let golden = GOLDEN[0].1;
        assert!(
            golden.contains(&format!("> tcplimit help {verb}\n")),
            "{verb}"
        );
    }
}

#[test]
fn all_help_fits_a_console_of_80_columns() {
    for (file, text) in GOLDEN {
        for line in text.lines() {
            assert!(line.len() < 80 && line.is_ascii(), "{file}: {line}");
        }
    }
}

#[test]
fn an_error_is_an_object_with_json() {
    let output = run_line("tcplimit set --json");
    let (object, code) = output.split_once('\n').expect("a line");
    assert_eq!(code, "[2]\n");
    let object: serde_json::Value = serde_json::from_str(object).expect("JSON");
    assert_eq!(object["exit_code"], 2);
    assert_eq!(object["error"]["message"], "\"set\" needs N.");
}

#[test]
fn after_a_double_click_the_window_stays_until_a_key_is_pressed() {
    let mut machine = Machine::new();
    machine.alone = true;
    machine.columns = Some(80);
    let text = machine.succeeds("");
    assert!(text.ends_with("Press any key to close this window.\n"));
    for verb in ["install", "set 100", "status", "help"] {
        assert!(text.contains(&format!("\n  tcplimit {verb} ")), "{text}");
    }
    assert!(text.lines().all(|line| line.len() < 80), "{text}");
    assert_eq!((machine.keys_pressed.get(), machine.changes.get()), (1, 0));
    // With words, someone typed it or a shortcut has them: then it runs them.
    machine.succeeds("version");
    machine.alone = false;
    assert!(machine.succeeds("").starts_with("tcplimit: the limit of"));
    assert_eq!(machine.keys_pressed.get(), 1);
}

#[test]
fn after_a_double_click_the_window_beside_the_program_opens() {
    let mut machine = Machine::new();
    machine.alone = true;
    let window = r"D:\zip\tcplimitw.exe";
    machine.files.borrow_mut().insert(window.into(), vec![]);
    assert_eq!(machine.succeeds(""), "");
    assert_eq!(*machine.started.borrow(), [window]);
    assert_eq!(machine.keys_pressed.get(), 0);
    // With words, or in an existing console, it is a console program.
    machine.succeeds("version");
    machine.alone = false;
    machine.succeeds("");
    assert_eq!(machine.started.borrow().len(), 1);
}

#[test]
fn messages_wrap_at_words_on_a_console_and_not_when_redirected() {
    for columns in [None, Some(80), Some(40)] {
        let mut machine = Machine::installed();
        machine.columns = columns;
        machine.limiters.borrow_mut()[0].limit = 50;
        machine.fails("set 100", tcplimit_xp::Exit::Refused);
        machine.run("status");
        let output = machine.error.borrow().clone() + &machine.out.borrow();
        let width = output.lines().map(str::len).max().unwrap_or(0);
        match columns {
            Some(columns) => assert!(width < columns, "{width}: {output}"),
            None => assert!(width > 80 && machine.error.borrow().lines().count() == 2),
        }
    }
}
