//! A module in memory, referenced by its driver object.

use core::ptr::null_mut;
use core::slice;

use scanner_core::policy::{PageFacts, WritePermit};
use scanner_core::{Module, Rva};
use tcplimit_driver::{ExchangeError, ModuleRef, Paging};
use tcplimit_protocol::Status;

use super::imports::{
    MmGetPhysicalAddress, MmIsAddressValid, ObReferenceObjectByName, ObfDereferenceObject,
    driver_object_type, status,
};
use super::name::name;
use super::objects::driver_range;
use super::processor::paging;
use super::types::DRIVER_OBJECT;

const PAGE: usize = 0x1000;
/// OBJ_CASE_INSENSITIVE.
const CASE_INSENSITIVE: u32 = 0x40;
/// KPROCESSOR_MODE: KernelMode.
const KERNEL_MODE: i8 = 0;

/// A referenced driver object. NT unloads a driver's image only after the last
/// reference to its object is released, so the image stays while this lives.
pub(super) struct Image {
    object: *mut DRIVER_OBJECT,
    base: *const u8,
    size: u32,
}

impl Image {
    /// References a module's driver object.
    ///
    /// # Errors
    /// OBJECT_NAME_NOT_FOUND if it is not loaded; UNSUCCESSFUL if its object has
    /// no valid address range.
    pub(super) fn reference(module: Module) -> Result<Image, Status> {
        let name = match module {
            Module::Tcpip => name!(r"\Driver\Tcpip"),
            Module::Tcpip6 => name!(r"\Driver\Tcpip6"),
        };
        let mut counted = name.counted();
        let mut object = null_mut();
        // SAFETY: the name outlives the call. With this type, the result is a
        // driver object, referenced for us.
        status(unsafe {
            ObReferenceObjectByName(
                &raw mut counted,
                CASE_INSENSITIVE,
                null_mut(),
                0,
                driver_object_type(),
                KERNEL_MODE,
                null_mut(),
                &raw mut object,
            )
        })?;
        let object = object.cast();
        // SAFETY: it is referenced, so it exists.
        let (base, size) = unsafe { driver_range(object) };
        let image = Image { object, base, size };
        let end = base.addr().checked_add(size as usize);
        if base.is_null() || size == 0 || end.is_none() {
            return Err(Status::UNSUCCESSFUL);
        }
        Ok(image)
    }

    /// The address of `length` bytes inside the image, if all their pages are in
    /// memory.
    fn inside(&self, rva: Rva, length: u32) -> Option<*const u8> {
        let end = rva.0.checked_add(length)?;
        if end > self.size || length == 0 {
            return None;
        }
        // `reference` has checked that base + size does not wrap.
        let first = self.base.wrapping_add(rva.0 as usize);
        let last = self.base.addr().wrapping_add(end as usize - 1);
        let mut page = first.addr() & !(PAGE - 1);
        loop {
            if !is_valid(page) {
                return None;
            }
            if last - page < PAGE {
                return Some(first);
            }
            page += PAGE;
        }
    }

    /// The address of an aligned dword inside the image.
    fn dword(&self, rva: Rva) -> Option<*mut u32> {
        let place = self.inside(rva, 4)?.cast::<u32>();
        place.is_aligned().then_some(place.cast_mut())
    }
}

/// Whether an address can be read. Called only for pages that are never paged
/// out, so the answer stays true.
fn is_valid(address: usize) -> bool {
    // SAFETY: any address is allowed, and the call changes nothing.
    unsafe { MmIsAddressValid(address as *mut _) != 0 }
}

/// Reads an entry of the page tables, if it is mapped.
fn entry(paging: Paging, address: u64) -> Option<u64> {
    let address = usize::try_from(address).ok()?;
    if !is_valid(address) {
        return None;
    }
    // SAFETY: the page is mapped, and on NT page tables in use are never paged
    // out: the table of a page in memory, as the caller's is, is itself in
    // memory. Entries are aligned to their size. They change concurrently, so
    // the reads are volatile. An entry whose rights are stale would be trusted:
    // rights can be revoked at any time, also a moment later.
    Some(match paging.entry_size() {
        4 => u64::from(unsafe { (address as *const u32).read_volatile() }),
        _ => unsafe { (address as *const u64).read_volatile() },
    })
}

impl ModuleRef for Image {
    fn base(&self) -> u64 {
        self.base.addr() as u64
    }

    fn size(&self) -> u32 {
        self.size
    }

    fn bytes(&self, rva: Rva, length: u32) -> Option<&[u8]> {
        let first = self.inside(rva, length)?;
        // SAFETY: the bytes lie inside the image, which stays while `self` does,
        // and all their pages are in memory. The caller asks for headers, and for
        // code and the exception table that are neither paged nor discarded, all
        // of which NT leaves in place. We don't write them, and nobody should,
        // but software that hooks drivers may. A byte that changes during a
        // search can change its result, but breaks nothing: every access is
        // checked against the slice's length, no offset is read twice and
        // trusted, and the exchange compares the value that it finds.
        Some(unsafe { slice::from_raw_parts(first, length as usize) })
    }

    fn page_facts(&self, rva: Rva) -> PageFacts {
        let Some(place) = self.inside(rva, 1) else {
            return PageFacts {
                valid: false,
                writable: None,
            };
        };
        let paging = paging();
        // SAFETY: the call changes nothing; the address is valid.
        let physical = || unsafe { MmGetPhysicalAddress(place.cast_mut().cast()) }.cast_unsigned();
        PageFacts {
            valid: true,
            writable: paging.writable(place.addr() as u64, physical, |at| entry(paging, at)),
        }
    }

    fn read(&self, rva: Rva) -> Option<u32> {
        let place = self.dword(rva)?;
        // SAFETY: it is aligned, inside the image, in memory, and in a section
        // that is not paged. Others write it at any time, so the read is volatile.
        Some(unsafe { place.read_volatile() })
    }

    fn exchange(&self, permit: WritePermit) -> Result<(), ExchangeError> {
        let place = self
            .dword(permit.threshold())
            .filter(|place| permit.base() == self.base() && place.addr() as u64 == permit.address())
            .ok_or(ExchangeError::NotPermitted)?;
        // SAFETY: the permit states that this dword, in this module, which stays
        // while `self` does, is the limit, lies in writable data that is not
        // paged, and that its page may be written. Base, address, alignment and
        // presence in memory were just checked.
        let found = unsafe { compare_exchange(place, permit.current(), permit.limit()) };
        if found == permit.current() {
            Ok(())
        } else {
            Err(ExchangeError::Found(found))
        }
    }
}

/// `lock cmpxchg` in assembly: the compiler takes this target for a single
/// processor and would omit the lock. Returns the value found.
///
/// # Safety
/// `place` is aligned and may be written.
unsafe fn compare_exchange(place: *mut u32, current: u32, new: u32) -> u32 {
    let found;
    // SAFETY: by contract; the instruction touches nothing else but flags.
    unsafe {
        core::arch::asm!(
            "lock cmpxchg dword ptr [{place}], {new:e}",
            // The first registers, for the same short form on both machines.
            place = in(reg_abcd) place,
            new = in(reg_abcd) new,
            inout("eax") current => found,
            options(nostack),
        );
    }
    found
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: it was referenced once, in `reference`, and is released once.
        unsafe { ObfDereferenceObject(self.object.cast()) };
    }
}
