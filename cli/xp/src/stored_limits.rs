//! Limits that are applied each time the driver is loaded.

use scanner_core::Module;
use tcplimit_protocol::setting;

use crate::failure::Failure;
use crate::installation::{SERVICE, parameters_key};
use crate::os::{Os, Start};
use crate::win32_error::Win32Error;

/// What is stored for one module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredLimit {
    pub(crate) limit: Option<u32>,
    pub(crate) expect: Option<u32>,
    /// One of them is no number, and the driver will not take it.
    pub(crate) malformed: bool,
}

/// The value that holds the limit.
pub(crate) fn limit_name(module: Module) -> &'static str {
    match module {
        Module::Tcpip => setting::LIMIT,
        Module::Tcpip6 => setting::LIMIT_6,
    }
}

/// The value that holds the limit that must be in force before.
pub(crate) fn expect_name(module: Module) -> &'static str {
    match module {
        Module::Tcpip => setting::EXPECT,
        Module::Tcpip6 => setting::EXPECT_6,
    }
}

/// Whether the guard's mark is there, so that no stored limit is applied. Of another
/// type it is a mark all the same.
pub(crate) fn is_guarded(os: &dyn Os) -> bool {
    let mark = os.number(&parameters_key(), setting::START_PENDING);
    matches!(mark, Ok(Some(_)) | Err(Win32Error::INVALID_DATA))
}

/// What is stored for a module.
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

/// Stores a limit, and what must be in force before it; none for 10 only.
pub(crate) fn store(
    os: &dyn Os,
    module: Module,
    limit: u32,
    expect: Option<u32>,
) -> Result<(), Failure> {
    let key = parameters_key();
    let failed = |error| Failure::win32(phrase!("store the limit"), error);
    // What was expected of the limit before must not be believed of this one.
    match expect {
        Some(expect) => os.set_number(&key, expect_name(module), expect),
        None => delete(os, expect_name(module)).map(|_| ()),
    }
    .map_err(failed)?;
    os.set_number(&key, limit_name(module), limit)
        .map_err(failed)
}

/// Forgets what is stored for a module; whether there was anything.
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

/// When the driver is loaded. Whether that was changed; it is not where there is
/// no service.
pub(crate) fn start_with_windows(os: &dyn Os, start: Start) -> Result<bool, Failure> {
    let failed = |error| Failure::win32(phrase!("change the start type of tcplimit.sys"), error);
    let service = os.service(SERVICE).map_err(failed)?;
    if service.is_none_or(|service| service.start == start) {
        return Ok(false);
    }
    os.set_start(SERVICE, start).map_err(failed)?;
    Ok(true)
}
