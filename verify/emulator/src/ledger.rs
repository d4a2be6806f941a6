//! What the driver may write to the limits, and when: at start, for a request,
//! and at unload. It is told by the service key as it was when the driver was
//! loaded, and by what the driver wrote since.

use scanner_core::Module;
use verify::kernel::Says;

use crate::model::security;
use crate::registry::{BINARY, DWORD, MEMORY, NOT_FOUND, PARAMETERS, STATE, Value, below};
use crate::source::GUARD;
use crate::target::Target;
use crate::watch::LimitWrite;
use crate::world::{World, slot};

/// The highest limit there is.
const HIGHEST: u32 = 0x00FF_FFFF;
/// The limit of a module that nobody has changed.
const PRISTINE: u32 = 10;

/// What the service key asks for, and what was written.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The test-only value is set.
    accepts_unknown: bool,
    /// What was found first is to be put back at unload.
    restores: bool,
    /// What is to be applied at start.
    configured: [Option<u32>; 2],
    /// What may be replaced then, besides the driver's own.
    expected: [Option<u32>; 2],
    /// What was written to each module's builds.
    written: [Vec<Written>; 2],
    /// Something happened after which the driver may take a module for one that
    /// it has not written to yet.
    pub(crate) may_forget: bool,
}

/// What was written to a build of a module.
#[derive(Debug)]
struct Written {
    build: Build,
    original: u32,
    last: u32,
}

/// Time, checksum and size of an image, as its headers have them.
type Build = [u32; 3];

/// What a write comes to, if it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The limit is another one now.
    Changed,
    /// `lock cmpxchg` wrote back what it found, which was something else.
    Missed,
    /// The limit was the wanted one before: with something that set it in the
    /// last moment, for the driver itself does not write then.
    Same,
}

impl Ledger {
    /// As the driver finds the world when it is loaded. What it can't read then
    /// counts as not set, whatever can be read later.
    pub(crate) fn new(world: &World) -> Ledger {
        let on = |name| setting(world, name) == Some(1);
        let limit = |name| setting(world, name).filter(|_| may_apply(world));
        let mut ledger = Ledger {
            accepts_unknown: on("TestOnlyAcceptUnknownRights"),
            restores: on("RestoreAtUnload"),
            configured: ["Limit", "Limit6"].map(limit),
            expected: ["Expect", "Expect6"].map(|name| setting(world, name)),
            written: [Vec::new(), Vec::new()],
            may_forget: false,
        };
        for module in Module::ALL {
            ledger.written[slot(module)].extend(remembered(world, module));
        }
        ledger
    }

