//! Lists of SHA-256 sums, as `sha256sum --check` reads them.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::files::list_files;

/// Writes the sums of all files below a folder except the list itself. The lines of a
/// list with the ending `.txt` end with CR LF, for Notepad; `sha256sum` reads both.
///
/// # Errors
/// A file can't be read, or the list can't be written.
pub(crate) fn write(out: &Path, folder: &Path) -> io::Result<()> {
    let end = if out.extension().is_some_and(|kind| kind == "txt") {
        "\r\n"
    } else {
        "\n"
    };
    let mut list = String::new();
    for file in list_files(folder)? {
        if file.path != out {
            let sum = hexadecimal(&Sha256::digest(fs::read(&file.path)?));
            list += &format!("{sum}  {}{end}", file.name);
        }
    }
    fs::write(out, list)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_list_names_every_file_but_itself_with_its_sum() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        fs::write(folder.path().join("docs/abc"), "abc").unwrap();
        fs::write(folder.path().join("other"), "abc").unwrap();
        for (list, end) in [("SHA256SUMS", "\n"), ("SHA256SUMS.txt", "\r\n")] {
            let out = folder.path().join(list);
            write(&out, folder.path()).unwrap();
            let text = fs::read_to_string(&out).unwrap();
            assert_eq!(text, format!("{ABC}  docs/abc{end}{ABC}  other{end}"));
            fs::remove_file(out).unwrap();
        }
    }
}
