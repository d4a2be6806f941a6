//! Processes: their connections, names and paths.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::{mem, ptr};

use tcplimit_xp::{TcpTable, Win32Error};

use super::handle::{HandleKind, OwnedHandle, check_bool, check_status, last_error, length};
use super::imports::{
    CreateProcessW, CreateToolhelp32Snapshot, Handle, OpenProcess, Process32FirstW, Process32NextW,
    ProcessEntry, StartupInfo,
};
use super::system::function;
use super::wide::{narrow, wide};

/// AF_INET, AF_INET6.
const V4: u32 = 2;
const V6: u32 = 23;
/// TCP_TABLE_OWNER_PID_ALL.
const ALL_WITH_OWNERS: u32 = 5;
/// Initial size of a table, in dwords.
const ROOM: usize = 0x1000;
/// A table may grow between two calls, but not this often.
const TRIES: usize = 8;
/// TH32CS_SNAPPROCESS.
const PROCESSES: u32 = 2;
/// PROCESS_QUERY_INFORMATION and PROCESS_VM_READ, which psapi needs.
const QUERY: u32 = 0x400 | 0x10;
/// Units of a path, with its NUL.
const LONGEST: usize = 1024;

pub(super) fn tcp_table(table: TcpTable) -> Result<Vec<u32>, Win32Error> {
    type Extended = unsafe extern "system" fn(*mut u32, *mut u32, i32, u32, u32, u32) -> u32;
    type Plain = unsafe extern "system" fn(*mut u32, *mut u32, i32) -> u32;

    let family = match table {
        TcpTable::V4 => {
            let found = function("iphlpapi.dll", c"GetTcpTable")?;
            // SAFETY: the function of this name has this type.
            let get = unsafe { mem::transmute::<*const c_void, Plain>(found) };
            // SAFETY: `filled` passes a buffer of that size.
            return filled(|room, bytes| unsafe { get(room, bytes, 0) });
        }
        TcpTable::OwnedV4 => V4,
        TcpTable::OwnedV6 => V6,
    };
    let found = function("iphlpapi.dll", c"GetExtendedTcpTable")?;
    // SAFETY: the function of this name has this type.
    let get = unsafe { mem::transmute::<*const c_void, Extended>(found) };
    // SAFETY: `filled` passes a buffer of that size.
    filled(|room, bytes| unsafe { get(room, bytes, 0, family, ALL_WITH_OWNERS, 0) })
}

/// Calls a function with a table as large as it needs.
fn filled(call: impl Fn(*mut u32, &mut u32) -> u32) -> Result<Vec<u32>, Win32Error> {
    let mut dwords = ROOM;
    for _ in 0..TRIES {
        let mut room: Vec<u32> = alloc::vec![0; dwords];
        let mut bytes = length(size_of_val(room.as_slice()));
        match check_status(call(room.as_mut_ptr(), &mut bytes)) {
            Ok(()) => return Ok(room),
            // Twice as large, for rows added meanwhile.
            Err(Win32Error::INSUFFICIENT_BUFFER) => {
                let needed = usize::try_from(bytes).unwrap_or(0) / 2;
                dwords = needed.max(dwords.saturating_mul(2));
            }
            Err(error) => return Err(error),
        }
    }
    Err(Win32Error::INSUFFICIENT_BUFFER)
}

/// All processes: PIDs and the names of their programs.
pub(super) fn names() -> Result<Vec<(u32, String)>, Win32Error> {
    // SAFETY: no preconditions.
    let handle = unsafe { CreateToolhelp32Snapshot(PROCESSES, 0) };
    let snapshot = OwnedHandle::new(handle, HandleKind::Object)?;
    let mut entry = ProcessEntry {
        size: length(size_of::<ProcessEntry>()),
        ..ProcessEntry::EMPTY
    };
    let mut names = Vec::new();
    // SAFETY: the snapshot is open; `entry` states its own size.
    let mut more = unsafe { Process32FirstW(snapshot.get(), &mut entry) };
    while more != 0 {
        // The process exists, even if its name is not valid Unicode.
        let name = narrow(&entry.name).unwrap_or_else(|_| "?".into());
        names.push((entry.id, name));
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.get(), &mut entry) };
    }
    Ok(names)
}

/// The path of a process's program.
pub(super) fn path(id: u32) -> Result<String, Win32Error> {
    type GetModuleFileNameEx = unsafe extern "system" fn(Handle, *mut c_void, *mut u16, u32) -> u32;

    // SAFETY: no preconditions; the handle is not inherited.
    let process = OwnedHandle::new(unsafe { OpenProcess(QUERY, 0, id) }, HandleKind::Object)?;
    let found = function("psapi.dll", c"GetModuleFileNameExW")?;
    // SAFETY: the function of this name has this type.
    let get = unsafe { mem::transmute::<*const c_void, GetModuleFileNameEx>(found) };
    let mut buffer = alloc::vec![0; LONGEST];
    // SAFETY: the process is open; the buffer has room for that many units. Null is its program.
    let units = unsafe {
        get(
            process.get(),
            ptr::null_mut(),
            buffer.as_mut_ptr(),
            length(LONGEST),
        )
    };
    match usize::try_from(units).unwrap_or(0) {
        0 => Err(last_error()),
        units => narrow(buffer.get(..units).unwrap_or_default()),
    }
}

/// Starts a program by its path, without arguments, and does not wait for it.
pub(super) fn start(path: &str) -> Result<(), Win32Error> {
    let program = wide(path);
    // Quoted, because the path may contain spaces.
    let mut line = wide(&alloc::format!("\"{path}\""));
    let start = StartupInfo {
        size: length(size_of::<StartupInfo>()),
        names: [0; 3],
        numbers: [0; 8],
        shown: [0; 2],
        rest: [0; 4],
    };
    let mut made = [ptr::null_mut(); 3];
    // SAFETY: both texts end in a NUL; the structure states its own size; `made` is written:
    // PROCESS_INFORMATION is two handles and two numbers of 32 bits.
    check_bool(unsafe {
        CreateProcessW(
            program.as_ptr(),
            line.as_mut_ptr(),
            ptr::null(),
            ptr::null(),
            0,
            0,
            ptr::null(),
            ptr::null(),
            &start,
            &mut made,
        )
    })?;
    let [process, thread, _] = made;
    drop(OwnedHandle::new(process, HandleKind::Object));
    drop(OwnedHandle::new(thread, HandleKind::Object));
    Ok(())
}
