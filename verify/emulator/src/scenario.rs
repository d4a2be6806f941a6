//! A run of the campaign: what the driver finds, what is asked of it, and what
//! happens meanwhile, all of it from one number.

use scanner_core::Module;
use simulation::kernel::{ListState, PathStyle};
use specimen::Arch;
use tcplimit_driver::Device;

use crate::change::Change;
use crate::file::File;
use crate::irp::{CLEANUP, CLOSE, CREATE, Request};
use crate::model::security;
use crate::placed::Placed;
use crate::question::{self, LIMITS};
use crate::random::Random;
use crate::registry::{
    BINARY, DWORD, MEMORY, Operation, PARAMETERS, Registry, SERVICE_OF_2005, STATE,
};
use crate::source::GUARD;
use crate::world::{Named, Paging, Step, World, slot};

/// One run.
#[derive(Debug)]
pub struct Scenario {
    /// The number that it comes from.
    pub seed: u64,
    /// What the driver finds.
    pub world: World,
    /// The modules as files, where memory is still what a loader made of them.
    pub files: [Option<File>; 2],
    /// Modules whose limit must be located as long as nothing happens.
    pub sound: [bool; 2],
    /// Modules with bytes that were changed.
    pub damaged: [bool; 2],
    /// What is done, one after the other.
    pub acts: Vec<Act>,
    /// The shipped file runs without its source beside it from the beginning on;
    /// else until something happens in the middle of a request.
    pub alone: bool,
}

/// Something that is done.
#[derive(Debug, Clone)]
pub enum Act {
    /// A program asks.
    Send(Request),
    /// Something happens.
    Happen(Change),
    /// It happens before the how manieth call of the system from now.
    Meanwhile(u32, Change),
}

/// Status codes that calls fail with.
const STATUSES: [u32; 4] = [0xC000_0022, 0xC000_009A, 0xC000_0034, 0xC000_0001];

impl Scenario {
    /// The run of a number.
    #[must_use]
    pub fn of(seed: u64, arch: Arch) -> Scenario {
        let mut random = Random::new(seed ^ if arch == Arch::X64 { 1 << 63 } else { 0 });
        let random = &mut random;
        let mut scenario = Scenario {
            seed,
            world: World::new(arch),
            files: [None, None],
            sound: [false; 2],
            damaged: [false; 2],
            acts: Vec::new(),
            alone: false,
        };
        let in_between = random.chance(20);
        // In some runs nothing is wrong from the beginning, so that what comes
        // later is reached.
        let calm = random.chance(40);
        for (module, percent) in [(Module::Tcpip, 95), (Module::Tcpip6, 35)] {
            if random.chance(percent) {
                let placed = Placed::of(random, arch, module, calm);
                scenario.world.modules[slot(module)] = Some(placed.target);
                scenario.files[slot(module)] = placed.file;
                scenario.sound[slot(module)] = placed.sound;
                scenario.damaged[slot(module)] = placed.damaged;
            }
        }
        scenario.surroundings(random);
        if !calm {
            scenario.troubles(random);
            scenario.settings(random);
        }
        scenario.acts(random, in_between);
        scenario.spare_blind_writes();
        scenario
    }

    /// With the test-only value the driver writes where rights can't be told, as
    /// docs/driver.md warns: there no limit lies in a page that may only be read.
    fn spare_blind_writes(&mut self) {
        let untold = |paging: Paging| {
            matches!(
                paging,
                Paging::Absent | Paging::Foreign | Paging::OtherFormat
            )
        };
        let ever = untold(self.world.paging)
            || self
                .acts
                .iter()
                .any(|act| matches!(act, Act::Happen(Change::Paging(paging)) if untold(*paging)));
        if !ever || !self.world.accepts_unknown_rights() {
            return;
        }
        self.acts
            .retain(|act| !matches!(act, Act::Happen(Change::ReadOnly(..))));
        let loaded = self.acts.iter_mut().filter_map(|act| match act {
            Act::Happen(Change::Loaded(_, target)) => Some(&mut **target),
            _ => None,
        });
        for target in self.world.modules.iter_mut().flatten().chain(loaded) {
            for page in &mut target.pages {
                page.writable |= page.present;
            }
        }
    }

