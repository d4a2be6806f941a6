//! The menu bar, and the keys of its commands.

use crate::language::Text;

/// A menu command. Its number is its ID in Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Command {
    /// Saves the graph as a picture.
    Save = 2001,
    /// Copies the figures and the table.
    Copy,
    /// Pauses graph and table.
    Pause,
    /// Gathers everything again.
    Refresh,
    /// Whether closing the window hides it in the notification area.
    HideOnClose,
    /// Shows the window again.
    Open,
    /// Ends the program.
    Exit,
    /// Shows the version.
    About,
    /// Switches to English.
    English,
    /// Switches to German.
    German,
}

/// A key of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its virtual-key code.
    pub code: u16,
    /// Whether it needs Ctrl.
    pub control: bool,
}

/// A menu of the menu bar.
#[derive(Clone, Copy, Debug)]
pub struct Menu {
    label: Text,
    /// Its commands.
    pub commands: &'static [Command],
}

impl Menu {
    /// Its title.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.label.get()
    }
}

/// The menu bar.
pub const MENUS: [Menu; 3] = [
    Menu {
        label: Text::new("&File"),
        commands: &[Command::Save, Command::Copy, Command::Exit],
    },
    Menu {
        label: Text::new("&View"),
        commands: &[
            Command::Pause,
            Command::Refresh,
            Command::HideOnClose,
            Command::English,
            Command::German,
        ],
    },
    Menu {
        label: Text::new("&Help"),
        commands: &[Command::About],
    },
];

/// The menu of the icon in the notification area.
pub const ICON_MENU: [Command; 3] = [Command::Open, Command::HideOnClose, Command::Exit];

const F4: u16 = 0x73;
const F5: u16 = 0x74;
const F9: u16 = 0x78;

impl Command {
    /// All commands.
    pub const ALL: [Command; 10] = [
        Command::Save,
        Command::Copy,
        Command::Pause,
        Command::Refresh,
        Command::HideOnClose,
        Command::Open,
        Command::Exit,
        Command::About,
        Command::English,
        Command::German,
    ];

    /// Its ID.
    #[must_use]
    pub fn id(self) -> u16 {
        self as u16
    }

    /// The command of that ID.
    #[must_use]
    pub fn from_id(id: u16) -> Option<Command> {
        Command::ALL.into_iter().find(|command| command.id() == id)
    }

    /// Its text in the menu, with the key after a tab.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Command::Save => phrase!("&Save picture\tF5"),
            Command::Copy => phrase!("&Copy figures\tCtrl+C"),
            Command::Pause => phrase!("&Pause\tCtrl+P"),
            Command::Refresh => phrase!("&Refresh\tF9"),
            Command::HideOnClose => phrase!("&Hide in the notification area when closed"),
            Command::Open => phrase!("&Open"),
            Command::Exit => phrase!("E&xit\tCtrl+F4"),
            Command::About => phrase!("&About tcplimit"),
            // In their own languages.
            Command::English => "&English",
            Command::German => "&Deutsch",
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(self) -> Option<Key> {
        let (code, control) = match self {
            Command::Save => (F5, false),
            Command::Copy => (b'C'.into(), true),
            Command::Pause => (b'P'.into(), true),
            Command::Refresh => (F9, false),
            Command::Exit => (F4, true),
            Command::HideOnClose
            | Command::Open
            | Command::About
            | Command::English
            | Command::German => return None,
        };
        Some(Key { code, control })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_a_key_names_it_in_the_menu() {
        for command in Command::ALL {
            assert_eq!(Command::from_id(command.id()), Some(command));
            let has_tab = command.label().contains('\t');
            assert_eq!(command.key().is_some(), has_tab, "{command:?}");
        }
        let in_menus = MENUS.iter().flat_map(|menu| menu.commands);
        let in_menus: std::vec::Vec<&Command> = in_menus.chain(&ICON_MENU).collect();
        assert!(
            Command::ALL
                .iter()
                .all(|command| in_menus.contains(&command))
        );
    }
}
