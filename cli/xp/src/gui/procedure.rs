//! Window procedures and the message loop, which turn messages into events.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use tcplimit_xp::Win32Error;

use super::canvas::Picture;
use super::icon;
use super::imports::{
    Class, DefWindowProcW, DispatchMessageW, GetMessageW, IsDialogMessageW, LoadCursorW, Message,
    MinMaxInfo, Procedure, RegisterClassExW, TranslateAcceleratorW, TranslateMessage,
};
use super::menu::Keys;
use super::objects;
use super::window::{self, Window, module};
use crate::os_win32::handle::{last_error, length};
use crate::os_win32::imports::Handle;
use crate::os_win32::wide::wide;

/// Window classes.
pub(crate) const MAIN: &str = "tcplimitw";
pub(crate) const GRAPH: &str = "TcpLimitGraph";

/// COLOR_3DFACE, in the form of a class.
const FACE: usize = 16;
/// IDC_ARROW.
const ARROW: usize = 32512;

const WM_DESTROY: u32 = 0x2;
const WM_SIZE: u32 = 0x5;
const WM_ACTIVATE: u32 = 0x6;
const WM_SETFOCUS: u32 = 0x7;
const WM_KILLFOCUS: u32 = 0x8;
const WM_PAINT: u32 = 0xF;
const WM_CLOSE: u32 = 0x10;
const WM_ERASEBKGND: u32 = 0x14;
const WM_SYSCOLORCHANGE: u32 = 0x15;
const WM_SETTINGCHANGE: u32 = 0x1A;
const WM_GETMINMAXINFO: u32 = 0x24;
const WM_KEYDOWN: u32 = 0x100;
const WM_COMMAND: u32 = 0x111;
const WM_TIMER: u32 = 0x113;
const WM_LBUTTONDOWN: u32 = 0x201;
const WM_THEMECHANGED: u32 = 0x31A;

/// The message that returns the number of objects.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// An event of the main window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A second has passed.
    Second,
    /// The size of the window has changed.
    Size,
    /// The ID of a control or menu command, and its notification code.
    Command(u16, u16),
    /// Another window is about to get the keyboard.
    Deactivate,
    /// The window itself got the keyboard.
    Focus,
    /// The user closes the window.
    Close,
    /// The window is being destroyed.
    Destroy,
    /// Colours, fonts or the theme have changed.
    Settings,
    /// A message of the icon in the notification area.
    Icon(u32),
    /// A registered message.
    Named(u32),
}

/// The program behind the windows.
pub(crate) trait Program {
    /// Handles an event; returns whether it was handled.
    fn event(main: Window, event: Event) -> bool;

    /// The minimum outer size of the window; `None` if unknown now.
    fn minimum_size() -> Option<(i32, i32)>;

    /// Whether the window is the control of the number.
    fn is_number(window: Window) -> bool;

