//! Names of the values below the service key's subkey `Parameters`.

/// The limit of tcpip.sys to set when the driver is loaded.
pub const LIMIT: &str = "Limit";
/// The same for tcpip6.sys.
pub const LIMIT_6: &str = "Limit6";
/// The limit of tcpip.sys that must be in force then, where it is not 10 and
/// was not written by the driver.
pub const EXPECT: &str = "Expect";
/// The same for tcpip6.sys.
pub const EXPECT_6: &str = "Expect6";
/// 1 to restore the limits when the driver is unloaded.
pub const RESTORE_AT_UNLOAD: &str = "RestoreAtUnload";
/// 1 to write also where the page's rights are unknown. For emulators; never
/// on a machine that matters.
pub const ACCEPT_UNKNOWN_RIGHTS: &str = "TestOnlyAcceptUnknownRights";
/// The start mark, present while a stored limit is applied and until Windows
/// is up.
pub const START_PENDING: &str = "StartPending";
