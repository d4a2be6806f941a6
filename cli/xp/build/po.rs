//! The part of gettext's PO format that we use: `msgid`, `msgstr`, comments.
//!
//! Source: "The Format of PO Files" in the manual of GNU gettext.

/// A text and its translation.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) english: String,
    pub(crate) translated: String,
}

/// All entries except the header.
///
/// # Errors
/// If a line is none of these.
pub(crate) fn entries(file: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_translation = false;
    for line in file.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let quoted = if let Some(rest) = line.strip_prefix("msgid ") {
            entries.push(Entry::default());
            is_translation = false;
            rest
        } else if let Some(rest) = line.strip_prefix("msgstr ") {
            is_translation = true;
            rest
        } else {
            line
        };
        let part = unquoted(quoted).ok_or_else(|| format!("no line of a PO file: {line}"))?;
        let entry = entries.last_mut().ok_or("a text before the first msgid")?;
        match is_translation {
            true => entry.translated.push_str(&part),
            false => entry.english.push_str(&part),
        }
    }
    entries.retain(|entry| !entry.english.is_empty());
    Ok(entries)
}

/// A text without its quotes.
fn unquoted(text: &str) -> Option<String> {
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                't' => '\t',
                escaped @ ('"' | '\\') => escaped,
                _ => return None,
            },
            '"' => return None,
            character => character,
        });
    }
    Some(plain)
}
