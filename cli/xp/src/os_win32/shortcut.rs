//! Shortcuts, by the shell's COM object.
//!
//! All functions are found at run time, because few runs need ole32 and shell32.

use alloc::string::String;
use core::ffi::c_void;
use core::mem;
use core::ptr;

use tcplimit_xp::{Shortcut, Win32Error};

use super::imports::Handle;
use super::system::function;
use super::wide::{narrow, wide};

/// HRESULT: negative if a call failed.
type HResult = i32;

/// A GUID.
#[repr(C)]
struct Guid(u32, u16, u16, [u8; 8]);

const COM: [u8; 8] = [0xC0, 0, 0, 0, 0, 0, 0, 0x46];
/// CLSID_ShellLink, IID_IShellLinkW, IID_IPersistFile.
const SHELL_LINK: Guid = Guid(0x0002_1401, 0, 0, COM);
const I_SHELL_LINK: Guid = Guid(0x0002_14F9, 0, 0, COM);
const I_PERSIST_FILE: Guid = Guid(0x0000_010B, 0, 0, COM);

/// CSIDL_COMMON_PROGRAMS.
const COMMON_PROGRAMS: i32 = 0x17;
/// MAX_PATH, and the longest comment (INFOTIPSIZE).
const LONGEST: usize = 260;
const LONGEST_COMMENT: usize = 1024;
/// CLSCTX_INPROC_SERVER, COINIT_APARTMENTTHREADED, SLGP_RAWPATH, STGM_READ.
const IN_PROCESS: u32 = 1;
const APARTMENT: u32 = 2;
const RAW_PATH: u32 = 4;
const READ: u32 = 0;

/// A COM object: its first field points to its table of methods.
type ComObject<T> = *mut *const T;

/// IUnknown.
#[repr(C)]
struct Unknown {
    query: unsafe extern "system" fn(*mut c_void, *const Guid, *mut *mut c_void) -> HResult,
    add: usize,
    release: unsafe extern "system" fn(*mut c_void) -> u32,
}

type Get = unsafe extern "system" fn(*mut c_void, *mut u16, i32) -> HResult;
type Put = unsafe extern "system" fn(*mut c_void, *const u16) -> HResult;

/// IShellLinkW, in the order of ShObjIdl.h.
#[repr(C)]
struct ShellLink {
    unknown: Unknown,
    path: unsafe extern "system" fn(*mut c_void, *mut u16, i32, *mut c_void, u32) -> HResult,
    lists: [usize; 2],
    comment: Get,
    set_comment: Put,
    folder: usize,
    set_folder: Put,
    rest: [usize; 10],
    set_path: Put,
}

/// IPersistFile, in the order of ObjIdl.h.
#[repr(C)]
struct PersistFile {
    unknown: Unknown,
    class: usize,
    is_dirty: usize,
    load: unsafe extern "system" fn(*mut c_void, *const u16, u32) -> HResult,
    save: unsafe extern "system" fn(*mut c_void, *const u16, i32) -> HResult,
}

// GetClassID to SetPath: 18 methods after IUnknown's three; up to Save four.
const _: () = assert!(size_of::<ShellLink>() == 21 * size_of::<usize>());
const _: () = assert!(size_of::<PersistFile>() == 7 * size_of::<usize>());

/// Converts an HRESULT to a Windows error.
fn checked(result: HResult) -> Result<(), Win32Error> {
    let code = result.cast_unsigned();
    match (result < 0, code >> 16) {
        (false, _) => Ok(()),
        // HRESULT_FROM_WIN32.
        (true, 0x8007) => Err(Win32Error(code & 0xFFFF)),
        (true, _) => Err(Win32Error(code)),
    }
}

/// COM, initialized until dropped.
struct Com {
    uninitialize: unsafe extern "system" fn(),
    create: unsafe extern "system" fn(
        *const Guid,
        *mut c_void,
        u32,
        *const Guid,
        *mut *mut c_void,
    ) -> HResult,
}

impl Com {
    fn start() -> Result<Com, Win32Error> {
        type Initialize = unsafe extern "system" fn(*mut c_void, u32) -> HResult;
        type Uninitialize = unsafe extern "system" fn();
        type Create = unsafe extern "system" fn(
            *const Guid,
            *mut c_void,
            u32,
            *const Guid,
            *mut *mut c_void,
        ) -> HResult;

        let initialize = function("ole32.dll", c"CoInitializeEx")?;
        let uninitialize = function("ole32.dll", c"CoUninitialize")?;
        let create = function("ole32.dll", c"CoCreateInstance")?;
        // SAFETY: the function of this name has this type.
        let initialize = unsafe { mem::transmute::<*const c_void, Initialize>(initialize) };
        let com = Com {
            // SAFETY: the function of this name has this type.
            uninitialize: unsafe { mem::transmute::<*const c_void, Uninitialize>(uninitialize) },
            // SAFETY: the function of this name has this type.
            create: unsafe { mem::transmute::<*const c_void, Create>(create) },
        };
        // SAFETY: null is reserved. The thread has no other apartment.
        match checked(unsafe { initialize(ptr::null_mut(), APARTMENT) }) {
            Ok(()) => Ok(com),
            Err(error) => {
                // COM that failed to start must not be ended.
                mem::forget(com);
                Err(error)
            }
        }
    }
}

