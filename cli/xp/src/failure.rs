//! Failures of verbs, with advice.

use alloc::format;
use alloc::string::String;

use tcplimit_report::Exit;

use crate::language::Text;
use crate::win32_error::Win32Error;

/// A failed or refused operation, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A sentence.
    pub(crate) message: String,
    /// Sentences, or nothing.
    pub(crate) advice: String,
    /// The Windows error that caused it, if any.
    pub(crate) error: Option<Win32Error>,
}

/// Advice for users without the rights.
const ADMINISTRATOR: Text = Text::new(
    "Only an Administrator can do that: log on as one, or start a console with \"runas \
     /user:Administrator cmd\".",
);

/// Advice when an Administrator is refused a file.
const FILE: Text = Text::new(
    "Check whether the folder or file is read-only or guarded by antivirus software. This also \
     needs an Administrator.",
);

/// Advice when the driver's file can't be replaced: Event Viewer maps its messages.
const IN_MEMORY: Text = Text::new("Close Event Viewer, and try again.");

impl Failure {
    /// Message and advice in one text.
    pub(crate) fn text(&self) -> String {
        match self.advice.is_empty() {
            true => self.message.clone(),
            false => format!("{} {}", self.message, self.advice),
        }
    }

    /// A refusal by this program.
    pub(crate) fn refused(message: impl Into<String>, advice: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Refused,
            message: message.into(),
            advice: advice.into(),
            error: None,
        }
    }

    /// A Windows error in `action`, such as "stop the driver".
    pub(crate) fn win32(action: &str, error: Win32Error) -> Failure {
        let advice = match error {
            Win32Error::ACCESS_DENIED => ADMINISTRATOR.get(),
            Win32Error::SERVICE_MARKED_FOR_DELETE => {
                phrase!(
                    "Close the Services window and all other programs that show services. If \
                     that does not help, restart Windows."
                )
            }
            _ => "",
        };
        Failure {
            exit: Exit::Unreadable,
            message: text!("Can't {action}: {error}.", action, error),
            advice: advice.into(),
            error: Some(error),
        }
    }

    /// The same, for a file.
    pub(crate) fn file(action: &str, path: &str, error: Win32Error) -> Failure {
        let mut failure = Failure::win32(&text!("{action} {path}", action, path), error);
        match error {
            Win32Error::ACCESS_DENIED | Win32Error::SHARING_VIOLATION => {
                failure.advice = FILE.get().into();
            }
            Win32Error::USER_MAPPED_FILE => failure.advice = IN_MEMORY.get().into(),
            _ => {}
        }
        failure
    }

    /// A Windows error while loading the driver.
    pub(crate) fn loading(error: Win32Error) -> Failure {
        let mut failure = Failure::win32(phrase!("load tcplimit.sys"), error);
        let advice = match error {
            Win32Error::ACCESS_DENIED => {
                phrase!(
                    "If you are an Administrator, other software blocks it, such as antivirus \
                     software or a firewall: allow tcplimit.sys there."
                )
            }
            Win32Error::INVALID_IMAGE_HASH | Win32Error::DRIVER_BLOCKED => {
                phrase!(
                    "Windows or other software blocks tcplimit.sys, by a policy or because it is \
                     unsigned. Look in Event Viewer, and allow tcplimit.sys in that software."
                )
            }
            Win32Error::FILE_NOT_FOUND | Win32Error::PATH_NOT_FOUND => {
                phrase!(
                    "tcplimit.sys is missing; antivirus software may have removed it. Allow \
                     tcplimit.sys there, and run: tcplimit install"
                )
            }
            Win32Error::ALREADY_EXISTS => {
                phrase!(
                    "Another copy of tcplimit.sys or the 2005 driver is loaded. Close the \
                     program that loaded it, or run: sc stop tcpip_patcher"
                )
            }
            Win32Error::PROC_NOT_FOUND
            | Win32Error::INVALID_ORDINAL
            | Win32Error::BAD_EXE_FORMAT
            | Win32Error::EXE_MACHINE_TYPE_MISMATCH => {
                phrase!(
                    "The file is damaged or not for this Windows. Get a fresh copy of tcplimit, \
                     and run: tcplimit install"
                )
            }
            Win32Error::SERVICE_DISABLED => phrase!("Run: tcplimit install"),
            Win32Error::SERVICE_ALREADY_RUNNING => {
                phrase!(
                    "Windows still holds the unloaded tcplimit.sys. Try again in a minute, or \
                     restart Windows."
                )
            }
            Win32Error::SERVICE_DEPENDENCY_FAIL | Win32Error::SERVICE_DEPENDENCY_DELETED => {
                phrase!("TCP/IP is not installed or does not start; without it there is no limit.")
            }
            _ => "",
        };
        if !advice.is_empty() {
            failure.advice = advice.into();
        }
        failure
    }
}
