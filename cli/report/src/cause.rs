//! The cause why no limit is located in a file.

use alloc::string::String;
use core::fmt::Display;

use scanner_core::{ImageError, Module, NotLocated, NotLocatedReason};

use crate::names::Names;
use crate::state::State;
use crate::text::{self, Translate, fill};

/// The cause why no limit is located. Each program adds its own advice.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// The file is empty.
    Empty,
    /// Compressed by COMPRESS.EXE.
    Compressed,
    /// A cabinet.
    Cabinet,
    /// A PE file that is not a driver.
    Program,
    /// No `MZ`: not even a DOS program.
    NoMz,
    /// A DOS program, or other bytes after `MZ`.
    NoSignature,
    /// The file ends within its headers.
    HeadersCut,
    /// Too large for a driver; its size in bytes.
    TooLarge(u64),
    /// The image is inconsistent.
    Image(ImageError),
    /// A layout from before the limiter.
    OlderLayout(ImageError),
    /// A layout that these modules never have.
    OtherLayout(ImageError),
    /// No name names a module.
    Nameless,
    /// The names contradict each other.
    Conflict(&'a Names),
    /// Only one name names the module, and the number of atomic updates contradicts it.
    Unconfirmed(&'a Names, u32),
    /// A version from before the limiter.
    Older(Module),
    /// Vista before SP2.
    Vista,
    /// A version from after the limiter.
    Newer(Module),
    /// The locator refused.
    NotLocated(&'a NotLocated),
}

impl Cause<'_> {
    /// The cause in words, for a damaged file with advice. It begins in lower case and ends
    /// without a full stop.
    #[must_use]
    pub fn text(&self, state: State, translate: Translate) -> String {
        let claims;
        let none: [&dyn Display; 2] = [&"", &""];
        let (english, values): (&'static str, [&dyn Display; 2]) = match self {
            Cause::Empty => (text::EMPTY, none),
            Cause::Compressed => (text::COMPRESSED, none),
            Cause::Cabinet => (text::CABINET, none),
            Cause::Program => (text::PROGRAM, none),
            Cause::NoMz => (text::NO_MZ, none),
            Cause::NoSignature => (text::NO_SIGNATURE, none),
            Cause::HeadersCut => (text::HEADERS_CUT, none),
            Cause::TooLarge(bytes) => (text::TOO_LARGE, [bytes, &""]),
            Cause::Image(error) => (text::VERBATIM, [error, &""]),
            Cause::OlderLayout(error) => (text::OLDER_LAYOUT, [error, &""]),
            Cause::OtherLayout(error) => (text::OTHER_LAYOUT, [error, &""]),
            Cause::Nameless => (text::NAMELESS, none),
            Cause::Conflict(names) => {
                claims = names.describe(translate);
                (text::VERBATIM, [&claims, &""])
            }
            Cause::Unconfirmed(names, updates) => {
                claims = names.describe(translate);
                (text::UNCONFIRMED, [&claims, updates])
            }
            Cause::Older(module) => (text::OLDER, [module, &""]),
            Cause::Vista => (text::VISTA, none),
            Cause::Newer(module) => (text::NEWER, [module, &""]),
            Cause::NotLocated(refusal) if refusal.reason() == NotLocatedReason::NoGate => {
                (text::NO_GATE, none)
            }
            Cause::NotLocated(refusal) => (text::VERBATIM, [refusal, &""]),
        };
        let mut text = fill(english, translate(english), &values);
        if state == State::Damaged {
            text.push_str(translate(text::FRESH_COPY));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use scanner_core::{Image, locate};

    use super::*;
    use crate::text::english;

    const SPECIMEN: &[u8] = include_bytes!("../../../corpus/specimens/tcpip-xp-sp3-x86.sys");

    #[test]
    fn every_placeholder_gets_its_value() {
        let names = Names::of_file("tcpip6.sys");
        for (cause, value) in [
            (Cause::TooLarge(77), "77 bytes"),
            (Cause::Image(ImageError::NotPe), "not a PE"),
            (Cause::OlderLayout(ImageError::NoVirtualSizes), "NT 3.1"),
            (Cause::OtherLayout(ImageError::BadBase), "base"),
            (Cause::Conflict(&names), "tcpip6.sys"),
            (Cause::Unconfirmed(&names, 5), "5 atomic"),
            (Cause::Older(Module::Tcpip), "tcpip.sys"),
            (Cause::Newer(Module::Tcpip6), "tcpip6.sys"),
        ] {
            let text = cause.text(State::NotLocated, english);
            assert!(text.contains(value), "{text}");
            assert!(!text.contains(['{', '}']), "{text}");
            let damaged = cause.text(State::Damaged, english);
            assert_eq!(damaged, text + ": take a fresh copy of the file");
        }
    }

    #[test]
    fn code_without_a_gate_keeps_the_locators_wording() {
        let headers = scanner_core::Headers::parse(SPECIMEN).unwrap();
        let mut file = SPECIMEN.to_vec();
        let code = headers.sections().find(scanner_core::Section::is_live_code);
        let (start, length) = code.map(|code| (code.rva().0, code.extent())).unwrap();
        // File offsets are RVAs in this file.
        file[start as usize..][..length as usize].fill(0x90);
        let image = Image::from_file(&file).unwrap();
        let refusal = locate(&image, Module::Tcpip).unwrap_err();
        let text = Cause::NotLocated(&refusal).text(State::NotLocated, english);
        assert!(text.starts_with(&refusal.to_string()), "{text}");
        assert_ne!(text, refusal.to_string());
    }
}
