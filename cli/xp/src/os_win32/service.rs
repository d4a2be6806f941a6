//! The service manager.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::{Activity, Registration, Service, Start, Win32Error};

use super::handle::{HandleKind, OwnedHandle, check_bool, length};
use super::imports::{
    ChangeServiceConfigW, ControlService, CreateServiceW, DeleteService, EnumServicesStatusExW,
    HostedService, OpenSCManagerW, OpenServiceW, QueryServiceConfigW, QueryServiceStatus,
    ServiceStatus, StartServiceW,
};
use super::wide::{narrow, units, wide};

/// SC_MANAGER_CONNECT, SC_MANAGER_CREATE_SERVICE.
const CONNECT: u32 = 1;
const CREATE: u32 = 2;
/// SC_MANAGER_ENUMERATE_SERVICE.
const ENUMERATE: u32 = 4;
/// SC_ENUM_PROCESS_INFO, SERVICE_WIN32, SERVICE_ACTIVE.
const WITH_PROCESSES: u32 = 0;
const PROGRAMS: u32 = 0x30;
const ACTIVE: u32 = 1;
/// SERVICE_QUERY_CONFIG and SERVICE_QUERY_STATUS.
const QUERY: u32 = 1 | 4;
/// SERVICE_CHANGE_CONFIG, SERVICE_START, SERVICE_STOP, DELETE.
const CHANGE: u32 = 2;
const START: u32 = 0x10;
const STOP: u32 = 0x20;
const DELETE: u32 = 0x1_0000;

const KERNEL_DRIVER: u32 = 1;
/// SERVICE_ERROR_IGNORE: Windows shows no message at start if the driver is not loaded, for example
/// because it is blocked.
const ERROR_IGNORE: u32 = 0;
/// SERVICE_NO_CHANGE.
const AS_IT_IS: u32 = u32::MAX;
/// SERVICE_CONTROL_STOP.
const CONTROL_STOP: u32 = 1;
/// SERVICE_STOPPED, SERVICE_RUNNING.
const STOPPED: u32 = 1;
const RUNNING: u32 = 4;

/// The group of the TCP stack, so that the driver is not loaded before it.
const GROUP: &str = "PNP_TDI";
/// A list of names, each with a NUL, and a final NUL.
const TCPIP: &str = "Tcpip\0";

/// Room for QUERY_SERVICE_CONFIG: 8 KB at most, aligned for pointers.
const ROOM: usize = 8192 / size_of::<usize>();

/// The used part of QUERY_SERVICE_CONFIGW.
#[repr(C)]
struct Config {
    kind: u32,
    start: u32,
    error_control: u32,
    image: *const u16,
}

fn manager(access: u32) -> Result<OwnedHandle, Win32Error> {
    // SAFETY: null is this machine and the active database.
    let handle = unsafe { OpenSCManagerW(ptr::null(), ptr::null(), access) };
    OwnedHandle::new(handle, HandleKind::Service)
}

fn open(name: &str, access: u32) -> Result<OwnedHandle, Win32Error> {
    let manager = manager(CONNECT)?;
    let name = wide(name);
    // SAFETY: the manager is open; the name ends in a NUL.
    let handle = unsafe { OpenServiceW(manager.get(), name.as_ptr(), access) };
    OwnedHandle::new(handle, HandleKind::Service)
}

