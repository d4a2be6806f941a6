//! Texts that must not be in a shipped file.

use super::Violation;

/// Texts that reveal the build machine or a linked panic. Compared
/// case-insensitively, like Windows paths.
const UNWANTED: [&str; 17] = [
    "/home",
    "/root",
    "/work",
    "/Users/",
    "/build",
    "/mnt/",
    "/opt/",
    "/tmp/",
    "/usr/",
    "/var/",
    "C:\\Users",
    "D:\\a\\",
    ".pdb",
    "rustc",
    ".cargo",
    "panicked",
    SOURCE,
];

/// The end of a source file's name, except in `.rsrc`.
const SOURCE: &str = ".rs";

pub(super) fn check(file: &[u8]) -> Vec<Violation> {
    let lower = file.to_ascii_lowercase();
    let mut violations = Vec::new();
    for text in UNWANTED {
        for wide in [false, true] {
            let found = find(&lower, text, wide);
            violations.extend(found.map(|offset| Violation::Text { offset, text, wide }));
        }
    }
    violations
}

/// The file offset of the first occurrence.
fn find(lower: &[u8], text: &str, wide: bool) -> Option<usize> {
    let wanted = text.to_ascii_lowercase();
    let wanted: Vec<u8> = if wide {
        wanted.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        wanted.into_bytes()
    };
    (0..lower.len()).find(|&offset| {
        // The first byte decides in most cases.
        lower[offset] == wanted[0]
            && lower[offset..].starts_with(&wanted)
            && (text != SOURCE || is_source(lower, offset, offset + wanted.len(), wide))
    })
}

/// Whether the extension ends a name.
fn is_source(lower: &[u8], start: usize, end: usize, wide: bool) -> bool {
    let width = if wide { 2 } else { 1 };
    let is_name = |character: Option<&[u8]>| match character {
        Some([byte] | [byte, 0]) => byte.is_ascii_alphanumeric() || *byte == b'_',
        _ => false,
    };
    let before = start.checked_sub(width).map(|from| &lower[from..start]);
    is_name(before) && !is_name(lower.get(end..end + width))
}

#[cfg(test)]
mod tests {
    use super::check;

    fn found(file: &[u8]) -> Vec<String> {
        check(file).iter().map(ToString::to_string).collect()
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn unwanted_texts_are_found_in_both_encodings_and_either_case() {
        assert_eq!(
            found(b"\0c:\\USERS\\x"),
            [r#"file offset 1: the text "C:\\Users" in ASCII"#]
        );
        assert_eq!(
            found(&wide("/home/x")),
            [r#"file offset 0: the text "/home" in UTF-16"#]
        );
        assert_eq!(found(&wide("a.pdb")).len(), 1);
    }

    #[test]
    fn a_source_name_is_a_name_that_ends_there() {
        assert_eq!(found(b"lib.rs\0").len(), 1);
        assert_eq!(found(b"lib.rs").len(), 1);
        assert_eq!(found(&wide("lib.rs:1")).len(), 1);
        assert!(found(b"\0.rsrc\0\0\0.rs\0 x.rsx").is_empty());
    }
}