    /// Draws the graph in that size, with or without focus.
    fn graph(size: (i32, i32), has_focus: bool, draw: &mut dyn FnMut(&Picture<'_>));
}

/// Registers the classes of the main window and of the graph.
///
/// # Errors
/// If one can't be registered.
pub(crate) fn register<P: Program>() -> Result<(), Win32Error> {
    COUNT.store(window::message("tcplimitw.objects"), Ordering::Relaxed);
    for (name, procedure, background) in [
        (MAIN, main_procedure::<P> as Procedure, FACE),
        (GRAPH, graph_procedure::<P> as Procedure, 0),
    ] {
        let name = wide(name);
        let class = Class {
            size: length(size_of::<Class>()),
            style: 0,
            procedure: Some(procedure),
            class_extra: 0,
            window_extra: 0,
            module: module(),
            icon: icon::load(icon::Size::Large),
            // SAFETY: null is Windows' own; the arrow is always there.
            cursor: unsafe { LoadCursorW(ptr::null_mut(), ARROW) },
            background: ptr::without_provenance_mut(background),
            menu: ptr::null(),
            name: name.as_ptr(),
            small_icon: icon::load(icon::Size::Small),
        };
        // SAFETY: the structure is initialized, and the name ends in a NUL.
        if unsafe { RegisterClassExW(&class) } == 0 {
            return Err(last_error());
        }
    }
    Ok(())
}

/// Splits a parameter into its halves.
fn halves(wide: usize) -> (u16, u16) {
    let [a, b, c, d, ..] = wide.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}

unsafe extern "system" fn main_procedure<P: Program>(
    handle: Handle,
    message: u32,
    wide: usize,
    long: isize,
) -> isize {
    let window = Window(handle);
    if message != 0 && message == COUNT.load(Ordering::Relaxed) {
        return isize::try_from(objects::live_count()).unwrap_or(isize::MAX);
    }
    let event = match message {
        WM_TIMER => Some(Event::Second),
        WM_SIZE => Some(Event::Size),
        WM_ACTIVATE if halves(wide).0 == 0 => Some(Event::Deactivate),
        WM_SETFOCUS => Some(Event::Focus),
        WM_CLOSE => Some(Event::Close),
        WM_DESTROY => Some(Event::Destroy),
        WM_SYSCOLORCHANGE | WM_SETTINGCHANGE | WM_THEMECHANGED => Some(Event::Settings),
        WM_COMMAND => {
            let (id, notification) = halves(wide);
            Some(Event::Command(id, notification))
        }
        icon::MESSAGE => Some(Event::Icon(u32::try_from(long).unwrap_or(0))),
        0xC000..=0xFFFF => Some(Event::Named(message)),
        WM_GETMINMAXINFO => {
            // SAFETY: the system hands this message to a window of the same process with a
            // structure that may be written. Windows copies it where another process sends it.
            let info = unsafe { (long as *mut MinMaxInfo).as_mut() };
            if let (Some(info), Some((width, height))) = (info, P::minimum_size()) {
                info.least = [width, height];
                return 0;
            }
            None
        }
        _ => None,
    };
    match event {
        Some(event) if P::event(window, event) => 0,
        // SAFETY: the parameters are those from Windows.
        _ => unsafe { DefWindowProcW(handle, message, wide, long) },
    }
}

unsafe extern "system" fn graph_procedure<P: Program>(
    handle: Handle,
    message: u32,
    wide: usize,
    long: isize,
) -> isize {
    let window = Window(handle);
    match message {
        WM_PAINT => {
            super::canvas::paint(window, P::graph);
            return 0;
        }
        // WM_PAINT paints everything.
        WM_ERASEBKGND => return 1,
        WM_LBUTTONDOWN => window.focus(),
        WM_SETFOCUS | WM_KILLFOCUS => window.invalidate(),
        _ => {}
    }
    // SAFETY: the parameters are those from Windows.
    unsafe { DefWindowProcW(handle, message, wide, long) }
}

/// Handles messages until the main window is destroyed.
pub(crate) fn run<P: Program>(main: Window, keys: &Keys) {
    let mut message = Message {
        window: ptr::null_mut(),
        message: 0,
        wide: 0,
        long: 0,
        time: 0,
        point: [0; 2],
    };
    // SAFETY: `message` is written; null is all windows of this thread.
    while unsafe { GetMessageW(&mut message, ptr::null_mut(), 0, 0) } > 0 {
        // There, Ctrl+C copies the selection.
        let is_copy = message.message == WM_KEYDOWN && message.wide == usize::from(b'C');
        if !(is_copy && P::is_number(Window(message.window))) {
            // SAFETY: `message` is from GetMessage; the table is of this program.
            let is_key = unsafe { TranslateAcceleratorW(main.0, keys.get(), &message) };
            if is_key != 0 {
                continue;
            }
        }
        // SAFETY: as above.
        if unsafe { IsDialogMessageW(main.0, &message) } != 0 {
            continue;
        }
        // SAFETY: as above.
        unsafe { TranslateMessage(&message) };
        // DispatchMessage would call the function of a timer; none of this program has one.
        if message.message == WM_TIMER && message.long != 0 {
            continue;
        }
        // SAFETY: as above.
        unsafe { DispatchMessageW(&message) };
    }
}
