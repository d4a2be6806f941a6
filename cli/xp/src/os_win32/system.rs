//! Facts about the system.

use alloc::format;
use alloc::string::String;
use core::ffi::{CStr, c_void};
use core::mem;
use core::ptr;

use tcplimit_xp::{Tcp, Version, Win32Error};

use super::handle::{check_status, last_error, length};
use super::imports::{
    GetCurrentProcess, GetModuleFileNameW, GetModuleHandleW, GetProcAddress, GetSystemDirectoryW,
    GetSystemTimeAsFileTime, GetUserDefaultUILanguage, Handle, LoadLibraryExW,
    NtQuerySystemInformation, OsVersion, RtlGetVersion, TCP_STATISTICS,
};
use super::wide::{narrow, wide};

/// The Unix epoch in 100 ns since 1601.
const UNIX_EPOCH: u64 = 116_444_736_000_000_000;
/// A second in 100 ns.
const SECOND: u64 = 10_000_000;
/// The longest path, in units.
const LONGEST: usize = 1024;
/// SystemTimeOfDayInformation, and its size in XP.
const TIME_OF_DAY: u32 = 3;
const TIME_OF_DAY_WORDS: usize = 6;
/// LOAD_WITH_ALTERED_SEARCH_PATH: searches the library's own imports beside it.
const WITH_ALTERED_SEARCH_PATH: u32 = 8;

pub(super) fn version() -> Version {
    let mut version = OsVersion {
        size: length(size_of::<OsVersion>()),
        major: 0,
        minor: 0,
        build: 0,
        platform: 0,
        text: [0; 128],
        service_pack: 0,
        service_pack_minor: 0,
        suite: 0,
        product: 0,
        reserved: 0,
    };
    // SAFETY: the structure states its own size. The call never fails.
    unsafe { RtlGetVersion(&mut version) };
    Version {
        major: version.major,
        minor: version.minor,
        build: version.build,
        service_pack: version.service_pack.into(),
    }
}

pub(super) fn ui_language() -> u16 {
    // SAFETY: no preconditions.
    unsafe { GetUserDefaultUILanguage() }
}

pub(super) fn is_wow64() -> bool {
    type IsWow64Process = unsafe extern "system" fn(Handle, *mut i32) -> i32;

    let module = wide("kernel32.dll");
    // SAFETY: the name ends in a NUL; kernel32 is always loaded.
    let module = unsafe { GetModuleHandleW(module.as_ptr()) };
    // SAFETY: the name ends in a NUL.
    let found = unsafe { GetProcAddress(module, c"IsWow64Process".as_ptr().cast()) };
    if found.is_null() {
        // Before XP SP2 no 64-bit Windows for x64 exists.
        return false;
    }
    // SAFETY: the function of this name has this type.
    let is_wow64 = unsafe { mem::transmute::<*const c_void, IsWow64Process>(found) };
    let mut answer = 0;
    // SAFETY: the handle is this process's; `answer` is written.
    unsafe { is_wow64(GetCurrentProcess(), &mut answer) != 0 && answer != 0 }
}

/// Converts a FILETIME to seconds since 1970.
fn seconds(time: u64) -> u32 {
    let seconds = time.saturating_sub(UNIX_EPOCH) / SECOND;
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

pub(super) fn now() -> u32 {
    let mut time = [0; 2];
    // SAFETY: `time` is written.
    unsafe { GetSystemTimeAsFileTime(&mut time) };
    let [low, high] = time;
    seconds(u64::from(high) << 32 | u64::from(low))
}

pub(super) fn boot_time() -> Result<u32, Win32Error> {
    let mut words = [0_u64; TIME_OF_DAY_WORDS];
    let mut returned = 0;
    // SAFETY: the buffer has room for that many bytes; both are written.
    let status = unsafe {
        NtQuerySystemInformation(
            TIME_OF_DAY,
            words.as_mut_ptr().cast(),
            length(size_of_val(&words)),
            &mut returned,
        )
    };
    let [boot, ..] = words;
    if status < 0 || boot == 0 {
        return Err(Win32Error::GEN_FAILURE);
    }
    Ok(seconds(boot))
}

pub(super) fn program_folder() -> Result<String, Win32Error> {
    let path = filled(|buffer| {
        // SAFETY: the buffer has room for that many units. Null is this program.
        unsafe { GetModuleFileNameW(ptr::null_mut(), buffer.as_mut_ptr(), length(buffer.len())) }
    })?;
    let folder = path.rsplit_once('\\').map(|(folder, _)| folder);
    Ok(folder.unwrap_or(".").into())
}

pub(super) fn system_folder() -> Result<String, Win32Error> {
    filled(|buffer| {
        // SAFETY: the buffer has room for that many units.
        unsafe { GetSystemDirectoryW(buffer.as_mut_ptr(), length(buffer.len())) }
    })
}

/// A text that a call writes into a buffer; the call returns its length.
fn filled(call: impl FnOnce(&mut [u16]) -> u32) -> Result<String, Win32Error> {
    let mut buffer = alloc::vec![0; LONGEST];
    let length = usize::try_from(call(&mut buffer)).unwrap_or(usize::MAX);
    match length {
        0 => Err(last_error()),
        length if length >= LONGEST => Err(Win32Error::INSUFFICIENT_BUFFER),
        length => narrow(buffer.get(..length).unwrap_or_default()),
    }
}

/// Finds a function of a system library.
pub(super) fn function(library: &str, name: &CStr) -> Result<*const c_void, Win32Error> {
    // Loaded by its path, so that a file of this name beside the program does not run as
    // Administrator.
    let library = wide(&format!(r"{}\{library}", system_folder()?));
    // SAFETY: the name ends in a NUL. Any program may load this system library. It stays loaded.
    let library =
        unsafe { LoadLibraryExW(library.as_ptr(), ptr::null_mut(), WITH_ALTERED_SEARCH_PATH) };
    if library.is_null() {
        return Err(last_error());
    }
    // SAFETY: the name ends in a NUL.
    let found = unsafe { GetProcAddress(library, name.as_ptr().cast()) };
    if found.is_null() {
        return Err(last_error());
    }
    Ok(found)
}

pub(super) fn tcp() -> Result<Tcp, Win32Error> {
    type GetTcpStatistics = unsafe extern "system" fn(*mut [u32; TCP_STATISTICS]) -> u32;

    let found = function("iphlpapi.dll", c"GetTcpStatistics")?;
    // SAFETY: the function of this name has this type.
    let get = unsafe { mem::transmute::<*const c_void, GetTcpStatistics>(found) };
    let mut table = [0; TCP_STATISTICS];
    // SAFETY: `table` is written: MIB_TCPSTATS is 15 numbers.
    check_status(unsafe { get(&mut table) })?;
    // dwActiveOpens, dwPassiveOpens, dwAttemptFails, dwEstabResets, dwCurrEstab.
    let [_, _, _, _, attempts, _, failures, _, established, ..] = table;
    Ok(Tcp {
        attempts,
        failures,
        established,
    })
}
