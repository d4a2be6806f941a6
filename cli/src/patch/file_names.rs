//! The names of files that runs create. Even a killed run leaves under each name
//! only what the name states.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tcplimit_report::is_module;

/// The name of a lock file.
pub const LOCK: &str = "tcplimit.lock";
/// The name of a journal, in the folder that contains all its files.
pub const JOURNAL: &str = "tcplimit.journal";
/// The suffix of temporary files. A killed run may leave one, which nothing
/// refers to.
pub(super) const TEMPORARY: &str = ".tcplimit-new";
/// The suffix of backups.
pub(super) const BACKUP: &str = ".orig";
/// The suffix of files that keep old content until a transaction is finished. A
/// killed run may leave one.
pub(super) const ROLLBACK: &str = ".tcplimit-old";
/// The suffix of files that keep damaged content.
pub(super) const DAMAGED: &str = ".damaged";
/// The number of hexadecimal digits of the hash in the names of kept files.
pub(super) const DIGITS: usize = 16;
/// The largest number in the names of temporary files.
pub(super) const ATTEMPTS: u32 = 100;

/// The name of the original file and the hash, in lower case, in the name of a
/// backup. Names are bytes: some are not UTF-8.
pub(super) fn parse_backup_name(backup: &OsStr) -> Option<(&[u8], String)> {
    let bytes = backup.as_encoded_bytes();
    let (rest, end) = bytes.split_at_checked(bytes.len().checked_sub(BACKUP.len())?)?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let name = rest.strip_suffix(b".")?;
    let is_backup = end.eq_ignore_ascii_case(BACKUP.as_bytes())
        && hash.iter().all(u8::is_ascii_hexdigit)
        && !name.is_empty();
    let hash = str::from_utf8(hash).ok().filter(|_| is_backup)?;
    Some((name, hash.to_ascii_lowercase()))
}

/// The path with a suffix.
pub(super) fn with_suffix(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

/// The original file name in the name of a backup or a staged file.
pub(super) fn base_name(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    let parts: Vec<&str> = name.split('.').take(2).collect();
    parts.join(".")
}

/// Whether a file with this name may have been patched: a driver or a cabinet.
fn is_patched(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    is_module(name) || end.eq_ignore_ascii_case("cab")
}

/// As [`parse_backup_name`], for backups of drivers and cabinets only.
pub(super) fn parse_driver_backup_name(name: &OsStr) -> Option<(&OsStr, String)> {
    let (of, hash) = parse_backup_name(name)?;
    let of = str::from_utf8(of).ok().filter(|of| is_patched(of))?;
    Some((OsStr::new(of), hash))
}

/// Whether this is the name of a staged driver or cabinet, backup or damaged file.
pub(super) fn is_staged_name(name: &OsStr) -> bool {
    let staged = name.to_str().and_then(|name| name.strip_suffix(TEMPORARY));
    let numbered = staged.and_then(|name| name.rsplit_once('.'));
    numbered.is_some_and(|(of, number)| {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let of = OsStr::new(of);
        let is_ours = is_patched(&of.to_string_lossy())
            || parse_driver_backup_name(of).is_some()
            || is_damaged_name(of);
        is_number && is_ours
    })
}

/// Whether this is the name of a kept damaged file.
pub(super) fn is_damaged_name(name: &OsStr) -> bool {
    let aside = name.to_str().and_then(|name| name.strip_suffix(DAMAGED));
    let hashed = aside.and_then(|name| name.rsplit_once('.'));
    hashed.is_some_and(|(of, hash)| {
        let is_hash = hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash && is_patched(of)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_file_names_are_recognized() {
        let hash = "0123456789abcdef";
        let is = |test: fn(&OsStr) -> bool, name: &str| test(OsStr::new(name));
        for name in [
            "tcpip.sys.1.tcplimit-new",
            "TCPIP6.SYS.23.tcplimit-new",
            &format!("tcpip.sys.{hash}.orig.1.tcplimit-new"),
            &format!("tcpip.sys.{hash}.damaged.1.tcplimit-new"),
            "sp3.cab.1.tcplimit-new",
            &format!("SP3.CAB.{hash}.orig.1.tcplimit-new"),
        ] {
            assert!(is(is_staged_name, name), "{name}");
            assert!(is_patched(&base_name(OsStr::new(name))), "{name}");
        }
        for name in [
            "tcpip.sys.tcplimit-new",
            "tcpip.sys.x.tcplimit-new",
            "afd.sys.1.tcplimit-new",
            "tcpip.sys.1.tcplimit-new.txt",
            "1.tcplimit-new",
        ] {
            assert!(!is(is_staged_name, name), "{name}");
        }
        assert!(is(is_damaged_name, &format!("tcpip.sys.{hash}.damaged")));
        assert!(!is(is_damaged_name, &format!("afd.sys.{hash}.damaged")));
        assert!(!is(is_damaged_name, "tcpip.sys.damaged"));
        let backup = format!("TcpIp.sys.{hash}.orig");
        let of = parse_driver_backup_name(OsStr::new(&backup)).unwrap();
        assert_eq!(of, (OsStr::new("TcpIp.sys"), hash.to_owned()));
        for other in [
            format!("afd.sys.{hash}.orig"),
            format!("tcpip.sys.{hash}.copy"),
            format!("tcpip.sys.{}g.orig", &hash[1..]),
            format!("tcpip.sys{hash}.orig"),
        ] {
            assert_eq!(
                parse_driver_backup_name(OsStr::new(&other)),
                None,
                "{other}"
            );
        }
        let nameless = format!(".{hash}.orig");
        assert_eq!(parse_backup_name(OsStr::new(&nameless)), None);
    }
}
