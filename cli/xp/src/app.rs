//! The window program: receives events, calls the model and the controls.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use tcplimit_xp::window::{
    COMMON_LIMITS, Change, Command, Control, Ink, Layout, Model, Order, Rect, Remedy, Shape, about,
    bitmap, lines, minimum, not_started, run_as_question, saved, title,
};
use tcplimit_xp::{Exit, Language, Os, Win32Error, chosen_language};

use crate::gui::canvas::{self, MessageFont, Picture};
use crate::gui::control;
use crate::gui::icon;
use crate::gui::menu::{self, Bar, Keys};
use crate::gui::procedure::{self, Event, MAIN, Program};
use crate::gui::shell::{self, Instance, MessageKind};
use crate::gui::state::State;
use crate::gui::window::{self, Window};
use crate::os_win32::Win32Os;

/// The initial size of the window's inside, unless the minimum is larger.
const INITIAL_SIZE: (i32, i32) = (760, 520);
/// A setting: closing the window hides it.
const HIDE_ON_CLOSE: &str = "HideOnClose";
/// A setting: the language, by its index in [`Language::ALL`].
const LANGUAGE: &str = "Language";
/// The file of the program.
const FILE: &str = "tcplimitw.exe";

const WM_SETFONT: u32 = 0x30;
const WM_SETREDRAW: u32 = 0xB;
const EM_LIMITTEXT: u32 = 0xC5;
const BM_GETCHECK: u32 = 0xF0;
const BM_CLICK: u32 = 0xF5;
const CB_ADDSTRING: u32 = 0x143;
const CB_GETCURSEL: u32 = 0x147;
const LB_ADDSTRING: u32 = 0x180;
const LB_RESETCONTENT: u32 = 0x184;
const LB_SETCURSEL: u32 = 0x186;
const LB_GETCURSEL: u32 = 0x188;
const LB_GETTOPINDEX: u32 = 0x18E;
const LB_SETTABSTOPS: u32 = 0x192;
const LB_SETTOPINDEX: u32 = 0x197;
const WM_LBUTTONDBLCLK: u32 = 0x203;
const WM_RBUTTONUP: u32 = 0x205;
const WM_CONTEXTMENU: u32 = 0x7B;
/// NIN_SELECT is WM_USER, NIN_BALLOONUSERCLICK WM_USER + 5.
const BALLOON_CLICKED: u32 = 0x405;
/// LBN_SELCHANGE and CBN_SELCHANGE.
const SELECTION: u16 = 1;
/// The command that Enter sends.
const ENTER: u16 = 1;
/// No row.
const NONE: usize = usize::MAX;

/// The program's state.
struct App {
    main: Window,
    controls: Vec<(Control, Window)>,
    bar: Bar,
    font: MessageFont,
    model: Model,
    layout: Option<Layout>,
    /// The size for which the controls were placed.
    placed: (i32, i32),
    /// Texts that the controls show, so that only changes are painted.
    shown: Vec<(Control, String)>,
    rows: Vec<String>,
    is_in_tray: bool,
    /// The tooltip of the icon.
    tip: String,
    hides: bool,
    is_hidden: bool,
    /// Whether a message box is open.
    is_busy: bool,
    /// The control that last had the keyboard.
    last_focus: Control,
    instance: Option<Instance>,
    taskbar_created: u32,
    show_again: u32,
}

static APP: State<App> = State::new();
/// The minimum size of the window's inside. Windows also asks for it while the state is borrowed.
static MINIMUM_SIZE: State<(i32, i32)> = State::new();

