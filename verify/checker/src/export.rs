//! The exports of the real systems (verify/exports).

use super::Arch;

/// The names that one system's file exports.
struct List {
    arch: Arch,
    dll: &'static str,
    file: &'static str,
    names: &'static str,
}

macro_rules! lists {
    ($($arch:ident $system:literal: $($dll:literal),+;)+) => {
        &[$($(List {
            arch: Arch::$arch,
            dll: $dll,
            file: concat!($system, ".", $dll, ".txt"),
            names: include_str!(concat!("../../exports/", $system, ".", $dll, ".txt")),
        },)+)+]
    };
}

const LISTS: &[List] = lists! {
    X86 "winxp-sp3-x86":
        "advapi32.dll", "comctl32.dll", "gdi32.dll", "hal.dll", "iphlpapi.dll", "kernel32.dll",
        "ntdll.dll", "ntoskrnl.exe", "ole32.dll", "psapi.dll", "shell32.dll", "user32.dll";
    X86 "server2003-sp2-x86":
        "advapi32.dll", "comctl32.dll", "gdi32.dll", "hal.dll", "kernel32.dll", "ntoskrnl.exe",
        "ole32.dll", "psapi.dll", "shell32.dll", "user32.dll";
    X64 "winxp-x64-sp2":
        "advapi32.dll", "comctl32.dll", "gdi32.dll", "hal.dll", "iphlpapi.dll", "kernel32.dll",
        "ntdll.dll", "ntoskrnl.exe", "ole32.dll", "psapi.dll", "shell32.dll", "user32.dll";
};

/// The lists of a DLL (by its lower-case name) for `arch` that lack `name`, by
/// their file names in verify/exports. Names are compared case-sensitively, as
/// by the loader. `None` if there is no list.
pub(super) fn missing_in(arch: Arch, dll: &str, name: &str) -> Option<Vec<&'static str>> {
    let mut lists = LISTS
        .iter()
        .filter(|list| list.arch == arch && list.dll == dll)
        .peekable();
    lists.peek()?;
    let missing = lists.filter(|list| !list.names.lines().any(|line| line == name));
    Some(missing.map(|list| list.file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_export_is_reported_with_its_list() {
        let missing = |arch, name| missing_in(arch, "ntoskrnl.exe", name);
        assert_eq!(missing(Arch::X86, "IoCreateDevice"), Some(vec![]));
        assert_eq!(missing(Arch::X64, "IoCreateDevice"), Some(vec![]));
        // Server 2003 has it, Windows XP does not.
        assert_eq!(
            missing(Arch::X86, "KeAcquireGuardedMutex"),
            Some(vec!["winxp-sp3-x86.ntoskrnl.exe.txt"])
        );
        assert_eq!(
            missing(Arch::X64, "iocreatedevice"),
            Some(vec!["winxp-x64-sp2.ntoskrnl.exe.txt"])
        );
        assert_eq!(missing_in(Arch::X86, "win32k.sys", "EngBitBlt"), None);
    }

    #[test]
    fn every_list_is_names_only() {
        for list in LISTS {
            assert!(list.names.lines().count() > 20, "{}", list.file);
            for name in list.names.lines() {
                assert!(
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()),
                    "{}: {name:?}",
                    list.file
                );
            }
        }
    }
}