    /// DriverEntry writes what the service key asks for, once for a module.
    pub(crate) fn at_start(
        &mut self,
        world: &World,
        loaded: bool,
        writes: &[LimitWrite],
    ) -> Result<Vec<Effect>, &'static str> {
        if !loaded && !writes.is_empty() {
            return Err("a driver that is not loaded has written");
        }
        once_each(world, writes)?;
        let one = |write: &LimitWrite| {
            let module = written_module(world, write)?;
            let limit = self.configured[slot(module)];
            let limit = limit.ok_or("a write at start though none was asked for")?;
            let own = self.is_own(world, module, write.before)
                || self.expected[slot(module)] == Some(write.before);
            self.write(world, module, write, limit, own)
        };
        writes.iter().map(one).collect()
    }

    /// A request writes what was asked for, over what was expected, or over the
    /// driver's own where nothing was.
    pub(crate) fn for_request(
        &mut self,
        world: &World,
        wish: Option<(Module, u32, u32)>,
        writes: &[LimitWrite],
    ) -> Result<Option<Effect>, &'static str> {
        let write = match writes {
            [] => return Ok(None),
            [write] => write,
            _ => return Err("more than one write for a request"),
        };
        let (module, limit, expected) = wish.ok_or("a write though none was asked for")?;
        if written_module(world, write)? != module {
            return Err("a write to the other module");
        }
        let own = match expected {
            0 => self.is_own(world, module, write.before),
            expected => write.before == expected,
        };
        self.write(world, module, write, limit, own).map(Some)
    }

    /// Unload puts back what was found first, once for a module, where it is
    /// asked to, and only over what the driver itself wrote last.
    pub(crate) fn at_unload(
        &mut self,
        world: &World,
        writes: &[LimitWrite],
    ) -> Result<Vec<Effect>, &'static str> {
        if !self.restores && !writes.is_empty() {
            return Err("a write at unload though none was asked for");
        }
        once_each(world, writes)?;
        let one = |write: &LimitWrite| {
            let module = written_module(world, write)?;
            let of = world.module(module).and_then(build);
            let written = &self.written[slot(module)];
            let mut written = written.iter().filter(|it| Some(it.build) == of);
            let found = match write.before == write.after {
                true => written.next(),
                false => written.find(|it| it.original == write.after && it.last == write.before),
            };
            let found = found.ok_or("another limit than was found first was put back")?;
            let original = found.original;
            self.write(world, module, write, original, true)
        };
        writes.iter().map(one).collect()
    }

    /// All that must hold of every write.
    fn write(
        &mut self,
        world: &World,
        module: Module,
        write: &LimitWrite,
        limit: u32,
        own: bool,
    ) -> Result<Effect, &'static str> {
        if write.before == write.after {
            let same = write.before == limit;
            return Ok(if same { Effect::Same } else { Effect::Missed });
        }
        if world.list.says == Says::Nothing && !self.accepts_unknown {
            return Err("the list of modules does not have the module");
        }
        if write.after != limit || !(1..=HIGHEST).contains(&limit) {
            return Err("another limit than was asked for, or none");
        }
        if !own {
            return Err("a value that is not the driver's was replaced");
        }
        let target = world.module(module).ok_or("nothing is loaded")?;
        let rva = target.threshold.ok_or("nobody knows where the limit is")?;
        match world.is_writable(target, rva) {
            Some(true) => {}
            Some(false) => return Err("the page is read-only"),
            None if self.accepts_unknown => {}
            None => return Err("the page's rights can't be told"),
        }
        self.note(module, build(target).unwrap_or_default(), write);
        Ok(Effect::Changed)
    }

    fn note(&mut self, module: Module, build: Build, write: &LimitWrite) {
        let written = &mut self.written[slot(module)];
        let mut known = false;
        for of in written.iter_mut().filter(|it| it.build == build) {
            of.last = write.after;
            known = true;
        }
        if !known || self.may_forget {
            written.push(Written {
                build,
                original: write.before,
                last: write.after,
            });
        }
    }

    /// Whether a limit is one that the driver may take for its own.
    fn is_own(&self, world: &World, module: Module, limit: u32) -> bool {
        let of = world.module(module).and_then(build);
        let mut written = self.written[slot(module)].iter();
        limit == PRISTINE || written.any(|it| Some(it.build) == of && it.last == limit)
    }
}

/// What an earlier load has left: it counts for the same build alone, for this
/// start of the system alone, and only where nobody else can have written it.
/// What version 0.1.0 left counts where there is no such thing.
fn remembered(world: &World, module: Module) -> Option<Written> {
    let registry = &world.registry;
    let start = world.start()?;
    let is_believed = match registry
        .open(MEMORY)
        .and_then(|()| registry.security(MEMORY))
    {
        Ok(descriptor) => security::is_believed(descriptor),
        // Without a key there is nothing to believe.
        Err(status) => status == NOT_FOUND,
    };
    let record = registry.query(MEMORY, module.file_name());
    let fits = |value: &Value, length| value.0 == BINARY && value.1.len() == length;
    let kept = match record {
        _ if !is_believed => return None,
        Ok(value) if !fits(value, 28) => return None,
        Ok((_, data)) if data[20..] == start.to_le_bytes() => data.get(..20),
        _ => {
            let path = below(registry.service, STATE);
            let former = registry.query(&path, module.file_name());
            former
                .ok()
                .filter(|value| fits(value, 20))
                .map(|(_, data)| data.as_slice())
        }
    };
    let field = |at: usize| Some(u32::from_le_bytes(*kept?.get(at..)?.first_chunk()?));
    let written = Written {
        build: [field(0)?, field(4)?, field(8)?],
        last: field(12)?,
        original: field(16)?,
    };
    let here = build(world.module(module)?);
    (here == Some(written.build)).then_some(written)
}

