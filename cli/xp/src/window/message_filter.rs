//! Which messages reach a control.
//!
//! On Windows XP any program of the desktop can send messages to a window, whoever the window
//! runs as. The system copies what messages below WM_USER point to from one process to the other;
//! above, pointers are taken as they are, and a control would read, write or call what the sender
//! says. A few below do so as well.

/// WM_USER: the first message that is a control's own.
const USER: u32 = 0x400;
/// Messages by names, from here on: RegisterWindowMessage.
const REGISTERED: u32 = 0xC000;

/// EM_SETHANDLE and EM_GETHANDLE: the memory that the text lies in.
const SET_HANDLE: u32 = 0xBC;
const GET_HANDLE: u32 = 0xBD;
/// EM_SETWORDBREAKPROC: a function that is called.
const SET_WORD_BREAK: u32 = 0xD0;
/// WM_TIMER with a function is called by DispatchMessage.
const TIMER: u32 = 0x113;

/// Whether a message is handed on to a control: none that carries an address of this process.
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
