//! The container of a driver: a plain file, or a compressed file as on setup discs,
//! where `TCPIP.SY_` is a cabinet with one member.

use std::borrow::Cow;
use std::io;

use tcplimit_report::{State, is_cabinet, is_module};

use super::refusal::Refusal;
use crate::cabinet::Cabinet;
use crate::cabinet::rewrite::RewriteError;
use crate::cabinet::rewrite::compression::{self, LZX};
use crate::panic_guard::catch_panic;

/// The container of a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Container {
    /// A plain file.
    Plain,
    /// A cabinet with one member.
    Compressed(Member),
}

/// The one member of a cabinet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Date, time and attributes.
    stamp: [u8; 6],
    /// For LZX, the window size in bytes as a power of two.
    lzx: Option<u8>,
}

impl Container {
    /// Parses the content of a file.
    ///
    /// # Errors
    /// When a cabinet has several members, can't be read, or could not be rewritten.
    pub fn open(file: &[u8]) -> Result<(Container, Cow<'_, [u8]>), Refusal> {
        if !is_cabinet(file) {
            return Ok((Container::Plain, Cow::Borrowed(file)));
        }
        let damaged = |reason: String| Refusal::Unusable {
            state: State::Damaged,
            reason: format!("{reason}: take a fresh copy of the file"),
        };
        let cabinet = Cabinet::new(&file).map_err(|reason| damaged(reason.to_owned()))?;
        if cabinet.len() == 0 {
            return Err(Refusal::Unusable {
                state: State::Cabinet,
                reason: "a cabinet without members".to_owned(),
            });
        }
        let behind = cabinet.bytes_behind();
        if behind != 0 {
            return Err(Refusal::UnsupportedCabinet(
                "the file has data after the cabinet, which would be lost",
            ));
        }
        if cabinet.len() != 1 {
            let drivers = cabinet.names().filter(|name| is_module(name));
            return Err(Refusal::SeveralMembers {
                drivers: drivers.map(str::to_owned).collect(),
            });
        }
        if cabinet.has_extensions() {
            return Err(Refusal::UnsupportedCabinet(
                "the cabinet has reserved fields (perhaps a signature), or continues in another",
            ));
        }
        let mut only = None;
        cabinet.each(
            |_| true,
            |member, content| only = Some((member.clone(), content)),
        );
        let Some((member, content)) = only else {
            return Err(damaged("the cabinet has no content".to_owned()));
        };
        let content = content.map_err(damaged)?;
        if !member.name.is_ascii() {
            return Err(Refusal::UnsupportedCabinet(
                "the name of its member is not ASCII",
            ));
        }
        let [method, window] = cabinet.compression(&member).to_le_bytes();
        let member = Member {
            name: member.name,
            stamp: member.stamp,
            lzx: (method == LZX).then_some(window),
        };
        Ok((Container::Compressed(member), Cow::Owned(content)))
    }

    /// Packs content into this container: a cabinet is compressed by LZX if it was
    /// before, otherwise by MSZIP; it keeps the name, date, time and attributes of
    /// its member. The result is verified by parsing it.
    ///
    /// # Errors
    /// When the verification fails.
    pub fn pack(&self, content: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Container::Compressed(member) = self else {
            return Ok(content.to_vec());
        };
        let is_equal = |packed: &Vec<u8>| match Container::open(packed) {
            Ok((Container::Compressed(again), unpacked)) => {
                (&again.name, again.stamp) == (&member.name, member.stamp) && *unpacked == *content
            }
            _ => false,
        };
        let cabinet =
            |packed: compression::CompressedStream| packed.cabinet(&member.name, member.stamp);
        let by_lzx = || {
            let window = member.lzx?;
            let packed = catch_panic(|| Ok(compression::lzx(window, content)));
            packed.ok().flatten()
        };
        let by_mszip = || {
            let write_error = |error: io::Error| RewriteError::Damaged(error.to_string());
            compression::mszip(|out| out.write_all(content).map_err(write_error)).ok()
        };
        by_lzx()
            .map(cabinet)
            .filter(is_equal)
            .or_else(|| by_mszip().map(cabinet).filter(is_equal))
            .ok_or(Refusal::VerificationFailed)
    }

    /// The name of the member, if any.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        match self {
            Container::Plain => None,
            Container::Compressed(member) => Some(&member.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use cab::{CabinetBuilder, CompressionType};

    use super::*;

    /// The offset of the field that locates the table of members, in bytes.
    const MEMBERS: usize = 16;

    fn member() -> Member {
        Member {
            name: "tcpip.sys".to_owned(),
            stamp: [0x8D, 0x38, 0x00, 0x60, 0x21, 0],
            lzx: None,
        }
    }

    /// Words in pseudorandom order.
    fn text() -> Vec<u8> {
        let words = ["half", "open", "limit", "driver", "connection", " ", "\n"];
        let mut at = 1_usize;
        let word = move || {
            at = at.wrapping_mul(25_173).wrapping_add(13_849) % 65_536;
            words[at / 97 % words.len()]
        };
        std::iter::repeat_with(word)
            .flat_map(str::bytes)
            .take(100_000)
            .collect()
    }

    #[test]
    fn packing_keeps_content_name_date_and_attributes() {
        let content = text();
        let container = Container::Compressed(member());
        let packed = container.pack(&content).unwrap();
        assert!(packed.len() < content.len());
        let (again, unpacked) = Container::open(&packed).unwrap();
        assert_eq!((again, &*unpacked), (container, &*content));
        assert_eq!(Container::Plain.pack(&content).unwrap(), content);
    }

    #[test]
    fn lzx_is_kept_with_the_same_window() {
        let content = text();
        for window in 15..=21 {
            let container = Container::Compressed(Member {
                lzx: Some(window),
                ..member()
            });
            let packed = container.pack(&content).unwrap();
            let (again, unpacked) = Container::open(&packed).unwrap();
            assert_eq!((again, &*unpacked), (container, &*content));
        }
        // An invalid window: MSZIP is used.
        let container = Container::Compressed(Member {
            lzx: Some(25),
            ..member()
        });
        let packed = container.pack(&content).unwrap();
        let (again, _) = Container::open(&packed).unwrap();
        assert_eq!(again, Container::Compressed(member()));
    }

    #[test]
    fn a_cabinet_that_would_lose_something_is_refused() {
        let packed = Container::Compressed(member()).pack(b"content").unwrap();
        // The flags: reserved fields exist, or the cabinet continues in another.
        for (flags, reserved) in [(4_u8, &[0, 0, 0, 0][..]), (2, b"a\0b\0")] {
            let mut odd = packed.clone();
            odd[30] = flags;
            odd.splice(36..36, reserved.iter().copied());
            let table = u32::from_le_bytes(*odd[MEMBERS..].first_chunk().unwrap());
            odd[MEMBERS..MEMBERS + 4].copy_from_slice(&(table + 4).to_le_bytes());
            assert!(
                matches!(Container::open(&odd), Err(Refusal::UnsupportedCabinet(_))),
                "{flags}"
            );
        }
        let two = Refusal::SeveralMembers {
            drivers: vec!["TCPIP.SYS".to_owned()],
        };
        let mut builder = CabinetBuilder::new();
        let folder = builder.add_folder(CompressionType::None);
        folder.add_file("TCPIP.SYS");
        folder.add_file("afd.sys");
        let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
        while writer.next_file().unwrap().is_some() {}
        let cabinet = writer.finish().unwrap().into_inner();
        assert_eq!(Container::open(&cabinet).map(|_| ()), Err(two));
    }
}
