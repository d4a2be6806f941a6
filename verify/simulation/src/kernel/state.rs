//! The state of the system, behind one lock, and the count of calls.

use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tcplimit_driver::{Device, Event, RECORD_SIZE, V0_1_RECORD_SIZE};

use super::build::{AddressLayout, Site};
use super::configuration::{Configuration, Installed, ModuleListing, Name, Number, Settings};
use super::exclusion::Owner;
use super::fault::Fault;
use super::instance::Instance;
use super::module::slot;
use specimen::{Arch, Module};

/// The boot's number, arbitrary.
const BOOT: u64 = 0x01C6_A5B4_C3D2_E1F0;

/// The state shared by the system and all references into it.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) owner: Arc<Owner>,
}

/// Thrown through the driver when the power fails.
#[derive(Debug)]
pub struct PowerFailure;

/// The current state of the system.
#[derive(Debug)]
pub struct State {
    /// All modules ever loaded.
    pub instances: Vec<Instance>,
    /// Whether the page tables can be read.
    pub rights_known: bool,
    /// The list of modules.
    pub list: ModuleListing,
    /// The service key's values.
    pub settings: Settings,
    /// The start mark.
    pub guard: bool,
    /// Safe Mode.
    pub safe_mode: bool,
    /// The number of this boot.
    pub boot: u64,
    /// The record of each module.
    pub records: [Option<[u8; RECORD_SIZE]>; 2],
    /// The records of version 0.1.0, below the service's key.
    pub v0_1_records: [Option<[u8; V0_1_RECORD_SIZE]>; 2],
    /// Calls that fail.
    pub failing: FailingCalls,
    /// All events logged.
    pub events: Vec<Event>,
    /// All permits used.
    pub exchanges: Vec<ExchangeCall>,
    /// The number of records written.
    pub record_writes: usize,
    /// The driver read the test-only value as 1.
    pub accepts_unknown_rights: bool,
    /// The driver read that it must restore the limits.
    pub restores_at_unload: bool,
    /// A record was corrupted after the driver wrote it.
    pub record_corrupted: bool,
    /// The number of faults so far.
    pub fault_count: usize,
    pub(super) arch: Arch,
    pub(super) power_failed: bool,
    layout: AddressLayout,
    driver_objects: [DriverObject; 2],
    devices: [DeviceState; 2],
    calls: usize,
    scheduled: Vec<(usize, Fault)>,
    violations: Vec<String>,
}

/// A module's driver object.
#[derive(Debug, Clone, Copy, Default)]
pub struct DriverObject {
    /// The loaded module.
    pub instance: Option<usize>,
    /// References to it fail.
    pub unusable: bool,
}

/// Calls that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailingCalls {
    /// Reading any setting.
    pub settings: bool,
    /// Reading the mark.
    pub guard_read: bool,
    /// Writing the mark.
    pub guard_write: bool,
    /// Writing a record.
    pub write_record: bool,
    /// Reading a record.
    pub read_record: bool,
    /// Reading the boot's number.
    pub boot_id: bool,
    /// Exchanging.
    pub exchange: bool,
}

/// The use of a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeCall {
    /// The module.
    pub instance: usize,
    /// The permit's current value.
    pub current: u32,
    /// The permit's limit.
    pub limit: u32,
    /// Whether the limit was written.
    pub written: bool,
}

/// One of the two devices.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeviceState {
    /// It exists.
    pub created: bool,
    /// Only Administrators may open it.
    pub protected: bool,
    /// Programs can open it by name.
    pub linked: bool,
    /// Another driver has the device's name.
    pub name_taken: bool,
    /// Another driver has the name that programs open.
    pub link_taken: bool,
    /// Calls that fail.
    pub failing: FailingDeviceCalls,
}

/// Calls about a device that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailingDeviceCalls {
    /// Creating it.
    pub create: bool,
    /// Protecting it.
    pub protect: bool,
    /// Linking it.
    pub link: bool,
}

