//! Texts for people, and their languages.
//!
//! English is in the source, in `text!` and `phrase!`, so that the code is readable. The other
//! language is a gettext file, `languages/de.po`, which the build script turns into a table indexed
//! by the hashes of the English texts. A text without a translation stays English; a test finds it
//! first.

mod hash;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use crate::arguments::UsageError;
use crate::os::Os;

/// A text in the current language with values for its places: `text!("limit {limit}", limit)`, or
/// `limit = value` where the value has another name. Values are in the order of the places' first
/// use in the text; a test checks that.
macro_rules! text {
    (@value $name:ident) => { $name };
    (@value $name:ident $value:expr) => { $value };
    ($english:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {
        $crate::language::Text::new($english).fill(&[$(&text!(@value $name $($value)?)),*])
    };
}

/// A text without places in the current language.
macro_rules! phrase {
    ($english:literal) => {
        $crate::language::Text::new($english).get()
    };
}

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, the language of the source.
    #[default]
    English,
    /// German.
    German,
}

/// Translations, in the order of the hashes of their English texts.
struct Table {
    hashes: &'static [u32],
    /// The end of each in `texts`.
    ends: &'static [u16],
    texts: &'static str,
}

const GERMAN: Table = include!(concat!(env!("OUT_DIR"), "/de.rs"));

/// The primary language of a LANGID: its lower ten bits. LANG_GERMAN, for any country.
const PRIMARY: u16 = 0x3FF;
const LANG_GERMAN: u16 = 7;

/// The option.
const OPTION: &str = "--lang";

impl Language {
    /// All of them.
    pub const ALL: [Language; 2] = [Language::English, Language::German];

    /// Its name on the command line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// The language of that name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Language> {
        let mut all = Language::ALL.into_iter();
        all.find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The language of the user's Windows if supported, or English.
    #[must_use]
    pub fn of_user(os: &dyn Os) -> Language {
        match os.ui_language() & PRIMARY {
            LANG_GERMAN => Language::German,
            _ => Language::English,
        }
    }

    /// The current language.
    #[must_use]
    pub fn current() -> Language {
        current::get()
    }

    /// Makes this the current language.
    pub fn choose(self) {
        current::set(self);
    }
}

#[cfg(target_os = "uefi")]
mod current {
    use core::sync::atomic::{AtomicBool, Ordering};

    use super::Language;

    static IS_GERMAN: AtomicBool = AtomicBool::new(false);

    pub(super) fn get() -> Language {
        match IS_GERMAN.load(Ordering::Relaxed) {
            true => Language::German,
            false => Language::English,
        }
    }

    pub(super) fn set(language: Language) {
        IS_GERMAN.store(language == Language::German, Ordering::Relaxed);
    }
}

/// Tests run in parallel threads, each with its own language.
#[cfg(not(target_os = "uefi"))]
mod current {
    use std::cell::Cell;
    use std::thread_local;

    use super::Language;

    thread_local! {
        static CURRENT: Cell<Language> = const { Cell::new(Language::English) };
    }

    pub(super) fn get() -> Language {
        CURRENT.get()
    }

    pub(super) fn set(language: Language) {
        CURRENT.set(language);
    }
}

/// Removes `--lang` from the words of a command line, wherever it stands.
pub(crate) fn extract_option(
    words: &[String],
) -> Result<(Option<Language>, Vec<String>), UsageError> {
    let mut rest = Vec::new();
    let mut chosen = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let given = match word.strip_prefix(OPTION) {
            Some("") => words.next().map_or("", String::as_str),
            Some(value) if value.starts_with('=') => value.get(1..).unwrap_or_default(),
            _ => {
                rest.push(word.clone());
                continue;
            }
        };
        chosen = Some(Language::from_code(given).ok_or_else(|| UsageError {
            message: text!("--lang must be en or de, not \"{given}\"", given),
            verb: None,
        })?);
    }
    Ok((chosen, rest))
}

/// The language chosen on a window's command line.
#[must_use]
pub fn chosen(words: &[String]) -> Option<Language> {
    extract_option(words).ok().and_then(|(chosen, _)| chosen)
}

/// A text in English.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text(&'static str);

impl Text {
    /// Empty in any language.
    pub(crate) const NONE: Text = Text::new("");

    /// A text in the source.
    pub(crate) const fn new(english: &'static str) -> Text {
        Text(english)
    }

    /// The text in English.
    pub(crate) fn english(self) -> &'static str {
        self.0
    }

    /// The text in the current language.
    pub(crate) fn get(self) -> &'static str {
        let Text(english) = self;
        match Language::current() {
            Language::English => english,
            Language::German => GERMAN.find(hash::hash(english)).unwrap_or(english),
        }
    }

    /// The text in the current language, with values for places such as `{limit}`.
    pub(crate) fn fill(self, values: &[&dyn Display]) -> String {
        tcplimit_report::fill(self.0, self.get(), values)
    }
}

/// A text in the current language.
pub(crate) fn translate(english: &'static str) -> &'static str {
    Text::new(english).get()
}

impl Table {
    fn find(&self, hash: u32) -> Option<&'static str> {
        let index = self.hashes.binary_search(&hash).ok()?;
        let place = |index: usize| self.ends.get(index).copied().map(usize::from);
        let start = index.checked_sub(1).map_or(Some(0), place)?;
        self.texts.get(start..place(index)?)
    }
}