/// Runs the program until its window is closed.
pub(crate) fn run(words: &[String]) -> Exit {
    let saved_language = Win32Os.setting(LANGUAGE).ok().flatten();
    let saved_language =
        saved_language.and_then(|index| Language::ALL.get(usize::try_from(index).ok()?).copied());
    let language = chosen_language(words).or(saved_language);
    language
        .unwrap_or_else(|| Language::of_user(&Win32Os))
        .choose();
    let show_again = window::message("tcplimitw.show");
    let Some(instance) = Instance::take(MAIN) else {
        if let Some(other) = Window::find(MAIN) {
            other.post(show_again);
        }
        return Exit::Done;
    };
    match open(instance, show_again) {
        Ok((main, keys)) => {
            procedure::run::<App>(main, &keys);
            Exit::Done
        }
        Err(_) => Exit::Unreadable,
    }
}

/// Creates the window and everything in it.
fn open(instance: Instance, show_again: u32) -> Result<(Window, Keys), Win32Error> {
    procedure::register::<App>()?;
    control::register()?;
    let font = MessageFont::load();
    let bar = Bar::make();
    let (width, height) = minimum(&font);
    let size = (width.max(INITIAL_SIZE.0), height.max(INITIAL_SIZE.1));
    let main = Window::main(MAIN, &title(&Win32Os), bar.get(), size)?;
    let mut controls = Vec::new();
    for control in Control::ALL {
        controls.push((control, control::make(control, main)?));
    }
    let hides = matches!(Win32Os.setting(HIDE_ON_CLOSE), Ok(Some(1)));
    let mut app = App {
        main,
        controls,
        bar,
        font,
        model: Model::new(&Win32Os),
        layout: None,
        placed: (0, 0),
        shown: Vec::new(),
        rows: Vec::new(),
        is_in_tray: false,
        tip: String::new(),
        hides,
        is_hidden: false,
        is_busy: false,
        last_focus: Control::Number,
        instance: Some(instance),
        taskbar_created: window::message("TaskbarCreated"),
        show_again,
    };
    let number = app.control(Control::Number);
    number.send(EM_LIMITTEXT, 8, 0);
    let common_limits = app.control(Control::CommonLimits);
    for limit in COMMON_LIMITS {
        common_limits.send_text(CB_ADDSTRING, &limit.to_string());
    }
    number.set_text("100");
    app.is_in_tray = icon::add(main, &app.model.tooltip());
    app.check_commands();
    app.set_font();
    app.show_all();
    APP.put(app);
    main.show(true);
    APP.with(|app| app.control(Control::Number).focus());
    main.start_timer();
    Ok((main, Keys::make()))
}

impl Program for App {
    fn minimum_size() -> Option<(i32, i32)> {
        MINIMUM_SIZE.with(|least| window::outside(*least))
    }

    fn is_number(window: Window) -> bool {
        APP.with(|app| app.control(Control::Number) == window)
            .unwrap_or(false)
    }

