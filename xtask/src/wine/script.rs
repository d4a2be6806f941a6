//! The format of the sessions in `verify/wine/session`.
//!
//! An indented line is a command to the client and, behind an arrow, the words that its
//! answer must contain. A line without indentation describes the check by the lines below
//! it, up to the next such line or an empty one. Commands without a description are
//! preparation. `#` begins a comment.

use crate::command::Failure;

/// A command and the expected words of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) command: String,
    pub(super) expected: String,
}

/// The steps of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// A sentence; empty for preparation.
    pub(super) description: String,
    pub(super) steps: Vec<Exchange>,
}

/// Parses a session.
pub(super) fn parse(text: &str) -> Result<Vec<Check>, Failure> {
    let mut checks = vec![Check::default()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let indented = line.starts_with(' ');
        let line = line.trim();
        if !indented {
            checks.push(Check {
                description: line.into(),
                steps: Vec::new(),
            });
            continue;
        }
        let step = line
            .split_once(" -> ")
            .ok_or_else(|| Failure(format!("no arrow in: {line}")))?;
        if let Some(check) = checks.last_mut() {
            check.steps.push(Exchange {
                command: step.0.into(),
                expected: step.1.into(),
            });
        }
    }
    if let Some(idle) = checks
        .iter()
        .find(|check| check.steps.is_empty() && !check.description.is_empty())
    {
        return Err(Failure(format!("no command for: {}", idle.description)));
    }
    checks.retain(|check| !check.steps.is_empty());
    Ok(checks)
}

/// The expected words that an answer lacks, each with the actual word.
pub(super) fn missing_words(answer: &str, expected: &str) -> Vec<String> {
    let has = |word: &&str| answer.split(' ').any(|it| it == *word);
    expected
        .split(' ')
        .filter(|word| !has(word))
        .map(|word| {
            let name = word.split_inclusive('=').next().unwrap_or(word);
            let instead = answer.split(' ').find(|it| it.starts_with(name));
            format!("{} instead of {word}", instead.unwrap_or(answer))
        })
        .collect()
}

/// The number after `name=` in an answer.
pub(super) fn parse_number(answer: &str, name: &str) -> Option<u32> {
    answer.split(' ').find_map(|word| {
        let (key, value) = word.split_once('=')?;
        (key == name).then(|| value.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(command: &str, expected: &str) -> Exchange {
        Exchange {
            command: command.into(),
            expected: expected.into(),
        }
    }

    #[test]
    fn a_sentence_is_about_the_lines_below_it_up_to_an_empty_one() {
        let text = "# A file.\n\n    a -> b\n\nit works\n    c d -> e f\n    g -> h\nand this\n    \
            i -> j\n\n    k -> l\n";
        let check = |description: &str, steps: &[Exchange]| Check {
            description: description.into(),
            steps: steps.to_vec(),
        };
        assert_eq!(
            parse(text).ok(),
            Some(vec![
                check("", &[step("a", "b")]),
                check("it works", &[step("c d", "e f"), step("g", "h")]),
                check("and this", &[step("i", "j")]),
                check("", &[step("k", "l")]),
            ])
        );
    }

    #[test]
    fn a_sentence_without_a_command_and_a_command_without_an_arrow_are_errors() {
        assert!(parse("it works\n\n    a -> b\n").is_err());
        assert!(parse("it works\n    a\n").is_err());
    }

    #[test]
    fn a_word_counts_only_as_a_whole() {
        let answer = "status=0x0 limit=100 peak=1";
        assert!(missing_words(answer, "limit=100 status=0x0").is_empty());
        assert_eq!(
            missing_words(answer, "limit=10 peak=1"),
            ["limit=100 instead of limit=10"]
        );
        assert_eq!(
            missing_words("gone", "limit=10"),
            ["gone instead of limit=10"]
        );
    }

    #[test]
    fn a_number_is_found_by_its_whole_name() {
        let answer = "limit=100 half_open_limit=7 list=D:";
        assert_eq!(parse_number(answer, "limit"), Some(100));
        assert_eq!(parse_number(answer, "open_limit"), None);
        assert_eq!(parse_number(answer, "list"), None);
    }
}
