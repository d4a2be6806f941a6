//! Every text has a translation, and the language follows Windows or `--lang`.

#[path = "../../src/language/hash.rs"]
mod hash;
#[path = "../../build/po.rs"]
mod po;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tcplimit_protocol::Reason;
use tcplimit_xp::{Exit, Language, Version};

use crate::machine::{Data, Limiter, Machine, PARAMETERS, XP, record};

/// LANGIDs.
const GERMAN: [u16; 3] = [0x0407, 0x0C07, 0x0807];
const OTHERS: [u16; 4] = [0x0409, 0x0809, 0x0406, 0x0413];

fn german() -> BTreeMap<String, String> {
    let file = include_str!("../../languages/de.po");
    let entries = po::entries(file).expect("a PO file");
    let count = entries.len();
    let texts = entries.into_iter();
    let texts: BTreeMap<String, String> = texts
        .map(|entry| (entry.english, entry.translated))
        .collect();
    assert_eq!(texts.len(), count, "a text stands there twice");
    texts
}

/// Parses a literal at the start of the source, like the compiler.
fn literal(source: &str) -> Option<String> {
    let mut characters = source.trim_start().strip_prefix('"')?.chars().peekable();
    let mut text = String::new();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'x' => {
                    let digits: String = characters.by_ref().take(2).collect();
                    let code = u8::from_str_radix(&digits, 16).ok()?;
                    text.push(char::from(code));
                }
                '\n' => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                escaped => text.push(escaped),
            },
            character => text.push(character),
        }
    }
}

/// The Rust files below a folder, without comments.
fn sources(folder: &Path, all: &mut Vec<String>) {
    for file in fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            all.push(code.collect::<Vec<&str>>().join("\n"));
        }
    }
}

/// A text of the source, and its arguments: `{limit}` and `limit`.
struct SourceText {
    text: String,
    /// `None` for a text without arguments.
    given: Option<Vec<String>>,
}

/// All texts of the program, including the driver's reasons, reports and Windows errors.
fn source_texts() -> Vec<SourceText> {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let mut texts = Vec::new();
    for file in &files {
        for begin in ["text!(", "phrase!(", "Text::new("] {
            for source in file.split(begin).skip(1) {
                let Some(text) = literal(source) else {
                    continue;
                };
                let given = (begin == "text!(").then(|| given(source));
                texts.push(SourceText { text, given });
            }
        }
    }
    let errors = include_str!("../../src/win32_error.rs");
    let errors = errors.split("\nerrors! {\n").nth(1).expect("the table");
    for line in errors.lines().take_while(|line| *line != "}") {
        let (_, source) = line.split_once(" \"").expect("a text");
        let text = literal(&format!("\"{source}")).expect("a text");
        texts.push(SourceText { text, given: None });
    }
    let reasons = Reason::ALL.iter().map(|reason| reason.text());
    for text in reasons.chain(tcplimit::report::TEXTS.iter().copied()) {
        let text = text.into();
        texts.push(SourceText { text, given: None });
    }
    texts.retain(|text| !text.text.is_empty());
    assert!(texts.len() > 450, "{}", texts.len());
    texts
}

/// The names of the arguments after a literal: `"...", limit, path = &file.path)`.
fn given(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut is_text, mut word) = (1, false, String::new());
    let mut before = ' ';
    for character in source.chars() {
        match character {
            '"' if before != '\\' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',' && !is_text) {
            let name = word.split(['=', '"']).next().unwrap_or_default().trim();
            if !name.is_empty() {
                names.push(name.into());
            }
            word.clear();
        } else {
            word.push(character);
        }
        if depth == 0 {
            break;
        }
        before = character;
    }
    names
}

/// The names of a text's places.
fn places(text: &str) -> BTreeSet<String> {
    ordered_places(text).into_iter().collect()
}

