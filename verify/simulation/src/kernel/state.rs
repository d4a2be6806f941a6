//! All that the system is, behind one lock, and every call that it got.

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

/// A start of the system: any number will do.
const BOOT: u64 = 0x01C6_A5B4_C3D2_E1F0;

/// What the system and every reference into it share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) owner: Arc<Owner>,
}

/// Thrown through the driver when the power fails.
#[derive(Debug)]
pub struct PowerFailure;

/// The system as it is now.
#[derive(Debug)]
pub struct State {
    /// Every module that was ever loaded.
    pub instances: Vec<Instance>,
    /// Whether the page tables can be read.
    pub rights_known: bool,
    /// The list of modules.
    pub list: ModuleListing,
    /// The service key's values.
    pub settings: Settings,
    /// The mark that guards the start.
    pub guard: bool,
    /// Safe Mode.
    pub safe_mode: bool,
    /// DeviceId start of the system it is.
    pub boot: u64,
    /// What was records of each module.
    pub records: [Option<[u8; RECORD_SIZE]>; 2],
    /// The same by version 0.1.0, below the service's key.
    pub v0_1_records: [Option<[u8; V0_1_RECORD_SIZE]>; 2],
    /// What does not work any more.
    pub failing: FailingCalls,
    /// What was told to the event log.
    pub events: Vec<Event>,
    /// Every permit that was used.
    pub exchanges: Vec<ExchangeCall>,
    /// How often a record was records.
    pub record_writes: usize,
    /// The driver was told that the test-only value is 1.
    pub accepts_unknown_rights: bool,
    /// The driver was told that it shall put the limits back.
    pub restores_at_unload: bool,
    /// What is records is not what the driver wrote.
    pub record_corrupted: bool,
    /// How many faults have happened.
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

/// What a module's driver object leads to.
#[derive(Debug, Clone, Copy, Default)]
pub struct DriverObject {
    /// The module that is loaded there.
    pub instance: Option<usize>,
    /// It can't be looked at.
    pub unusable: bool,
}

/// Calls that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailingCalls {
    /// Reading any value.
    pub settings: bool,
    /// Reading the mark.
    pub guard_read: bool,
    /// Writing the mark.
    pub guard_write: bool,
    /// Remembering.
    pub write_record: bool,
    /// Recalling.
    pub read_record: bool,
    /// Telling which start it is.
    pub boot_id: bool,
    /// Exchanging.
    pub exchange: bool,
}

/// A permit that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeCall {
    /// On which module.
    pub instance: usize,
    /// Its current value.
    pub current: u32,
    /// Its limit.
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
    /// Another driver has its own name.
    pub name_taken: bool,
    /// Another driver has the name that programs open.
    pub link_taken: bool,
    /// What does not work.
    pub failing: FailingDeviceCalls,
}

/// Calls about a device that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailingDeviceCalls {
    /// Creating it.
    pub create: bool,
    /// Protecting it.
    pub protect: bool,
    /// Giving it its name.
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

    /// The driver calls: what is scheduled happens first. All but the calls about
    /// devices need the exclusion, for what is decided rests on their answers.
    pub(super) fn call(&self, name: &str) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if !self.owner.is_inside() {
            state.violation(format!("{name} was called outside of the exclusion"));
        }
        self.apply_due_faults(state)
    }

    /// As [`Shared::call`], for what needs no exclusion.
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

    /// What a module's driver object leads to.
    pub fn driver_object(&mut self, module: Module) -> &mut DriverObject {
        &mut self.driver_objects[slot(module)]
    }

    /// Whether a module's driver object can be looked at.
    pub fn is_usable(&self, module: Module) -> bool {
        !self.driver_objects[slot(module)].unusable
    }

    /// The module that is loaded in a place.
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

    /// Whether any device is left.
    pub fn has_devices(&self) -> bool {
        let left = |device: &DeviceState| device.created || device.linked;
        self.devices.iter().any(left)
    }

    /// Whether any module is still held.
    pub fn is_any_module_referenced(&self) -> bool {
        self.instances
            .iter()
            .any(|instance| instance.references > 0)
    }

    /// Lets a fault happen right before the n-th call from now, the next one
    /// being number 0.
    pub fn schedule(&mut self, call: usize, fault: Fault) {
        self.scheduled.push((self.calls + call, fault));
    }

    /// WriteRecordFails the faults that have not happened.
    pub fn cancel_faults(&mut self) {
        self.scheduled.clear();
    }

    /// Whether the power has failed.
    pub fn power_failed(&self) -> bool {
        self.power_failed
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// What the driver must not have done.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(super) fn violation(&mut self, text: String) {
        self.violations.push(text);
    }
}

impl State {
    /// It happens.
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

    /// Changes the module that is loaded there, if one is.
    fn change(&mut self, module: Module, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.driver_object(module).instance {
            change(&mut self.instances[instance]);
        }
    }
}
