//! A simulated Windows with services, a registry, files and a driver with a limit. Any call can
//! fail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use tcplimit_protocol::{
    Answer, Flags, Header, ModuleId, QUERY, Query, RESET, Reason, Reset, SET, Set,
    Start as Applied, State,
};
use tcplimit_xp::{
    Activity, Exit, Os, Registration, Request, Service, Shortcut, Start, Stream, Tcp, TcpTable,
    Version, Win32Error, run,
};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

pub(crate) const SYSTEM: &str = r"C:\WINDOWS\system32";
pub(crate) const FOLDER: &str = r"D:\zip";
pub(crate) const DRIVER: &str = r"C:\WINDOWS\system32\drivers\tcplimit.sys";
pub(crate) const PART: &str = r"C:\WINDOWS\system32\drivers\tcplimit.sys.new";
pub(crate) const SOURCE: &str = r"D:\zip\tcplimit.sys";
pub(crate) const WINDOW: &str = r"D:\zip\tcplimitw.exe";
pub(crate) const ENTRY: &str =
    r"C:\Documents and Settings\All Users\Start Menu\Programs\tcplimit.lnk";
pub(crate) const TCPIP: &str = r"C:\WINDOWS\system32\drivers\tcpip.sys";
pub(crate) const SERVICE_KEY: &str = r"SYSTEM\CurrentControlSet\Services\TcpLimit";
pub(crate) const PARAMETERS: &str = r"SYSTEM\CurrentControlSet\Services\TcpLimit\Parameters";
pub(crate) const EVENTS: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\System\TcpLimit";

/// Drivers for both machines. Any will do, because the program does not run them.
pub(crate) const X86: &[u8] = include_bytes!("../../../../corpus/specimens/tcpip-xp-sp3-x86.sys");
pub(crate) const X64: &[u8] = include_bytes!("../../../../corpus/specimens/tcpip-xp-x64.sys");

/// Windows XP SP3.
pub(crate) const XP: Version = Version {
    major: 5,
    minor: 1,
    build: 2600,
    service_pack: 3,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Number(u32),
    Text(String),
}

/// A fault at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails with this error, and does nothing.
    Fails(Win32Error),
    /// The program is killed before the call.
    Killed,
    /// The program is killed after the call.
    KilledAfter,
}

/// The panic that simulates a kill.
struct Kill;

/// The state of the simulated driver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    pub(crate) limit: u32,
    pub(crate) written: u32,
    pub(crate) original: u32,
    /// The answer to every set.
    pub(crate) refuses: Reason,
    /// The answer to every query.
    pub(crate) query: Reason,
    pub(crate) detail: [u32; 2],
    pub(crate) state: State,
    pub(crate) start: Applied,
    pub(crate) start_reason: Reason,
    pub(crate) configured: u32,
    pub(crate) flags: u32,
    pub(crate) half_open: u32,
}

impl Limiter {
    fn new(state: State) -> Limiter {
        Limiter {
            limit: if state == State::Located { 10 } else { 0 },
            written: 0,
            original: 0,
            refuses: Reason::Done,
            query: match state {
                State::Absent => Reason::NotLoaded,
                _ => Reason::Done,
            },
            detail: [0; 2],
            state,
            start: Applied::NotConfigured,
            start_reason: Reason::Done,
            configured: 0,
            flags: 0,
            half_open: 3,
        }
    }
}

