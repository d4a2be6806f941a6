//! docs/manual.md compared with the protocol and the program.

use std::fs;
use std::path::Path;

use tcplimit_protocol::Reason;

use crate::document::table::Page;

fn page() -> Page {
    Page::read("manual.md")
}

#[test]
fn the_manual_explains_every_reason_and_its_remedy() {
    let rows = page().table(
        "Refusals of the driver",
        &["number", "reason", "what to do"],
    );
    let reasons: Vec<[String; 2]> = Reason::ALL
        .iter()
        .map(|reason| [reason.code().to_string(), reason.text().into()])
        .collect();
    let pairs: Vec<&[String]> = rows.iter().map(|row| &row[..2]).collect();
    assert_eq!(pairs, reasons);
    for row in rows {
        assert!(!row[2].is_empty(), "{}", row[1]);
    }
}

#[test]
fn every_message_in_the_manual_is_in_the_program() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/xp/src");
    let mut program = String::new();
    for entry in fs::read_dir(sources).expect("the program is there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_file() {
            program += &one_line(&fs::read_to_string(path).expect("a source"));
        }
    }
    let rows = page().table(
        "When something is wrong",
        &["message", "what it means, and what to do"],
    );
    for row in rows {
        let (first, rest) = (&row[0], row[0].split_once(' '));
        // The program composes messages like "Can't {what}".
        let rest = rest.filter(|(word, _)| *word == "Can't");
        let text = rest.map_or(first.as_str(), |(_, rest)| rest);
        assert!(program.contains(text), "the program has no {first:?}");
    }
}

/// The source with string literals that continue over lines joined.
fn one_line(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines() {
        match line.strip_suffix('\\') {
            Some(begun) => text += begun.trim_start(),
            None => {
                text += line.trim_start();
                text.push('\n');
            }
        }
    }
    text
}

#[test]
fn a_string_continued_over_lines_is_joined() {
    assert_eq!(one_line("a(\n    \"b \\\n     c\",\n"), "a(\n\"b c\",\n");
}
