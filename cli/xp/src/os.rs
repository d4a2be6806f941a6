//! The interface to Windows: everything that is not a decision.

use alloc::string::String;
use alloc::vec::Vec;

use crate::win32_error::Win32Error;

/// The system that the program runs on.
///
/// `os_win32` implements it over Windows; the tests have an implementation that injects faults.
/// Paths are Windows paths, keys are below HKEY_LOCAL_MACHINE. All errors are Windows errors.
pub trait Os {
    /// The version of Windows.
    fn version(&self) -> Version;

    /// The language of the user's Windows, as a LANGID.
    fn ui_language(&self) -> u16;

    /// Whether this is the program for x64.
    fn is_x64(&self) -> bool;

    /// Whether this is a 32-bit program on a 64-bit Windows.
    fn is_wow64(&self) -> bool;

    /// Seconds since 1970.
    fn now(&self) -> u32;

    /// When Windows started, in seconds since 1970.
    ///
    /// # Errors
    /// If the time is unknown.
    fn boot_time(&self) -> Result<u32, Win32Error>;

    /// The folder of the program's file, without a trailing backslash.
    ///
    /// # Errors
    /// If it is unknown.
    fn program_folder(&self) -> Result<String, Win32Error>;

    /// `system32`, without a trailing backslash.
    ///
    /// # Errors
    /// If it is unknown.
    fn system_folder(&self) -> Result<String, Win32Error>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// If it can't be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, Win32Error>;

    /// Replaces a file; flushed to disk before this returns.
    ///
    /// # Errors
    /// If it can't be written; a part may exist then.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error>;

    /// Appends to a file, or creates it; flushed to disk before this returns.
    ///
    /// # Errors
    /// If not everything was written.
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error>;

    /// Renames a file, replacing any file of the new name.
    ///
    /// # Errors
    /// If nothing was renamed.
    fn rename(&self, from: &str, to: &str) -> Result<(), Win32Error>;

    /// Deletes a file.
    ///
    /// # Errors
    /// If it still exists, or never did.
    fn delete(&self, path: &str) -> Result<(), Win32Error>;

    /// The security descriptor of a folder, self-relative, with its access list; `None` if the disk
    /// has no access lists.
    ///
    /// # Errors
    /// If it can't be read.
    fn access_list(&self, folder: &str) -> Result<Option<Vec<u8>>, Win32Error>;

    /// The service manager's data on a service; `None` if there is no such service.
    ///
    /// # Errors
    /// If it can't be read.
    fn service(&self, name: &str) -> Result<Option<Service>, Win32Error>;

