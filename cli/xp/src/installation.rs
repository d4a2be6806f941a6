//! The parts of an installation, and which of them are present.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use tcplimit_report::{Hash, hash};

use crate::failure::Failure;
use crate::os::{Activity, Os, Service, Start};
use crate::win32_error::Win32Error;

/// The service.
pub(crate) const SERVICE: &str = tcplimit_protocol::NAME;
/// Its display name.
pub(crate) const TITLE: &str = "tcplimit: half-open connection limit";
/// The driver's file.
pub(crate) const FILE: &str = "tcplimit.sys";
/// The service that 2005 programs register themselves, and its file.
pub(crate) const LEGACY: &str = "tcpip_patcher";
pub(crate) const LEGACY_FILE: &str = "tcpip_patcher.sys";

/// The registry key of all services.
const SERVICES: &str = r"SYSTEM\CurrentControlSet\Services";
/// Possible subkeys of a service's key.
const SUBKEYS: [&str; 4] = ["Parameters", "State", "Security", "Enum"];
/// The key of our event source, for Event Viewer.
pub(crate) const EVENT_SOURCE_KEY: &str =
    r"SYSTEM\CurrentControlSet\Services\EventLog\System\TcpLimit";
/// Files of message texts and of their inserts.
const MESSAGE_FILE_VALUES: [&str; 2] = ["EventMessageFile", "ParameterMessageFile"];
const MESSAGE_FILE: &str = r"%SystemRoot%\System32\drivers\tcplimit.sys";
/// Errors, warnings, information.
const TYPES_SUPPORTED: u32 = 7;

/// A service's key.
pub(crate) fn service_key(service: &str) -> String {
    format!(r"{SERVICES}\{service}")
}

/// The key of the stored limits.
pub(crate) fn parameters_key() -> String {
    format!(r"{SERVICES}\{SERVICE}\Parameters")
}

/// Paths of an installation.
#[derive(Debug)]
pub(crate) struct Paths {
    /// `system32`.
    pub(crate) system: String,
    /// The driver as shipped.
    pub(crate) shipped: String,
    /// The installed driver.
    pub(crate) driver: String,
    /// The temporary name during a copy.
    pub(crate) temporary: String,
}

impl Paths {
    pub(crate) fn locate(os: &dyn Os) -> Result<Paths, Failure> {
        let system = os
            .system_folder()
            .map_err(|error| Failure::win32(phrase!("find the folder system32"), error))?;
        let program = os
            .program_folder()
            .map_err(|error| Failure::win32(phrase!("find the folder of tcplimit.exe"), error))?;
        let driver = format!(r"{system}\drivers\{FILE}");
        Ok(Paths {
            shipped: format!(r"{program}\{FILE}"),
            temporary: format!("{driver}.new"),
            driver,
            system,
        })
    }

    /// A file in the system's folder of drivers.
    pub(crate) fn driver_file(&self, name: &str) -> String {
        format!(r"{}\drivers\{name}", self.system)
    }

    /// Converts a driver's path to a usual one. Services use `\??\C:\...`, `\SystemRoot\...`, and
    /// paths relative to the Windows folder.
    pub(crate) fn normalize(&self, image: &str) -> String {
        let windows_folder = self
            .system
            .rsplit_once('\\')
            .map_or(self.system.as_str(), |(folder, _)| folder);
        let below = |prefix: &str| {
            let start = image.get(..prefix.len())?;
            let rest = image.get(prefix.len()..)?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        };
        if let Some(rest) = below(r"\??\") {
            rest.into()
        } else if let Some(rest) = below(r"\SystemRoot\") {
            format!(r"{windows_folder}\{rest}")
        } else if below(r"system32\").is_some() {
            format!(r"{windows_folder}\{image}")
        } else {
            image.into()
        }
    }
}

