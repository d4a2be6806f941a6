//! Archives: zip, which Windows XP's Explorer opens, and tar.gz.

use std::fs;
use std::io::{self, Seek, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::files::{File, list_files};

/// The earliest time of the zip format: 1980-01-01, in seconds since 1970.
const TIME: u64 = 315_532_800;

/// Packs a folder. A zip contains the folder's contents, since XP's Explorer
/// unpacks into a folder named like the archive; a tar.gz contains the folder.
///
/// # Errors
/// A file can't be read, the archive can't be written, or its name has another
/// ending.
pub(crate) fn write(out: &Path, folder: &Path) -> io::Result<()> {
    let files = list_files(folder)?;
    let name = |path: &Path| path.file_name().map(|name| name.display().to_string());
    let archive = fs::File::create(out)?;
    match name(out) {
        Some(out) if out.ends_with(".zip") => zip(archive, &files),
        Some(out) if out.ends_with(".tar.gz") => {
            let top = name(folder).unwrap_or_default();
            tar_gz(archive, &top, &files)
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the archive's name must end with .zip or .tar.gz",
        )),
    }
}

/// Mode of a file: readable by all, writable by its owner.
fn mode(file: &File) -> u32 {
    if file.is_executable { 0o755 } else { 0o644 }
}

fn zip(archive: impl Write + Seek, files: &[File]) -> io::Result<()> {
    let mut archive = ZipWriter::new(archive);
    for file in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(mode(file));
        archive.start_file(file.name.as_str(), options)?;
        archive.write_all(&fs::read(&file.path)?)?;
    }
    archive.finish()?.flush()
}

fn tar_gz(archive: impl Write, top: &str, files: &[File]) -> io::Result<()> {
    // The header has no name, time or system.
    let compressed = GzBuilder::new().write(archive, Compression::best());
    let mut archive = tar::Builder::new(compressed);
    for file in files {
        let bytes = fs::read(&file.path)?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_mode(mode(file));
        header.set_mtime(TIME);
        header.set_uid(0);
        header.set_gid(0);
        let name = format!("{top}/{}", file.name);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::io::Read;
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use flate2::read::GzDecoder;

    use super::*;

    /// Folders of the same files, created in another order and at another time.
    fn folders() -> [(tempfile::TempDir, PathBuf); 2] {
        let orders: [&[&str]; 2] = [&["b.txt", "a/c.txt", "run"], &["run", "a/c.txt", "b.txt"]];
        orders.map(|order| {
            let outside = tempfile::tempdir().unwrap();
            let folder = outside.path().join("top");
            fs::create_dir_all(folder.join("a")).unwrap();
            for (age, name) in (1_u64..).zip(order) {
                let path = folder.join(name);
                fs::write(&path, format!("this is {name}")).unwrap();
                let long_ago = SystemTime::now() - Duration::from_secs(100_000 * age);
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_times(FileTimes::new().set_modified(long_ago))
                    .unwrap();
            }
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let run = folder.join("run");
                fs::set_permissions(run, fs::Permissions::from_mode(0o700)).unwrap();
            }
            (outside, folder)
        })
    }

    #[test]
    fn the_same_files_give_the_same_bytes_at_any_time() {
        for name in ["one.zip", "one.tar.gz"] {
            let [one, other] = folders().map(|(outside, folder)| {
                let out = outside.path().join(name);
                write(&out, &folder).unwrap();
                fs::read(out).unwrap()
            });
            assert!(!one.is_empty() && one == other, "{name}");
        }
    }

    #[test]
    fn a_zip_holds_the_folders_contents_in_the_order_of_names() {
        let [(outside, folder), _] = folders();
        let out = outside.path().join("one.zip");
        write(&out, &folder).unwrap();
        let mut archive = zip::ZipArchive::new(fs::File::open(out).unwrap()).unwrap();
        let names: Vec<String> = archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(names, ["a/c.txt", "b.txt", "run"]);
        let mut text = String::new();
        let mut file = archive.by_name("a/c.txt").unwrap();
        assert_eq!(file.compression(), CompressionMethod::Deflated);
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "this is a/c.txt");
    }

    #[cfg(unix)]
    #[test]
    fn a_tar_holds_the_folder_and_marks_programs_as_executable() {
        let [(outside, folder), _] = folders();
        let out = outside.path().join("one.tar.gz");
        write(&out, &folder).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(out).unwrap()));
        let seen: Vec<(String, u32, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let header = entry.header();
                (path, header.mode().unwrap(), header.mtime().unwrap())
            })
            .collect();
        let expected = [
            ("top/a/c.txt", 0o644),
            ("top/b.txt", 0o644),
            ("top/run", 0o755),
        ];
        assert_eq!(seen, expected.map(|(name, mode)| (name.into(), mode, TIME)));
    }

    #[test]
    fn another_kind_of_archive_is_refused() {
        let [(outside, folder), _] = folders();
        assert!(write(&outside.path().join("one.rar"), &folder).is_err());
    }
}