    fn graph((width, height): (i32, i32), has_focus: bool, draw: &mut dyn FnMut(&Picture<'_>)) {
        APP.with(|app| {
            let mut picture = app.picture(width, height);
            if has_focus {
                for area in [
                    Rect::at(0, 0, width, 1),
                    Rect::at(0, height - 1, width, 1),
                    Rect::at(0, 0, 1, height),
                    Rect::at(width - 1, 0, 1, height),
                ] {
                    picture.shapes.push(Shape::Fill(area, Ink::Text));
                }
            }
            draw(&picture);
        });
    }

    fn event(main: Window, event: Event) -> bool {
        match event {
            Event::Second => {
                APP.with(App::tick);
                true
            }
            Event::Size => APP.with(App::place).is_some(),
            Event::Command(id, notification) => {
                on_command(id, notification);
                true
            }
            Event::Deactivate => {
                let focused = window::focused();
                APP.with(|app| {
                    let found = app.controls.iter().find(|(_, window)| *window == focused);
                    if let Some((control, _)) = found {
                        app.last_focus = *control;
                    }
                });
                // Windows must handle it too.
                false
            }
            Event::Focus => {
                let last = APP.with(|app| app.control(app.last_focus));
                if let Some(last) = last {
                    last.focus();
                }
                last.is_some()
            }
            Event::Close => {
                let hides = APP.with(|app| app.hides && app.is_in_tray);
                match hides {
                    Some(true) => APP.with(App::hide).is_some(),
                    // Not while a message box is open.
                    _ => is_busy(),
                }
            }
            Event::Destroy => {
                icon::remove(main);
                window::quit();
                true
            }
            Event::Settings => {
                APP.with(App::set_font);
                // Windows must handle it too.
                false
            }
            Event::Icon(notification) => {
                match notification {
                    WM_LBUTTONDBLCLK | BALLOON_CLICKED => show_again(main),
                    WM_RBUTTONUP | WM_CONTEXTMENU => {
                        let hides = APP.with(|app| app.hides).unwrap_or(false);
                        // Otherwise the menu stays when the user clicks elsewhere.
                        main.to_front();
                        menu::at_icon(main, hides);
                    }
                    _ => {}
                }
                true
            }
            Event::Named(message) => {
                let is = |of: fn(&App) -> u32| APP.with(|app| of(app)) == Some(message);
                if is(|app| app.taskbar_created) {
                    APP.with(|app| app.is_in_tray = icon::add(app.main, &app.model.tooltip()));
                    true
                } else if is(|app| app.show_again) {
                    show_again(main);
                    true
                } else {
                    false
                }
            }
        }
    }
}

fn show_again(main: Window) {
    main.bring_up();
    APP.with(|app| {
        app.is_hidden = false;
        app.show_all();
    });
}

fn is_busy() -> bool {
    APP.with(|app| app.is_busy).unwrap_or(true)
}

/// Runs a control's or menu command.
fn on_command(id: u16, notification: u16) {
    if id == ENTER {
        let focused = window::focused();
        let control = APP.with(|app| {
            let found = app.controls.iter().find(|(_, window)| *window == focused);
            found.map(|(control, _)| *control)
        });
        match control.flatten() {
            Some(Control::Number | Control::CommonLimits) => on_control(Control::Apply, 0),
            // A button that Enter pressed.
            Some(
                Control::StatusLabels
                | Control::StatusTexts
                | Control::Advice
                | Control::Graph
                | Control::Table
                | Control::NumberLabel,
            )
            | None => {}
            Some(_) => {
                focused.send(BM_CLICK, 0, 0);
            }
        }
    } else if let Some(control) = Control::from_id(id) {
        on_control(control, notification);
    } else if let Some(command) = Command::from_id(id) {
        on_menu_command(command);
    }
}

/// Handles a notification of a control, mostly a pressed button.
fn on_control(control: Control, notification: u16) {
    match control {
        Control::CommonLimits if notification == SELECTION => {
            APP.with(|app| {
                let index = app.control(Control::CommonLimits).send(CB_GETCURSEL, 0, 0);
                let common_limits = usize::try_from(index)
                    .ok()
                    .and_then(|index| COMMON_LIMITS.get(index));
                if let Some(limit) = common_limits {
                    app.control(Control::Number).set_text(&limit.to_string());
                }
            });
        }
        Control::Table if notification == SELECTION => {
            APP.with(|app| {
                let index = app.control(Control::Table).send(LB_GETCURSEL, 0, 0);
                app.model.select(usize::try_from(index).ok());
            });
        }
        Control::ByConnections => sort(Order::Connections),
        Control::ByName => sort(Order::Name),
        Control::ByProcess => sort(Order::Process),
        Control::FirstRemedy => apply_remedy(0),
        Control::SecondRemedy => apply_remedy(1),
        Control::RunAs => run_as(),
        Control::Details => {
            let details = APP.with(|app| app.model.details(&Win32Os));
            show_message(MessageKind::Information, &details.unwrap_or_default());
        }
        Control::Apply => {
            confirm_and_execute(|app| {
                let is_checked = |control| app.control(control).send(BM_GETCHECK, 0, 0) == 1;
                let ipv6 = is_checked(Control::Ipv6) && app.model.has_ipv6();
                let number = app.control(Control::Number).text();
                Some(
                    app.model
                        .propose_set(&number, is_checked(Control::Keep), ipv6),
                )
            });
        }
        Control::Reset => {
            confirm_and_execute(|app| {
                let is_checked = app.control(Control::Ipv6).send(BM_GETCHECK, 0, 0) == 1;
                Some(app.model.propose_reset(is_checked && app.model.has_ipv6()))
            });
        }
        _ => {}
    }
}

fn sort(order: Order) {
    APP.with(|app| {
        app.model.sort(order);
        app.show_rows();
    });
}

fn apply_remedy(index: usize) {
    confirm_and_execute(|app| {
        let remedy: Option<Remedy> = app.model.remedies().get(index).copied();
        remedy.map(|remedy| app.model.propose_remedy(remedy))
    });
}

/// Shows a message, and blocks commands meanwhile.
fn show_message(kind: MessageKind, text: &str) -> bool {
    let Some(main) = APP.with(|app| {
        app.is_busy = true;
        app.main
    }) else {
        return false;
    };
    let answer = shell::message_box(main, kind, text);
    APP.with(|app| app.is_busy = false);
    answer
}

/// Asks before a change, executes it, and shows the outcome.
fn confirm_and_execute(change: impl FnOnce(&mut App) -> Option<Change>) {
    if is_busy() {
        return;
    }
    let Some(Some(change)) = APP.with(change) else {
        return;
    };
    if !show_message(MessageKind::Question, &change.question) {
        return;
    }
    let outcome = APP.with(|app| {
        let outcome = app.model.execute(&Win32Os, &change);
        app.show_all();
        outcome
    });
    let Some(outcome) = outcome else { return };
    let kind = match outcome.exit {
        Exit::Done => MessageKind::Information,
        _ => MessageKind::Warning,
    };
    show_message(kind, &outcome.text);
    if outcome.is_denied && show_message(MessageKind::Question, run_as_question()) {
        run_as();
    }
}

/// Starts the program as another user, in place of this one.
fn run_as() {
    let Some(Some((main, instance))) = APP.with(|app| Some((app.main, app.instance.take()))) else {
        return;
    };
    // The other instance must not find this one.
    drop(instance);
    let started = Win32Os.program_folder().and_then(|folder| {
        let program = format!(r"{folder}\{FILE}");
        shell::run_as(main, &program, &folder)
    });
    match started {
        Ok(true) => main.destroy(),
        Ok(false) => {
            APP.with(|app| app.instance = Instance::take(MAIN));
        }
        Err(error) => {
            APP.with(|app| app.instance = Instance::take(MAIN));
            show_message(MessageKind::Warning, &not_started(error));
        }
    }
}

fn on_menu_command(command: Command) {
    match command {
        Command::Save => save_picture(),
        Command::Copy => {
            APP.with(|app| {
                let is_table = app.control(Control::Table) == window::focused();
                let row = app.model.copied_row().filter(|_| is_table);
                shell::copy(app.main, &row.unwrap_or_else(|| app.model.copied()));
            });
        }
        Command::Pause => {
            APP.with(|app| {
                app.model.pause(&Win32Os);
                app.bar.check(Command::Pause, app.model.is_paused());
                app.show_all();
            });
        }
        Command::Refresh => {
            APP.with(|app| {
                app.model.refresh(&Win32Os);
                app.show_all();
            });
        }
        Command::HideOnClose => {
            APP.with(|app| {
                app.hides = !app.hides;
                app.bar.check(Command::HideOnClose, app.hides);
                // If it can't be saved, it applies until the program ends.
                let _ = Win32Os.set_setting(HIDE_ON_CLOSE, app.hides.into());
            });
        }
        Command::Open => {
            if let Some(main) = APP.with(|app| app.main) {
                show_again(main);
            }
        }
        Command::Exit => {
            if let Some(Some(main)) = APP.with(|app| (!app.is_busy).then_some(app.main)) {
                main.destroy();
            }
        }
        Command::About => {
            show_message(MessageKind::Information, &about(&Win32Os));
        }
        Command::English => set_language(Language::English),
        Command::German => set_language(Language::German),
    }
}

/// Saves the graph as a picture among the user's documents.
fn save_picture() {
    if is_busy() {
        return;
    }
    let path = APP.with(|app| {
        let (width, height) = app.control(Control::Graph).size();
        let rows = canvas::rows(width, height, &app.picture(width, height));
        let file = rows.and_then(|rows| bitmap(width.unsigned_abs(), height.unsigned_abs(), &rows));
        let file = file.ok_or(Win32Error::NO_SYSTEM_RESOURCES)?;
        let path = format!(r"{}\{}", shell::documents()?, app.model.picture_name());
        Win32Os.write(&path, &file).map(|()| path)
    });
    let Some(path) = path else { return };
    let kind = match path {
        Ok(_) => MessageKind::Information,
        Err(_) => MessageKind::Warning,
    };
    show_message(kind, &saved(&path));
}

/// Switches all texts to that language.
fn set_language(language: Language) {
    language.choose();
    let index = Language::ALL.into_iter().position(|one| one == language);
    let index = index.and_then(|index| u32::try_from(index).ok());
    // If it can't be saved, it applies until the program ends.
    let _ = Win32Os.set_setting(LANGUAGE, index.unwrap_or(0));
    APP.with(App::relabel);
}

impl App {
    /// Sets the texts of the menu bar and the controls in a new language.
    fn relabel(&mut self) {
        let old = self.bar;
        self.bar = Bar::make();
        self.bar.show(self.main, old);
        self.check_commands();
        for (control, window) in &self.controls {
            let label = control.label();
            if !label.is_empty() {
                window.set_text(label);
            }
        }
        self.main.set_text(&title(&Win32Os));
        // The space that controls need depends on their texts.
        MINIMUM_SIZE.put(minimum(&self.font));
        self.layout = None;
        self.show_all();
    }