    /// Registers a driver as a service.
    ///
    /// # Errors
    /// If it was not registered.
    fn create_service(&self, service: &Registration<'_>) -> Result<(), Win32Error>;

    /// Registers a service again under the same name.
    ///
    /// # Errors
    /// If nothing was changed.
    fn change_service(&self, service: &Registration<'_>) -> Result<(), Win32Error>;

    /// Sets a service's start type and ERROR_IGNORE.
    ///
    /// # Errors
    /// If nothing was changed.
    fn set_start(&self, name: &str, start: Start) -> Result<(), Win32Error>;

    /// Starts a service, which loads the driver.
    ///
    /// # Errors
    /// If the driver was not loaded.
    fn start_service(&self, name: &str) -> Result<(), Win32Error>;

    /// Requests a service to stop; the driver is unloaded now or soon.
    ///
    /// # Errors
    /// If the request failed.
    fn stop_service(&self, name: &str) -> Result<(), Win32Error>;

    /// Deletes a service with its settings, now or when all handles are closed.
    ///
    /// # Errors
    /// If it stays.
    fn delete_service(&self, name: &str) -> Result<(), Win32Error>;

    /// Whether a key exists.
    ///
    /// # Errors
    /// If this is unknown.
    fn has_key(&self, key: &str) -> Result<bool, Win32Error>;

    /// A REG_DWORD; `None` if there is no such value.
    ///
    /// # Errors
    /// [`Win32Error::INVALID_DATA`] if it has another type.
    fn number(&self, key: &str, value: &str) -> Result<Option<u32>, Win32Error>;

    /// A text (REG_SZ, REG_EXPAND_SZ); `None` if there is no such value.
    ///
    /// # Errors
    /// [`Win32Error::INVALID_DATA`] if it has another type.
    fn text(&self, key: &str, value: &str) -> Result<Option<String>, Win32Error>;

    /// Writes a REG_DWORD, creating its key if needed.
    ///
    /// # Errors
    /// If it was not written.
    fn set_number(&self, key: &str, value: &str, number: u32) -> Result<(), Win32Error>;

    /// Writes a REG_EXPAND_SZ, creating its key if needed.
    ///
    /// # Errors
    /// If it was not written.
    fn set_text(&self, key: &str, value: &str, text: &str) -> Result<(), Win32Error>;

    /// Deletes a value.
    ///
    /// # Errors
    /// If it still exists, or never did.
    fn delete_value(&self, key: &str, value: &str) -> Result<(), Win32Error>;

    /// Deletes a key without subkeys.
    ///
    /// # Errors
    /// If it still exists, or never did.
    fn delete_key(&self, key: &str) -> Result<(), Win32Error>;

    /// A setting of the user for the window; `None` if not set.
    ///
    /// # Errors
    /// If it can't be read, or is not a REG_DWORD.
    fn setting(&self, value: &str) -> Result<Option<u32>, Win32Error>;

    /// Stores a setting in HKEY_CURRENT_USER.
    ///
    /// # Errors
    /// If it was not written.
    fn set_setting(&self, value: &str, number: u32) -> Result<(), Win32Error>;

    /// Deletes all settings of this user.
    ///
    /// # Errors
    /// [`Win32Error::FILE_NOT_FOUND`] if there are none.
    fn delete_settings(&self) -> Result<(), Win32Error>;

    /// Starts a program by its path, without waiting for it.
    ///
    /// # Errors
    /// If it was not started; [`Win32Error::FILE_NOT_FOUND`] if it does not exist.
    fn start_program(&self, path: &str) -> Result<(), Win32Error>;

    /// The Start menu's Programs folder for all users, without a trailing backslash.
    ///
    /// # Errors
    /// If there is none.
    fn programs_folder(&self) -> Result<String, Win32Error>;

    /// Reads a shortcut.
    ///
    /// # Errors
    /// [`Win32Error::INVALID_DATA`] if the file is not one.
    fn shortcut(&self, path: &str) -> Result<Shortcut, Win32Error>;

    /// Writes a shortcut's file.
    ///
    /// # Errors
    /// If it was not written; a part may exist then.
    fn write_shortcut(&self, path: &str, shortcut: &Shortcut) -> Result<(), Win32Error>;

    /// Opens our device, sends one request, and closes it; returns the number of bytes received.
    ///
    /// # Errors
    /// [`Win32Error::FILE_NOT_FOUND`] if the driver is not loaded.
    fn control(&self, request: &Request<'_>, output: &mut [u8]) -> Result<usize, Win32Error>;

    /// Counters of the TCP stack since Windows started.
    ///
    /// # Errors
    /// If they can't be read.
    fn tcp(&self) -> Result<Tcp, Win32Error>;

    /// A table of TCP connections, as dwords: a count, the rows, then unused space.
    ///
    /// # Errors
    /// [`Win32Error::PROC_NOT_FOUND`] if this Windows has no such table.
    fn tcp_table(&self, table: TcpTable) -> Result<Vec<u32>, Win32Error>;

    /// All processes: their PIDs, and the file names of their programs.
    ///
    /// # Errors
    /// If they can't be listed.
    fn processes(&self) -> Result<Vec<(u32, String)>, Win32Error>;

    /// The path of a process's program.
    ///
    /// # Errors
    /// If it has ended, or may not be opened.
    fn process_path(&self, id: u32) -> Result<String, Win32Error>;

    /// All running services, each with the PID of its process.
    ///
    /// # Errors
    /// If they can't be listed.
    fn hosted_services(&self) -> Result<Vec<(u32, String)>, Win32Error>;

    /// Passes the system event log to `more`, the newest entries first, several at a time, until it
    /// returns false.
    ///
    /// # Errors
    /// If the log can't be read to its end.
    fn system_log(&self, more: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Win32Error>;

    /// Writes text; returns whether the stream accepted it. Otherwise it is lost: the reader has
    /// gone.
    fn print(&self, stream: Stream, text: &str) -> bool;

    /// The columns of the console; `None` if the stream is redirected.
    fn columns(&self, stream: Stream) -> Option<usize>;

    /// Whether the console belongs to this program alone, as after a double click; false if
    /// unknown.
    fn is_alone(&self) -> bool;

    /// Waits for a key press in the console.
    fn wait_for_key(&self);

    /// Moves the console's cursor up by that many lines, to the start of the line.
    fn move_up(&self, lines: usize);

    /// From now on Ctrl-C ends a [`Os::wait`] instead of the program.
    fn catch_interrupt(&self);

    /// Waits; returns whether Ctrl-C was pressed.
    fn wait(&self, milliseconds: u32) -> bool;
}

/// The version numbers of Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// 5 from Windows 2000 to Server 2003.
    pub major: u32,
    /// 1 for XP, 2 for XP x64 and Server 2003.
    pub minor: u32,
    /// 2600, 3790.
    pub build: u32,
    /// 2 for SP2.
    pub service_pack: u32,
}

/// The start type of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// By the loader, with the system's first drivers.
    Boot,
    /// When the kernel starts its drivers.
    System,
    /// When Windows starts its services.
    Auto,
    /// On request.
    Demand,
    /// Never.
    Disabled,
}

impl Start {
    /// All, in order of their codes.
    pub const ALL: [Start; 5] = [
        Start::Boot,
        Start::System,
        Start::Auto,
        Start::Demand,
        Start::Disabled,
    ];

    /// SERVICE_BOOT_START (0) and so on.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Start::Boot => 0,
            Start::System => 1,
            Start::Auto => 2,
            Start::Demand => 3,
            Start::Disabled => 4,
        }
    }