impl Shared {
    pub(super) fn new(state: State) -> Arc<Shared> {
        Arc::new(Shared {
            state: Mutex::new(state),
            owner: Arc::default(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call by the driver: scheduled faults happen first. All calls except those
    /// about devices need the exclusion, since decisions rest on them.
    pub(super) fn call(&self, name: &str) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if !self.owner.is_inside() {
            state.violation(format!("{name} was called outside of the exclusion"));
        }
        self.apply_due_faults(state)
    }

    /// As [`Shared::call`], for calls that need no exclusion.
    pub(super) fn call_outside(&self) -> MutexGuard<'_, State> {
        self.apply_due_faults(self.lock())
    }

    fn apply_due_faults<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let call = state.calls;
        state.calls += 1;
        let scheduled = std::mem::take(&mut state.scheduled);
        let (now, later): (Vec<_>, _) = scheduled.into_iter().partition(|&(at, _)| at <= call);
        state.scheduled = later;
        for (_, fault) in now {
            state.apply(fault);
            state.fault_count += 1;
        }
        if state.power_failed {
            drop(state);
            panic::resume_unwind(Box::new(PowerFailure));
        }
        state
    }
}

impl State {
    pub(super) fn new(of: &Configuration, layout: AddressLayout) -> State {
        let mut state = State {
            instances: Vec::new(),
            rights_known: of.rights_known,
            list: of.list,
            settings: of.settings.clone(),
            guard: of.guard,
            safe_mode: of.safe_mode,
            boot: BOOT,
            records: [None; 2],
            v0_1_records: [None; 2],
            failing: FailingCalls::default(),
            events: Vec::new(),
            exchanges: Vec::new(),
            record_writes: 0,
            accepts_unknown_rights: false,
            restores_at_unload: false,
            record_corrupted: false,
            fault_count: 0,
            arch: of.arch,
            power_failed: false,
            layout,
            driver_objects: [DriverObject::default(); 2],
            devices: [DeviceState::default(); 2],
            calls: 0,
            scheduled: Vec::new(),
            violations: Vec::new(),
        };
        for (module, installed) in [(Module::Tcpip, of.tcpip), (Module::Tcpip6, of.tcpip6)] {
            if let Some(installed) = installed {
                state.install(module, installed);
            }
        }
        if let Some(Name { legacy, link }) = of.taken {
            let device = if legacy { Device::Legacy } else { Device::Ours };
            let device = state.device(device);
            if link {
                device.link_taken = true;
            } else {
                device.name_taken = true;
            }
        }
        state
    }

    fn install(&mut self, module: Module, installed: Installed) {
        self.load(installed.build.on(self.arch, module), module, false);
        let instance = self.instances.last_mut().expect("one was just loaded");
        let truth = &instance.build().specimen.truth;
        for (rva, Number(value)) in [
            (truth.threshold, installed.limit),
            (truth.count, installed.half_open),
            (truth.queue, installed.queued),
        ] {
            instance.write(rva, &value.to_le_bytes());
        }
    }

    pub(super) fn load(&mut self, build: usize, module: Module, moved: bool) {
        let site = self.site(module, moved);
        self.driver_object(module).instance = Some(self.instances.len());
        self.instances.push(Instance::load(build, site, self.arch));
    }

    pub(super) fn site(&self, module: Module, moved: bool) -> Site {
        Site {
            layout: self.layout,
            module,
            moved,
        }
    }

    /// A module's driver object.
    pub fn driver_object(&mut self, module: Module) -> &mut DriverObject {
        &mut self.driver_objects[slot(module)]
    }

    /// Whether a module's driver object can be referenced.
    pub fn is_usable(&self, module: Module) -> bool {
        !self.driver_objects[slot(module)].unusable
    }

    /// The instance loaded as a module.
    pub fn loaded(&self, module: Module) -> Option<&Instance> {
        self.driver_objects[slot(module)]
            .instance
            .map(|instance| &self.instances[instance])
    }

    /// A device.
    pub fn device(&mut self, device: Device) -> &mut DeviceState {
        match device {
            Device::Ours => &mut self.devices[0],
            Device::Legacy => &mut self.devices[1],
        }
    }

    /// Whether any device exists.
    pub fn has_devices(&self) -> bool {
        let left = |device: &DeviceState| device.created || device.linked;
        self.devices.iter().any(left)
    }