pub(crate) struct Machine {
    pub(crate) version: Version,
    /// LANGID of the user's language.
    pub(crate) ui_language: u16,
    pub(crate) x64: bool,
    pub(crate) wow64: bool,
    pub(crate) now: Cell<u32>,
    pub(crate) booted: u32,
    pub(crate) files: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) services: RefCell<BTreeMap<String, Service>>,
    pub(crate) keys: RefCell<BTreeMap<String, BTreeMap<String, Data>>>,
    /// Of tcpip.sys and of tcpip6.sys.
    pub(crate) limiters: RefCell<[Limiter; 2]>,
    pub(crate) log: RefCell<Vec<Vec<u8>>>,
    pub(crate) tcp: Result<Tcp, Win32Error>,
    /// The security descriptors of folders; `None` for a disk without access lists. By default only
    /// Administrators have rights.
    pub(crate) access: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
    /// Tables of connections that exist.
    pub(crate) tables: RefCell<BTreeMap<&'static str, Vec<u32>>>,
    /// Processes: PID, name, and path if readable.
    pub(crate) processes: RefCell<Vec<(u32, &'static str, Option<&'static str>)>>,
    pub(crate) hosted: RefCell<Vec<(u32, String)>>,
    /// Number of waits.
    pub(crate) waits: Cell<u32>,
    /// Whether the log hides future records.
    pub(crate) hidden_until_due: Cell<bool>,
    /// Whether the log never ends, and if so whether its record numbers always decrease.
    pub(crate) endless: Cell<Option<bool>>,
    /// Whether Windows holds an unloaded driver: its service then runs without a device.
    pub(crate) zombie: Cell<bool>,
    pub(crate) columns: Option<usize>,
    /// Whether a double click started it, and how often it waited for a key.
    pub(crate) alone: bool,
    pub(crate) keys_pressed: Cell<u32>,
    /// Samples until Ctrl-C.
    pub(crate) looks_left: Cell<u32>,
    /// How many more prints succeed.
    pub(crate) prints_left: Cell<u32>,
    /// The errors of the next loads, the last first.
    pub(crate) load_errors: RefCell<Vec<Win32Error>>,
    /// Whether a program keeps the driver in use.
    pub(crate) in_use: Cell<bool>,
    /// Whether a deleted service stays, because another program shows it.
    pub(crate) lingers: Cell<bool>,
    /// How many renames and deletions of the driver fail, because Windows still holds the file.
    pub(crate) held_tries: Cell<u32>,
    /// Whether every write of a file changes a byte.
    pub(crate) corrupts: Cell<bool>,
    pub(crate) moved: RefCell<Vec<usize>>,
    pub(crate) out: RefCell<String>,
    pub(crate) error: RefCell<String>,
    /// The user's settings for the window.
    pub(crate) settings: RefCell<BTreeMap<String, u32>>,
    /// Programs that were started.
    pub(crate) started: RefCell<Vec<String>>,
    /// Whether the user may not open the device.
    pub(crate) denied: Cell<bool>,
    /// Queries of tcpip.sys and of tcpip6.sys.
    pub(crate) queries: Cell<[u32; 2]>,
    calls: Cell<usize>,
    fault: Cell<Option<(usize, Fault)>>,
    /// Number of calls that changed something.
    pub(crate) changes: Cell<usize>,
}

impl Machine {
    /// Windows XP SP3 for x86 with the zip unpacked, and nothing installed.
    pub(crate) fn new() -> Machine {
        let files = [(SOURCE, X86), (TCPIP, X86)];
        Machine {
            version: XP,
            ui_language: 0x0409,
            x64: false,
            wow64: false,
            now: Cell::new(1_200_000_000),
            booted: 1_199_990_000,
            files: RefCell::new(
                files
                    .map(|(path, bytes)| (path.into(), bytes.into()))
                    .into(),
            ),
            services: RefCell::default(),
            keys: RefCell::default(),
            limiters: RefCell::new([Limiter::new(State::Located), Limiter::new(State::Absent)]),
            log: RefCell::default(),
            tcp: Ok(Tcp {
                attempts: 200,
                failures: 50,
                established: 7,
            }),
            access: RefCell::default(),
            tables: RefCell::new([("owned-v4", vec![0])].into()),
            processes: RefCell::default(),
            hosted: RefCell::default(),
            waits: Cell::new(0),
            hidden_until_due: Cell::new(false),
            endless: Cell::new(None),
            zombie: Cell::new(false),
            columns: None,
            alone: false,
            keys_pressed: Cell::new(0),
            looks_left: Cell::new(0),
            prints_left: Cell::new(u32::MAX),
            load_errors: RefCell::default(),
            in_use: Cell::new(false),
            lingers: Cell::new(false),
            held_tries: Cell::new(0),
            corrupts: Cell::new(false),
            moved: RefCell::default(),
            out: RefCell::default(),
            error: RefCell::default(),
            settings: RefCell::default(),
            started: RefCell::default(),
            denied: Cell::new(false),
            queries: Cell::default(),
            calls: Cell::new(0),
            fault: Cell::new(None),
            changes: Cell::new(0),
        }
    }

