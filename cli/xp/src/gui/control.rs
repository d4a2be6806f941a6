//! Windows' own controls, each behind a filter of messages.
//!
//! Each of our classes superclasses one of Windows': its procedure drops messages that
//! `is_forwarded` refuses, and forwards all others.

use core::ffi::c_void;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use tcplimit_xp::Win32Error;
use tcplimit_xp::window::{Control, is_forwarded};

use super::imports::{
    CallWindowProcW, Class, DefWindowProcW, GetClassInfoExW, InitCommonControlsEx, Procedure,
    RegisterClassExW,
};
use super::procedure::GRAPH;
use super::window::{CHILD, Window, WindowOptions, module};
use crate::os_win32::handle::{check_bool, last_error, length};
use crate::os_win32::imports::Handle;
use crate::os_win32::wide::wide;

/// WS_VISIBLE is set when a control is placed. WS_TABSTOP, WS_BORDER, WS_VSCROLL.
const TAB_STOP: u32 = 0x1_0000;
const VERTICAL_SCROLL: u32 = 0x20_0000;
/// WS_EX_CLIENTEDGE.
const SUNKEN: u32 = 0x200;
/// SS_LEFTNOWORDWRAP, SS_NOPREFIX.
const UNBROKEN: u32 = 0xC;
const NO_PREFIX: u32 = 0x80;
/// BS_AUTOCHECKBOX.
const CHECK_BOX: u32 = 3;
/// ES_NUMBER, ES_AUTOHSCROLL.
const DIGITS: u32 = 0x2000 | 0x80;
/// CBS_DROPDOWNLIST: it has no edit control.
const CHOICE: u32 = 3;
/// LBS_NOTIFY, LBS_USETABSTOPS, LBS_NOINTEGRALHEIGHT.
const ROWS: u32 = 1 | 0x80 | 0x100;
/// ICC_STANDARD_CLASSES, since XP; without a manifest it is not needed.
const STANDARD: u32 = 0x4000;

/// CS_HREDRAW, CS_VREDRAW: repaint everything when the size changes.
const REDRAW: u32 = 1 | 2;
/// A class that wraps its text anew when its width changes.
const STATIC: &str = "Static";

/// Windows' classes, and the names of ours.
const CLASSES: [(&str, &str); 5] = [
    (STATIC, "TcpLimitStatic"),
    ("Button", "TcpLimitButton"),
    ("Edit", "TcpLimitEdit"),
    ("ComboBox", "TcpLimitComboBox"),
    ("ListBox", "TcpLimitListBox"),
];

/// The procedures of Windows' classes.
static ORIGINALS: [AtomicPtr<c_void>; 5] = [const { AtomicPtr::new(ptr::null_mut()) }; 5];

/// The procedure of class `INDEX`.
unsafe extern "system" fn filtered<const INDEX: usize>(
    window: Handle,
    message: u32,
    wide: usize,
    long: isize,
) -> isize {
    if !is_forwarded(message, long) {
        return 0;
    }
    let original = ORIGINALS.get(INDEX);
    let original = original.map_or(ptr::null_mut(), |procedure| {
        procedure.load(Ordering::Relaxed)
    });
    if original.is_null() {
        // SAFETY: the parameters are those from Windows.
        return unsafe { DefWindowProcW(window, message, wide, long) };
    }
    // SAFETY: it was a procedure when stored, and is not null.
    let original = unsafe { mem::transmute::<*mut c_void, Procedure>(original) };
    // SAFETY: it is the procedure of the class that this window is made of; the parameters are
    // those from Windows.
    unsafe { CallWindowProcW(original, window, message, wide, long) }
}

/// Registers the classes.
///
/// # Errors
/// If one can't be registered.
pub(crate) fn register() -> Result<(), Win32Error> {
    // SAFETY: INITCOMMONCONTROLSEX is two numbers, the first of them its size. It may fail on a
    // system without visual styles, where nothing is lost.
    unsafe { InitCommonControlsEx(&[8, STANDARD]) };
    let procedures: [Procedure; 5] = [
        filtered::<0>,
        filtered::<1>,
        filtered::<2>,
        filtered::<3>,
        filtered::<4>,
    ];
    for (((original, own), place), procedure) in CLASSES.iter().zip(&ORIGINALS).zip(procedures) {
        let is_static = *original == STATIC;
        let (original, own) = (wide(original), wide(own));
        let mut class = Class {
            size: length(size_of::<Class>()),
            style: 0,
            procedure: None,
            class_extra: 0,
            window_extra: 0,
            module: ptr::null_mut(),
            icon: ptr::null_mut(),
            cursor: ptr::null_mut(),
            background: ptr::null_mut(),
            menu: ptr::null(),
            name: ptr::null(),
            small_icon: ptr::null_mut(),
        };
        // SAFETY: the name ends in a NUL; the structure states its own size.
        check_bool(unsafe { GetClassInfoExW(ptr::null_mut(), original.as_ptr(), &mut class) })?;
        let Some(before) = class.procedure else {
            return Err(Win32Error::GEN_FAILURE);
        };
        place.store(before as *mut c_void, Ordering::Relaxed);
        class.size = length(size_of::<Class>());
        class.procedure = Some(procedure);
        class.module = module();
        class.name = own.as_ptr();
        // CS_GLOBALCLASS is for libraries.
        class.style &= !0x4000;
        if is_static {
            class.style |= REDRAW;
        }
        // SAFETY: the structure is initialized, and the name ends in a NUL.
        if unsafe { RegisterClassExW(&class) } == 0 {
            return Err(last_error());
        }
    }
    Ok(())
}

/// Creates a control, hidden, as a child of the main window.
///
/// # Errors
/// If it can't be created.
pub(crate) fn make(control: Control, parent: Window) -> Result<Window, Win32Error> {
    let [text, button, edit, choice, list] = CLASSES.map(|(_, own)| own);
    let (class, style, extended) = match control {
        Control::StatusLabels | Control::StatusTexts => (text, UNBROKEN | NO_PREFIX, 0),
        Control::Advice => (text, NO_PREFIX, 0),
        Control::NumberLabel => (text, 0, 0),
        Control::Number => (edit, DIGITS | TAB_STOP, SUNKEN),
        Control::CommonLimits => (choice, CHOICE | VERTICAL_SCROLL | TAB_STOP, 0),
        Control::Keep | Control::Ipv6 => (button, CHECK_BOX | TAB_STOP, 0),
        Control::Graph => (GRAPH, TAB_STOP, SUNKEN),
        Control::Table => (list, ROWS | VERTICAL_SCROLL | TAB_STOP, SUNKEN),
        Control::FirstRemedy
        | Control::SecondRemedy
        | Control::RunAs
        | Control::Details
        | Control::Apply
        | Control::Reset
        | Control::ByConnections
        | Control::ByName
        | Control::ByProcess => (button, TAB_STOP, 0),
    };
    Window::make(&WindowOptions {
        class,
        text: control.label(),
        style: CHILD | style,
        extended,
        area: [0; 4],
        parent: parent.0,
        menu: ptr::without_provenance_mut(control.id().into()),
    })
}
