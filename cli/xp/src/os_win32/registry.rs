//! The registry: HKEY_LOCAL_MACHINE, and this user's settings.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::Win32Error;

use super::handle::{HandleKind, OwnedHandle, check_status, length};
use super::imports::{
    Handle, RegCreateKeyExW, RegDeleteKeyW, RegDeleteValueW, RegOpenKeyExW, RegQueryValueExW,
    RegSetValueExW,
};
use super::wide::{narrow, wide};

/// HKEY_LOCAL_MACHINE, a number extended by its sign.
const MACHINE: Handle =
    core::ptr::without_provenance_mut(0x8000_0002_u32.cast_signed() as isize as usize);
/// HKEY_CURRENT_USER.
const USER: Handle =
    core::ptr::without_provenance_mut(0x8000_0001_u32.cast_signed() as isize as usize);
/// The key of the window's settings.
const SETTINGS: &str = r"Software\tcplimit";
const KEY_QUERY_VALUE: u32 = 1;
const KEY_SET_VALUE: u32 = 2;
const REG_SZ: u32 = 1;
const REG_EXPAND_SZ: u32 = 2;
const REG_DWORD: u32 = 4;
/// The longest text to read, in units.
const LONGEST: usize = 1024;

fn open(root: Handle, key: &str, access: u32) -> Result<OwnedHandle, Win32Error> {
    let key = wide(key);
    let mut handle = ptr::null_mut();
    // SAFETY: the name ends in a NUL; `handle` is written.
    check_status(unsafe { RegOpenKeyExW(root, key.as_ptr(), 0, access, &mut handle) })?;
    OwnedHandle::new(handle, HandleKind::Key)
}

pub(super) fn has_key(key: &str) -> Result<bool, Win32Error> {
    match open(MACHINE, key, KEY_QUERY_VALUE) {
        Ok(_) => Ok(true),
        Err(error) if error.is_absence() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A value's type and bytes.
fn value(
    root: Handle,
    key: &str,
    name: &str,
    room: usize,
) -> Result<Option<(u32, Vec<u8>)>, Win32Error> {
    let key = match open(root, key, KEY_QUERY_VALUE) {
        Ok(key) => key,
        Err(error) if error.is_absence() => return Ok(None),
        Err(error) => return Err(error),
    };
    let name = wide(name);
    let mut bytes: Vec<u8> = alloc::vec![0; room];
    let (mut kind, mut used) = (0, length(room));
    // SAFETY: the name ends in a NUL; the buffer has room for that many bytes.
    let result = check_status(unsafe {
        RegQueryValueExW(
            key.get(),
            name.as_ptr(),
            ptr::null_mut(),
            &mut kind,
            bytes.as_mut_ptr().cast::<c_void>(),
            &mut used,
        )
    });
    match result {
        Ok(()) => {
            bytes.truncate(usize::try_from(used).unwrap_or(0));
            Ok(Some((kind, bytes)))
        }
        Err(error) if error.is_absence() => Ok(None),
        // Longer than requested, so of another type.
        Err(Win32Error(234)) => Err(Win32Error::INVALID_DATA),
        Err(error) => Err(error),
    }
}

pub(super) fn number(key: &str, name: &str) -> Result<Option<u32>, Win32Error> {
    number_in(MACHINE, key, name)
}

pub(super) fn setting(name: &str) -> Result<Option<u32>, Win32Error> {
    number_in(USER, SETTINGS, name)
}

fn number_in(root: Handle, key: &str, name: &str) -> Result<Option<u32>, Win32Error> {
    let Some((kind, bytes)) = value(root, key, name, 4)? else {
        return Ok(None);
    };
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) if kind == REG_DWORD => Ok(Some(u32::from_le_bytes(bytes))),
        _ => Err(Win32Error::INVALID_DATA),
    }
}

pub(super) fn text(key: &str, name: &str) -> Result<Option<String>, Win32Error> {
    let Some((kind, bytes)) = value(MACHINE, key, name, 2 * LONGEST)? else {
        return Ok(None);
    };
    if kind != REG_SZ && kind != REG_EXPAND_SZ {
        return Err(Win32Error::INVALID_DATA);
    }
    let units = bytes.chunks_exact(2).map(|unit| match unit {
        &[low, high] => u16::from_le_bytes([low, high]),
        _ => 0,
    });
    narrow(&units.collect::<Vec<u16>>()).map(Some)
}

pub(super) fn set_number(key: &str, name: &str, number: u32) -> Result<(), Win32Error> {
    set(MACHINE, key, name, REG_DWORD, &number.to_le_bytes())
}

pub(super) fn set_setting(name: &str, number: u32) -> Result<(), Win32Error> {
    set(USER, SETTINGS, name, REG_DWORD, &number.to_le_bytes())
}

pub(super) fn delete_settings() -> Result<(), Win32Error> {
    let key = wide(SETTINGS);
    // SAFETY: the name ends in a NUL.
    check_status(unsafe { RegDeleteKeyW(USER, key.as_ptr()) })
}

pub(super) fn set_text(key: &str, name: &str, text: &str) -> Result<(), Win32Error> {
    let units = wide(text).into_iter();
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    set(MACHINE, key, name, REG_EXPAND_SZ, &bytes)
}

fn set(root: Handle, key: &str, name: &str, kind: u32, bytes: &[u8]) -> Result<(), Win32Error> {
    let (key, name) = (wide(key), wide(name));
    let mut handle = ptr::null_mut();
    // SAFETY: the name ends in a NUL; class and security are null; `handle` is written.
    check_status(unsafe {
        RegCreateKeyExW(
            root,
            key.as_ptr(),
            0,
            ptr::null(),
            0,
            KEY_SET_VALUE,
            ptr::null(),
            &mut handle,
            ptr::null_mut(),
        )
    })?;
    let key = OwnedHandle::new(handle, HandleKind::Key)?;
    // SAFETY: the name ends in a NUL; the buffer holds that many bytes.
    check_status(unsafe {
        RegSetValueExW(
            key.get(),
            name.as_ptr(),
            0,
            kind,
            bytes.as_ptr().cast::<c_void>(),
            length(bytes.len()),
        )
    })
}

pub(super) fn delete_value(key: &str, name: &str) -> Result<(), Win32Error> {
    let key = open(MACHINE, key, KEY_SET_VALUE)?;
    let name = wide(name);
    // SAFETY: the name ends in a NUL.
    check_status(unsafe { RegDeleteValueW(key.get(), name.as_ptr()) })
}

pub(super) fn delete_key(key: &str) -> Result<(), Win32Error> {
    let key = wide(key);
    // SAFETY: the name ends in a NUL.
    check_status(unsafe { RegDeleteKeyW(MACHINE, key.as_ptr()) })
}