    /// The same, with the driver installed and loaded.
    pub(crate) fn installed() -> Machine {
        let machine = Machine::new();
        machine.succeeds("install");
        machine.clear_output();
        machine
    }

    /// Adds the window beside the program.
    pub(crate) fn with_window(self) -> Machine {
        let window = b"a program".into();
        self.files.borrow_mut().insert(WINDOW.into(), window);
        self
    }

    /// Installs IPv6.
    pub(crate) fn with_ipv6(self) -> Machine {
        self.limiters.borrow_mut()[1] = Limiter::new(State::Located);
        self
    }

    /// Runs a command line without a fault.
    pub(crate) fn run(&self, line: &str) -> Exit {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        self.calls.set(0);
        run(self, &words)
    }

    /// Runs a command line that must succeed; returns its output.
    pub(crate) fn succeeds(&self, line: &str) -> String {
        self.clear_output();
        let exit = self.run(line);
        let (out, error) = (self.out.borrow(), self.error.borrow());
        assert_eq!(exit, Exit::Done, "{line}: {out}{error}");
        assert_eq!(*error, "", "{line}");
        out.clone()
    }

    /// Runs a command line that must fail with that exit code; returns the error on one line.
    pub(crate) fn fails(&self, line: &str, exit: Exit) -> String {
        self.clear_output();
        assert_eq!(self.run(line), exit, "{line}: {}", self.out.borrow());
        let error = self.error.borrow();
        assert!(error.starts_with("tcplimit: "), "{line}: {error:?}");
        error.split_whitespace().collect::<Vec<&str>>().join(" ")
    }

