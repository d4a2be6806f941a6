//! The messages that reach a control.
//!
//! On Windows XP any program of the desktop can send messages to a window, whatever user the window
//! runs as. The system copies the data of messages below WM_USER from process to process; above, it
//! passes pointers unchanged, and a control would read, write or call an address of the sender's
//! choice. A few below WM_USER do so too.

/// WM_USER: the first message private to a control.
const USER: u32 = 0x400;
/// The first registered message (RegisterWindowMessage).
const REGISTERED: u32 = 0xC000;

/// EM_SETHANDLE and EM_GETHANDLE: the memory of the text.
const SET_HANDLE: u32 = 0xBC;
const GET_HANDLE: u32 = 0xBD;
/// EM_SETWORDBREAKPROC: a function that the control calls.
const SET_WORD_BREAK: u32 = 0xD0;
/// DispatchMessage calls the function of a WM_TIMER.
const TIMER: u32 = 0x113;

/// Whether to forward a message to a control: not if it carries an address in this process.
#[must_use]
pub fn is_forwarded(message: u32, parameter: isize) -> bool {
    match message {
        SET_HANDLE | GET_HANDLE | SET_WORD_BREAK => false,
        TIMER => parameter == 0,
        0..USER => true,
        REGISTERED..=0xFFFF => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_with_addresses_of_this_process_are_dropped() {
        for (name, message) in [
            ("EM_SETWORDBREAKPROC", 0xD0),
            ("EM_SETHANDLE", 0xBC),
            ("EM_GETHANDLE", 0xBD),
            ("BCM_GETTEXTMARGIN", 0x1605),
            ("CB_SETMINVISIBLE", 0x1701),
            ("EM_SETCUEBANNER", 0x1501),
            ("EM_STREAMIN", 0x449),
            ("LVM_SORTITEMS", 0x1030),
        ] {
            assert!(!is_forwarded(message, 1), "{name}");
        }
        assert!(!is_forwarded(0x113, 0x41_4141), "WM_TIMER with a function");
    }

    #[test]
    fn messages_that_controls_need_are_forwarded() {
        for (name, message) in [
            ("WM_PAINT", 0xF),
            ("WM_GETTEXT", 0xD),
            ("WM_KEYDOWN", 0x100),
            ("BM_CLICK", 0xF5),
            ("CB_GETCURSEL", 0x147),
            ("LB_ADDSTRING", 0x180),
            ("EM_GETSEL", 0xB0),
            ("WM_THEMECHANGED", 0x31A),
            ("a registered message", 0xC123),
        ] {
            assert!(is_forwarded(message, 1), "{name}");
        }
        assert!(is_forwarded(0x113, 0), "WM_TIMER without a function");
    }
}
