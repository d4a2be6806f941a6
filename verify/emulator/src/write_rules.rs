//! What the driver may write to the limits: what the service key or the request
//! asks for, once for a module, over a value that is expected or the driver's own.
//!
//! Whether it may be written at all (rights of the page, who can have left what is
//! remembered, the list of modules) the driver's source beside it decides, and the
//! model of the sessions judges that.

use std::collections::BTreeSet;

use scanner_core::Module;

use crate::reference_driver::GUARD;
use crate::registry::{DWORD, HISTORY_KEY, NOT_FOUND, PARAMETERS, STATE, Value, subkey_path};
use crate::target::Target;
use crate::watch::LimitWrite;
use crate::world::{World, module_index};

/// The limit of a module that nobody has changed.
const PRISTINE: u32 = 10;
/// The highest limit there is.
const HIGHEST: u32 = 0x00FF_FFFF;

/// What the service key asks for, and what is the driver's own.
#[derive(Debug)]
pub(crate) struct WriteRules {
    /// What was found first is to be put back at unload.
    restores: bool,
    /// What is to be applied at start.
    configured: [Option<u32>; 2],
    /// What may be replaced then, besides the driver's own.
    expected: [Option<u32>; 2],
    /// What the driver wrote to each module, or may have in an earlier load.
    own: [BTreeSet<u32>; 2],
    /// What it replaced.
    found: [BTreeSet<u32>; 2],
}

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

type Checked<T> = Result<T, &'static str>;

impl WriteRules {
    /// As the driver finds the world when it is loaded. What it can't read then
    /// counts as not set, whatever can be read later.
    pub(crate) fn new(world: &World) -> WriteRules {
        let left = [Module::Tcpip, Module::Tcpip6].map(|module| remembered_limits(world, module));
        let each = |part: usize| {
            let values = |left: &Vec<[u32; 2]>| left.iter().map(|it| it[part]).collect();
            left.each_ref().map(values)
        };
        let mut own: [BTreeSet<u32>; 2] = each(0);
        own.iter_mut().for_each(|own| _ = own.insert(PRISTINE));
        let limit = |name| setting(world, name).filter(|_| may_apply_stored_limits(world));
        WriteRules {
            restores: setting(world, "RestoreAtUnload") == Some(1),
            configured: ["Limit", "Limit6"].map(limit),
            expected: ["Expect", "Expect6"].map(|name| setting(world, name)),
            own,
            found: each(1),
        }
    }

    /// DriverEntry writes what the service key asks for.
    pub(crate) fn check_start(
        &mut self,
        world: &World,
        loaded: bool,
        writes: &[LimitWrite],
    ) -> Checked<Vec<Effect>> {
        if !loaded && !writes.is_empty() {
            return Err("a driver that is not loaded has written");
        }
        self.judge(world, writes, |rules, module, write| {
            let limit = rules.configured[module_index(module)];
            let limit = limit.ok_or("a write at start though none was asked for")?;
            let own = &rules.own[module_index(module)];
            let expected = rules.expected[module_index(module)] == Some(write.before);
            Ok((
                write.after == limit,
                expected || own.contains(&write.before),
            ))
        })
    }

    /// A request writes what was asked for, over what was expected, or over the
    /// driver's own where nothing was.
    pub(crate) fn check_request(
        &mut self,
        world: &World,
        requested_change: Option<(Module, u32, u32)>,
        writes: &[LimitWrite],
    ) -> Checked<Vec<Effect>> {
        self.judge(world, writes, |rules, module, write| {
            let (of, limit, expected) =
                requested_change.ok_or("a write though none was asked for")?;
            if of != module {
                return Err("a write to the other module");
            }
            let own = match expected {
                0 => rules.own[module_index(module)].contains(&write.before),
                expected => write.before == expected,
            };
            Ok((write.after == limit, own))
        })
    }

    /// Unload puts back what was found, where it is asked to, over the driver's own.
    pub(crate) fn check_unload(
        &mut self,
        world: &World,
        writes: &[LimitWrite],
    ) -> Checked<Vec<Effect>> {
        self.judge(world, writes, |rules, module, write| {
            if !rules.restores {
                return Err("a write at unload though none was asked for");
            }
            let [own, found] = [&rules.own, &rules.found].map(|of| &of[module_index(module)]);
            Ok((found.contains(&write.after), own.contains(&write.before)))
        })
    }

    /// No module is written to twice, and `asked` says of each write whether it is
    /// of the right limit, and over what may be replaced.
    fn judge(
        &mut self,
        world: &World,
        writes: &[LimitWrite],
        asked: impl Fn(&WriteRules, Module, &LimitWrite) -> Checked<(bool, bool)>,
    ) -> Checked<Vec<Effect>> {
        let modules = writes.iter().map(|write| written_module(world, write));
        let modules: Vec<Module> = modules.collect::<Checked<_>>()?;
        let to = |module| modules.iter().filter(|&&it| it == module).count();
        if Module::ALL.into_iter().any(|module| to(module) > 1) {
            return Err("more than one write to a module");
        }
        let mut effects = Vec::new();
        for (&module, write) in modules.iter().zip(writes) {
            let (right, own) = asked(self, module, write)?;
            effects.push(match (write.before == write.after, right, own) {
                (true, true, _) => Effect::Same,
                (true, false, _) => Effect::Missed,
                (false, true, true) if (1..=HIGHEST).contains(&write.after) => Effect::Changed,
                (false, true, true) => return Err("a value that no limit can have"),
                (false, false, _) => return Err("another limit than was asked for"),
                (false, true, false) => {
                    return Err("a value that is not the driver's was replaced");
                }
            });
            self.own[module_index(module)].insert(write.after);
            self.found[module_index(module)].insert(write.before);
        }
        Ok(effects)
    }
}

/// What earlier loads have left for a module, whoever's it is: its last limit and
/// the one that was found first.
fn remembered_limits(world: &World, module: Module) -> Vec<[u32; 2]> {
    let registry = &world.registry;
    let state = subkey_path(registry.service, STATE);
    let records = [HISTORY_KEY, &state].map(|key| registry.query(key, module.file_name()));
    let field = |data: &[u8], at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
    let limits = |(_, data): &Value| Some([field(data, 12)?, field(data, 16)?]);
    records.into_iter().flatten().filter_map(limits).collect()
}

/// A value that the driver can read, and that is a number.
fn setting(world: &World, name: &str) -> Option<u32> {
    let path = subkey_path(world.registry.service, PARAMETERS);
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
fn may_apply_stored_limits(world: &World) -> bool {
    let path = subkey_path(world.registry.service, PARAMETERS);
    let mark = world.registry.query(&path, GUARD);
    world.safe_mode == 0 && mark == Err(NOT_FOUND)
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