    /// Runs a command line with a fault at a call; `None` if it was killed.
    pub(crate) fn run_with_fault(&self, line: &str, call: usize, fault: Fault) -> Option<Exit> {
        self.fault.set(Some((call, fault)));
        let ended = panic::catch_unwind(AssertUnwindSafe(|| self.run(line)));
        self.fault.set(None);
        match ended {
            Ok(exit) => Some(exit),
            Err(payload) if payload.is::<Kill>() => None,
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// Runs an operation with a failing call.
    pub(crate) fn with_fault<T>(
        &self,
        call: usize,
        error: Win32Error,
        operation: impl FnOnce() -> T,
    ) -> T {
        self.calls.set(0);
        self.fault.set(Some((call, Fault::Fails(error))));
        let done = operation();
        self.fault.set(None);
        done
    }

    /// The number of calls of an operation.
    pub(crate) fn calls_of(&self, operation: impl FnOnce()) -> usize {
        self.calls.set(0);
        operation();
        self.calls.get()
    }

    /// The number of calls of the last run.
    pub(crate) fn calls(&self) -> usize {
        self.calls.get()
    }

    /// Clears the output and the count of changes.
    pub(crate) fn clear_output(&self) {
        self.out.borrow_mut().clear();
        self.error.borrow_mut().clear();
        self.changes.set(0);
    }

    pub(crate) fn service_named(&self, name: &str) -> Option<Service> {
        self.services.borrow().get(name).cloned()
    }

    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.files.borrow().get(path).cloned()
    }

    pub(crate) fn value(&self, key: &str, value: &str) -> Option<Data> {
        self.keys.borrow().get(key)?.get(value).cloned()
    }

    pub(crate) fn set_value(&self, key: &str, value: &str, data: Data) {
        let mut keys = self.keys.borrow_mut();
        keys.entry(key.into())
            .or_default()
            .insert(value.into(), data);
    }

    /// Whether the installation is complete and the driver runs.
    pub(crate) fn is_installed(&self) -> bool {
        let running = self.service_named("TcpLimit").is_some_and(|service| {
            service.activity == Activity::Running && service.image.eq_ignore_ascii_case(DRIVER)
        });
        let messages = ["EventMessageFile", "ParameterMessageFile"].map(|value| {
            let driver = r"%SystemRoot%\System32\drivers\tcplimit.sys";
            self.value(EVENTS, value) == Some(Data::Text(driver.into()))
        });
        running
            && messages == [true; 2]
            && self.value(EVENTS, "TypesSupported") == Some(Data::Number(7))
            && self.file(DRIVER) == self.file(SOURCE)
            && self.file(PART).is_none()
    }

    /// Whether no part of an installation exists.
    pub(crate) fn is_clean(&self) -> bool {
        let keys = self.keys.borrow();
        let ours = |key: &&String| key.contains("TcpLimit");
        self.services.borrow().is_empty()
            && keys.keys().filter(ours).count() == 0
            && self.file(DRIVER).is_none()
            && self.file(PART).is_none()
            && self.file(ENTRY).is_none()
            && self.file(&format!("{ENTRY}.new")).is_none()
    }

    fn is_loaded(&self) -> bool {
        let services = self.services.borrow();
        let mut all = services.values();
        all.any(|service| service.activity == Activity::Running)
    }

    /// Counts a call, and injects its fault.
    fn call<T>(&self, made: impl FnOnce() -> Result<T, Win32Error>) -> Result<T, Win32Error> {
        let number = self.calls.get();
        self.calls.set(number + 1);
        let fault = self.fault.get().filter(|&(call, _)| call == number);
        match fault {
            Some((_, Fault::Fails(error))) => Err(error),
            Some((_, Fault::Killed)) => panic::panic_any(Kill),
            Some((_, Fault::KilledAfter)) => {
                let _ = made();
                panic::panic_any(Kill)
            }
            None => made(),
        }
    }

    /// The same for a call that changes something.
    fn change<T>(&self, made: impl FnOnce() -> Result<T, Win32Error>) -> Result<T, Win32Error> {
        self.changes.set(self.changes.get() + 1);
        self.call(made)
    }

    fn with_service<T>(
        &self,
        name: &str,
        operation: impl FnOnce(&mut Service) -> Result<T, Win32Error>,
    ) -> Result<T, Win32Error> {
        let mut services = self.services.borrow_mut();
        operation(
            services
                .get_mut(name)
                .ok_or(Win32Error::SERVICE_DOES_NOT_EXIST)?,
        )
    }

    fn answer(&self, module: ModuleId, reason: Reason) -> Answer {
        let limiter = self.limiters.borrow()[usize::from(module == ModuleId::TCPIP6)];
        let mut answer = Answer::new_zeroed();
        answer.header = Header::for_record::<Answer>();
        // Like the driver: one byte each for major, minor and patch.
        let parts = env!("CARGO_PKG_VERSION").split('.');
        let version = parts.fold(0_u32, |version, part| {
            version << 8 | part.parse::<u32>().expect("a number")
        });
        answer.driver = version.into();
        answer.module = module;
        answer.state = limiter.state.code().into();
        answer.reason = reason.code().into();
        answer.detail = limiter.detail.map(Into::into);
        answer.limit = limiter.limit.into();
        answer.half_open = limiter.half_open.into();
        answer.written = limiter.written.into();
        answer.original = limiter.original.into();
        answer.identity.time_date_stamp = stamp(X86).into();
        answer.configured = limiter.configured.into();
        answer.start = limiter.start.code().into();
        answer.start_reason = limiter.start_reason.code().into();
        answer.flags = limiter.flags.into();
        answer
    }

    /// The driver's policy, as in docs/driver.md.
    fn write(&self, module: ModuleId, limit: u32, expected: u32) -> Answer {
        let index = usize::from(module == ModuleId::TCPIP6);
        let mut limiters = self.limiters.borrow_mut();
        let limiter = &mut limiters[index];
        let as_expected = match expected {
            0 => limiter.limit == 10 || limiter.limit == limiter.written,
            expected => limiter.limit == expected,
        };
        let reason = match (limiter.query, limiter.refuses) {
            (Reason::Done, Reason::Done) if as_expected => Reason::Done,
            (Reason::Done, Reason::Done) => {
                limiter.detail = [limiter.limit, if expected == 0 { 10 } else { expected }];
                match expected {
                    0 => Reason::UnexpectedValue,
                    _ => Reason::NotAsNamed,
                }
            }
            (Reason::Done, reason) | (reason, _) => reason,
        };
        if reason == Reason::Done {
            if limiter.written == 0 {
                limiter.original = limiter.limit;
            }
            limiter.limit = limit;
            limiter.written = limit;
        }
        drop(limiters);
        self.answer(module, reason)
    }
}

/// The simulated file of a shortcut.
pub(crate) fn shortcut_file(target: &str, comment: &str) -> Vec<u8> {
    format!("shortcut\n{target}\n{comment}\nend").into_bytes()
}

/// TimeDateStamp of a driver's file.
pub(crate) fn stamp(file: &[u8]) -> u32 {
    scanner_core::Headers::parse(file)
        .expect("a driver")
        .time_date_stamp()
}

/// S-1-5-32-544.
pub(crate) const ADMINISTRATORS: [u8; 16] = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0];
/// S-1-5-32-545.
pub(crate) const USERS: [u8; 16] = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 33, 2, 0, 0];

