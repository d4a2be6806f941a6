//! Splitting a command line, which Windows passes as one string.

use alloc::string::String;
use alloc::vec::Vec;

const SPACE: u16 = b' ' as u16;
const TAB: u16 = b'\t' as u16;
const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// Splits it into words, without the first, the program's name. `None` if a word is not valid
/// Unicode.
///
/// Source: "Parsing C command-line arguments" in Microsoft's documentation: spaces separate words
/// outside quotes, `\"` is a quote, and backslashes stand for themselves elsewhere. The name
/// follows none of these rules; it ends at a space or at its second quote.
#[must_use]
pub fn split_command_line(line: &[u16]) -> Option<Vec<String>> {
    let mut units = line.iter().copied().peekable();
    let mut quoted = false;
    while let Some(unit) = units.next_if(|&unit| quoted || (unit != SPACE && unit != TAB)) {
        quoted ^= unit == QUOTE;
    }
    let mut words = Vec::new();
    loop {
        while units
            .next_if(|&unit| unit == SPACE || unit == TAB)
            .is_some()
        {}
        if units.peek().is_none() {
            return Some(words);
        }
        let mut word = Vec::new();
        let mut quoted = false;
        let mut backslashes = 0_usize;
        while let Some(unit) = units.next_if(|&unit| quoted || (unit != SPACE && unit != TAB)) {
            if unit == BACKSLASH {
                backslashes = backslashes.saturating_add(1);
                word.push(unit);
                continue;
            }
            if unit == QUOTE {
                // Before a quote, two backslashes are one, and an odd one escapes the quote.
                word.truncate(word.len().saturating_sub(backslashes.div_ceil(2)));
                if backslashes % 2 == 1 {
                    word.push(QUOTE);
                } else if quoted && units.next_if_eq(&QUOTE).is_some() {
                    // Two quotes inside quotes are one.
                    word.push(QUOTE);
                } else {
                    quoted = !quoted;
                }
            } else {
                word.push(unit);
            }
            backslashes = 0;
        }
        words.push(String::from_utf16(&word).ok()?);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use std::string::String;

    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        split_command_line(&line.encode_utf16().collect::<Vec<u16>>())
    }

    #[test]
    fn words_are_split_as_microsoft_documents() {
        for (line, words) in [
            (r#"tcplimit"#, &[][..]),
            (r#""C:\a b\tcplimit.exe"  set 100 "#, &["set", "100"]),
            ("tcplimit.exe\tget\t--all", &["get", "--all"]),
            // The documentation's own examples.
            (r#"x "abc" d e"#, &["abc", "d", "e"]),
            (r#"x a\\b d"e f"g h"#, &[r"a\\b", "de fg", "h"]),
            (r#"x a\\\"b c d"#, &[r#"a\"b"#, "c", "d"]),
            (r#"x a\\\\"b c" d e"#, &[r"a\\b c", "d", "e"]),
            (r#"x a"b"" c d"#, &[r#"ab" c d"#]),
            (r#"x "" "C:\dir\\""#, &["", r"C:\dir\"]),
            (r#"x C:\dir\ y"#, &[r"C:\dir\", "y"]),
        ] {
            let expected: Vec<String> = words.iter().map(|&word| word.into()).collect();
            assert_eq!(split(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn an_unpaired_surrogate_is_refused() {
        assert_eq!(split_command_line(&[b'x'.into(), SPACE, 0xD800]), None);
    }
}
