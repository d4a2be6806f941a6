//! A run of the campaign: the world, the requests and the changes meanwhile, all
//! generated from one seed.

use scanner_core::Module;
use simulation::kernel::{ListState, PathStyle};
use specimen::Arch;
use tcplimit_driver::Device;

use crate::change::Change;
use crate::irp::{CLEANUP, CLOSE, CREATE, Request};
use crate::model::security;
use crate::module_file::ModuleFile;
use crate::module_under_test::ModuleUnderTest;
use crate::random::Random;
use crate::reference_driver::GUARD;
use crate::registry::{
    BINARY, DWORD, HISTORY_KEY, Operation, PARAMETERS, Registry, SERVICE_OF_2005, STATE,
};
use crate::requests::{self, LIMITS};
use crate::world::{DeviceName, DeviceStep, Paging, World, module_index};

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its seed.
    pub seed: u64,
    /// The system that the driver finds.
    pub world: World,
    /// The modules' files, where memory is unchanged since loading.
    pub files: [Option<ModuleFile>; 2],
    /// Modules whose limit must be located until a change.
    pub sound: [bool; 2],
    /// Modules with changed bytes.
    pub damaged: [bool; 2],
    /// Actions in order.
    pub actions: Vec<Action>,
    /// Whether the shipped file runs without the reference driver from the beginning;
    /// otherwise both run until a change in the middle of a request.
    pub without_reference: bool,
}

/// An action.
#[derive(Debug, Clone)]
pub enum Action {
    /// A program sends a request.
    Send(Request),
    /// The system changes.
    Change(Change),
    /// The system changes before the call of the system with this index from now.
    ChangeDuringCalls(u32, Change),
}