/// A value that the driver can read, and that is a number.
fn setting(world: &World, name: &str) -> Option<u32> {
    let path = below(world.registry.service, PARAMETERS);
    let registry = &world.registry;
    registry
        .open(registry.service)
        .and_then(|()| registry.open(&path))
        .ok()?;
    let (kind, data) = registry.query(&path, name).ok()?;
    let data = (*kind == DWORD).then_some(data)?;
    Some(u32::from_le_bytes(data.as_slice().try_into().ok()?))
}

/// Whether stored limits may be applied: not in Safe Mode, nor where the last
/// start did not end, nor where that can't be told.
fn may_apply(world: &World) -> bool {
    let path = below(world.registry.service, PARAMETERS);
    let mark = world.registry.query(&path, GUARD);
    world.safe_mode == 0 && mark == Err(NOT_FOUND)
}

fn once_each(world: &World, writes: &[LimitWrite]) -> Result<(), &'static str> {
    let limits = Module::ALL.map(|module| world.module(module).and_then(Target::limit));
    let to = |limit| writes.iter().filter(|it| Some(it.address) == limit).count();
    match limits.into_iter().any(|limit| to(limit) > 1) {
        true => Err("more than one write to a module"),
        false => Ok(()),
    }
}

/// Whose limit was written.
fn written_module(world: &World, write: &LimitWrite) -> Result<Module, &'static str> {
    let is = |module: &Module| {
        let target = world.module(*module);
        target.and_then(Target::limit) == Some(write.address)
    };
    Module::ALL
        .into_iter()
        .find(is)
        .ok_or("a write to no module")
}

fn build(target: &Target) -> Option<Build> {
    let nt = target.dword(0x3C)?;
    let [time, checksum, size] = [8, 24 + 64, 24 + 56].map(|field| {
        let at = nt.checked_add(field)?;
        target.dword(at)
    });
    Some([time?, checksum?, size?])
}

#[cfg(test)]
mod tests {
    use verify::specimen::Spec;

    use super::*;
    use crate::registry::Operation;
    use crate::scenario::Scenario;
    use crate::world::Paging;

    fn world() -> World {
        Scenario::of_specimen(&Spec::xp_sp3().sized(1)).world
    }

    fn put(world: &mut World, name: &str, value: u32) {
        let value = (DWORD, value.to_le_bytes().to_vec());
        world.registry.put(PARAMETERS, name, value);
    }

    fn write(world: &World, before: u32, after: u32) -> [LimitWrite; 1] {
        let target = world.module(Module::Tcpip).expect("tcpip.sys");
        let address = target.limit().expect("it is known");
        [LimitWrite {
            address,
            before,
            after,
        }]
    }

