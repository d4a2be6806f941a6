//! All that the system is, behind one lock, and every call that it got.

use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tcplimit_driver::{Device, Event, FORMER_RECORD, RECORD};

use super::build::{Site, World};
use super::configuration::{Configuration, Installed, Listing, Name, Number, Settings};
use super::exclusion::Watch;
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
    pub(super) watch: Arc<Watch>,
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
    pub list: Listing,
    /// The service key's values.
    pub settings: Settings,
    /// The mark that guards the start.
    pub guard: bool,
    /// Safe Mode.
    pub safe_mode: bool,
    /// Which start of the system it is.
    pub boot: u64,
    /// What was remembered of each module.
    pub remembered: [Option<[u8; RECORD]>; 2],
    /// The same by version 0.1.0, below the service's key.
    pub former: [Option<[u8; FORMER_RECORD]>; 2],
    /// What does not work any more.
    pub broken: Broken,
    /// What was told to the event log.
    pub events: Vec<Event>,
    /// Every permit that was used.
    pub exchanges: Vec<Exchanged>,
    /// How often a record was remembered.
    pub remembers: usize,
    /// The driver was told that the test-only value is 1.
    pub accepts_unknown_rights: bool,
    /// The driver was told that it shall put the limits back.
    pub restores_at_unload: bool,
    /// What is remembered is not what the driver wrote.
    pub garbled: bool,
    /// How many faults have happened.
    pub happened: usize,
    pub(super) arch: Arch,
    pub(super) power_failed: bool,
    world: World,
    places: [Place; 2],
    devices: [DeviceState; 2],
    calls: usize,
    due: Vec<(usize, Fault)>,
    violations: Vec<String>,
}

/// What a module's driver object leads to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// The module that is loaded there.
    pub instance: Option<usize>,
    /// It can't be looked at.
    pub unusable: bool,
}

/// Calls that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct Broken {
    /// Reading any value.
    pub settings: bool,
    /// Reading the mark.
    pub guard_read: bool,
    /// Writing the mark.
    pub guard_write: bool,
    /// Remembering.
    pub remember: bool,
    /// Recalling.
    pub recall: bool,
    /// Telling which start it is.
    pub boot: bool,
    /// Exchanging.
    pub exchange: bool,
}

/// A permit that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchanged {
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
    pub fails: DeviceFails,
}

/// Calls about a device that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeviceFails {
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
            watch: Arc::default(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver calls: what is due happens first. All but the calls about
    /// devices need the exclusion, for what is decided rests on their answers.
    pub(super) fn call(&self, what: &str) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if !self.watch.is_inside() {
            state.violation(format!("{what} was called outside of the exclusion"));
        }
        self.happen(state)
    }

    /// As [`Shared::call`], for what needs no exclusion.
    pub(super) fn call_outside(&self) -> MutexGuard<'_, State> {
        self.happen(self.lock())
    }

    fn happen<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let call = state.calls;
        state.calls += 1;
        let due = std::mem::take(&mut state.due);
        let (now, later): (Vec<_>, _) = due.into_iter().partition(|&(at, _)| at <= call);
        state.due = later;
        for (_, fault) in now {
            state.apply(fault);
            state.happened += 1;
        }
        if state.power_failed {
            drop(state);
            panic::resume_unwind(Box::new(PowerFailure));
        }
        state
    }
}

impl State {
    pub(super) fn new(of: &Configuration, world: World) -> State {
        let mut state = State {
            instances: Vec::new(),
            rights_known: of.rights_known,
            list: of.list,
            settings: of.settings.clone(),
            guard: of.guard,
            safe_mode: of.safe_mode,
            boot: BOOT,
            remembered: [None; 2],
            former: [None; 2],
            broken: Broken::default(),
            events: Vec::new(),
            exchanges: Vec::new(),
            remembers: 0,
            accepts_unknown_rights: false,
            restores_at_unload: false,
            garbled: false,
            happened: 0,
            arch: of.arch,
            power_failed: false,
            world,
            places: [Place::default(); 2],
            devices: [DeviceState::default(); 2],
            calls: 0,
            due: Vec::new(),
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
        self.place(module).instance = Some(self.instances.len());
        self.instances.push(Instance::load(build, site, self.arch));
    }

    pub(super) fn site(&self, module: Module, moved: bool) -> Site {
        Site {
            world: self.world,
            module,
            moved,
        }
    }

    /// What a module's driver object leads to.
    pub fn place(&mut self, module: Module) -> &mut Place {
        &mut self.places[slot(module)]
    }

    /// Whether a module's driver object can be looked at.
    pub fn is_usable(&self, module: Module) -> bool {
        !self.places[slot(module)].unusable
    }

    /// The module that is loaded in a place.
    pub fn loaded(&self, module: Module) -> Option<&Instance> {
        self.places[slot(module)]
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
    pub fn holds(&self) -> bool {
        self.instances.iter().any(|instance| instance.holds > 0)
    }

    /// Lets a fault happen right before the n-th call from now, the next one
    /// being number 0.
    pub fn arm(&mut self, call: usize, fault: Fault) {
        self.due.push((self.calls + call, fault));
    }

    /// Forgets the faults that have not happened.
    pub fn disarm(&mut self) {
        self.due.clear();
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

    pub(super) fn violation(&mut self, what: String) {
        self.violations.push(what);
    }
}

impl State {
    /// It happens.
    pub fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Unloaded(module) => self.place(module).instance = None,
            Fault::Unusable(module) => self.place(module).unusable = true,
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
            Fault::Listed(says) => self.list.says = says,
            Fault::SettingsUnreadable => self.broken.settings = true,
            Fault::GuardUnreadable => self.broken.guard_read = true,
            Fault::GuardUnwritable => self.broken.guard_write = true,
            Fault::Forgets => self.broken.remember = true,
            Fault::RecallFails => self.broken.recall = true,
            Fault::RecordGarbled(module, place, bits) => {
                if let Some(record) = &mut self.remembered[slot(module)] {
                    record[usize::from(place) % RECORD] ^= bits;
                    self.garbled = true;
                }
            }
            Fault::FormerRecord(module, Number(last), Number(original)) => {
                let identity = self.loaded(module).map(Instance::identity);
                self.former[slot(module)] = identity.map(|[time, checksum, size]| {
                    let fields = [time, checksum, size, last, original].map(u32::to_le_bytes);
                    let mut record = [0; FORMER_RECORD];
                    record.copy_from_slice(fields.as_flattened());
                    record
                });
            }
            Fault::BootUnknown => self.broken.boot = true,
            Fault::NotCreated(which) => self.device(which.into()).fails.create = true,
            Fault::NotProtected(which) => self.device(which.into()).fails.protect = true,
            Fault::NotLinked(which) => self.device(which.into()).fails.link = true,
            Fault::ExchangeRefused => self.broken.exchange = true,
            Fault::PowerFailure => self.power_failed = true,
        }
    }

    /// Changes the module that is loaded there, if one is.
    fn change(&mut self, module: Module, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.place(module).instance {
            change(&mut self.instances[instance]);
        }
    }
}