    /// The start type of this code.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Start> {
        Start::ALL.into_iter().find(|start| start.code() == code)
    }
}

/// The state of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// SERVICE_STOPPED.
    Stopped,
    /// SERVICE_RUNNING.
    Running,
    /// SERVICE_STOP_PENDING and other pending states.
    Pending,
}

/// The service manager's data on a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its state.
    pub activity: Activity,
    /// Its start type.
    pub start: Start,
    /// Whether Windows shows no message if it does not start (SERVICE_ERROR_IGNORE).
    pub is_quiet: bool,
    /// The path of its file, in any form of drivers' paths.
    pub image: String,
}

/// A kernel driver to register, started after the service `Tcpip`, with ERROR_IGNORE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration<'a> {
    /// The service's name.
    pub name: &'a str,
    /// The display name.
    pub title: &'a str,
    /// The path of the driver's file.
    pub image: &'a str,
    /// The start type.
    pub start: Start,
}

/// A shortcut, as in the Start menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// The path of the program, which starts in its own folder.
    pub target: String,
    /// The tooltip.
    pub comment: String,
}

/// A request to our device.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A control code of the protocol.
    pub code: u32,
    /// Whether to open the device for writing too.
    pub writes: bool,
    /// The record.
    pub input: &'a [u8],
}

/// Counters of the TCP stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Outgoing connection attempts (MIB_TCPSTATS.dwActiveOpens).
    pub attempts: u32,
    /// Failed attempts (dwAttemptFails).
    pub failures: u32,
    /// Connections established now (dwCurrEstab).
    pub established: u32,
}

/// A table of TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpTable {
    /// MIB_TCPTABLE: IPv4, without processes.
    V4,
    /// MIB_TCPTABLE_OWNER_PID: IPv4, with processes.
    OwnedV4,
    /// MIB_TCP6TABLE_OWNER_PID: IPv6, with processes.
    OwnedV6,
}

/// An output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}