    /// Checks the menu commands that are active.
    fn check_commands(&self) {
        let language = Language::current();
        for (command, is_on) in [
            (Command::Pause, self.model.is_paused()),
            (Command::HideOnClose, self.hides),
            (Command::English, language == Language::English),
            (Command::German, language == Language::German),
        ] {
            self.bar.check(command, is_on);
        }
    }

    fn control(&self, control: Control) -> Window {
        let found = self.controls.iter().find(|(one, _)| *one == control);
        found.map_or(self.main, |(_, window)| *window)
    }

    fn picture(&self, width: i32, height: i32) -> Picture<'_> {
        Picture {
            shapes: self.model.graph(width, height, &self.font),
            font: &self.font,
            colors: canvas::system_colors(),
        }
    }

    fn tick(&mut self) {
        let tick = self.model.tick(&Win32Os);
        if self.is_in_tray {
            let tip = self.model.tooltip();
            // Does not ask Explorer to show the same again.
            if self.tip != tip {
                icon::set_tip(self.main, &tip);
                self.tip = tip;
            }
            if let Some(text) = tick.balloon {
                icon::balloon(self.main, "tcplimit", &text);
            }
        }
        if !self.is_hidden {
            self.show_all();
        }
    }

    fn hide(&mut self) {
        self.main.show(false);
        self.is_hidden = true;
    }

