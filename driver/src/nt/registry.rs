//! Registry keys.

use core::ffi::c_void;
use core::mem::offset_of;
use core::ptr::{from_ref, null_mut};

use tcplimit_driver::access::{descriptor, is_restricted};
use tcplimit_protocol::Status;

use super::imports::{
    ZwClose, ZwCreateKey, ZwDeleteValueKey, ZwFlushKey, ZwOpenKey, ZwQuerySecurityObject,
    ZwQueryValueKey, ZwSetValueKey, status,
};
use super::name::Name;
use super::types::{KEY_VALUE_PARTIAL_INFORMATION, OBJECT_ATTRIBUTES};

/// KEY_READ and KEY_WRITE.
const ACCESS: u32 = 0x0002_0019 | 0x0002_0006;
/// OBJ_CASE_INSENSITIVE and OBJ_KERNEL_HANDLE: a handle that is valid in every
/// process and out of reach for programs.
const ATTRIBUTES: u32 = 0x40 | 0x200;
const REG_OPTION_VOLATILE: u32 = 1;
const KEY_ALL_ACCESS: u32 = 0x000F_003F;
const OWNER_SECURITY_INFORMATION: u32 = 1;
const DACL_SECURITY_INFORMATION: u32 = 4;
/// The longest descriptor read, in dwords: ours has 22; a longer one differs.
const LONGEST_DESCRIPTOR: usize = 32;

/// Security of a secured key: O:BAD:P(A;;KA;;;SY)(A;;KA;;;BA).
static KEY_SECURITY: [u32; 22] = descriptor(KEY_ALL_ACCESS);

/// KEY_VALUE_INFORMATION_CLASS: KeyValuePartialInformation.
const PARTIAL: i32 = 2;

/// STATUS_BUFFER_OVERFLOW: the value fits only in part.
const TOO_LONG: Status = Status(0x8000_0005);

/// REG_BINARY.
pub(super) const BINARY: u32 = 3;
/// REG_DWORD.
pub(super) const DWORD: u32 = 4;

/// An open key, closed when dropped.
pub(super) struct Key(*mut c_void);

/// A value in the registry's format: its header and data.
#[repr(C, align(8))]
struct Value<const N: usize> {
    header: [u32; 3],
    data: [u8; N],
}

const _: () = assert!(offset_of!(KEY_VALUE_PARTIAL_INFORMATION, Data) == 12);

impl Key {
    /// Opens a key by its full name, or by its name below another.
    ///
    /// # Errors
    /// OBJECT_NAME_NOT_FOUND if it does not exist; any other of the system.
    pub(super) fn open(below: Option<&Key>, name: Name<'_>) -> Result<Key, Status> {
        let mut key = null_mut();
        let mut counted = name.counted();
        let mut attributes = Key::attributes(below, &raw mut counted);
        // SAFETY: name and attributes outlive the call.
        status(unsafe { ZwOpenKey(&raw mut key, ACCESS, &raw mut attributes) })?;
        Ok(Key(key))
    }

    /// Opens a key by its full name, if only SYSTEM and Administrators can have
    /// written to it.
    ///
    /// # Errors
    /// Those of [`Key::open`]; ACCESS_DENIED if others may write to it.
    pub(super) fn open_secured(name: Name<'_>) -> Result<Key, Status> {
        Key::open(None, name)?.secured()
    }

    /// Opens or creates such a key; a created key is volatile: a restart removes
    /// it.
    ///
    /// # Errors
    /// Those of [`Key::open_secured`].
    pub(super) fn create_secured(name: Name<'_>) -> Result<Key, Status> {
        let mut key = null_mut();
        let mut counted = name.counted();
        let mut attributes = Key::attributes(None, &raw mut counted);
        attributes.SecurityDescriptor = from_ref(&KEY_SECURITY).cast_mut().cast();
        // SAFETY: name, attributes and descriptor outlive the call, which only
        // reads them; class and disposition may be absent.
        status(unsafe {
            ZwCreateKey(
                &raw mut key,
                ACCESS,
                &raw mut attributes,
                0,
                null_mut(),
                REG_OPTION_VOLATILE,
                null_mut(),
            )
        })?;
        Key(key).secured()
    }

