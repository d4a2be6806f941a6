//! Limits that are applied each time the driver is loaded.

use scanner_core::Module;
use tcplimit_protocol::setting;

use crate::failure::Failure;
use crate::installation::{SERVICE, parameters};
use crate::win32::Win32;
use crate::windows::{Start, Windows};

/// What is stored for one module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
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
pub(crate) fn is_guarded(windows: &dyn Windows) -> bool {
    let mark = windows.number(&parameters(), setting::START_PENDING);
    matches!(mark, Ok(Some(_)) | Err(Win32::INVALID_DATA))
}

/// What is stored for a module.
pub(crate) fn read(windows: &dyn Windows, module: Module) -> Result<Stored, Failure> {
    let mut malformed = false;
    let mut number = |value| match windows.number(&parameters(), value) {
        Err(Win32::INVALID_DATA) => {
            malformed = true;
            Ok(None)
        }
        number => number.map_err(|error| Failure::windows(phrase!("read the stored limit"), error)),
    };
    Ok(Stored {
        limit: number(limit_name(module))?,
        expect: number(expect_name(module))?,
        malformed,
    })
}

/// Stores a limit, and what must be in force before it; none for 10 only.
pub(crate) fn store(
    windows: &dyn Windows,
    module: Module,
    limit: u32,
    expect: Option<u32>,
) -> Result<(), Failure> {
    let key = parameters();
    let failed = |error| Failure::windows(phrase!("store the limit"), error);
    // What was expected of the limit before must not be believed of this one.
    match expect {
        Some(expect) => windows.set_number(&key, expect_name(module), expect),
        None => delete(windows, expect_name(module)).map(|_| ()),
    }
    .map_err(failed)?;
    windows
        .set_number(&key, limit_name(module), limit)
        .map_err(failed)
}

/// Forgets what is stored for a module; whether there was anything.
pub(crate) fn forget(windows: &dyn Windows, module: Module) -> Result<bool, Failure> {
    let mut any = false;
    for value in [limit_name(module), expect_name(module)] {
        any |= delete(windows, value)
            .map_err(|error| Failure::windows(phrase!("forget the stored limit"), error))?;
    }
    Ok(any)
}

fn delete(windows: &dyn Windows, value: &str) -> Result<bool, Win32> {
    match windows.delete_value(&parameters(), value) {
        Ok(()) => Ok(true),
        Err(error) if error.is_absence() => Ok(false),
        Err(error) => Err(error),
    }
}

/// When the driver is loaded. Whether that was changed; it is not where there is
/// no service.
pub(crate) fn start_with_windows(windows: &dyn Windows, start: Start) -> Result<bool, Failure> {
    let failed = |error| Failure::windows(phrase!("change when tcplimit.sys is loaded"), error);
    let service = windows.service(SERVICE).map_err(failed)?;
    if service.is_none_or(|service| service.start == start) {
        return Ok(false);
    }
    windows.set_start(SERVICE, start).map_err(failed)?;
    Ok(true)
}