    /// All that is around the modules, and may be like this or like that.
    fn surroundings(&mut self, random: &mut Random) {
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
            world.registry = Registry::of(SERVICE_OF_2005);
        }
        world.list.in_pages = random.chance(50);
        world.list.style = random.pick(&[
            PathStyle::SystemRoot,
            PathStyle::Windows,
            PathStyle::DosDevice,
            PathStyle::Bare,
            PathStyle::Slashes,
        ]);
    }

    /// What is not as it should be.
    fn troubles(&mut self, random: &mut Random) {
        let world = &mut self.world;
        if random.chance(25) {
            world.paging = random.pick(&[Paging::Absent, Paging::Foreign]);
        }
        if random.chance(10) {
            world.list.state = random.pick(&ListState::FAULTY);
            self.sound = [self.sound[0], self.sound[1]]
                .map(|sound| sound && world.list.state == ListState::Missing);
        }
        if random.chance(3) {
            let module = random.pick(&Module::ALL);
            world.unusable[slot(module)] = Some(random.pick(&STATUSES));
            self.sound[slot(module)] = false;
        }
        let device = random.pick(&Device::ALL);
        if random.chance(3) {
            world.taken = Some((device, random.pick(&[Named::Device, Named::Link])));
        }
        if random.chance(4) {
            let steps = [Step::Create, Step::Open, Step::Secure, Step::Link];
            world.device_fails = Some((device, random.pick(&steps)));
        }
        world.no_log = random.chance(5);
        if random.chance(3) {
            world.no_pool = true;
            self.sound = [false; 2];
        }
    }

    /// What the registry holds, and refuses.
    fn settings(&mut self, random: &mut Random) {
        let mut put = |subkey, name, random: &mut Random, number: u32| {
            let value = match random.below(20) {
                // Another type, and another length.
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
                // What an earlier load remembered, or what is no such thing.
                let length = random.pick(&[20, 20, 20, 4, 21]);
                let record = random.bytes(length);
                self.world.registry.put(STATE, name, (BINARY, record));
            }
        }
        self.memory(random);
        if random.chance(4) {
            self.world.registry.forget_parameters();
        }
        if random.chance(10) {
            let refused = refusal(random);
            self.world.registry.refused.push(refused);
        }
        self.world.safe_mode = if random.chance(6) { 1 } else { 0 };
    }

    /// What an earlier load of this version remembered, or what is no such thing.
    fn memory(&mut self, random: &mut Random) {
        let world = &mut self.world;
        if random.chance(4) {
            world.boot = None;
        }
        if random.chance(70) {
            return;
        }
        let start = world.start().unwrap_or(0);
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
                    .put_at(MEMORY, module.file_name(), (kind, record));
            }
        }
        let mut descriptor = security::of_memory();
        if random.chance(25) {
            let place = usize::try_from(random.below(88)).expect("u32 fits usize");
            descriptor[place] ^= 1 << random.below(8);
        }
        if random.chance(5) {
            descriptor.resize(200, 0);
        }
        world.registry.secure(MEMORY, descriptor);
    }

    /// What is done.
    fn acts(&mut self, random: &mut Random, in_between: bool) {
        let limit = wanted(random);
        let mut acts: Vec<Request> = Vec::new();
        for device in Device::ALL {
            acts.push(Request::plain(device, CREATE));
        }
        let relative = Request {
            named: random.chance(50),
            related: random.chance(50),
            ..Request::plain(random.pick(&Device::ALL), CREATE)
        };
        acts.push(relative);
        acts.push(question::query(Module::Tcpip));
        acts.push(question::query(Module::Tcpip6));
        acts.push(question::set(Module::Tcpip, limit, 0));
        if random.chance(60) {
            acts.push(question::set(Module::Tcpip6, wanted(random), 0));
        }
        if random.chance(60) {
            acts.push(question::legacy_set(wanted(random)));
            acts.push(question::legacy_get());
        }
        for _ in 0..random.below(4) {
            acts.push(question::odd(random));
        }
        if random.chance(60) {
            acts.push(question::reset(Module::Tcpip, 0));
        }
        for act in acts {
            if random.chance(12)
                && let Some(change) = self.change(random)
            {
                self.acts.push(Act::Happen(change));
            }
            if in_between && random.chance(40) {
                let (when, change) = (random.below(40), self.value(random));
                self.acts.push(Act::Meanwhile(when, change));
            }
            self.acts.push(Act::Send(act));
        }
        for major in [CLEANUP, CLOSE] {
            for device in Device::ALL {
                self.acts.push(Act::Send(Request::plain(device, major)));
            }
        }
    }

    /// Something that may happen between two requests.
    fn change(&self, random: &mut Random) -> Option<Change> {
        let module = random.pick(&[Module::Tcpip, Module::Tcpip, Module::Tcpip6]);
        let target = self.world.module(module)?;
        let threshold = target.threshold.unwrap_or(0);
        Some(match random.below(13) {
            0..3 => self.value(random),
            3 => Change::ReadOnly(module, threshold),
            4 => Change::Absent(module, threshold),
            5 => Change::Unloaded(module),
            6 => Change::Listed(random.pick(&ListState::FAULTY)),
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
                let (operation, key, status) = refusal(random);
                Change::Refused(operation, key, status)
            }
            10 if self.sound[slot(module)] => {
                // Other software patches code.
                let code = target.sections.iter().find(|section| section.is_code())?;
                let rva = code.rva + random.below(code.virtual_size.saturating_sub(8));
                let length = usize::try_from(1 + random.below(6)).expect("a few");
                Change::Bytes(module, rva, random.bytes(length))
            }
            10 => Change::NoLog,
            11 => Change::Clock(random.word()),
            _ => {
                // The same or another build, elsewhere.
                let placed = Placed::of(random, self.world.arch, module, false);
                Change::Loaded(module, Box::new(placed.target))
            }
        })
    }

    /// A variable that changes by itself, or by other software.
    fn value(&self, random: &mut Random) -> Change {
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

/// A limit that somebody wants: most often one that there can be.
fn wanted(random: &mut Random) -> u32 {
    if random.chance(70) {
        1 + random.below(0x00FF_FFFF)
    } else {
        random.pick(&LIMITS)
    }
}

fn refusal(random: &mut Random) -> (Operation, &'static str, u32) {
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
