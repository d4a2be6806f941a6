//! Windows errors, with texts for people.

use core::fmt;

/// The number of an error, as GetLastError gives it.
///
/// Source of the values: winerror.h, \[MS-ERREF\] section 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Win32Error(pub u32);

/// Defines errors: number, name, text.
macro_rules! errors {
    ($( $number:literal $name:ident $text:literal )*) => {
        impl Win32Error {
            $( #[doc = $text] pub const $name: Win32Error = Win32Error($number); )*

            /// Its text without a full stop, if it is expected here.
            fn text(self) -> Option<&'static str> {
                match self.0 { $( $number => Some(phrase!($text)), )* _ => None }
            }
        }
    };
}

errors! {
    2 FILE_NOT_FOUND "not found"
    3 PATH_NOT_FOUND "folder not found"
    5 ACCESS_DENIED "access is denied"
    13 INVALID_DATA "data of another type"
    19 WRITE_PROTECT "the disk is write-protected"
    21 NOT_READY "the drive is not ready"
    31 GEN_FAILURE "the driver did not start"
    32 SHARING_VIOLATION "in use by another program"
    38 HANDLE_EOF "no more data"
    112 DISK_FULL "the disk is full"
    122 INSUFFICIENT_BUFFER "the answer is too long"
    123 INVALID_NAME "invalid name"
    127 PROC_NOT_FOUND "it needs a function that this Windows lacks"
    182 INVALID_ORDINAL "it needs a function that this Windows lacks"
    183 ALREADY_EXISTS "another one exists already"
    193 BAD_EXE_FORMAT "the file is not a driver for this Windows"
    216 EXE_MACHINE_TYPE_MISMATCH "the file is for another processor"
    234 MORE_DATA "more data"
    433 NO_SUCH_DEVICE "the device is gone"
    577 INVALID_IMAGE_HASH "Windows requires a trusted signature"
    1053 SERVICE_REQUEST_TIMEOUT "it did not answer in time"
    1052 INVALID_SERVICE_CONTROL "it can't be stopped"
    1056 SERVICE_ALREADY_RUNNING "it is still loaded"
    1058 SERVICE_DISABLED "the service is disabled"
    1060 SERVICE_DOES_NOT_EXIST "there is no such service"
    1061 SERVICE_CANNOT_ACCEPT_CTRL "it is busy"
    1062 SERVICE_NOT_ACTIVE "it is not loaded"
    1068 SERVICE_DEPENDENCY_FAIL "the service Tcpip does not start"
    1072 SERVICE_MARKED_FOR_DELETE "the service is about to be deleted"
    1073 SERVICE_EXISTS "the service exists already"
    1075 SERVICE_DEPENDENCY_DELETED "there is no service Tcpip"
    1224 USER_MAPPED_FILE "another program has it in memory"
    1275 DRIVER_BLOCKED "Windows blocks this driver"
    1450 NO_SYSTEM_RESOURCES "out of memory"
    1502 LOG_CORRUPT "the event log is damaged"
}

impl Win32Error {
    /// Whether the error means that something does not exist.
    #[must_use]
    pub fn is_absence(self) -> bool {
        matches!(
            self,
            Win32Error::FILE_NOT_FOUND | Win32Error::PATH_NOT_FOUND
        )
    }
}

impl fmt::Display for Win32Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, error) = (self.0, phrase!("error"));
        match self.text() {
            Some(text) => write!(f, "{text} ({error} {number})"),
            None => {
                let tells = phrase!("explains it");
                write!(f, "{error} {number}; \"net helpmsg {number}\" {tells}")
            }
        }
    }
}

impl core::error::Error for Win32Error {}