/// Statuses of failing calls.
const STATUSES: [u32; 4] = [0xC000_0022, 0xC000_009A, 0xC000_0034, 0xC000_0001];

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn from_seed(seed: u64, arch: Arch) -> Scenario {
        let mut random = Random::new(seed ^ if arch == Arch::X64 { 1 << 63 } else { 0 });
        let random = &mut random;
        let mut scenario = Scenario {
            seed,
            world: World::new(arch),
            files: [None, None],
            sound: [false; 2],
            damaged: [false; 2],
            actions: Vec::new(),
            without_reference: false,
        };
        let changes_during_calls = random.chance(20);
        // Some runs begin without failures, so that later steps are reached.
        let undisturbed = random.chance(40);
        for (module, percent) in [(Module::Tcpip, 95), (Module::Tcpip6, 35)] {
            if random.chance(percent) {
                let placed = ModuleUnderTest::random(random, arch, module, undisturbed);
                scenario.world.modules[module_index(module)] = Some(placed.target);
                scenario.files[module_index(module)] = placed.file;
                scenario.sound[module_index(module)] = placed.sound;
                scenario.damaged[module_index(module)] = placed.damaged;
            }
        }
        scenario.vary_environment(random);
        if !undisturbed {
            scenario.add_failures(random);
            scenario.add_settings(random);
        }
        scenario.add_actions(random, changes_during_calls);
        scenario.make_pages_writable_for_blind_writes();
        scenario
    }

    /// With the test-only value the driver writes to pages of unknown rights, as
    /// docs/driver.md warns: then no limit may lie in a read-only page.
    fn make_pages_writable_for_blind_writes(&mut self) {
        let is_unknown = |paging: Paging| {
            matches!(
                paging,
                Paging::Absent | Paging::Foreign | Paging::OtherFormat
            )
        };
        let ever = is_unknown(self.world.paging)
            || self
                .actions
                .iter()
                .any(|action| matches!(action, Action::Change(Change::Paging(paging)) if is_unknown(*paging)));
        if !ever || !self.world.accepts_unknown_rights() {
            return;
        }
        self.actions
            .retain(|action| !matches!(action, Action::Change(Change::ReadOnly(..))));
        let loaded = self.actions.iter_mut().filter_map(|action| match action {
            Action::Change(Change::Loaded(_, target)) => Some(&mut **target),
            _ => None,
        });
        for target in self.world.modules.iter_mut().flatten().chain(loaded) {
            for page in &mut target.pages {
                page.writable |= page.present;
            }
        }
    }

    /// Varies the environment of the modules.
    fn vary_environment(&mut self, random: &mut Random) {
        let world = &mut self.world;
        world.pae = random.chance(50);
        world.no_execute = random.chance(80);
        world.paging = random.pick(&[
            Paging::Small,
            Paging::Small,
            Paging::Small,
            Paging::Large,
            Paging::Large,
        ]);
        if random.chance(15) {
            world.registry = Registry::with_service(SERVICE_OF_2005);
        }
        world.module_list.in_pages = random.chance(50);
        world.module_list.style = random.pick(&[
            PathStyle::SystemRoot,
            PathStyle::Windows,
            PathStyle::DosDevice,
            PathStyle::Bare,
            PathStyle::Slashes,
        ]);
    }

    /// Adds failures.
    fn add_failures(&mut self, random: &mut Random) {
        let world = &mut self.world;
        if random.chance(25) {
            world.paging = random.pick(&[Paging::Absent, Paging::Foreign]);
        }
        if random.chance(10) {
            world.module_list.state = random.pick(&ListState::FAULTY);
            self.sound = [self.sound[0], self.sound[1]]
                .map(|sound| sound && world.module_list.state == ListState::Missing);
        }
        if random.chance(3) {
            let module = random.pick(&Module::ALL);
            world.driver_object_failure[module_index(module)] = Some(random.pick(&STATUSES));
            self.sound[module_index(module)] = false;
        }
        let device = random.pick(&Device::ALL);
        if random.chance(3) {
            world.name_in_use =
                Some((device, random.pick(&[DeviceName::Device, DeviceName::Link])));
        }
        if random.chance(4) {
            let steps = [
                DeviceStep::Create,
                DeviceStep::Open,
                DeviceStep::Secure,
                DeviceStep::Link,
            ];
            world.failing_step = Some((device, random.pick(&steps)));
        }
        world.no_log = random.chance(5);
        if random.chance(3) {
            world.no_pool = true;
            self.sound = [false; 2];
        }
    }

    /// Adds registry values and failing operations.
    fn add_settings(&mut self, random: &mut Random) {
        let mut put = |subkey, name, random: &mut Random, number: u32| {
            let value = match random.below(20) {
                // A wrong type, and wrong lengths.
                0 => (1, b"1\0\0\0".to_vec()),
                1 => (DWORD, vec![1, 0]),
                2 => (DWORD, vec![1; 9]),
                _ => (DWORD, number.to_le_bytes().to_vec()),
            };
            self.world.registry.put(subkey, name, value);
        };
        if random.chance(35) {
            let on = random.pick(&[0, 1, 1, 1, 2]);
            put(PARAMETERS, "TestOnlyAcceptUnknownRights", random, on);
        }
        for name in ["Limit", "Limit6"] {
            if random.chance(25) {
                let limit = random.pick(&LIMITS);
                put(PARAMETERS, name, random, limit);
            }
        }
        for name in ["Expect", "Expect6"] {
            if random.chance(8) {
                let limit = random.pick(&LIMITS);
                put(PARAMETERS, name, random, limit);
            }
        }
        if random.chance(25) {
            put(PARAMETERS, "RestoreAtUnload", random, 1);
        }
        if random.chance(6) {
            put(PARAMETERS, GUARD, random, 1);
        }
        for name in ["tcpip.sys", "tcpip6.sys"] {
            if random.chance(5) {
                // The history of version 0.1.0, or an invalid one.
                let length = random.pick(&[20, 20, 20, 4, 21]);
                let record = random.bytes(length);
                self.world.registry.put(STATE, name, (BINARY, record));
            }
        }
        self.add_history(random);
        if random.chance(4) {
            self.world.registry.remove_parameters();
        }
        if random.chance(10) {
            let refused = registry_failure(random);
            self.world.registry.refused.push(refused);
        }
        self.world.safe_mode = if random.chance(6) { 1 } else { 0 };
    }

    /// Adds the history of an earlier load, or an invalid one.
    fn add_history(&mut self, random: &mut Random) {
        let world = &mut self.world;
        if random.chance(4) {
            world.boot = None;
        }
        if random.chance(70) {
            return;
        }
        let start = world.boot_id().unwrap_or(0);
        for (module, target) in Module::ALL.into_iter().zip(&world.modules) {
            let field = |at| target.as_ref().and_then(|target| target.dword(at));
            let nt = field(0x3C).unwrap_or(0);
            let build = [8, 24 + 64, 24 + 56].map(|at| field(nt.saturating_add(at)).unwrap_or(7));
            let last = random.pick(&LIMITS);
            let record = [build[0], build[1], build[2], last, random.pick(&LIMITS)];
            let mut record: Vec<u8> = record.into_iter().flat_map(u32::to_le_bytes).collect();
            let start = if random.chance(85) {
                start
            } else {
                start ^ 1 << random.below(64)
            };
            record.extend(start.to_le_bytes());
            record.truncate(random.pick(&[28, 28, 28, 28, 28, 20, 0]));
            let kind = random.pick(&[BINARY, BINARY, BINARY, BINARY, DWORD]);
            if random.chance(80) {
                world
                    .registry
                    .put_at(HISTORY_KEY, module.file_name(), (kind, record));
            }
        }
        let mut descriptor = security::history_key_descriptor();
        if random.chance(25) {
            let place = usize::try_from(random.below(88)).expect("u32 fits usize");
            descriptor[place] ^= 1 << random.below(8);
        }
        if random.chance(5) {
            descriptor.resize(200, 0);
        }
        world.registry.set_descriptor(HISTORY_KEY, descriptor);
    }

    /// Adds the actions.
    fn add_actions(&mut self, random: &mut Random, changes_during_calls: bool) {
        let limit = requested_limit(random);
        let mut actions: Vec<Request> = Vec::new();
        for device in Device::ALL {
            actions.push(Request::without_parameters(device, CREATE));
        }
        let relative = Request {
            named: random.chance(50),
            related: random.chance(50),
            ..Request::without_parameters(random.pick(&Device::ALL), CREATE)
        };
        actions.push(relative);
        actions.push(requests::query(Module::Tcpip));
        actions.push(requests::query(Module::Tcpip6));
        actions.push(requests::set(Module::Tcpip, limit, 0));
        if random.chance(60) {
            actions.push(requests::set(Module::Tcpip6, requested_limit(random), 0));
        }
        if random.chance(60) {
            actions.push(requests::legacy_set(requested_limit(random)));
            actions.push(requests::legacy_get());
        }
        for _ in 0..random.below(4) {
            actions.push(requests::mutated_request(random));
        }
        if random.chance(60) {
            actions.push(requests::reset(Module::Tcpip, 0));
        }
        for action in actions {
            if random.chance(12)
                && let Some(change) = self.random_change(random)
            {
                self.actions.push(Action::Change(change));
            }
            if changes_during_calls && random.chance(40) {
                let (when, change) = (random.below(40), self.random_value_change(random));
                self.actions.push(Action::ChangeDuringCalls(when, change));
            }
            self.actions.push(Action::Send(action));
        }
        for major in [CLEANUP, CLOSE] {
            for device in Device::ALL {
                self.actions
                    .push(Action::Send(Request::without_parameters(device, major)));
            }
        }
    }

    /// A random change between two requests.
    fn random_change(&self, random: &mut Random) -> Option<Change> {
        let module = random.pick(&[Module::Tcpip, Module::Tcpip, Module::Tcpip6]);
        let target = self.world.module(module)?;
        let threshold = target.threshold.unwrap_or(0);
        Some(match random.below(13) {
            0..3 => self.random_value_change(random),
            3 => Change::ReadOnly(module, threshold),
            4 => Change::Absent(module, threshold),
            5 => Change::Unloaded(module),
            6 => Change::ModuleList(random.pick(&ListState::FAULTY)),
            7 => Change::Pool(false),
            8 => Change::Paging(random.pick(&[
                Paging::Small,
                Paging::Absent,
                Paging::Foreign,
                Paging::OtherFormat,
                Paging::Large,
                Paging::LargeReadOnly,
                Paging::ReadOnlyAbove,
            ])),
            9 => {
                let (operation, key, status) = registry_failure(random);
                Change::RegistryFailure(operation, key, status)
            }
            10 if self.sound[module_index(module)] => {
                // Other software patches code.
                let code = target.sections.iter().find(|section| section.is_code())?;
                let rva = code.rva + random.below(code.virtual_size.saturating_sub(8));
                let length = usize::try_from(1 + random.below(6)).expect("a few");
                Change::Bytes(module, rva, random.bytes(length))
            }
            10 => Change::NoLog,
            11 => Change::Clock(random.word()),
            _ => {
                // The same or another build at another base.
                let placed = ModuleUnderTest::random(random, self.world.arch, module, false);
                Change::Loaded(module, Box::new(placed.target))
            }
        })
    }

    /// A variable that the module or other software changes.
    fn random_value_change(&self, random: &mut Random) -> Change {
        let module = random.pick(&[Module::Tcpip, Module::Tcpip, Module::Tcpip6]);
        let threshold = self
            .world
            .module(module)
            .and_then(|target| target.threshold);
        let rva = threshold.unwrap_or(0) + random.pick(&[0, 0, 0, 4]);
        let value = random.pick(&LIMITS).to_le_bytes().to_vec();
        match threshold {
            Some(_) => Change::Bytes(module, rva, value),
            None => Change::NoLog,
        }
    }
}

/// A requested limit, mostly a valid one.
fn requested_limit(random: &mut Random) -> u32 {
    if random.chance(70) {
        1 + random.below(0x00FF_FFFF)
    } else {
        random.pick(&LIMITS)
    }
}

fn registry_failure(random: &mut Random) -> (Operation, &'static str, u32) {
    let operation = random.pick(&[
        Operation::Open,
        Operation::Create,
        Operation::Query,
        Operation::Set,
        Operation::Delete,
        Operation::Flush,
        Operation::Security,
    ]);
    let key = random.pick(&["TcpLimit", r"Control\TcpLimit", PARAMETERS, STATE]);
    (operation, key, random.pick(&STATUSES))
}
