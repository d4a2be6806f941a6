//! What the beginning of a file decides: most files are no driver.

use scanner_core::{Headers, ImageError};

use crate::identity::Names;
use crate::report::{Origin, Report, State};
use crate::{cabinet, format, text};

/// The report on a file of `length` bytes when its beginning already decides:
/// when it is no driver that could be one of the modules.
pub(crate) fn report(origin: &Origin, head: &[u8], length: u64) -> Option<Report> {
    let whole = to_u64(head.len()) == length;
    let named = Names::of_file(origin.name()).file.is_some();
    let report =
        |state: State, reason: &str| Some(Report::new(origin.clone(), length, state, reason));
    if head.is_empty() {
        return match named {
            true => report(State::Damaged, &format!("the file is empty{AGAIN}")),
            false => report(State::NotPe, "the file is empty"),
        };
    }
    if head.starts_with(b"KWAJ") || head.starts_with(b"SZDD") {
        return report(
            State::Compressed,
            "compressed by COMPRESS.EXE: expand it first, with expand on Windows or msexpand elsewhere",
        );
    }
    if cabinet::is_cabinet(head) {
        return None;
    }
    if let Some(format) = format::of(head) {
        return report(State::Container, &format.says());
    }
    match Headers::parse(head) {
        Ok(headers) if headers.is_native() && !is_possible(length) => {
            let why = format!(
                "it has {}, and no driver is nearly as large",
                text::size(length)
            );
            report(State::Damaged, &format!("{why}{AGAIN}"))
        }
        Ok(headers) if headers.is_native() => None,
        Ok(_) => report(State::NotDriver, "a program or library, not a driver"),
        Err(ImageError::NotPe | ImageError::Truncated) if head.starts_with(b"MZ") && !whole => None,
        Err(ImageError::NotPe) => {
            let (is_cut, why) = not_pe(head);
            match is_cut || (named && b"MZ".iter().zip(head).all(|(a, b)| a == b)) {
                true => report(State::Damaged, &format!("{why}{AGAIN}")),
                false => report(State::NotPe, why),
            }
        }
        Err(error @ ImageError::UnsupportedMachine(_)) => {
            report(State::UnsupportedMachine, &error.to_string())
        }
        Err(error) => report(State::Damaged, &format!("{error}{AGAIN}")),
    }
}

/// Whether a driver may have so many bytes: none is nearly as large as 64 MB.
pub(crate) fn is_possible(bytes: u64) -> bool {
    bytes <= 64 << 20
}

/// Whether it is the beginning of a program or a library, and of no driver.
pub(crate) fn is_program(head: &[u8]) -> bool {
    Headers::parse(head).is_ok_and(|headers| !headers.is_native())
}

/// What to do about a damaged file.
pub(crate) const AGAIN: &str = ": take a fresh copy of the file";

/// Why the whole of a file is no PE file, and whether that is because it was
/// cut in its headers.
fn not_pe(file: &[u8]) -> (bool, &'static str) {
    /// `e_lfarlc` of any header that goes on beyond that of DOS, at least.
    const EXTENDED: u8 = 0x40;
    if !file.starts_with(b"MZ") {
        return (false, "it does not begin with MZ");
    }
    let dos = file.first_chunk::<64>();
    let points = dos.map(|dos| {
        let [.., a, b, c, d] = *dos;
        usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX)
    });
    // A program for DOS has anything there; its relocations begin earlier.
    let is_extended = dos.is_none_or(|dos| dos.get(24).is_some_and(|&at| at >= EXTENDED));
    // Signature and file header, 24 bytes.
    let is_short = points.is_none_or(|at| at.saturating_add(24) > file.len());
    match is_extended && is_short {
        true => (true, "the file ends before its headers do"),
        false => (false, "no PE signature where its header points"),
    }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