    /// Whether any module is still referenced.
    pub fn is_any_module_referenced(&self) -> bool {
        self.instances
            .iter()
            .any(|instance| instance.references > 0)
    }

    /// Schedules a fault right before the n-th call from now; the next call is
    /// number 0.
    pub fn schedule(&mut self, call: usize, fault: Fault) {
        self.scheduled.push((self.calls + call, fault));
    }

    /// Cancels the scheduled faults.
    pub fn cancel_faults(&mut self) {
        self.scheduled.clear();
    }

    /// Whether the power has failed.
    pub fn power_failed(&self) -> bool {
        self.power_failed
    }

    /// The number of calls so far.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// The driver's violations.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(super) fn violation(&mut self, text: String) {
        self.violations.push(text);
    }
}

impl State {
    /// Applies a fault.
    pub fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Unloaded(module) => self.driver_object(module).instance = None,
            Fault::Unusable(module) => self.driver_object(module).unusable = true,
            Fault::Replaced(module, choice) => {
                let build = choice.on(self.arch, module);
                let moved = self.loaded(module).is_some_and(|old| {
                    let site = self.site(module, true);
                    old.base == site.base(self.arch)
                });
                self.load(build, module, moved);
            }
            Fault::Moved(module) => {
                if let Some(build) = self.loaded(module).map(|module| module.build) {
                    self.load(build, module, true);
                }
            }
            Fault::PagedOut(module, part) => {
                self.change(module, |module| module.page_out(part.rva(module)));
            }
            Fault::Protected(module, part) => {
                self.change(module, |module| module.protect(part.rva(module)));
            }
            Fault::RightsUnknown => self.rights_known = false,
            Fault::Limit(module, Number(limit)) => self.change(module, |module| {
                module.write(module.threshold(), &limit.to_le_bytes());
            }),
            Fault::HalfOpen(module, Number(count)) => self.change(module, |module| {
                let rva = module.build().specimen.truth.count;
                module.write(rva, &count.to_le_bytes());
            }),
            Fault::GateBroken(module) => self.change(module, Instance::break_gate),
            Fault::AtomicBroken(module) => self.change(module, Instance::break_atomic),
            Fault::Detour(module) => self.change(module, Instance::detour),
            Fault::Headers(module, place, bits) => self.change(module, |module| {
                module.change_headers(u32::from(place), bits);
            }),
            Fault::SectionFlags(module, number, right) => self.change(module, |module| {
                module.change_section(number, right.bit());
            }),
            Fault::Listed(state) => self.list.state = state,
            Fault::SettingsUnreadable => self.failing.settings = true,
            Fault::GuardUnreadable => self.failing.guard_read = true,
            Fault::GuardUnwritable => self.failing.guard_write = true,
            Fault::WriteRecordFails => self.failing.write_record = true,
            Fault::ReadRecordFails => self.failing.read_record = true,
            Fault::RecordCorrupted(module, place, bits) => {
                if let Some(record) = &mut self.records[slot(module)] {
                    record[usize::from(place) % RECORD_SIZE] ^= bits;
                    self.record_corrupted = true;
                }
            }
            Fault::V0_1Record(module, Number(last), Number(original)) => {
                let identity = self.loaded(module).map(Instance::identity);
                self.v0_1_records[slot(module)] = identity.map(|[time, checksum, size]| {
                    let fields = [time, checksum, size, last, original].map(u32::to_le_bytes);
                    let mut record = [0; V0_1_RECORD_SIZE];
                    record.copy_from_slice(fields.as_flattened());
                    record
                });
            }
            Fault::BootUnknown => self.failing.boot_id = true,
            Fault::NotCreated(which) => self.device(which.into()).failing.create = true,
            Fault::NotProtected(which) => self.device(which.into()).failing.protect = true,
            Fault::NotLinked(which) => self.device(which.into()).failing.link = true,
            Fault::ExchangeRefused => self.failing.exchange = true,
            Fault::PowerFailure => self.power_failed = true,
        }
    }

    /// Changes the loaded instance of a module, if any.
    fn change(&mut self, module: Module, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.driver_object(module).instance {
            change(&mut self.instances[instance]);
        }
    }
}
