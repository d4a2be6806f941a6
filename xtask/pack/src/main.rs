//! Packs a folder into an archive, and writes lists of SHA-256 sums. The output
//! depends on the files' names, contents and execute rights only: not on times,
//! owners, other rights, or the order of directory entries.
//!
//! ```text
//! pack archive OUT.zip|OUT.tar.gz FOLDER
//! pack sums OUT FOLDER
//! ```
//!
//! `cargo xtask dist` runs it.

mod archive;
mod files;
mod sums;

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let [command, out, folder] = words.as_slice() else {
        return usage();
    };
    let (out, folder) = (Path::new(out), Path::new(folder));
    let done = match command.to_str() {
        Some("archive") => archive::write(out, folder),
        Some("sums") => sums::write(out, folder),
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, out),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: pack archive OUT.zip|OUT.tar.gz FOLDER\n       pack sums OUT FOLDER");
    ExitCode::FAILURE
}

fn fail(error: &io::Error, out: &Path) -> ExitCode {
    eprintln!("{}: {error}", out.display());
    ExitCode::FAILURE
}
