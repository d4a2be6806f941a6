//! What the program may import: functions that Microsoft documents as present since Windows 2000 or
//! Windows XP, so that Windows XP SP2, whose lists are not in verify/exports, has them too.
//!
//! Source: the pages of the functions in Microsoft's documentation of Win32, as of the time of
//! Windows XP; NtQuerySystemInformation and RtlGetVersion (ntdll.dll) have been there since Windows
//! 2000.

/// All that the program may import, by file, in the order of their names.
pub const PROGRAM: &[(&str, &[&str])] = &[
    (
        "advapi32.dll",
        &[
            "ChangeServiceConfigW",
            "CloseEventLog",
            "CloseServiceHandle",
            "ControlService",
            "CreateServiceW",
            "DeleteService",
            "EnumServicesStatusExW",
            "GetFileSecurityW",
            "OpenEventLogW",
            "OpenSCManagerW",
            "OpenServiceW",
            "QueryServiceConfigW",
            "QueryServiceStatus",
            "ReadEventLogW",
            "RegCloseKey",
            "RegCreateKeyExW",
            "RegDeleteKeyW",
            "RegDeleteValueW",
            "RegOpenKeyExW",
            "RegQueryValueExW",
            "RegSetValueExW",
            "StartServiceW",
        ],
    ),
    (
        "kernel32.dll",
        &[
            "CloseHandle",
            "CreateEventW",
            "CreateFileW",
            "CreateToolhelp32Snapshot",
            "DeleteFileW",
            "DeviceIoControl",
            "ExitProcess",
            "FlushConsoleInputBuffer",
            "FlushFileBuffers",
            "GetCommandLineW",
            "GetConsoleMode",
            "GetConsoleOutputCP",
            "GetConsoleProcessList",
            "GetConsoleScreenBufferInfo",
            "GetCurrentProcess",
            "GetFileSize",
            "GetLastError",
            "GetModuleFileNameW",
            "GetModuleHandleW",
            "GetOEMCP",
            "GetProcAddress",
            "GetProcessHeap",
            "GetStdHandle",
            "GetSystemDirectoryW",
            "GetSystemTimeAsFileTime",
            "GetVolumeInformationW",
            "GetVolumePathNameW",
            "HeapAlloc",
            "HeapFree",
            "HeapReAlloc",
            "LoadLibraryExW",
            "MoveFileExW",
            "OpenProcess",
            "Process32FirstW",
            "Process32NextW",
            "ReadConsoleInputW",
            "ReadFile",
            "SetConsoleCtrlHandler",
            "SetConsoleCursorPosition",
            "SetEvent",
            "Sleep",
            "WaitForSingleObject",
            "WideCharToMultiByte",
            "WriteConsoleW",
            "WriteFile",
        ],
    ),
    ("ntdll.dll", &["NtQuerySystemInformation", "RtlGetVersion"]),
];

/// Whether the program may import that. `dll` is in lower case.
#[must_use]
pub fn may_import(dll: &str, name: &str) -> bool {
    PROGRAM
        .iter()
        .any(|(one, names)| *one == dll && names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped::{Arch, export};

    #[test]
    fn every_import_of_the_table_is_exported_by_every_system() {
        for (dll, names) in PROGRAM {
            for name in *names {
                for arch in [Arch::X86, Arch::X64] {
                    assert_eq!(export::lacking(arch, dll, name), Some(vec![]), "{name}");
                }
            }
        }
    }

    #[test]
    fn the_table_is_sorted_and_names_nothing_twice() {
        assert!(PROGRAM.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (_, names) in PROGRAM {
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn a_function_is_in_the_table_by_its_file_and_its_name() {
        assert!(may_import("kernel32.dll", "ExitProcess"));
        assert!(!may_import("advapi32.dll", "ExitProcess"));
        // Since Windows XP SP2 only: to be looked for at run time.
        assert!(!may_import("kernel32.dll", "IsWow64Process"));
    }
}