    /// The key, if owner and access list are as required: it may have existed
    /// before.
    fn secured(self) -> Result<Key, Status> {
        let mut found = [0_u32; LONGEST_DESCRIPTOR];
        let mut needed = 0;
        // SAFETY: the key is open; the buffer is as long as stated and aligned
        // for a descriptor.
        status(unsafe {
            ZwQuerySecurityObject(
                self.0,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                (&raw mut found).cast(),
                size_of_val(&found) as u32,
                &raw mut needed,
            )
        })?;
        if is_restricted(&found, KEY_ALL_ACCESS) {
            Ok(self)
        } else {
            Err(Status::ACCESS_DENIED)
        }
    }

    fn attributes(
        below: Option<&Key>,
        name: *mut super::types::UNICODE_STRING,
    ) -> OBJECT_ATTRIBUTES {
        OBJECT_ATTRIBUTES {
            // The size of a few words fits.
            Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
            RootDirectory: below.map_or(null_mut(), |key| key.0),
            ObjectName: name,
            Attributes: ATTRIBUTES,
            SecurityDescriptor: null_mut(),
            SecurityQualityOfService: null_mut(),
        }
    }

    /// Reads a value of exactly this type and length.
    ///
    /// # Errors
    /// OBJECT_NAME_NOT_FOUND if it does not exist, OBJECT_TYPE_MISMATCH if it is
    /// of another type or length.
    pub(super) fn read<const N: usize>(
        &self,
        name: Name<'_>,
        kind: u32,
    ) -> Result<[u8; N], Status> {
        let mut value = Value {
            header: [0; 3],
            data: [0; N],
        };
        let mut needed = 0;
        let mut counted = name.counted();
        // SAFETY: the buffer is as long as stated and aligned for the header.
        let read = status(unsafe {
            ZwQueryValueKey(
                self.0,
                &raw mut counted,
                PARTIAL,
                (&raw mut value).cast(),
                size_of::<Value<N>>() as u32,
                &raw mut needed,
            )
        });
        match read {
            // A value that does not fit has another length.
            Err(TOO_LONG | Status::BUFFER_TOO_SMALL) => return Err(Status::OBJECT_TYPE_MISMATCH),
            Err(status) => return Err(status),
            Ok(()) => {}
        }
        let [_, found, length] = value.header;
        if found != kind || length as usize != N {
            return Err(Status::OBJECT_TYPE_MISMATCH);
        }
        Ok(value.data)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn write<const N: usize>(
        &self,
        name: Name<'_>,
        kind: u32,
        data: &[u8; N],
    ) -> Result<(), Status> {
        let mut counted = name.counted();
        let data = from_ref(data).cast_mut().cast();
        // SAFETY: the data is as long as stated, and only read.
        status(unsafe { ZwSetValueKey(self.0, &raw mut counted, 0, kind, data, N as u32) })
    }

    /// Deletes a value.
    ///
    /// # Errors
    /// OBJECT_NAME_NOT_FOUND if it does not exist; any other of the system.
    pub(super) fn delete(&self, name: Name<'_>) -> Result<(), Status> {
        let mut counted = name.counted();
        // SAFETY: the key is open and the name outlives the call.
        status(unsafe { ZwDeleteValueKey(self.0, &raw mut counted) })
    }

    /// Writes the key to disk before returning.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn flush(&self) -> Result<(), Status> {
        // SAFETY: the key is open.
        status(unsafe { ZwFlushKey(self.0) })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once. It could fail only if it were not,
        // and then there is nothing to do.
        let _ = status(unsafe { ZwClose(self.0) });
    }
}
