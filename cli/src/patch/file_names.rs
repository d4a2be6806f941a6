//! The names of files that runs make: of none of them does a run that was killed
//! leave more than the name says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tcplimit_report::is_module;

/// The name of a lock file.
pub const LOCK: &str = "tcplimit.lock";
/// The name of a journal, in the folder of all its files.
pub const JOURNAL: &str = "tcplimit.journal";
/// How temporary files end. A run that was killed may leave one: it is no part
/// of anything.
pub(super) const TEMPORARY: &str = ".tcplimit-new";
/// How backups end.
pub(super) const BACKUP: &str = ".orig";
/// How files end that keep an old content until a transaction is finished. A run
/// that was killed may leave one.
pub(super) const ROLLBACK: &str = ".tcplimit-old";
/// How damaged files end that were kept aside.
pub(super) const DAMAGED: &str = ".damaged";
/// So many hexadecimal digits of the hash are in the name of what is kept.
pub(super) const DIGITS: usize = 16;
/// So many temporary files of one file may be left over.
pub(super) const ATTEMPTS: u32 = 100;

/// The name of the file that this is a backup of, and the hash in its own, in
/// lower case. Names are bytes: not every one is text.
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

/// The path with something behind its last name.
pub(super) fn with_suffix(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

/// The file that the name of a backup or a staged file begins with.
pub(super) fn base_name(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    let parts: Vec<&str> = name.split('.').take(2).collect();
    parts.join(".")
}

/// Whether a file of this name may have been patched: a driver or a cabinet.
fn is_patched(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    is_module(name) || end.eq_ignore_ascii_case("cab")
}

/// The name of the file that this is a backup of by its name, and the hash in
/// that.
pub(super) fn parse_driver_backup_name(name: &OsStr) -> Option<(&OsStr, String)> {
    let (of, hash) = parse_backup_name(name)?;
    let of = str::from_utf8(of).ok().filter(|of| is_patched(of))?;
    Some((OsStr::new(of), hash))
}

/// Whether this is the name of a staged file of a driver, of a backup or of what
/// was kept aside.
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

/// Whether this is the name of a damaged driver that was kept aside.
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
        assert_eq!(
            parse_driver_backup_name(OsStr::new(&format!("afd.sys.{hash}.orig"))),
            None
        );
    }
}
