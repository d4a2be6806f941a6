//! Every text in a shipped file is one of the source that it is built of.
//!
//! What [`text`](super::text) looks for is unwanted wherever it comes from. Here a text need not be
//! thought of beforehand: whatever is none of ours, of an import or of the few below is told.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use object::pe;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::Lit;

use super::Violation;
use super::image::Image;
use super::linkage::Slots;

/// So many characters in a row are a text.
const TEXT: usize = 6;
/// A name of the source that is shorter accounts for nothing.
const NAME: usize = 3;

/// What is in shipped files and in no source of ours.
const OTHERS: [&str; 7] = [
    "This program cannot be run in DOS mode.",
    // The version resource's language and code page.
    "040904B0",
    // Digits, of core.
    "0123456789ABCDEF",
    "0123456789abcdef",
    DIGITS,
    // How serde_json escapes control characters: by u and four digits, or by another letter.
    "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu",
    // Why alloc's join panics, which no text is long enough for.
    "attempt to join into collection with len > usize::MAX",
];
/// All pairs of digits.
const DIGITS: &str = "00010203040506070809101112131415161718192021222324\
    25262728293031323334353637383940414243444546474849\
    50515253545556575859606162636465666768697071727374\
    75767778798081828384858687888990919293949596979899";

/// The texts and names of a source.
#[derive(Clone, Debug, Default)]
pub struct Source(BTreeSet<String>);

impl Source {
    /// Adds all Rust files in a folder and in those inside it.
    ///
    /// # Errors
    /// What can't be read, or is no Rust.
    pub fn add_folder(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.add_folder(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                self.add(&text)
                    .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
            }
        }
        Ok(())
    }

    /// Adds a Rust file.
    ///
    /// # Errors
    /// It is no Rust.
    pub fn add(&mut self, rust: &str) -> Result<(), proc_macro2::LexError> {
        self.add_tokens(rust.parse()?);
        Ok(())
    }

    /// Adds the words of another file, of which the source makes texts.
    pub fn add_words(&mut self, text: &str) {
        for word in text.split(|character: char| character.is_whitespace() || character == '"') {
            self.add_piece(word);
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) if is_comment(&group) => {}
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(name) => {
                    let name = name.to_string();
                    if name.len() >= NAME {
                        self.add_piece(&name);
                    }
                }
                TokenTree::Literal(literal) => match Lit::new(literal) {
                    Lit::Str(text) => self.add_format(&text.value()),
                    Lit::ByteStr(text) => self.add_format(&String::from_utf8_lossy(&text.value())),
                    Lit::CStr(text) => self.add_format(&text.value().to_string_lossy()),
                    _ => {}
                },
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// Adds what is around the placeholders of a format.
    fn add_format(&mut self, text: &str) {
        self.add_piece(text);
        for part in text.split('{') {
            self.add_piece(part.split_once('}').map_or(part, |(_, rest)| rest));
        }
    }

    fn add_piece(&mut self, text: &str) {
        for piece in text.split(|character: char| !is_printed(character)) {
            // A letter alone would be of any text.
            if piece.len() > 1 || piece.contains(|it: char| !it.is_alphanumeric()) {
                self.0.insert(piece.to_owned());
            }
        }
    }

    /// Every text of a shipped file that is none of these, of its imports or of its sections' names.
    pub(super) fn strangers(&self, image: &Image<'_>, imports: &Slots) -> Vec<Violation> {
        let imports = imports.values();
        let sections = image.sections.iter().map(|section| section.name.as_str());
        let mut pieces: Vec<&str> = self.0.iter().map(String::as_str).collect();
        pieces.extend(OTHERS);
        pieces.extend(imports.flat_map(|import| [import.dll.as_str(), import.name.as_str()]));
        pieces.extend(sections);
        let mut strangers = Vec::new();
        for (start, part) in data(image) {
            for (at, text, wide) in texts(part) {
                strangers.extend(rest(&text, &pieces).map(|text| Violation::Stranger {
                    offset: start + at,
                    text: text.to_owned(),
                    wide,
                }));
            }
        }
        strangers
    }
}

/// Whether it is of `#[doc = "..."]`, as which comments are read.
fn is_comment(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(name)) if name == "doc")
}

