//! What the program asks of Windows: everything that is not a decision.

use alloc::string::String;
use alloc::vec::Vec;

use crate::win32_error::Win32Error;

/// The system that the program runs on.
///
/// Its implementation over Windows is `win` in the program; the tests have one
/// that injects faults. Paths are as Windows writes them, keys are below
/// HKEY_LOCAL_MACHINE. All errors are those that Windows gave.
pub trait Os {
    /// Which Windows it is.
    fn version(&self) -> Version;

    /// The language of the user's Windows, as a LANGID.
    fn ui_language(&self) -> u16;

    /// Whether this is the program for x64.
    fn is_x64(&self) -> bool;

    /// Whether this is a 32-bit program on a 64-bit Windows.
    fn is_wow64(&self) -> bool;

    /// Seconds since 1970.
    fn now(&self) -> u32;

    /// When Windows was started, in seconds since 1970.
    ///
    /// # Errors
    /// When that can't be told.
    fn boot_time(&self) -> Result<u32, Win32Error>;

    /// The folder of the program's file, without a backslash at its end.
    ///
    /// # Errors
    /// When it can't be told.
    fn program_folder(&self) -> Result<String, Win32Error>;

    /// `system32`, without a backslash at its end.
    ///
    /// # Errors
    /// When it can't be told.
    fn system_folder(&self) -> Result<String, Win32Error>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// When it can't be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, Win32Error>;

    /// Writes a file anew, on disk before this returns.
    ///
    /// # Errors
    /// When it can't be written; some of it may be there then.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error>;

    /// Adds to the end of a file, or makes one; on disk before this returns.
    ///
    /// # Errors
    /// When it was not, or not wholly, written.
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error>;

    /// Gives a file another name, in place of a file that has it.
    ///
    /// # Errors
    /// When nothing was renamed.
    fn rename(&self, from: &str, to: &str) -> Result<(), Win32Error>;

    /// Deletes a file.
    ///
    /// # Errors
    /// When it is still there, or never was.
    fn delete(&self, path: &str) -> Result<(), Win32Error>;

    /// The security descriptor of a folder, self-relative, with its access list;
    /// `None` where the disk has no access lists.
    ///
    /// # Errors
    /// When it can't be read.
    fn access_list(&self, folder: &str) -> Result<Option<Vec<u8>>, Win32Error>;

    /// What the service manager knows of a service; `None` for nothing.
    ///
    /// # Errors
    /// When that can't be told.
    fn service(&self, name: &str) -> Result<Option<Service>, Win32Error>;

