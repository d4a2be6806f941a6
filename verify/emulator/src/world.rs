//! The system that a driver sees: modules, registry, and failures. The emulated
//! system and the reference driver each have a world; both must stay equal.

use scanner_core::Module;
use simulation::kernel::{ListState, ModuleListing, PathStyle};
use specimen::Arch;
use tcplimit_driver::Device;

use crate::page_tables::{Format, Mapping, PageTables, UpperLevels};
use crate::registry::Registry;
use crate::target::Target;

/// A system as the driver sees it.
#[derive(Debug, Clone)]
pub struct World {
    /// The processor.
    pub arch: Arch,
    /// tcpip.sys and tcpip6.sys, if loaded.
    pub modules: [Option<Target>; 2],
    /// The status with which referencing a module's driver object fails.
    pub driver_object_failure: [Option<u32>; 2],
    /// The page tables.
    pub paging: Paging,
    /// Whether x86 uses PAE, by CR4.
    pub pae: bool,
    /// Whether page table entries of data have the no-execute bit, in formats that have
    /// it.
    pub no_execute: bool,
    /// BootTime and BootTimeBias; `None` if the query fails.
    pub boot: Option<[u64; 2]>,
    /// The module list.
    pub module_list: ModuleListing,
    /// The registry.
    pub registry: Registry,
    /// InitSafeBootMode.
    pub safe_mode: u32,
    /// A name that another driver uses.
    pub name_in_use: Option<(Device, DeviceName)>,
    /// The step of a device's creation that fails.
    pub failing_step: Option<(Device, DeviceStep)>,
    /// Whether pool allocations fail.
    pub no_pool: bool,
    /// Whether allocations of event log entries fail.
    pub no_log: bool,
}

/// The state of the page tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// Small pages, like NT's.
    Small,
    /// Modules in large pages.
    Large,
    /// Modules in read-only large pages.
    LargeReadOnly,
    /// Small pages, with read-only entries in the levels above.
    ReadOnlyAbove,
    /// On x86, the format that contradicts CR4; on x64, absent.
    OtherFormat,
    /// Not at NT's address.
    Absent,
    /// Present, but not those of the modules.
    Foreign,
}

/// A kind of a device's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceName {
    /// The device's own name.
    Device,
    /// The symbolic link.
    Link,
}

/// A step of a device's creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceStep {
    /// IoCreateDevice.
    Create,
    /// ObOpenObjectByPointer.
    Open,
    /// ZwSetSecurityObject.
    Secure,
    /// IoCreateSymbolicLink.
    Link,
}

/// BootTime and BootTimeBias of a system whose clock was set since its start.
const BOOT: [u64; 2] = [0x01C6_A5B4_C3D2_E1F0, 0x0000_0008_61C4_6800];

/// STATUS_INSUFFICIENT_RESOURCES, the status of generic failures.
pub const NO_RESOURCES: u32 = 0xC000_009A;
/// STATUS_OBJECT_NAME_COLLISION.
pub const COLLISION: u32 = 0xC000_0035;

impl World {
    /// A world without failures and without modules.
    #[must_use]
    pub fn new(arch: Arch) -> World {
        World {
            arch,
            modules: [None, None],
            driver_object_failure: [None; 2],
            paging: Paging::Small,
            pae: false,
            no_execute: true,
            boot: Some(BOOT),
            module_list: ModuleListing {
                style: PathStyle::SystemRoot,
                in_pages: false,
                state: ListState::Correct,
            },
            registry: Registry::new(),
            safe_mode: 0,
            name_in_use: None,
            failing_step: None,
            no_pool: false,
            no_log: false,
        }
    }

    /// A module, if loaded.
    #[must_use]
    pub fn module(&self, module: Module) -> Option<&Target> {
        self.modules[module_index(module)].as_ref()
    }

    /// Whether a step of a device's creation fails.
    #[must_use]
    pub fn step_fails(&self, device: Device, step: DeviceStep) -> bool {
        self.failing_step == Some((device, step))
    }

    /// Whether the test-only value is set.
    #[must_use]
    pub fn accepts_unknown_rights(&self) -> bool {
        let path = crate::registry::subkey_path(self.registry.service, crate::registry::PARAMETERS);
        let value = self.registry.query(&path, "TestOnlyAcceptUnknownRights");
        value.is_ok_and(|(kind, data)| *kind == 4 && data == &[1, 0, 0, 0])
    }

    /// A module, if loaded, mutably.
    pub fn module_mut(&mut self, module: Module) -> Option<&mut Target> {
        self.modules[module_index(module)].as_mut()
    }

    /// The identifier of this boot, which setting the clock does not change.
    #[must_use]
    pub fn boot_id(&self) -> Option<u64> {
        self.boot.map(|[time, bias]| time.wrapping_sub(bias))
    }

    /// The format of the page tables.
    #[must_use]
    pub fn page_table_format(&self) -> Format {
        match (self.arch, self.pae != (self.paging == Paging::OtherFormat)) {
            (Arch::X86, false) => Format::Plain,
            (Arch::X86, true) => Format::Pae,
            (Arch::X64, _) => Format::Long,
        }
    }

