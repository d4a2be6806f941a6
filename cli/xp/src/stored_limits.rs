//! Limits that the driver applies each time it is loaded.

use scanner_core::Module;
use tcplimit_protocol::setting;

use crate::failure::Failure;
use crate::installation::{SERVICE, parameters_key};
use crate::os::{Os, Start};
use crate::win32_error::Win32Error;

/// The stored limit of a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredLimit {
    pub(crate) limit: Option<u32>,
    pub(crate) expect: Option<u32>,
    /// One of them is not a number, so the driver ignores it.
    pub(crate) malformed: bool,
}

/// The name of the value with the limit.
pub(crate) fn limit_name(module: Module) -> &'static str {
    match module {
        Module::Tcpip => setting::LIMIT,
        Module::Tcpip6 => setting::LIMIT_6,
    }
}

/// The name of the value with the expected previous limit.
pub(crate) fn expect_name(module: Module) -> &'static str {
    match module {
        Module::Tcpip => setting::EXPECT,
        Module::Tcpip6 => setting::EXPECT_6,
    }
}

/// Whether the start-up guard's mark is set, so that no stored limit is applied. A mark of any type
/// counts.
pub(crate) fn is_guarded(os: &dyn Os) -> bool {
    let mark = os.number(&parameters_key(), setting::START_PENDING);
    matches!(mark, Ok(Some(_)) | Err(Win32Error::INVALID_DATA))
}

/// Reads the stored limit of a module.
pub(crate) fn read(os: &dyn Os, module: Module) -> Result<StoredLimit, Failure> {
    let mut malformed = false;
    let mut number = |value| match os.number(&parameters_key(), value) {
        Err(Win32Error::INVALID_DATA) => {
            malformed = true;
            Ok(None)
        }
        number => number.map_err(|error| Failure::win32(phrase!("read the stored limit"), error)),
    };
    Ok(StoredLimit {
        limit: number(limit_name(module))?,
        expect: number(expect_name(module))?,
        malformed,
    })
}

/// Stores a limit, and the expected previous one; `None` expects 10.
pub(crate) fn store(
    os: &dyn Os,
    module: Module,
    limit: u32,
    expect: Option<u32>,
) -> Result<(), Failure> {
    let key = parameters_key();
    let failed = |error| Failure::win32(phrase!("store the limit"), error);
    // Set first: the new limit must not be applied with an old expectation.
    match expect {
        Some(expect) => os.set_number(&key, expect_name(module), expect),
        None => delete(os, expect_name(module)).map(|_| ()),
    }
    .map_err(failed)?;
    os.set_number(&key, limit_name(module), limit)
        .map_err(failed)
}

/// Deletes the stored limit of a module; returns whether there was one.
pub(crate) fn forget(os: &dyn Os, module: Module) -> Result<bool, Failure> {
    let mut any = false;
    for value in [limit_name(module), expect_name(module)] {
        any |= delete(os, value)
            .map_err(|error| Failure::win32(phrase!("delete the stored limit"), error))?;
    }
    Ok(any)
}

fn delete(os: &dyn Os, value: &str) -> Result<bool, Win32Error> {
    match os.delete_value(&parameters_key(), value) {
        Ok(()) => Ok(true),
        Err(error) if error.is_absence() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets the start type of the driver; returns whether it changed. Does nothing without a service.
pub(crate) fn start_with_windows(os: &dyn Os, start: Start) -> Result<bool, Failure> {
    let failed = |error| Failure::win32(phrase!("change the start type of tcplimit.sys"), error);
    let service = os.service(SERVICE).map_err(failed)?;
    if service.is_none_or(|service| service.start == start) {
        return Ok(false);
    }
    os.set_start(SERVICE, start).map_err(failed)?;
    Ok(true)
}
