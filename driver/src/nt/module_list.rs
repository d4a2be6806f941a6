//! The system's list of modules.

use core::ffi::c_void;
use core::mem::offset_of;
use core::ptr::null_mut;

use tcplimit_driver::ModuleEntry;
use tcplimit_protocol::Status;

use super::imports::{ExAllocatePoolWithTag, ExFreePoolWithTag, ZwQuerySystemInformation, status};

/// SYSTEM_INFORMATION_CLASS: SystemModuleInformation.
const MODULES: i32 = 11;
/// POOL_TYPE: PagedPool.
const PAGED_POOL: i32 = 1;
/// "tcpl" in debugging tools.
const TAG: u32 = u32::from_le_bytes(*b"tcpl");
/// Room for a few modules that are loaded between two calls.
const SLACK: u32 = 0x1000;

/// One module in the call's result (RTL_PROCESS_MODULE_INFORMATION; in no public
/// header, the same in all versions).
#[repr(C)]
#[derive(Clone, Copy)]
struct RawEntry {
    section: *mut c_void,
    mapped_base: *mut c_void,
    image_base: *mut c_void,
    image_size: u32,
    flags: u32,
    indices: [u16; 2],
    load_count: u16,
    file_name: u16,
    path: [u8; 256],
}

/// The count and the first entry.
#[repr(C)]
struct RawList {
    count: u32,
    first: [RawEntry; 0],
}

const _: () = assert!(size_of::<RawEntry>() == if size_of::<usize>() == 8 { 296 } else { 284 });

/// Memory of the paged pool, freed when dropped.
struct Pool(*mut c_void);

impl Pool {
    fn allocate(bytes: u32) -> Result<Pool, Status> {
        // SAFETY: at PASSIVE_LEVEL any pool is allowed; the length is never 0.
        let memory = unsafe { ExAllocatePoolWithTag(PAGED_POOL, bytes as usize, TAG) };
        if memory.is_null() {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        Ok(Pool(memory))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this tag and is freed once.
        unsafe { ExFreePoolWithTag(self.0, TAG) };
    }
}

/// Calls `show` with every module.
///
/// # Errors
/// INSUFFICIENT_RESOURCES without memory for the list; any other of the system.
pub(super) fn for_each(mut show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status> {
    let mut length = 0;
    // The first call, without a buffer, returns the length needed.
    let _ = query(null_mut(), 0, &mut length);
    let room = length.saturating_add(SLACK);
    let pool = Pool::allocate(room)?;
    query(pool.0, room, &mut length)?;

    let items: *const RawList = pool.0.cast();
    // SAFETY: the pool's memory is aligned for it and has `room` bytes, more
    // than one page; the call wrote the count.
    let count = unsafe { (*items).count };
    let first = items
        .wrapping_byte_add(offset_of!(RawList, first))
        .cast::<RawEntry>();
    let fits = (room as usize - offset_of!(RawList, first)) / size_of::<RawEntry>();
    for index in 0..fits.min(count as usize) {
        // SAFETY: entry `index` of `fits` lies wholly inside the memory. The
        // call initialised `count` of them, and every bit pattern is valid.
        let item = unsafe { &*first.wrapping_add(index) };
        let end = item.path.iter().position(|&byte| byte == 0);
        show(&ModuleEntry {
            path: item
                .path
                .get(..end.unwrap_or(item.path.len()))
                .unwrap_or_default(),
            base: item.image_base.addr() as u64,
            size: item.image_size,
        });
    }
    Ok(())
}

fn query(buffer: *mut c_void, room: u32, length: &mut u32) -> Result<(), Status> {
    // SAFETY: `buffer` has `room` bytes, or is null and `room` is 0.
    status(unsafe { ZwQuerySystemInformation(MODULES, buffer, room, length) })
}