    /// The page tables of the modules.
    #[must_use]
    pub fn page_tables(&self) -> PageTables {
        let shift = match self.paging {
            Paging::Absent => return PageTables::new(),
            Paging::OtherFormat if self.arch == Arch::X64 => return PageTables::new(),
            Paging::Foreign => 0x0400_0000,
            _ => 0,
        };
        let mut mappings = Vec::new();
        for target in self.modules.iter().flatten() {
            for (number, page) in (0..).zip(&target.pages) {
                let address = target.base + number * 0x1000;
                if page.present {
                    mappings.push(Mapping {
                        address,
                        physical: physical(address) + shift,
                        writable: page.writable,
                    });
                }
            }
        }
        let large = matches!(self.paging, Paging::Large | Paging::LargeReadOnly);
        if large {
            // One right for a whole large page, mostly that of its writable data.
            for mapping in &mut mappings {
                mapping.writable = self.paging == Paging::Large;
            }
        }
        let above = UpperLevels {
            writable: self.paging != Paging::ReadOnlyAbove,
            large,
        };
        self.page_table_format()
            .page_tables(&mappings, above, self.no_execute)
    }

    /// Whether the page tables allow writes to a page; `None` if unknown.
    #[must_use]
    pub fn is_writable(&self, target: &Target, rva: u32) -> Option<bool> {
        match self.paging {
            Paging::Absent | Paging::Foreign | Paging::OtherFormat => None,
            Paging::ReadOnlyAbove | Paging::LargeReadOnly => Some(false),
            Paging::Small => target.page(rva).map(|page| page.writable),
            Paging::Large => Some(true),
        }
    }

    /// The system's module list: path, base and size of each; `None` if the query
    /// fails.
    #[must_use]
    pub fn listed_modules(&self) -> Option<Vec<(Vec<u8>, u64, u32)>> {
        let (kernel, driver) = match self.arch {
            Arch::X86 => (0x804D_7000, 0xF8C1_2000),
            Arch::X64 => (0xFFFF_F800_0100_0000, 0xFFFF_FADF_E3D0_4000),
        };
        let mut list = vec![
            (
                b"\\WINDOWS\\system32\\ntkrnlpa.exe".to_vec(),
                kernel,
                0x1F_8000,
            ),
            (
                b"\\WINDOWS\\system32\\hal.dll".to_vec(),
                kernel + 0x1F_8000,
                0x2_0300,
            ),
        ];
        for target in self.modules.iter().flatten() {
            let size = match self.module_list.in_pages {
                true => target.size.next_multiple_of(0x1000),
                false => target.size,
            };
            let path = listed_path(self.module_list.style, target.module.file_name());
            let (base, other) = (target.base, b"\\SystemRoot\\evil.sys".to_vec());
            match self.module_list.state {
                ListState::Correct => list.push((path, base, size)),
                ListState::Missing => {}
                ListState::OtherBase => list.push((path, base ^ 0x10_0000, size)),
                ListState::OtherSize => list.push((path, base, size + 0x1000)),
                ListState::OtherName => list.push((other, base, size)),
                ListState::NameTwice => {
                    list.push((path.clone(), base, size));
                    list.push((path, base ^ 0x10_0000, size));
                }
                ListState::BaseTwice => {
                    list.push((other, base, size));
                    list.push((path, base, size));
                }
                ListState::Fails | ListState::FailsAtEnd => return None,
            }
        }
        let own = b"\\??\\C:\\WINDOWS\\system32\\drivers\\tcplimit.sys".to_vec();
        list.push((own, driver, 0xF000));
        // Longer than its field, so that there is no NUL.
        list.push((vec![b'x'; 256], driver + 0x10_0000, 0x3000));
        list.push((Vec::new(), driver + 0x20_0000, 0x3000));
        Some(list)
    }
}

/// The index of a module in arrays of two.
#[must_use]
pub fn module_index(module: Module) -> usize {
    match module {
        Module::Tcpip => 0,
        Module::Tcpip6 => 1,
    }
}

/// A made-up physical address that is consistent with large pages.
#[must_use]
pub fn physical(address: u64) -> u64 {
    0x0840_0000 + ((address >> 22 & 0x0F) << 22 | address & 0x3F_FFFF)
}

fn listed_path(style: PathStyle, name: &str) -> Vec<u8> {
    match style {
        PathStyle::SystemRoot => format!(r"\SystemRoot\System32\DRIVERS\{name}"),
        PathStyle::Windows => format!(r"\WINDOWS\System32\Drivers\{}", name.to_uppercase()),
        PathStyle::DosDevice => format!(r"\??\C:\WINDOWS\system32\drivers\{name}"),
        PathStyle::Bare => name.to_uppercase(),
        PathStyle::Slashes => format!("/windows/system32/{name}"),
    }
    .into_bytes()
}