    /// What a request to set a limit comes to.
    fn set(world: &World, before: u32, limit: u32) -> Result<Option<Effect>, &'static str> {
        let wish = Some((Module::Tcpip, limit, 0));
        Ledger::new(world).for_request(world, wish, &write(world, before, limit))
    }

    #[test]
    fn only_10_or_what_was_written_last_is_replaced_unasked() {
        let world = world();
        assert_eq!(set(&world, 10, 100), Ok(Some(Effect::Changed)));
        let other = Err("a value that is not the driver's was replaced");
        assert_eq!(set(&world, 50, 100), other);
        let mut ledger = Ledger::new(&world);
        let mut set = |before, limit| {
            let wish = Some((Module::Tcpip, limit, 0));
            ledger.for_request(&world, wish, &write(&world, before, limit))
        };
        assert_eq!(set(10, 100), Ok(Some(Effect::Changed)));
        assert_eq!(set(100, 200), Ok(Some(Effect::Changed)));
        assert_eq!(set(100, 300), other);
        // What is expected by name is replaced, and nothing else.
        let wish = Some((Module::Tcpip, 7, 50));
        let named = ledger.for_request(&world, wish, &write(&world, 50, 7));
        assert_eq!(named, Ok(Some(Effect::Changed)));
        let wish = Some((Module::Tcpip, 8, 50));
        let named = ledger.for_request(&world, wish, &write(&world, 7, 8));
        assert_eq!(named, other);
    }

    #[test]
    fn no_limit_out_of_range_is_written() {
        let range = Err("another limit than was asked for, or none");
        for limit in [0, HIGHEST + 1, u32::MAX] {
            assert_eq!(set(&world(), 10, limit), range);
        }
        assert_eq!(set(&world(), 10, HIGHEST), Ok(Some(Effect::Changed)));
    }

    #[test]
    fn a_page_must_be_writable_or_its_rights_accepted_as_they_are() {
        let mut world = world();
        for page in &mut world.module_mut(Module::Tcpip).expect("tcpip.sys").pages {
            page.writable = false;
        }
        assert_eq!(set(&world, 10, 100), Err("the page is read-only"));
        world.paging = Paging::Absent;
        let untold = Err("the page's rights can't be told");
        assert_eq!(set(&world, 10, 100), untold);
        put(&mut world, "TestOnlyAcceptUnknownRights", 1);
        assert_eq!(set(&world, 10, 100), Ok(Some(Effect::Changed)));
        // What can't be read at load is not set.
        let refused = (Operation::Open, PARAMETERS, 0xC000_0022);
        world.registry.refused.push(refused);
        assert_eq!(set(&world, 10, 100), untold);
    }

    #[test]
    fn a_module_that_is_not_listed_is_not_written_to() {
        let mut world = world();
        world.list.says = Says::Nothing;
        let unlisted = Err("the list of modules does not have the module");
        assert_eq!(set(&world, 10, 100), unlisted);
        put(&mut world, "TestOnlyAcceptUnknownRights", 1);
        assert_eq!(set(&world, 10, 100), Ok(Some(Effect::Changed)));
    }

    /// A record about the module that is loaded.
    fn record(world: &World, last: u32, start: Option<u64>) -> Value {
        let target = world.module(Module::Tcpip).expect("tcpip.sys");
        let build = build(target).expect("headers");
        let mut record: Vec<u8> = build.into_iter().flat_map(u32::to_le_bytes).collect();
        record.extend([last, 10].map(u32::to_le_bytes).as_flattened());
        record.extend(start.into_iter().flat_map(u64::to_le_bytes));
        (BINARY, record)
    }

    #[test]
    fn what_was_remembered_counts_if_it_is_of_this_start_and_nobody_else_can_have_written_it() {
        let mut world = world();
        let other = Err("a value that is not the driver's was replaced");
        let others = security::returned(security::administrators(), &security::list(0x000F_001F));
        let start = world.start();
        let kept = record(&world, 50, start);
        world.registry.put_at(MEMORY, "tcpip.sys", kept);
        world.registry.secure(MEMORY, security::of_memory());
        assert_eq!(set(&world, 50, 100), Ok(Some(Effect::Changed)));
        world.registry.secure(MEMORY, others);
        assert_eq!(set(&world, 50, 100), other);
        world.registry.secure(MEMORY, security::of_memory());
        for time in world.boot.iter_mut().flatten() {
            *time += 77;
        }
        assert_eq!(set(&world, 50, 100), Ok(Some(Effect::Changed)));
        // Another start: then what version 0.1.0 left counts.
        world.boot = world.boot.map(|[time, bias]| [time + 1, bias]);
        assert_eq!(set(&world, 50, 100), other);
        let former = record(&world, 50, None);
        world.registry.put(STATE, "tcpip.sys", former);
        assert_eq!(set(&world, 50, 100), Ok(Some(Effect::Changed)));
        world.boot = None;
        assert_eq!(set(&world, 50, 100), other);
    }

    #[test]
    fn at_start_nothing_is_written_by_a_driver_that_is_not_loaded_nor_in_safe_mode() {
        let mut world = world();
        put(&mut world, "Limit", 100);
        put(&mut world, "Expect", 50);
        let start = |world: &World, loaded, before| {
            let write = write(world, before, 100);
            Ledger::new(world).at_start(world, loaded, &write)
        };
        assert_eq!(start(&world, true, 10), Ok(vec![Effect::Changed]));
        assert_eq!(start(&world, true, 50), Ok(vec![Effect::Changed]));
        assert!(start(&world, true, 51).is_err());
        let gone = Err("a driver that is not loaded has written");
        assert_eq!(start(&world, false, 10), gone);
        world.safe_mode = 1;
        let unasked = Err("a write at start though none was asked for");
        assert_eq!(start(&world, true, 10), unasked);
    }
}