/// The same in the order of their first use.
fn ordered_places(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for place in text.split('{').skip(1) {
        let name = place.split('}').next().unwrap_or_default();
        if !names.iter().any(|one| one == name) {
            names.push(name.into());
        }
    }
    names
}

#[test]
fn every_text_is_translated_with_the_same_places_and_no_translation_is_left_over() {
    let german = german();
    let mut unused: BTreeSet<&String> = german.keys().collect();
    for SourceText { text, given } in source_texts() {
        if let Some(given) = given {
            assert_eq!(ordered_places(&text), given, "{text}");
        }
        let translated = german.get(&text).unwrap_or_else(|| panic!("{text}"));
        assert!(!translated.is_empty(), "{text}");
        assert_eq!(places(&text), places(translated), "{text}");
        // Ends that join other texts stay the same.
        for end in [' ', '\n'] {
            assert_eq!(text.ends_with(end), translated.ends_with(end), "{text:?}");
        }
        assert_eq!(
            text.starts_with('\n'),
            translated.starts_with('\n'),
            "{text:?}"
        );
        let key = |text: &str| text.contains('&');
        assert_eq!(key(&text), key(translated), "{text:?}");
        unused.remove(&text);
    }
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn no_two_texts_have_the_same_hash() {
    let mut hashes = BTreeMap::new();
    for text in german().into_keys() {
        if let Some(other) = hashes.insert(hash::hash(&text), text.clone()) {
            panic!("{text:?} and {other:?}");
        }
    }
    // The vectors of RFC 9923.
    for (text, expected) in [
        ("", 0x811C_9DC5),
        ("a", 0xE40C_292C),
        ("foobar", 0xBF9C_F968),
    ] {
        assert_eq!(hash::hash(text), expected, "{text}");
    }
}

#[test]
fn each_reason_is_translated() {
    let german = german();
    for &reason in Reason::ALL.iter().filter(|&&reason| reason != Reason::Done) {
        let machine = Machine::installed();
        machine.limiters.borrow_mut()[0].query = reason;
        machine.clear_output();
        machine.run("--lang de get");
        let error = machine.error.borrow();
        assert!(error.contains(german[reason.text()].as_str()), "{error}");
    }
}

#[test]
fn the_language_is_that_of_windows_unless_one_is_asked_for() {
    let of = |ui_language, line: &str| {
        let mut machine = Machine::new();
        machine.ui_language = ui_language;
        let exit = machine.run(line);
        let output = machine.out.borrow().clone() + &machine.error.borrow();
        assert_ne!(exit, Exit::Usage, "{output}");
        output
    };
    let (in_german, in_english) = ("nicht geladen", "not loaded");
    for language in GERMAN {
        assert!(of(language, "get").contains(in_german), "{language:X}");
        for line in ["get --lang en", "--lang=en get", "--lang EN get"] {
            assert!(of(language, line).contains(in_english), "{line}");
        }
    }
    for language in OTHERS {
        assert!(of(language, "get").contains(in_english), "{language:X}");
        for line in ["get --lang de", "--lang de get", "get --lang=de"] {
            assert!(of(language, line).contains(in_german), "{line}");
        }
    }
}

#[test]
fn json_is_english_and_ascii_in_any_language() {
    for line in [
        "status",
        "get",
        "who",
        "probe",
        "install",
        "set 0",
        "help set",
        "set 50 --persist",
    ] {
        let output = |words: &str| {
            let mut machine = Machine::installed();
            machine.ui_language = GERMAN[0];
            machine.limiters.borrow_mut()[0].limit = 70;
            machine.run(&format!("{line} --json {words}"));
            machine.out.borrow().clone()
        };
        let json = output("--lang de");
        assert_eq!(json, output("--lang en"), "{line}");
        assert!(json.is_ascii() && !json.is_empty(), "{line}: {json}");
    }
}

/// Words of English that German lacks.
const ENGLISH: [&str; 14] = [
    "the", "is", "and", "not", "of", "to", "it", "by", "no", "with", "can", "run", "loaded",
    "limit:",
];

/// Panics if German text contains an English word.
fn assert_german(output: &str, what: &str) {
    for word in output.split([' ', '\n', '(', ')', '"', ',']) {
        assert!(!ENGLISH.contains(&word), "{what}: {word:?} in: {output}");
    }
}

#[test]
fn german_output_has_no_english_words() {
    let newer = || {
        let machine = Machine::installed().with_ipv6();
        machine.set_value(PARAMETERS, "Limit", Data::Number(200));
        let mut limiters = machine.limiters.borrow_mut();
        limiters[0] = Limiter {
            limit: 77,
            written: 100,
            original: 10,
            ..limiters[0]
        };
        drop(limiters);
        machine
            .log
            .borrow_mut()
            .push(record(1_199_999_990, 0x4000_1082, "Tcpip"));
        machine
    };
    let vista = || {
        let mut machine = Machine::new();
        machine.version = Version {
            major: 6,
            minor: 0,
            build: 6001,
            ..XP
        };
        machine
    };
    let machines: [fn() -> Machine; 4] = [Machine::new, Machine::installed, newer, vista];
    let mut seen = 0;
    for machine in machines {
        for line in [
            "",
            "help",
            "version",
            "status",
            "get --all",
            "set 100",
            "set 100 --persist --all",
            "set",
            "set 0",
            "reset --persist",
            "install",
            "install --shortcut",
            "load",
            "unload",
            "uninstall",
            "repair",
            "who",
            "who --every",
            "probe nowhere.sys",
            "watch --log x.txt",
            "foo",
            "get --foo",
            "get 10",
            r"install --compat E:\Ares",
            "install --force",
        ] {
            let machine = machine();
            machine.looks_left.set(1);
            machine.run(&format!("--lang de {line}"));
            let output = machine.out.borrow().clone() + &machine.error.borrow();
            // Programs read redirected output of `watch`.
            if !line.starts_with("watch") {
                assert_german(&output, line);
            }
            seen += usize::from(!output.is_empty());
        }
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn the_screen_of_watch_is_german_and_its_files_are_english() {
    let mut machine = Machine::installed();
    machine.columns = Some(80);
    machine.looks_left.set(1);
    machine.succeeds("--lang de watch --log log.txt");
    let screen = machine.out.borrow().clone();
    assert!(screen.contains("halboffen 3 "), "{screen}");
    assert_german(&screen, "watch");
    let log = machine.file("log.txt").expect("the log");
    assert!(log.ends_with(b"tcplimit watch begins\r\n"));
    machine.columns = None;
    let line = machine.succeeds("--lang de watch");
    assert!(line.contains(" limit 10 half-open 3 "), "{line}");
}

#[test]
fn the_german_help_fits_a_console_of_80_columns() {
    let machine = Machine::new();
    let mut verbs = vec![String::new()];
    let help = machine.succeeds("--lang de help");
    let listed = help.lines().skip_while(|line| *line != "Befehle:").skip(1);
    verbs.extend(listed.map_while(|line| Some(line.strip_prefix("  ")?.split(' ').next()?.into())));
    assert_eq!(verbs.len(), 15);
    for verb in verbs {
        for line in machine.succeeds(&format!("--lang de help {verb}")).lines() {
            assert!(line.chars().count() < 80, "{line}");
        }
    }
    let mut machine = Machine::new();
    machine.alone = true;
    machine.ui_language = GERMAN[0];
    let greeting = machine.succeeds("");
    assert!(greeting.contains("Drücken Sie"), "{greeting}");
}

#[test]
fn an_error_of_windows_has_its_text_and_number_in_german() {
    Language::German.choose();
    assert_eq!(
        tcplimit_xp::Win32Error(5).to_string(),
        "Zugriff verweigert (Fehler 5)"
    );
    let unknown = tcplimit_xp::Win32Error(4711).to_string();
    assert_eq!(unknown, "Fehler 4711; \"net helpmsg 4711\" erklärt ihn");
}
