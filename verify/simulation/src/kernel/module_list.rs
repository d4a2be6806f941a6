//! The system's list of modules.

use tcplimit_driver::ModuleEntry;
use tcplimit_protocol::Status;

use super::build::PAGE;
use super::configuration::{ListState, PathStyle};
use super::state::State;
use specimen::{Arch, Module};

/// A snapshot of the list.
#[derive(Debug)]
pub(super) struct List {
    entries: Vec<(Vec<u8>, u64, u32)>,
    result: Result<(), Status>,
}

impl List {
    /// Reads the current list.
    pub(super) fn read(state: &State) -> List {
        let mut list = List {
            entries: Vec::new(),
            result: Ok(()),
        };
        let (low, high) = match state.arch {
            Arch::X86 => (0x804D_7000, 0xFAC0_0000),
            Arch::X64 => (0xFFFF_F800_0100_0000, 0xFFFF_FAE0_0000_0000),
        };
        list.add(
            b"\\WINDOWS\\system32\\ntoskrnl.exe".to_vec(),
            low,
            0x21_6000,
        );
        for module in [Module::Tcpip, Module::Tcpip6] {
            if let Some(loaded) = state.loaded(module) {
                let size = match state.list.in_pages {
                    true => loaded.size.next_multiple_of(PAGE),
                    false => loaded.size,
                };
                list.add_module(state, module, loaded.base, size);
            }
        }
        // Names that contain the module's, one that is no text, and an empty one.
        for (number, name) in (0..).zip([
            &b"\\SystemRoot\\system32\\drivers\\mytcpip.sys"[..],
            b"\\SystemRoot\\tcpip.sys\\tcpip.sys.bak",
            b"\\SystemRoot\\tcpip6.sys\\",
            b"\xFF\xFE\\\x80",
            b"",
        ]) {
            list.add(name.to_vec(), high + number * 0x1_0000, 0x3000);
        }
        list
    }

    fn add_module(&mut self, state: &State, module: Module, base: u64, size: u32) {
        let path = path(state.list.style, module.file_name());
        let other = || b"\\SystemRoot\\system32\\drivers\\evil.sys".to_vec();
        match state.list.state {
            ListState::Correct => self.add(path, base, size),
            ListState::Missing => {}
            ListState::OtherBase => self.add(path, base ^ 0x10_0000, size),
            ListState::OtherSize => self.add(path, base, size + PAGE),
            ListState::OtherName => self.add(other(), base, size),
            ListState::NameTwice => {
                self.add(path.clone(), base, size);
                self.add(path, base ^ 0x10_0000, size);
            }
            ListState::BaseTwice => {
                self.add(other(), base, size);
                self.add(path, base, size);
            }
            ListState::Fails => {
                self.entries.clear();
                self.result = Err(Status::INSUFFICIENT_RESOURCES);
            }
            ListState::FailsAtEnd => {
                self.add(path, base, size);
                self.result = Err(Status::UNSUCCESSFUL);
            }
        }
    }

    fn add(&mut self, path: Vec<u8>, base: u64, size: u32) {
        self.entries.push((path, base, size));
    }

    /// Calls `show` with every entry.
    pub(super) fn show(&self, mut show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status> {
        for &(ref path, base, size) in &self.entries {
            show(&ModuleEntry { path, base, size });
        }
        self.result
    }
}

impl ListState {
    /// The list's relation to the driver object.
    pub fn witness(self) -> ListWitness {
        match self {
            ListState::Correct => ListWitness::Confirms,
            ListState::Missing => ListWitness::Silent,
            ListState::Fails => ListWitness::Fails(Status::INSUFFICIENT_RESOURCES),
            ListState::FailsAtEnd => ListWitness::Fails(Status::UNSUCCESSFUL),
            _ => ListWitness::Contradicts,
        }
    }
}

/// The list's relation to the driver object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListWitness {
    /// The entries agree with it.
    Confirms,
    /// No entry is about the module.
    Silent,
    /// An entry contradicts it.
    Contradicts,
    /// The list can't be read.
    Fails(Status),
}

fn path(style: PathStyle, name: &str) -> Vec<u8> {
    let capital = || name[..1].to_uppercase() + &name[1..];
    match style {
        PathStyle::SystemRoot => format!("\\SystemRoot\\System32\\DRIVERS\\{name}"),
        PathStyle::Windows => format!("\\WINDOWS\\System32\\Drivers\\{}", name.to_uppercase()),
        PathStyle::DosDevice => format!("\\??\\C:\\WINDOWS\\system32\\drivers\\{name}"),
        PathStyle::Bare => capital(),
        PathStyle::Slashes => format!("/windows/system32/{name}"),
    }
    .into_bytes()
}