pub(super) fn find(name: &str) -> Result<Option<Service>, Win32Error> {
    let service = match open(name, QUERY) {
        Ok(service) => service,
        Err(Win32Error::SERVICE_DOES_NOT_EXIST) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut status = ServiceStatus::default();
    // SAFETY: the service is open; `status` is written.
    check_bool(unsafe { QueryServiceStatus(service.get(), &mut status) })?;
    let mut room: Vec<usize> = alloc::vec![0; ROOM];
    let mut needed = 0;
    // SAFETY: the buffer has room for that many bytes, aligned for the structure.
    check_bool(unsafe {
        QueryServiceConfigW(
            service.get(),
            room.as_mut_ptr().cast::<c_void>(),
            length(ROOM * size_of::<usize>()),
            &mut needed,
        )
    })?;
    // SAFETY: the call has written the structure to the start of the buffer.
    let config = unsafe { &*room.as_ptr().cast::<Config>() };
    let image = match config.image.is_null() {
        true => &[],
        // SAFETY: it points to a text with a NUL, in the buffer.
        false => unsafe { units(config.image) },
    };
    Ok(Some(Service {
        activity: match status.state {
            STOPPED => Activity::Stopped,
            RUNNING => Activity::Running,
            _ => Activity::Pending,
        },
        start: Start::from_code(config.start).ok_or(Win32Error::INVALID_DATA)?,
        is_quiet: config.error_control == ERROR_IGNORE,
        image: narrow(image)?,
    }))
}

/// All services that run in processes, each with its PID.
pub(super) fn hosted() -> Result<Vec<(u32, String)>, Win32Error> {
    let manager = manager(CONNECT | ENUMERATE)?;
    // XP returns at most 64 KB of the list at a time.
    let mut room: Vec<usize> = alloc::vec![0; 0x1_0000 / size_of::<usize>()];
    let mut all = Vec::new();
    let mut resume = 0;
    loop {
        let (mut needed, mut count) = (0, 0);
        // SAFETY: the manager is open; the buffer has room for that many bytes, aligned for the
        // structure; all numbers are written.
        let listed = check_bool(unsafe {
            EnumServicesStatusExW(
                manager.get(),
                WITH_PROCESSES,
                PROGRAMS,
                ACTIVE,
                room.as_mut_ptr().cast::<c_void>(),
                length(size_of_val(room.as_slice())),
                &mut needed,
                &mut count,
                &mut resume,
                ptr::null(),
            )
        });
        match listed {
            Ok(()) | Err(Win32Error::MORE_DATA) => {}
            Err(error) => return Err(error),
        }
        let first = room.as_ptr().cast::<HostedService>();
        for index in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the call has written that many to the start of the buffer.
            let service = unsafe { &*first.add(index) };
            // SAFETY: it points to a text with a NUL, in the buffer.
            if let Ok(name) = narrow(unsafe { units(service.name) }) {
                all.push((service.process, name));
            }
        }
        if listed.is_ok() || count == 0 {
            return Ok(all);
        }
    }
}

pub(super) fn create(service: &Registration<'_>) -> Result<(), Win32Error> {
    let manager = manager(CONNECT | CREATE)?;
    let [name, title, image] = [service.name, service.title, service.image].map(wide);
    let [group, dependencies] = [GROUP, TCPIP].map(wide);
    // SAFETY: the manager is open; all texts end in a NUL, the list in two; tag and user are null.
    let handle = unsafe {
        CreateServiceW(
            manager.get(),
            name.as_ptr(),
            title.as_ptr(),
            QUERY,
            KERNEL_DRIVER,
            service.start.code(),
            ERROR_IGNORE,
            image.as_ptr(),
            group.as_ptr(),
            ptr::null_mut(),
            dependencies.as_ptr(),
            ptr::null(),
            ptr::null(),
        )
    };
    OwnedHandle::new(handle, HandleKind::Service).map(|_| ())
}

pub(super) fn change(service: &Registration<'_>) -> Result<(), Win32Error> {
    let handle = open(service.name, CHANGE)?;
    let [title, image] = [service.title, service.image].map(wide);
    let [group, dependencies] = [GROUP, TCPIP].map(wide);
    // SAFETY: as above.
    check_bool(unsafe {
        ChangeServiceConfigW(
            handle.get(),
            KERNEL_DRIVER,
            service.start.code(),
            ERROR_IGNORE,
            image.as_ptr(),
            group.as_ptr(),
            ptr::null_mut(),
            dependencies.as_ptr(),
            ptr::null(),
            ptr::null(),
            title.as_ptr(),
        )
    })
}

pub(super) fn set_start(name: &str, start: Start) -> Result<(), Win32Error> {
    let handle = open(name, CHANGE)?;
    // SAFETY: the service is open; null values are not changed.
    check_bool(unsafe {
        ChangeServiceConfigW(
            handle.get(),
            AS_IT_IS,
            start.code(),
            ERROR_IGNORE,
            ptr::null(),
            ptr::null(),
            ptr::null_mut(),
            ptr::null(),
            ptr::null(),
            ptr::null(),
            ptr::null(),
        )
    })
}

pub(super) fn start(name: &str) -> Result<(), Win32Error> {
    let service = open(name, START)?;
    // SAFETY: the service is open; drivers take no arguments.
    check_bool(unsafe { StartServiceW(service.get(), 0, ptr::null()) })
}

pub(super) fn stop(name: &str) -> Result<(), Win32Error> {
    let service = open(name, STOP)?;
    let mut status = ServiceStatus::default();
    // SAFETY: the service is open; `status` is written.
    check_bool(unsafe { ControlService(service.get(), CONTROL_STOP, &mut status) })
}

pub(super) fn delete(name: &str) -> Result<(), Win32Error> {
    let service = open(name, DELETE)?;
    // SAFETY: the service is open.
    check_bool(unsafe { DeleteService(service.get()) })
}
