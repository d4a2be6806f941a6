//! Functions that the program imports. Each is documented as present since Windows 2000 or XP, and
//! `cargo xtask driver` checks the names against the exports of real systems. (IsWow64Process,
//! which is newer, and GetTcpStatistics, whose library Windows would search beside the program, are
//! found at run time.)

use core::ffi::c_void;

/// A handle of any kind.
pub(crate) type Handle = *mut c_void;

/// INVALID_HANDLE_VALUE.
pub(super) const INVALID_HANDLE: Handle = core::ptr::without_provenance_mut(usize::MAX);

imports! { "kernel32.dll":
    pub(super) fn CloseHandle(handle: Handle) -> i32;
    pub(super) fn CreateEventW(
        security: *const c_void,
        manual: i32,
        set: i32,
        name: *const u16,
    ) -> Handle;
    pub(super) fn CreateFileW(
        name: *const u16,
        access: u32,
        share: u32,
        security: *const c_void,
        disposition: u32,
        flags: u32,
        template: Handle,
    ) -> Handle;
    pub(super) fn CreateProcessW(
        program: *const u16,
        line: *mut u16,
        process_security: *const c_void,
        thread_security: *const c_void,
        inherit: i32,
        flags: u32,
        environment: *const c_void,
        folder: *const u16,
        start: *const StartupInfo,
        made: *mut [Handle; 3],
    ) -> i32;
    pub(super) fn CreateToolhelp32Snapshot(contents: u32, process: u32) -> Handle;
    pub(super) fn DeleteFileW(name: *const u16) -> i32;
    pub(super) fn DeviceIoControl(
        device: Handle,
        code: u32,
        input: *const c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
        returned: *mut u32,
        overlapped: *mut c_void,
    ) -> i32;
    pub(super) fn ExitProcess(code: u32) -> !;
    pub(super) fn FlushConsoleInputBuffer(input: Handle) -> i32;
    pub(super) fn FlushFileBuffers(file: Handle) -> i32;
    pub(super) fn GetCommandLineW() -> *const u16;
    pub(super) fn GetConsoleMode(console: Handle, mode: *mut u32) -> i32;
    pub(super) fn GetConsoleOutputCP() -> u32;
    pub(super) fn GetConsoleProcessList(processes: *mut u32, count: u32) -> u32;
    pub(super) fn GetConsoleScreenBufferInfo(console: Handle, info: *mut ScreenBuffer) -> i32;
    pub(super) fn GetCurrentProcess() -> Handle;
    pub(super) fn GetFileSize(file: Handle, high: *mut u32) -> u32;
    pub(super) fn GetLastError() -> u32;
    pub(super) fn GetModuleFileNameW(module: Handle, name: *mut u16, length: u32) -> u32;
    pub(crate) fn GetModuleHandleW(name: *const u16) -> Handle;
    pub(super) fn GetOEMCP() -> u32;
    pub(super) fn GetProcAddress(module: Handle, name: *const u8) -> *const c_void;
    pub(super) fn GetProcessHeap() -> Handle;
    pub(super) fn GetStdHandle(stream: u32) -> Handle;
    pub(super) fn GetSystemDirectoryW(name: *mut u16, length: u32) -> u32;
    pub(super) fn GetSystemTimeAsFileTime(time: *mut [u32; 2]);
    pub(super) fn GetUserDefaultUILanguage() -> u16;
    pub(super) fn GetVolumeInformationW(
        root: *const u16,
        name: *mut u16,
        name_length: u32,
        serial: *mut u32,
        longest: *mut u32,
        flags: *mut u32,
        system: *mut u16,
        system_length: u32,
    ) -> i32;
    pub(super) fn GetVolumePathNameW(name: *const u16, root: *mut u16, length: u32) -> i32;
    pub(super) fn HeapAlloc(heap: Handle, flags: u32, bytes: usize) -> *mut c_void;
    pub(super) fn HeapFree(heap: Handle, flags: u32, memory: *mut c_void) -> i32;
    pub(super) fn HeapReAlloc(
        heap: Handle,
        flags: u32,
        memory: *mut c_void,
        bytes: usize,
    ) -> *mut c_void;
    pub(super) fn LoadLibraryExW(name: *const u16, file: Handle, flags: u32) -> Handle;
    pub(super) fn MoveFileExW(from: *const u16, to: *const u16, flags: u32) -> i32;
    pub(super) fn OpenProcess(access: u32, inherit: i32, id: u32) -> Handle;
    pub(super) fn Process32FirstW(snapshot: Handle, entry: *mut ProcessEntry) -> i32;
    pub(super) fn Process32NextW(snapshot: Handle, entry: *mut ProcessEntry) -> i32;
    pub(super) fn ReadConsoleInputW(
        input: Handle,
        events: *mut InputRecord,
        count: u32,
        read: *mut u32,
    ) -> i32;
    pub(super) fn ReadFile(
        file: Handle,
        buffer: *mut c_void,
        length: u32,
        read: *mut u32,
        overlapped: *mut c_void,
    ) -> i32;
    pub(super) fn SetConsoleCtrlHandler(
        handler: unsafe extern "system" fn(u32) -> i32,
        add: i32,
    ) -> i32;
    // A COORD is passed as one number: x in the lower half, y in the upper.
    pub(super) fn SetConsoleCursorPosition(console: Handle, position: u32) -> i32;
    pub(super) fn SetEvent(event: Handle) -> i32;
    pub(super) fn Sleep(milliseconds: u32);
    pub(super) fn WaitForSingleObject(object: Handle, milliseconds: u32) -> u32;
    pub(super) fn WideCharToMultiByte(
        page: u32,
        flags: u32,
        wide: *const u16,
        units: i32,
        narrow: *mut u8,
        bytes: i32,
        default: *const u8,
        defaulted: *mut i32,
    ) -> i32;
    pub(super) fn WriteConsoleW(
        console: Handle,
        text: *const c_void,
        units: u32,
        written: *mut u32,
        reserved: *mut c_void,
    ) -> i32;
    pub(super) fn WriteFile(
        file: Handle,
        buffer: *const c_void,
        length: u32,
        written: *mut u32,
        overlapped: *mut c_void,
    ) -> i32;
}