/// What may hold texts: the headers, and the sections without code and without the tables of
/// addresses that other checks read to their ends. With their file offsets.
fn data<'file>(image: &Image<'file>) -> Vec<(usize, &'file [u8])> {
    let tables = [
        pe::IMAGE_DIRECTORY_ENTRY_BASERELOC,
        pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION,
    ];
    let tables = tables.map(|table| image.directory(table).map(|(at, _)| at));
    let headers = image.header.size_of_headers as usize;
    let mut parts = vec![(0, image.file.get(..headers).unwrap_or(image.file))];
    for section in &image.sections {
        if !section.is_executable() && !tables.contains(&Some(section.rva)) {
            parts.push((section.raw_offset as usize, section.bytes));
        }
    }
    parts
}

/// All texts with their offsets, and whether they are UTF-16.
fn texts(bytes: &[u8]) -> Vec<(usize, String, bool)> {
    let mut found = Vec::new();
    for wide in [false, true] {
        let width = if wide { 2 } else { 1 };
        let mut at = 0;
        while at < bytes.len() {
            let text: String = bytes[at..]
                .chunks_exact(width)
                .map_while(|unit| match unit {
                    [byte] | [byte, 0] => Some(char::from(*byte)).filter(|it| is_printed(*it)),
                    _ => None,
                })
                .collect();
            if text.len() >= TEXT {
                let length = text.len() * width;
                found.push((at, text, wide));
                at += length;
            } else {
                at += 1;
            }
        }
    }
    found
}

fn is_printed(character: char) -> bool {
    matches!(character, ' '..='~')
}

/// From the first to the last character of a text that no piece has, if there are so many that they
/// are a text themselves; where pieces can be chosen, as few as can be.
fn rest<'text>(text: &'text str, pieces: &[&str]) -> Option<&'text str> {
    // For each place, counted from the end: how many remain, and what comes next.
    let mut best = vec![(0, 0); text.len() + 1];
    for at in (0..text.len()).rev() {
        best[at] = (best[at + 1].0 + 1, 0);
        for piece in pieces {
            if text[at..].starts_with(piece) && best[at + piece.len()].0 < best[at].0 {
                best[at] = (best[at + piece.len()].0, piece.len());
            }
        }
    }
    let mut remaining = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match best[at] {
            (_, 0) => {
                remaining.push(at);
                at += 1;
            }
            (_, piece) => at += piece,
        }
    }
    let (first, last) = (remaining.first()?, remaining.last()?);
    (remaining.len() >= TEXT).then_some(&text[*first..=*last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_texts_and_names_and_no_comments() {
        let mut source = Source::default();
        let rust = r##"
            //! never said
            #[serde(rename = "renamed")]
            fn routine() {
                /// nor that
                let short = b"bytes\0 and more";
                say!(r#"raw"#, c"C text", "{short:X} places of {}: {{", 'c', 12345678);
            }
        "##;
        source.add(rust).unwrap();
        for piece in [
            "renamed",
            "routine",
            "bytes",
            " and more",
            "raw",
            "C text",
            " places of ",
        ] {
            assert!(source.0.contains(piece), "{piece} of {source:?}");
        }
        for piece in ["never", "nor", "fn", "12345678"] {
            assert!(
                !source.0.iter().any(|it| it.contains(piece)),
                "{piece} of {source:?}"
            );
        }
        assert!(source.add("fn (").is_err());
    }

    #[test]
    fn texts_are_of_both_encodings_wherever_they_begin() {
        let wide: Vec<u8> = "wide text"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let bytes = [&b"\x01a text\0short\x01"[..], &wide, b"\x80tailing\r\n"].concat();
        assert_eq!(
            texts(&bytes),
            [
                (1, "a text".to_owned(), false),
                (33, "tailing".to_owned(), false),
                (14, "wide text".to_owned(), true),
            ]
        );
    }

    #[test]
    fn what_no_piece_has_is_told_if_it_is_a_text() {
        let pieces = ["longer piece", "piece", "long", "stranger", "err"];
        for known in ["longer piecepiece", "a longer piece, piece", "strangerr"] {
            assert_eq!(rest(known, &pieces), None, "{known}");
        }
        assert_eq!(rest("an error: a piece", &pieces), Some("an error: a "));
        assert_eq!(
            rest("piecelonger piecestrange long", &pieces),
            Some("strange ")
        );
    }
}