    /// The user's font, for all controls.
    fn set_font(&mut self) {
        let font = MessageFont::load();
        for (_, window) in &self.controls {
            window.send(WM_SETFONT, font.handle(), 1);
        }
        // The old font is deleted when no control uses it any more.
        self.font = font;
        MINIMUM_SIZE.put(minimum(&self.font));
        self.place();
    }

    /// Sets a control's text, if it differs.
    fn set_text(&mut self, control: Control, text: String) {
        let window = self.control(control);
        match self.shown.iter_mut().find(|(one, _)| *one == control) {
            Some((_, shown)) if *shown == text => return,
            Some((_, shown)) => shown.clone_from(&text),
            None => self.shown.push((control, text.clone())),
        }
        window.set_text(&text);
    }

    /// Shows the model's present state in all controls.
    fn show_all(&mut self) {
        let status_pane = self.model.status_pane();
        let remedies = self.model.remedies();
        let layout = Layout {
            lines: status_pane.labels.len(),
            remedies: remedies.len(),
            run_as: self.model.is_denied(),
            ipv6: self.model.has_ipv6(),
        };
        self.set_text(Control::StatusLabels, lines(&status_pane.labels, "\r\n"));
        self.set_text(Control::StatusTexts, lines(&status_pane.texts, "\r\n"));
        self.set_text(Control::Advice, status_pane.advice);
        for (control, remedy) in [Control::FirstRemedy, Control::SecondRemedy]
            .into_iter()
            .zip(remedies)
        {
            self.set_text(control, remedy.label().into());
        }
        // Another program may have changed the size while the state was borrowed.
        if self.layout != Some(layout) || self.main.size() != self.placed {
            self.layout = Some(layout);
            self.place();
        }
        for control in [Control::Apply, Control::Reset] {
            self.control(control).enable(self.model.can_set());
        }
        // For screen readers.
        let figures = self.model.figures();
        self.set_text(Control::Graph, figures);
        self.control(Control::Graph).invalidate();
        self.show_rows();
    }