imports! { "advapi32.dll":
    pub(super) fn ChangeServiceConfigW(
        service: Handle,
        kind: u32,
        start: u32,
        error_control: u32,
        image: *const u16,
        group: *const u16,
        tag: *mut u32,
        dependencies: *const u16,
        user: *const u16,
        password: *const u16,
        title: *const u16,
    ) -> i32;
    pub(super) fn CloseEventLog(log: Handle) -> i32;
    pub(super) fn CloseServiceHandle(service: Handle) -> i32;
    pub(super) fn ControlService(service: Handle, control: u32, status: *mut ServiceStatus) -> i32;
    pub(super) fn CreateServiceW(
        manager: Handle,
        name: *const u16,
        title: *const u16,
        access: u32,
        kind: u32,
        start: u32,
        error_control: u32,
        image: *const u16,
        group: *const u16,
        tag: *mut u32,
        dependencies: *const u16,
        user: *const u16,
        password: *const u16,
    ) -> Handle;
    pub(super) fn DeleteService(service: Handle) -> i32;
    pub(super) fn EnumServicesStatusExW(
        manager: Handle,
        level: u32,
        kind: u32,
        state: u32,
        services: *mut c_void,
        length: u32,
        needed: *mut u32,
        count: *mut u32,
        resume: *mut u32,
        group: *const u16,
    ) -> i32;
    pub(super) fn GetFileSecurityW(
        name: *const u16,
        information: u32,
        descriptor: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> i32;
    pub(super) fn OpenEventLogW(server: *const u16, source: *const u16) -> Handle;
    pub(super) fn OpenSCManagerW(
        machine: *const u16,
        database: *const u16,
        access: u32,
    ) -> Handle;
    pub(super) fn OpenServiceW(manager: Handle, name: *const u16, access: u32) -> Handle;
    pub(super) fn QueryServiceConfigW(
        service: Handle,
        config: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> i32;
    pub(super) fn QueryServiceStatus(service: Handle, status: *mut ServiceStatus) -> i32;
    pub(super) fn ReadEventLogW(
        log: Handle,
        flags: u32,
        offset: u32,
        buffer: *mut c_void,
        length: u32,
        read: *mut u32,
        needed: *mut u32,
    ) -> i32;
    pub(super) fn RegCloseKey(key: Handle) -> u32;
    pub(super) fn RegCreateKeyExW(
        key: Handle,
        name: *const u16,
        reserved: u32,
        class: *const u16,
        options: u32,
        access: u32,
        security: *const c_void,
        result: *mut Handle,
        disposition: *mut u32,
    ) -> u32;
    pub(super) fn RegDeleteKeyW(key: Handle, name: *const u16) -> u32;
    pub(super) fn RegDeleteValueW(key: Handle, name: *const u16) -> u32;
    pub(super) fn RegOpenKeyExW(
        key: Handle,
        name: *const u16,
        options: u32,
        access: u32,
        result: *mut Handle,
    ) -> u32;
    pub(super) fn RegQueryValueExW(
        key: Handle,
        name: *const u16,
        reserved: *mut u32,
        kind: *mut u32,
        data: *mut c_void,
        length: *mut u32,
    ) -> u32;
    pub(super) fn RegSetValueExW(
        key: Handle,
        name: *const u16,
        reserved: u32,
        kind: u32,
        data: *const c_void,
        length: u32,
    ) -> u32;
    pub(super) fn StartServiceW(service: Handle, count: u32, words: *const *const u16) -> i32;
}

imports! { "ntdll.dll":
    pub(super) fn NtQuerySystemInformation(
        class: u32,
        information: *mut c_void,
        length: u32,
        returned: *mut u32,
    ) -> i32;
    pub(super) fn RtlGetVersion(version: *mut OsVersion) -> i32;
}

/// Dwords of MIB_TCPSTATS.
pub(super) const TCP_STATISTICS: usize = 15;

/// SERVICE_STATUS.
#[repr(C)]
#[derive(Default)]
pub(super) struct ServiceStatus {
    pub(super) kind: u32,
    pub(super) state: u32,
    pub(super) rest: [u32; 5],
}

/// CONSOLE_SCREEN_BUFFER_INFO.
#[repr(C)]
#[derive(Default)]
pub(super) struct ScreenBuffer {
    pub(super) size: [i16; 2],
    pub(super) cursor: [i16; 2],
    pub(super) attributes: u16,
    pub(super) window: [i16; 4],
    pub(super) largest: [i16; 2],
}

/// INPUT_RECORD with a KEY_EVENT_RECORD.
#[repr(C)]
#[derive(Default)]
pub(super) struct InputRecord {
    pub(super) kind: u16,
    pub(super) down: i32,
    pub(super) rest: [u32; 3],
}

/// PROCESSENTRY32W.
#[repr(C)]
pub(super) struct ProcessEntry {
    pub(super) size: u32,
    pub(super) usage: u32,
    pub(super) id: u32,
    pub(super) heap: usize,
    pub(super) rest: [u32; 5],
    pub(super) name: [u16; 260],
}

impl ProcessEntry {
    pub(super) const EMPTY: ProcessEntry = ProcessEntry {
        size: 0,
        usage: 0,
        id: 0,
        heap: 0,
        rest: [0; 5],
        name: [0; 260],
    };
}

/// STARTUPINFOW.
#[repr(C)]
pub(super) struct StartupInfo {
    pub(super) size: u32,
    pub(super) names: [usize; 3],
    pub(super) numbers: [u32; 8],
    pub(super) shown: [u16; 2],
    pub(super) rest: [usize; 4],
}

/// ENUM_SERVICE_STATUS_PROCESSW.
#[repr(C)]
pub(super) struct HostedService {
    pub(super) name: *const u16,
    pub(super) title: *const u16,
    pub(super) status: [u32; 7],
    pub(super) process: u32,
    pub(super) flags: u32,
}

/// OSVERSIONINFOEXW.
#[repr(C)]
pub(super) struct OsVersion {
    pub(super) size: u32,
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) build: u32,
    pub(super) platform: u32,
    pub(super) text: [u16; 128],
    pub(super) service_pack: u16,
    pub(super) service_pack_minor: u16,
    pub(super) suite: u16,
    pub(super) product: u8,
    pub(super) reserved: u8,
}

const _: () = assert!(size_of::<ServiceStatus>() == 28);
const _: () = assert!(size_of::<ScreenBuffer>() == 22);
const _: () = assert!(size_of::<InputRecord>() == 20);
const _: () = {
    let is_x64 = size_of::<usize>() == 8;
    assert!(size_of::<ProcessEntry>() == if is_x64 { 568 } else { 556 });
    assert!(size_of::<StartupInfo>() == if is_x64 { 104 } else { 68 });
    assert!(size_of::<HostedService>() == if is_x64 { 56 } else { 44 });
};
const _: () = assert!(size_of::<OsVersion>() == 284);
