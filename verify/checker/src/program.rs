//! The programs' allowed imports: functions that Microsoft documents as present since Windows 2000
//! or Windows XP, so that Windows XP SP2, whose lists are not in verify/exports, has them too.
//!
//! Source: the pages of the functions in Microsoft's documentation of Win32, as of the time of
//! Windows XP; NtQuerySystemInformation and RtlGetVersion (ntdll.dll) have been there since Windows
//! 2000.

/// All allowed imports of the program, by file, in the order of their names.
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
            "CreateProcessW",
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
            "GetUserDefaultUILanguage",
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

/// Further allowed imports of the window, by file, in the order of their names.
pub const WINDOW: &[(&str, &[&str])] = &[
    ("comctl32.dll", &["InitCommonControlsEx"]),
    (
        "gdi32.dll",
        &[
            "BitBlt",
            "CreateCompatibleBitmap",
            "CreateCompatibleDC",
            "CreateDIBSection",
            "CreateFontIndirectW",
            "CreatePen",
            "DeleteDC",
            "DeleteObject",
            "ExtTextOutW",
            "GdiFlush",
            "GetTextExtentPoint32W",
            "Polyline",
            "SelectObject",
            "SetBkColor",
            "SetBkMode",
            "SetTextColor",
        ],
    ),
    (
        "kernel32.dll",
        &[
            "CreateMutexW",
            "GlobalAlloc",
            "GlobalFree",
            "GlobalLock",
            "GlobalUnlock",
        ],
    ),
    (
        "shell32.dll",
        &["SHGetFolderPathW", "ShellExecuteW", "Shell_NotifyIconW"],
    ),
    (
        "user32.dll",
        &[
            "AdjustWindowRectEx",
            "AppendMenuW",
            "BeginPaint",
            "CallWindowProcW",
            "CheckMenuItem",
            "CloseClipboard",
            "CreateAcceleratorTableW",
            "CreateMenu",
            "CreatePopupMenu",
            "CreateWindowExW",
            "DefWindowProcW",
            "DestroyMenu",
            "DestroyWindow",
            "DispatchMessageW",
            "EmptyClipboard",
            "EnableWindow",
            "EndPaint",
            "FindWindowW",
            "GetClassInfoExW",
            "GetClientRect",
            "GetCursorPos",
            "GetFocus",
            "GetMessageW",
            "GetSysColor",
            "GetSystemMetrics",
            "GetWindowTextW",
            "InvalidateRect",
            "IsDialogMessageW",
            "IsIconic",
            "LoadCursorW",
            "LoadImageW",
            "MessageBoxA",
            "MessageBoxW",
            "MoveWindow",
            "OpenClipboard",
            "PostMessageW",
            "PostQuitMessage",
            "RegisterClassExW",
            "RegisterWindowMessageW",
            "SendMessageW",
            "SetClipboardData",
            "SetFocus",
            "SetForegroundWindow",
            "SetMenu",
            "SetTimer",
            "SetWindowTextW",
            "ShowWindow",
            "SystemParametersInfoW",
            "TrackPopupMenu",
            "TranslateAcceleratorW",
            "TranslateMessage",
        ],
    ),
];

/// Whether the window may import a function. `dll` is in lower case.
#[must_use]
pub fn may_window_import(dll: &str, name: &str) -> bool {
    may_import(dll, name) || is_in(WINDOW, dll, name)
}

/// Whether the program may import a function. `dll` is in lower case.
#[must_use]
pub fn may_import(dll: &str, name: &str) -> bool {
    is_in(PROGRAM, dll, name)
}

fn is_in(table: &[(&str, &[&str])], dll: &str, name: &str) -> bool {
    let mut table = table.iter();
    table.any(|(one, names)| *one == dll && names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::{Arch, export};

    /// The functions that the program finds at run time, by their file. It works without a missing
    /// one.
    const FOUND: &[(&str, &[&str])] = &[
        (
            "iphlpapi.dll",
            &["GetExtendedTcpTable", "GetTcpStatistics", "GetTcpTable"],
        ),
        (
            "ole32.dll",
            &["CoCreateInstance", "CoInitializeEx", "CoUninitialize"],
        ),
        ("psapi.dll", &["GetModuleFileNameExW"]),
        ("shell32.dll", &["SHGetFolderPathW"]),
    ];

    #[test]
    fn every_function_of_the_tables_is_exported_by_every_system() {
        for (dll, names) in PROGRAM.iter().chain(WINDOW).chain(FOUND) {
            for name in *names {
                for arch in [Arch::X86, Arch::X64] {
                    assert_eq!(export::missing_in(arch, dll, name), Some(vec![]), "{name}");
                }
            }
        }
    }

    #[test]
    fn the_table_is_sorted_and_names_nothing_twice() {
        for table in [PROGRAM, WINDOW, FOUND] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        for (_, names) in PROGRAM.iter().chain(WINDOW).chain(FOUND) {
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn functions_found_at_run_time_match_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cli/xp/src/os_win32");
        let mut found = Vec::new();
        for file in fs::read_dir(folder).expect("the program's edge") {
            let text = fs::read_to_string(file.expect("a file").path()).expect("text");
            for call in text.split(" function(\"").skip(1) {
                let (dll, rest) = call.split_once("\", c\"").expect("a name");
                let (name, _) = rest.split_once('"').expect("its end");
                found.push((dll.to_owned(), name.to_owned()));
            }
        }
        found.sort();
        let table = FOUND.iter().flat_map(|&(dll, names)| {
            let names = names.iter();
            names.map(move |&name| (dll.to_owned(), name.to_owned()))
        });
        assert_eq!(found, table.collect::<Vec<_>>());
    }

    #[test]
    fn a_function_is_in_the_table_by_its_file_and_its_name() {
        assert!(may_import("kernel32.dll", "ExitProcess"));
        assert!(!may_import("advapi32.dll", "ExitProcess"));
        // Since Windows XP SP2 only: found at run time.
        assert!(!may_import("kernel32.dll", "IsWow64Process"));
        assert!(may_window_import("user32.dll", "CreateWindowExW"));
        assert!(may_window_import("kernel32.dll", "ExitProcess"));
        assert!(!may_import("user32.dll", "CreateWindowExW"));
    }
}