    /// Registers a driver as a service.
    ///
    /// # Errors
    /// When it was not registered.
    fn create_service(&self, service: &Registration<'_>) -> Result<(), Win32Error>;

    /// Registers it anew under the same name.
    ///
    /// # Errors
    /// When nothing was changed.
    fn change_service(&self, service: &Registration<'_>) -> Result<(), Win32Error>;

    /// Changes when a service is started, and makes it quiet.
    ///
    /// # Errors
    /// When nothing was changed.
    fn set_start(&self, name: &str, start: Start) -> Result<(), Win32Error>;

    /// Starts a service: loads the driver.
    ///
    /// # Errors
    /// Why the driver was not loaded.
    fn start_service(&self, name: &str) -> Result<(), Win32Error>;

    /// Asks a service to stop: the driver is unloaded now or soon.
    ///
    /// # Errors
    /// When it was not asked.
    fn stop_service(&self, name: &str) -> Result<(), Win32Error>;

    /// Deletes a service with its settings, now or when all handles are closed.
    ///
    /// # Errors
    /// When it stays.
    fn delete_service(&self, name: &str) -> Result<(), Win32Error>;

    /// Whether a key is there.
    ///
    /// # Errors
    /// When that can't be told.
    fn has_key(&self, key: &str) -> Result<bool, Win32Error>;

    /// A REG_DWORD; `None` where there is no such value.
    ///
    /// # Errors
    /// [`Win32Error::INVALID_DATA`] where it has another type.
    fn number(&self, key: &str, value: &str) -> Result<Option<u32>, Win32Error>;

    /// A text (REG_SZ, REG_EXPAND_SZ); `None` where there is no such value.
    ///
    /// # Errors
    /// [`Win32Error::INVALID_DATA`] where it has another type.
    fn text(&self, key: &str, value: &str) -> Result<Option<String>, Win32Error>;

    /// Writes a REG_DWORD, in a new key if it must be.
    ///
    /// # Errors
    /// When it was not written.
    fn set_number(&self, key: &str, value: &str, number: u32) -> Result<(), Win32Error>;

    /// Writes a REG_EXPAND_SZ, in a new key if it must be.
    ///
    /// # Errors
    /// When it was not written.
    fn set_text(&self, key: &str, value: &str, text: &str) -> Result<(), Win32Error>;

    /// Deletes a value.
    ///
    /// # Errors
    /// When it is still there, or never was.
    fn delete_value(&self, key: &str, value: &str) -> Result<(), Win32Error>;

    /// Deletes a key that has no keys below it.
    ///
    /// # Errors
    /// When it is still there, or never was.
    fn delete_key(&self, key: &str) -> Result<(), Win32Error>;

    /// A number that the user has chosen in the window; `None` where there is none.
    ///
    /// # Errors
    /// When it can't be read, or is no REG_DWORD.
    fn setting(&self, value: &str) -> Result<Option<u32>, Win32Error>;

    /// Keeps what the user has chosen, in HKEY_CURRENT_USER.
    ///
    /// # Errors
    /// When it was not written.
    fn set_setting(&self, value: &str, number: u32) -> Result<(), Win32Error>;

    /// Deletes all that this user has chosen.
    ///
    /// # Errors
    /// [`Win32Error::FILE_NOT_FOUND`] where there is nothing.
    fn delete_settings(&self) -> Result<(), Win32Error>;

    /// Starts a program by its path, and does not wait for it.
    ///
    /// # Errors
    /// When it was not started; [`Win32Error::FILE_NOT_FOUND`] where it is not there.
    fn start_program(&self, path: &str) -> Result<(), Win32Error>;

    /// The folder of the Start menu's programs for all users, without a backslash at its
    /// end.
    ///
    /// # Errors
    /// When there is none.
    fn programs_folder(&self) -> Result<String, Win32Error>;

    /// Reads a shortcut.
    ///
    /// # Errors
    /// [`Win32Error::INVALID_DATA`] where the file is none.
    fn shortcut(&self, path: &str) -> Result<Shortcut, Win32Error>;

    /// Writes a shortcut's file.
    ///
    /// # Errors
    /// When it was not written; some of it may be there then.
    fn write_shortcut(&self, path: &str, shortcut: &Shortcut) -> Result<(), Win32Error>;

    /// Opens our device, sends one request, and closes it; how many bytes came
    /// back.
    ///
    /// # Errors
    /// [`Win32Error::FILE_NOT_FOUND`] where the driver is not loaded.
    fn control(&self, request: &Request<'_>, output: &mut [u8]) -> Result<usize, Win32Error>;

    /// What the TCP stack has counted since Windows was started.
    ///
    /// # Errors
    /// When it does not tell.
    fn tcp(&self) -> Result<Tcp, Win32Error>;

    /// A table of TCP connections, as dwords: a count, then the rows, then whatever
    /// there was room for.
    ///
    /// # Errors
    /// [`Win32Error::PROC_NOT_FOUND`] where this Windows has no such table.
    fn tcp_table(&self, table: TcpTable) -> Result<Vec<u32>, Win32Error>;

    /// All processes: their numbers, and the file names of their programs.
    ///
    /// # Errors
    /// When they can't be listed.
    fn processes(&self) -> Result<Vec<(u32, String)>, Win32Error>;

    /// The path of a process's program.
    ///
    /// # Errors
    /// When it has ended, or may not be opened.
    fn process_path(&self, id: u32) -> Result<String, Win32Error>;

    /// All services that run, each with the number of its process.
    ///
    /// # Errors
    /// When they can't be listed.
    fn hosted_services(&self) -> Result<Vec<(u32, String)>, Win32Error>;

    /// Shows the system event log, the newest entries first, some of them at a
    /// time, until `more` is false.
    ///
    /// # Errors
    /// When the log can't be read, or not to its end.
    fn system_log(&self, more: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Win32Error>;

    /// Writes text; whether it was taken. What was not is lost: the reader went
    /// away.
    fn print(&self, stream: Stream, text: &str) -> bool;

    /// How many columns the console has; `None` where the stream is redirected.
    fn columns(&self, stream: Stream) -> Option<usize>;

    /// Whether the console is this program's alone, as after a double click; false
    /// where that can't be told.
    fn is_alone(&self) -> bool;

    /// Waits until a key is pressed in the console.
    fn wait_for_key(&self);

    /// Puts the console's cursor at the beginning of the line so many lines
    /// above.
    fn move_up(&self, lines: usize);

    /// From now on Ctrl-C ends a [`Os::wait`] and not the program.
    fn catch_interrupt(&self);

    /// Waits; whether Ctrl-C was pressed.
    fn wait(&self, milliseconds: u32) -> bool;
}

/// Numbers of Windows' version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// 5 for all from Windows 2000 to Server 2003.
    pub major: u32,
    /// 1 for XP, 2 for XP x64 and Server 2003.
    pub minor: u32,
    /// 2600, 3790.
    pub build: u32,
    /// 2 for SP2.
    pub service_pack: u32,
}

/// When a service is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// By the loader, with the system's first drivers.
    Boot,
    /// When the kernel starts its drivers.
    System,
    /// When Windows starts its services.
    Auto,
    /// When someone asks.
    Demand,
    /// Never.
    Disabled,
}

impl Start {
    /// All, in the order of their numbers.
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

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Start> {
        Start::ALL.into_iter().find(|start| start.code() == code)
    }
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// SERVICE_STOPPED.
    Stopped,
    /// SERVICE_RUNNING.
    Running,
    /// Neither, but about to be: SERVICE_STOP_PENDING and the like.
    Pending,
}

/// What the service manager knows of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it does.
    pub activity: Activity,
    /// When it is started.
    pub start: Start,
    /// Whether Windows shows nothing when it does not start
    /// (SERVICE_ERROR_IGNORE).
    pub is_quiet: bool,
    /// The path of its file, in any of the forms that drivers' paths have.
    pub image: String,
}

/// A kernel driver to be registered, to be started after the service `Tcpip`, and
/// quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration<'a> {
    /// The service's name.
    pub name: &'a str,
    /// What people see.
    pub title: &'a str,
    /// The path of the driver's file.
    pub image: &'a str,
    /// When it is started.
    pub start: Start,
}

/// A shortcut, as in the Start menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// The path of the program that it starts, in that program's folder.
    pub target: String,
    /// What is shown when the mouse is over it.
    pub comment: String,
}

/// A request to our device.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A control code of the protocol.
    pub code: u32,
    /// Whether the device is opened for writing too.
    pub writes: bool,
    /// The record.
    pub input: &'a [u8],
}

/// What the TCP stack has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Connections that programs here asked for (MIB_TCPSTATS.dwActiveOpens).
    pub attempts: u32,
    /// Attempts that failed (dwAttemptFails).
    pub failures: u32,
    /// Connections that are established now (dwCurrEstab).
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

/// Where text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}