/// The parts of an installation that are present.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) service: Option<Service>,
    /// Whether the service's key exists, with or without the service.
    pub(crate) key: bool,
    /// Whether the event source exists, and whether it is correct.
    pub(crate) source: bool,
    pub(crate) source_is_correct: bool,
    /// The hash of the installed driver.
    pub(crate) driver: Option<Hash>,
    /// Whether an unfinished copy is left.
    pub(crate) temporary: bool,
    /// Whether the service points to that driver and may be started.
    pub(crate) service_is_correct: bool,
}

impl Survey {
    pub(crate) fn take(os: &dyn Os, paths: &Paths) -> Result<Survey, Failure> {
        let service = os
            .service(SERVICE)
            .map_err(|error| Failure::win32(phrase!("query the service manager"), error))?;
        let key = os
            .has_key(&service_key(SERVICE))
            .map_err(|error| Failure::win32(phrase!("read the service's key"), error))?;
        let source = os
            .has_key(EVENT_SOURCE_KEY)
            .map_err(|error| Failure::win32(phrase!("read the event source's key"), error))?;
        let driver = read_if_present(os, &paths.driver)?;
        Ok(Survey {
            service_is_correct: service
                .as_ref()
                .is_some_and(|service| is_correct(service, paths)),
            service,
            key,
            source,
            source_is_correct: source && source_is_correct(os),
            driver: driver.map(|bytes| hash(&bytes)),
            temporary: read_if_present(os, &paths.temporary)?.is_some(),
        })
    }

    /// Whether nothing is missing or left over.
    pub(crate) fn is_complete(&self) -> bool {
        self.service_is_correct
            && self.source_is_correct
            && self.driver.is_some()
            && !self.temporary
    }

    /// Whether Windows shows no message when the service does not start. Version 0.1.0 did not set
    /// this.
    pub(crate) fn is_quiet(&self) -> bool {
        self.service
            .as_ref()
            .is_some_and(|service| service.is_quiet)
    }

    /// Whether nothing is present.
    pub(crate) fn is_empty(&self) -> bool {
        self.service.is_none()
            && !self.key
            && !self.source
            && self.driver.is_none()
            && !self.temporary
    }

    /// Whether the service runs, or is starting or stopping.
    pub(crate) fn is_active(&self) -> bool {
        let activity = self.service.as_ref().map(|service| service.activity);
        activity.is_some_and(|activity| activity != Activity::Stopped)
    }
}

fn is_correct(service: &Service, paths: &Paths) -> bool {
    let may_start = matches!(service.start, Start::Auto | Start::Demand);
    may_start
        && paths
            .normalize(&service.image)
            .eq_ignore_ascii_case(&paths.driver)
}

fn source_is_correct(os: &dyn Os) -> bool {
    let types = os.number(EVENT_SOURCE_KEY, "TypesSupported");
    types == Ok(Some(TYPES_SUPPORTED))
        && MESSAGE_FILE_VALUES.iter().all(|value| {
            let text = os.text(EVENT_SOURCE_KEY, value).ok().flatten();
            text.is_some_and(|text| text == MESSAGE_FILE)
        })
}

/// Registers our messages as an event source.
pub(crate) fn register_source(os: &dyn Os) -> Result<(), Win32Error> {
    for value in MESSAGE_FILE_VALUES {
        os.set_text(EVENT_SOURCE_KEY, value, MESSAGE_FILE)?;
    }
    os.set_number(EVENT_SOURCE_KEY, "TypesSupported", TYPES_SUPPORTED)
}

/// Deletes a service's key that the service manager no longer knows.
pub(crate) fn delete_key(os: &dyn Os, service: &str) -> Result<(), Win32Error> {
    let key = service_key(service);
    for name in SUBKEYS {
        let below = format!(r"{key}\{name}");
        if os.has_key(&below)? {
            os.delete_key(&below)?;
        }
    }
    os.delete_key(&key)
}

/// A file's bytes; `None` if there is no such file.
pub(crate) fn read_if_present(os: &dyn Os, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    match os.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(Failure::file(phrase!("read"), path, error)),
    }
}