impl Drop for Com {
    fn drop(&mut self) {
        // SAFETY: COM was started in this thread, and no object is left.
        unsafe { (self.uninitialize)() };
    }
}

/// A shortcut in memory, with both interfaces.
struct Link {
    link: ComObject<ShellLink>,
    file: ComObject<PersistFile>,
    // Dropped after the objects.
    _com: Com,
}

impl Link {
    fn make() -> Result<Link, Win32Error> {
        let com = Com::start()?;
        let mut link = ptr::null_mut();
        // SAFETY: both GUIDs are valid; null is no aggregate; `link` is written.
        checked(unsafe {
            (com.create)(
                &SHELL_LINK,
                ptr::null_mut(),
                IN_PROCESS,
                &I_SHELL_LINK,
                &mut link,
            )
        })?;
        let link: ComObject<ShellLink> = link.cast();
        let mut file = ptr::null_mut();
        // SAFETY: the object has the layout of its interface.
        let query = unsafe { (**link).unknown.query };
        // SAFETY: the GUID is valid; `file` is written.
        let queried = checked(unsafe { query(link.cast(), &I_PERSIST_FILE, &mut file) });
        let link = Link {
            link,
            file: file.cast(),
            _com: com,
        };
        queried.map(|()| link)
    }

    fn methods(&self) -> &ShellLink {
        // SAFETY: the object and its table live as long as this.
        unsafe { &**self.link }
    }

    fn file_methods(&self) -> &PersistFile {
        // SAFETY: as above; a link without this interface is never returned.
        unsafe { &**self.file }
    }

    fn put(&self, put: Put, text: &str) -> Result<(), Win32Error> {
        let text = wide(text);
        // SAFETY: it is a method of this object; the text ends in a NUL.
        checked(unsafe { put(self.link.cast(), text.as_ptr()) })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.file.is_null() {
            // SAFETY: the object is alive, and is not used after.
            unsafe { ((**self.file).unknown.release)(self.file.cast()) };
        }
        // SAFETY: as above.
        unsafe { ((**self.link).unknown.release)(self.link.cast()) };
    }
}

pub(super) fn programs_folder() -> Result<String, Win32Error> {
    type Folder = unsafe extern "system" fn(Handle, i32, Handle, u32, *mut u16) -> HResult;

    let found = function("shell32.dll", c"SHGetFolderPathW")?;
    // SAFETY: the function of this name has this type.
    let folder = unsafe { mem::transmute::<*const c_void, Folder>(found) };
    let mut path = [0; LONGEST];
    let null = ptr::null_mut();
    // SAFETY: the buffer has room for MAX_PATH units; null is no window and no other user.
    checked(unsafe { folder(null, COMMON_PROGRAMS, null, 0, path.as_mut_ptr()) })?;
    narrow(&path)
}

pub(super) fn write(path: &str, shortcut: &Shortcut) -> Result<(), Win32Error> {
    let link = Link::make()?;
    let methods = link.methods();
    link.put(methods.set_path, &shortcut.target)?;
    link.put(methods.set_comment, &shortcut.comment)?;
    if let Some((folder, _)) = shortcut.target.rsplit_once('\\') {
        link.put(methods.set_folder, folder)?;
    }
    let path = wide(path);
    let save = link.file_methods().save;
    // SAFETY: it is a method of this object; the path ends in a NUL; 0: the object does not adopt
    // the file.
    checked(unsafe { save(link.file.cast(), path.as_ptr(), 0) })
}

pub(super) fn read(path: &str) -> Result<Shortcut, Win32Error> {
    let link = Link::make()?;
    let path = wide(path);
    let load = link.file_methods().load;
    // SAFETY: it is a method of this object; the path ends in a NUL.
    checked(unsafe { load(link.file.cast(), path.as_ptr(), READ) })
        .map_err(|_| Win32Error::INVALID_DATA)?;
    let mut target = [0; LONGEST];
    let room = LONGEST as i32;
    let (object, methods) = (link.link.cast(), link.methods());
    // SAFETY: the buffer has room for that many units; null returns no file data.
    checked(unsafe {
        (methods.path)(object, target.as_mut_ptr(), room, ptr::null_mut(), RAW_PATH)
    })?;
    let mut comment = alloc::vec![0; LONGEST_COMMENT];
    let room = LONGEST_COMMENT as i32;
    // SAFETY: the buffer has room for that many units.
    checked(unsafe { (methods.comment)(object, comment.as_mut_ptr(), room) })?;
    // A name of invalid Unicode is not ours.
    Ok(Shortcut {
        target: narrow(&target).unwrap_or_default(),
        comment: narrow(&comment).unwrap_or_default(),
    })
}
