//! Texts for people: English, with placeholders for values.
//!
//! The workbench tool prints them unchanged; the program for Windows XP looks each up in its
//! catalogue first.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Display, Write};

/// Translates a text into the language of the program.
pub type Translate = fn(&'static str) -> &'static str;

/// Returns the English text unchanged.
#[must_use]
pub fn english(text: &'static str) -> &'static str {
    text
}

/// Advice for a damaged file, appended to the text of the damage.
pub const FRESH_COPY: &str = ": take a fresh copy of the file";

/// A text from elsewhere, the same in any language.
pub(crate) const VERBATIM: &str = "{text}";

/// Defines the texts and the list of all.
macro_rules! texts {
    ($( $name:ident $text:literal )*) => {
        $( pub(crate) const $name: &str = $text; )*

        /// All texts of this crate, for a catalogue.
        pub const TEXTS: &[&str] = &[ FRESH_COPY, $( $name, )* ];
    };
}

texts! {
    EMPTY "the file is empty"
    COMPRESSED "compressed by COMPRESS.EXE: expand it first, with expand on Windows or msexpand elsewhere"
    CABINET "a cabinet: take its files out first, with expand on Windows or cabextract elsewhere"
    PROGRAM "a program or library, not a driver"
    NO_MZ "it does not begin with MZ"
    NO_SIGNATURE "no PE signature where its header points"
    HEADERS_CUT "the file ends before its headers do"
    TOO_LARGE "{bytes} bytes are too many for a driver"
    OLDER_LAYOUT "{error}: undamaged, but older than the limit"
    OTHER_LAYOUT "neither name nor layout is that of tcpip.sys or tcpip6.sys: {error}"
    NAMELESS "no name of the file is tcpip.sys or tcpip6.sys"
    UNCONFIRMED "only {names}, but its count has {updates} atomic updates, as in tcpip.sys"
    OLDER "this {module} is older than the limit, which came with XP SP2 and Server 2003 SP1"
    VISTA "Windows Vista before SP2 limits half-open connections in another way, which is not supported"
    NEWER "this {module} is newer than the limit, which ended with Vista SP2: there is nothing to lift"
    NO_GATE "no code compares two variables as the limiter does: a damaged file or an unknown build"

    CLAIM "{source} says {name}"
    FILE_NAME "the file's name"
    VERSION_RESOURCE "its version resource"
    EXPORT_DIRECTORY "its export directory"

    NO_CHECKSUM ", without checksum"
    WRONG_CHECKSUM ", wrong checksum"
    AS_SHIPPED "located, as shipped: the limit is 10"
    UNPATCHED "located, unpatched{checksum}: the limit is 10"
    PATCHED "located, patched{checksum}: the limit is {limit}"
    NO_STORE "located{checksum}, but no single start-up store sets its value"
    NOT_LOCATED "not located{checksum}"
    CONFLICTING_NAMES "not located, conflicting names"
    UNCONFIRMED_NAME "not located, unconfirmed name{checksum}"
    NO_LIMITER "no limiter"
    TOO_OLD "too old for a limiter"
    OTHER_MODULE "another driver"
    NOT_A_DRIVER "not a driver"
    UNSUPPORTED_MACHINE "unsupported machine"
    DAMAGED "damaged"
    NOT_PE "not a PE file"
    COMPRESSED_FILE "compressed"
    A_CABINET "a cabinet"
    NOT_OPENED "not opened"
    DISC_IMAGE "a disc image"
    UNREADABLE "unreadable"
    UNFIT_BASE "unfit base"
    OUTSIDE "{limit} (outside {least} to {largest})"
}

/// Replaces the placeholders of a translated text, such as `{limit}`, by values. The values have
/// the order in which the placeholders first occur in English.
#[must_use]
pub fn fill(english: &str, translated: &str, values: &[&dyn Display]) -> String {
    let mut text = String::new();
    let mut rest = translated;
    while let Some((before, name, behind)) = next_placeholder(rest) {
        text.push_str(before);
        if let Some(value) = placeholder_index(english, name).and_then(|place| values.get(place)) {
            let _ = write!(text, "{value}");
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// The index of a placeholder among the different ones of a text.
fn placeholder_index(text: &str, name: &str) -> Option<usize> {
    let mut names: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((_, one, behind)) = next_placeholder(rest) {
        if one == name {
            return Some(names.len());
        }
        if !names.contains(&one) {
            names.push(one);
        }
        rest = behind;
    }
    None
}

/// The first placeholder of a text: the text before it, its name, and the text after it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, behind) = rest.split_once('}')?;
    Some((before, name, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_placeholders_into_another_order() {
        let english = "from {a} to {b}, {a}";
        assert_eq!(fill(english, english, &[&1, &2]), "from 1 to 2, 1");
        assert_eq!(fill(english, "bis {b} von {a}", &[&1, &2]), "bis 2 von 1");
        assert_eq!(fill("none", "keine", &[]), "keine");
    }
}