    /// Fills the table, if it has changed.
    fn show_rows(&mut self) {
        let rows: Vec<String> = self
            .model
            .rows()
            .iter()
            .map(|row| row.line.clone())
            .collect();
        if rows == self.rows {
            return;
        }
        let table = self.control(Control::Table);
        let top = table.send(LB_GETTOPINDEX, 0, 0);
        table.send(WM_SETREDRAW, 0, 0);
        table.send(LB_RESETCONTENT, 0, 0);
        for row in &rows {
            table.send_text(LB_ADDSTRING, row);
        }
        let selected = self.model.selected();
        table.send(LB_SETCURSEL, selected.unwrap_or(NONE), 0);
        table.send(LB_SETTOPINDEX, usize::try_from(top).unwrap_or(0), 0);
        table.send(WM_SETREDRAW, 1, 0);
        table.invalidate();
        self.rows = rows;
    }

    /// Places the controls.
    fn place(&mut self) {
        let Some(layout) = self.layout else { return };
        let (width, height) = self.main.size();
        if width == 0 || height == 0 {
            return;
        }
        self.placed = (width, height);
        let places = layout.place(width, height, &self.font);
        let mut stops = [0; 2];
        for &(control, window) in &self.controls {
            let place = places.iter().find(|(one, _)| *one == control);
            if let Some((_, area)) = place {
                let mut area = *area;
                match control {
                    // Including the drop-down list.
                    Control::CommonLimits => area.bottom += area.height() * 8,
                    Control::ByName => stops[0] = area.left,
                    Control::ByProcess => stops[1] = area.right * 2,
                    _ => {}
                }
                window.place(&area);
            }
            window.show(place.is_some());
        }
        self.tab_stops(stops);
    }

    /// Sets the columns of the table below the buttons that sort it. A list box counts in quarters
    /// of an average character's width.
    fn tab_stops(&self, pixels: [i32; 2]) {
        use tcplimit_xp::window::Font;
        let digits = self.font.width("0123456789");
        let stops = pixels.map(|at| (at * 40).checked_div(digits).unwrap_or(0));
        self.control(Control::Table)
            .send_numbers(LB_SETTABSTOPS, &stops);
    }
}