/// A security descriptor that grants these rights to one SID.
pub(crate) fn descriptor(rights: u32, sid: &[u8; 16]) -> Vec<u8> {
    let header = [[1, 0, 4, 0x80], [0; 4], [0; 4], [0; 4], [20, 0, 0, 0]].concat();
    let list = [2, 0, 32, 0, 1, 0, 0, 0];
    let entry = [0, 0, 24, 0];
    [&header, &list[..], &entry, &rights.to_le_bytes(), sid].concat()
}

/// A record of the event log. Newer records have higher numbers.
pub(crate) fn record(at: u32, event: u32, source: &str) -> Vec<u8> {
    let name: Vec<u8> = source
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    let length = (56 + name.len() + 4).next_multiple_of(4);
    let mut record = vec![0; length];
    let length = u32::try_from(length).expect("small");
    for (offset, number) in [
        (0, length),
        (4, 0x654C_664C),
        (8, at),
        (12, at),
        (16, at),
        (20, event),
    ] {
        record[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
    }
    record[56..56 + name.len()].copy_from_slice(&name);
    record
}

pub(crate) const ACCEPTS_UNKNOWN_RIGHTS: u32 = Flags::ACCEPTS_UNKNOWN_RIGHTS;

impl Os for Machine {
    fn version(&self) -> Version {
        self.version
    }

    fn ui_language(&self) -> u16 {
        self.ui_language
    }

    fn is_x64(&self) -> bool {
        self.x64
    }

    fn is_wow64(&self) -> bool {
        self.wow64
    }

    fn now(&self) -> u32 {
        self.now.get()
    }

    fn boot_time(&self) -> Result<u32, Win32Error> {
        self.call(|| Ok(self.booted))
    }

    fn program_folder(&self) -> Result<String, Win32Error> {
        self.call(|| Ok(FOLDER.into()))
    }

    fn system_folder(&self) -> Result<String, Win32Error> {
        self.call(|| Ok(SYSTEM.into()))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Win32Error> {
        self.call(|| self.file(path).ok_or(Win32Error::FILE_NOT_FOUND))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error> {
        let mut bytes = bytes.to_vec();
        if self.corrupts.get() {
            bytes[0] ^= 1;
        }
        // A fault leaves half of it.
        let half = bytes[..bytes.len() / 2].to_vec();
        self.files.borrow_mut().insert(path.into(), half);
        self.change(|| {
            self.files.borrow_mut().insert(path.into(), bytes);
            Ok(())
        })
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error> {
        self.change(|| {
            let mut files = self.files.borrow_mut();
            files.entry(path.into()).or_default().extend(bytes);
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Win32Error> {
        self.change(|| {
            if let Some(left) = self.held_tries.get().checked_sub(1) {
                self.held_tries.set(left);
                return Err(Win32Error::ACCESS_DENIED);
            }
            let mut files = self.files.borrow_mut();
            let bytes = files.remove(from).ok_or(Win32Error::FILE_NOT_FOUND)?;
            files.insert(to.into(), bytes);
            Ok(())
        })
    }

    fn delete(&self, path: &str) -> Result<(), Win32Error> {
        self.change(|| {
            if let (DRIVER, Some(left)) = (path, self.held_tries.get().checked_sub(1)) {
                self.held_tries.set(left);
                return Err(Win32Error::ACCESS_DENIED);
            }
            let deleted = self.files.borrow_mut().remove(path);
            deleted.map(|_| ()).ok_or(Win32Error::FILE_NOT_FOUND)
        })
    }

    fn access_list(&self, folder: &str) -> Result<Option<Vec<u8>>, Win32Error> {
        self.call(|| {
            let lists = self.access.borrow();
            let list = lists.get(folder).cloned();
            Ok(list.unwrap_or_else(|| Some(descriptor(0x1F_01FF, &ADMINISTRATORS))))
        })
    }

    fn service(&self, name: &str) -> Result<Option<Service>, Win32Error> {
        self.call(|| Ok(self.service_named(name)))
    }

    fn create_service(&self, service: &Registration<'_>) -> Result<(), Win32Error> {
        self.change(|| {
            let mut services = self.services.borrow_mut();
            if services.contains_key(service.name) {
                return Err(Win32Error::SERVICE_EXISTS);
            }
            let created = Service {
                activity: Activity::Stopped,
                start: service.start,
                is_quiet: true,
                image: service.image.into(),
            };
            services.insert(service.name.into(), created);
            let key = format!(r"SYSTEM\CurrentControlSet\Services\{}", service.name);
            self.keys.borrow_mut().entry(key).or_default();
            Ok(())
        })
    }

    fn change_service(&self, service: &Registration<'_>) -> Result<(), Win32Error> {
        self.change(|| {
            self.with_service(service.name, |changed| {
                changed.image = service.image.into();
                changed.start = service.start;
                changed.is_quiet = true;
                Ok(())
            })
        })
    }

    fn set_start(&self, name: &str, start: Start) -> Result<(), Win32Error> {
        self.change(|| {
            self.with_service(name, |service| {
                service.start = start;
                service.is_quiet = true;
                Ok(())
            })
        })
    }

    fn start_service(&self, name: &str) -> Result<(), Win32Error> {
        self.change(|| {
            if let Some(error) = self.load_errors.borrow_mut().pop() {
                return Err(error);
            }
            if self.zombie.replace(false) {
                return Ok(());
            }
            self.with_service(name, |service| {
                if service.start == Start::Disabled {
                    return Err(Win32Error::SERVICE_DISABLED);
                }
                if service.activity == Activity::Running {
                    return Err(Win32Error::SERVICE_ALREADY_RUNNING);
                }
                // A form of paths in the registry.
                let path = service.image.trim_start_matches(r"\??\");
                if self.file(path).is_none() {
                    return Err(Win32Error::FILE_NOT_FOUND);
                }
                service.activity = Activity::Running;
                Ok(())
            })
        })
    }

    fn stop_service(&self, name: &str) -> Result<(), Win32Error> {
        self.change(|| {
            self.with_service(name, |service| {
                if service.activity == Activity::Stopped {
                    return Err(Win32Error::SERVICE_NOT_ACTIVE);
                }
                service.activity = match self.in_use.get() {
                    true => Activity::Pending,
                    false => Activity::Stopped,
                };
                Ok(())
            })
        })
    }

    fn delete_service(&self, name: &str) -> Result<(), Win32Error> {
        self.change(|| {
            if self.lingers.get() {
                return self.with_service(name, |_| Ok(()));
            }
            let deleted = self.services.borrow_mut().remove(name);
            deleted.ok_or(Win32Error::SERVICE_DOES_NOT_EXIST)?;
            let key = format!(r"SYSTEM\CurrentControlSet\Services\{name}");
            let mut keys = self.keys.borrow_mut();
            keys.retain(|name, _| !name.starts_with(&key));
            Ok(())
        })
    }

    fn has_key(&self, key: &str) -> Result<bool, Win32Error> {
        self.call(|| Ok(self.keys.borrow().contains_key(key)))
    }

    fn number(&self, key: &str, value: &str) -> Result<Option<u32>, Win32Error> {
        self.call(|| match self.value(key, value) {
            None => Ok(None),
            Some(Data::Number(number)) => Ok(Some(number)),
            Some(Data::Text(_)) => Err(Win32Error::INVALID_DATA),
        })
    }

    fn text(&self, key: &str, value: &str) -> Result<Option<String>, Win32Error> {
        self.call(|| match self.value(key, value) {
            None => Ok(None),
            Some(Data::Text(text)) => Ok(Some(text)),
            Some(Data::Number(_)) => Err(Win32Error::INVALID_DATA),
        })
    }

    fn set_number(&self, key: &str, value: &str, number: u32) -> Result<(), Win32Error> {
        self.change(|| {
            self.set_value(key, value, Data::Number(number));
            Ok(())
        })
    }

    fn set_text(&self, key: &str, value: &str, text: &str) -> Result<(), Win32Error> {
        self.change(|| {
            self.set_value(key, value, Data::Text(text.into()));
            Ok(())
        })
    }

    fn delete_value(&self, key: &str, value: &str) -> Result<(), Win32Error> {
        self.change(|| {
            let mut keys = self.keys.borrow_mut();
            let key = keys.get_mut(key).ok_or(Win32Error::FILE_NOT_FOUND)?;
            key.remove(value)
                .map(|_| ())
                .ok_or(Win32Error::FILE_NOT_FOUND)
        })
    }

    fn delete_key(&self, key: &str) -> Result<(), Win32Error> {
        self.change(|| {
            let mut keys = self.keys.borrow_mut();
            let below = format!(r"{key}\");
            if keys.keys().any(|name| name.starts_with(&below)) {
                return Err(Win32Error::ACCESS_DENIED);
            }
            keys.remove(key)
                .map(|_| ())
                .ok_or(Win32Error::FILE_NOT_FOUND)
        })
    }

    fn setting(&self, value: &str) -> Result<Option<u32>, Win32Error> {
        Ok(self.settings.borrow().get(value).copied())
    }

    fn set_setting(&self, value: &str, number: u32) -> Result<(), Win32Error> {
        self.settings.borrow_mut().insert(value.into(), number);
        Ok(())
    }

    fn delete_settings(&self) -> Result<(), Win32Error> {
        match std::mem::take(&mut *self.settings.borrow_mut()).is_empty() {
            true => Err(Win32Error::FILE_NOT_FOUND),
            false => Ok(()),
        }
    }

    fn start_program(&self, path: &str) -> Result<(), Win32Error> {
        if self.file(path).is_none() {
            return Err(Win32Error::FILE_NOT_FOUND);
        }
        self.started.borrow_mut().push(path.into());
        Ok(())
    }

    fn programs_folder(&self) -> Result<String, Win32Error> {
        self.call(|| Ok(ENTRY.rsplit_once('\\').expect("a folder").0.into()))
    }

    fn shortcut(&self, path: &str) -> Result<Shortcut, Win32Error> {
        self.call(|| {
            let file = self.file(path).unwrap_or_default();
            let text = String::from_utf8(file).map_err(|_| Win32Error::INVALID_DATA)?;
            match text.split('\n').collect::<Vec<&str>>()[..] {
                ["shortcut", target, comment, "end"] => Ok(Shortcut {
                    target: target.into(),
                    comment: comment.into(),
                }),
                _ => Err(Win32Error::INVALID_DATA),
            }
        })
    }

    fn write_shortcut(&self, path: &str, shortcut: &Shortcut) -> Result<(), Win32Error> {
        let file = shortcut_file(&shortcut.target, &shortcut.comment);
        Os::write(self, path, &file)
    }

    fn control(&self, request: &Request<'_>, output: &mut [u8]) -> Result<usize, Win32Error> {
        self.call(|| {
            if !self.is_loaded() || self.zombie.get() {
                return Err(Win32Error::FILE_NOT_FOUND);
            }
            if self.denied.get() {
                return Err(Win32Error::ACCESS_DENIED);
            }
            let answer = match request.code {
                QUERY => {
                    let query = Query::read_from_bytes(request.input).expect("a query");
                    let index = usize::from(query.module == ModuleId::TCPIP6);
                    let mut queries = self.queries.get();
                    queries[index] += 1;
                    self.queries.set(queries);
                    let reason = self.limiters.borrow()[index].query;
                    self.answer(query.module, reason)
                }
                SET => {
                    assert!(request.writes, "the code wants a handle for writing");
                    let set = Set::read_from_bytes(request.input).expect("a set");
                    self.write(set.module, set.limit.get(), set.expected.get())
                }
                RESET => {
                    assert!(request.writes, "the code wants a handle for writing");
                    let reset = Reset::read_from_bytes(request.input).expect("a reset");
                    self.write(reset.module, 10, reset.expected.get())
                }
                code => panic!("an unknown code: {code:X}"),
            };
            output.copy_from_slice(answer.as_bytes());
            Ok(output.len())
        })
    }

    fn tcp(&self) -> Result<Tcp, Win32Error> {
        self.call(|| self.tcp)
    }

    fn tcp_table(&self, table: TcpTable) -> Result<Vec<u32>, Win32Error> {
        let name = match table {
            TcpTable::V4 => "v4",
            TcpTable::OwnedV4 => "owned-v4",
            TcpTable::OwnedV6 => "owned-v6",
        };
        self.call(|| {
            let tables = self.tables.borrow();
            tables.get(name).cloned().ok_or(Win32Error::PROC_NOT_FOUND)
        })
    }

    fn processes(&self) -> Result<Vec<(u32, String)>, Win32Error> {
        self.call(|| {
            let processes = self.processes.borrow();
            Ok(processes
                .iter()
                .map(|&(id, name, _)| (id, name.into()))
                .collect())
        })
    }

    fn process_path(&self, id: u32) -> Result<String, Win32Error> {
        self.call(|| {
            let processes = self.processes.borrow();
            match processes.iter().find(|&&(one, _, _)| one == id) {
                Some(&(_, _, path)) => path.map(Into::into).ok_or(Win32Error::ACCESS_DENIED),
                // ERROR_INVALID_PARAMETER, as from Windows for an unused PID.
                None => Err(Win32Error(87)),
            }
        })
    }

    fn hosted_services(&self) -> Result<Vec<(u32, String)>, Win32Error> {
        self.call(|| Ok(self.hosted.borrow().clone()))
    }

    fn system_log(&self, more: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Win32Error> {
        self.call(|| {
            let mut log = self.log.borrow().clone();
            if self.hidden_until_due.get() {
                let now = self.now.get();
                log.retain(|record| {
                    u32::from_le_bytes(record[12..16].try_into().expect("four")) <= now
                });
            }
            let mut number = u32::MAX - 1;
            loop {
                // Two at a time, the newest first.
                for records in log.chunks(2) {
                    if !more(&records.concat()) {
                        return Ok(());
                    }
                }
                let Some(goes_down) = self.endless.get() else {
                    return Ok(());
                };
                for record in log.iter_mut().filter(|_| goes_down) {
                    number -= 1;
                    record[8..12].copy_from_slice(&number.to_le_bytes());
                }
                assert!(number > u32::MAX - 1_000_000, "it is read for ever");
                self.waits.set(self.waits.get() + 1);
                assert!(self.waits.get() < 1_000_000, "it is read for ever");
            }
        })
    }

    fn print(&self, stream: Stream, text: &str) -> bool {
        if self.prints_left.get() == 0 {
            return false;
        }
        self.prints_left.set(self.prints_left.get() - 1);
        let to = match stream {
            Stream::Out => &self.out,
            Stream::Error => &self.error,
        };
        to.borrow_mut().push_str(text);
        true
    }

    fn columns(&self, _: Stream) -> Option<usize> {
        self.columns
    }

    fn is_alone(&self) -> bool {
        self.alone
    }

    fn wait_for_key(&self) {
        self.keys_pressed.set(self.keys_pressed.get() + 1);
    }

    fn move_up(&self, lines: usize) {
        self.moved.borrow_mut().push(lines);
    }

    fn catch_interrupt(&self) {}

    fn wait(&self, milliseconds: u32) -> bool {
        self.waits.set(self.waits.get() + 1);
        self.now.set(self.now.get() + milliseconds.div_ceil(1000));
        let left = self.looks_left.get();
        self.looks_left.set(left.saturating_sub(1));
        left <= 1
    }
}
