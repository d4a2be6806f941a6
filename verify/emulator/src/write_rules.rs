//! Rules for the driver's writes to the limits: only the value that the service key
//! or the request asks for, once per module, over a value that is expected or that
//! the driver wrote.
//!
//! Whether a write is allowed at all (page rights, trust in the history, the module
//! list) is compared with the driver's source, which the model of sessions checks.

use std::collections::BTreeSet;

use scanner_core::Module;

use crate::reference_driver::GUARD;
use crate::registry::{DWORD, HISTORY_KEY, NOT_FOUND, PARAMETERS, STATE, Value, subkey_path};
use crate::target::Target;
use crate::watch::LimitWrite;
use crate::world::{World, module_index};

/// The limit of an unchanged module.
const PRISTINE: u32 = 10;
/// The highest limit.
const HIGHEST: u32 = 0x00FF_FFFF;

/// The service key's settings, and the values that the driver wrote.
#[derive(Debug)]
pub(crate) struct WriteRules {
    /// Whether the original value is restored at unload.
    restores_at_unload: bool,
    /// Limits to apply at start.
    configured: [Option<u32>; 2],
    /// Values that may be replaced at start, besides the driver's own.
    expected: [Option<u32>; 2],
    /// Values that the driver wrote to each module, in this load or an earlier one.
    own_values: [BTreeSet<u32>; 2],
    /// Values that it replaced.
    replaced_values: [BTreeSet<u32>; 2],
}

/// The effect of an allowed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The limit has changed.
    Changed,
    /// `lock cmpxchg` found another value and wrote it back.
    Failed,
    /// The limit already had the requested value: another program set it at the last
    /// moment, since otherwise the driver does not write.
    Same,
}

type Checked<T> = Result<T, &'static str>;

impl WriteRules {
    /// The rules of a load. Values that the driver can't read at load count as not
    /// set, even if they can be read later.
    pub(crate) fn new(world: &World) -> WriteRules {
        let history =
            [Module::Tcpip, Module::Tcpip6].map(|module| remembered_limits(world, module));
        let each = |part: usize| {
            let values = |history: &Vec<[u32; 2]>| history.iter().map(|it| it[part]).collect();
            history.each_ref().map(values)
        };
        let mut own_values: [BTreeSet<u32>; 2] = each(0);
        own_values
            .iter_mut()
            .for_each(|own_values| _ = own_values.insert(PRISTINE));
        let limit = |name| read_setting(world, name).filter(|_| may_apply_stored_limits(world));
        WriteRules {
            restores_at_unload: read_setting(world, "RestoreAtUnload") == Some(1),
            configured: ["Limit", "Limit6"].map(limit),
            expected: ["Expect", "Expect6"].map(|name| read_setting(world, name)),
            own_values,
            replaced_values: each(1),
        }
    }

    /// DriverEntry writes the limits of the service key.
    pub(crate) fn check_start(
        &mut self,
        world: &World,
        loaded: bool,
        writes: &[LimitWrite],
    ) -> Checked<Vec<Effect>> {
        if !loaded && !writes.is_empty() {
            return Err("a write by a driver that failed to load");
        }
        self.check_each(world, writes, |rules, module, write| {
            let limit = rules.configured[module_index(module)];
            let limit = limit.ok_or("a write at start that was not configured")?;
            let own_values = &rules.own_values[module_index(module)];
            let expected = rules.expected[module_index(module)] == Some(write.before);
            Ok((
                write.after == limit,
                expected || own_values.contains(&write.before),
            ))
        })
    }

    /// A request writes the requested limit, over the expected value or, if it names
    /// none, over a value of the driver's.
    pub(crate) fn check_request(
        &mut self,
        world: &World,
        requested_change: Option<(Module, u32, u32)>,
        writes: &[LimitWrite],
    ) -> Checked<Vec<Effect>> {
        self.check_each(world, writes, |rules, module, write| {
            let (of, limit, expected) = requested_change.ok_or("a write that was not requested")?;
            if of != module {
                return Err("a write to the other module");
            }
            let own_values = match expected {
                0 => rules.own_values[module_index(module)].contains(&write.before),
                expected => write.before == expected,
            };
            Ok((write.after == limit, own_values))
        })
    }

    /// Unload restores the original value, if configured, over a value of the driver's.
    pub(crate) fn check_unload(
        &mut self,
        world: &World,
        writes: &[LimitWrite],
    ) -> Checked<Vec<Effect>> {
        self.check_each(world, writes, |rules, module, write| {
            if !rules.restores_at_unload {
                return Err("a write at unload that was not configured");
            }
            let [own_values, replaced_values] =
                [&rules.own_values, &rules.replaced_values].map(|of| &of[module_index(module)]);
            Ok((
                replaced_values.contains(&write.after),
                own_values.contains(&write.before),
            ))
        })
    }

    /// Checks that no module is written twice. `rule` returns for each write whether
    /// the new value is right and whether the old one may be replaced.
    fn check_each(
        &mut self,
        world: &World,
        writes: &[LimitWrite],
        rule: impl Fn(&WriteRules, Module, &LimitWrite) -> Checked<(bool, bool)>,
    ) -> Checked<Vec<Effect>> {
        let modules = writes.iter().map(|write| written_module(world, write));
        let modules: Vec<Module> = modules.collect::<Checked<_>>()?;
        let to = |module| modules.iter().filter(|&&it| it == module).count();
        if Module::ALL.into_iter().any(|module| to(module) > 1) {
            return Err("more than one write to a module");
        }
        let mut effects = Vec::new();
        for (&module, write) in modules.iter().zip(writes) {
            let (right, own_values) = rule(self, module, write)?;
            effects.push(match (write.before == write.after, right, own_values) {
                (true, true, _) => Effect::Same,
                (true, false, _) => Effect::Failed,
                (false, true, true) if (1..=HIGHEST).contains(&write.after) => Effect::Changed,
                (false, true, true) => return Err("a value out of range"),
                (false, false, _) => return Err("a value other than the requested one"),
                (false, true, false) => {
                    return Err("a replaced value that is not the driver's");
                }
            });
            self.own_values[module_index(module)].insert(write.after);
            self.replaced_values[module_index(module)].insert(write.before);
        }
        Ok(effects)
    }
}

/// The history that earlier loads recorded for a module, trusted or not: the last
/// limit and the original one.
fn remembered_limits(world: &World, module: Module) -> Vec<[u32; 2]> {
    let registry = &world.registry;
    let state = subkey_path(registry.service, STATE);
    let records = [HISTORY_KEY, &state].map(|key| registry.query(key, module.file_name()));
    let field = |data: &[u8], at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
    let limits = |(_, data): &Value| Some([field(data, 12)?, field(data, 16)?]);
    records.into_iter().flatten().filter_map(limits).collect()
}

/// A REG_DWORD value that the driver can read.
fn read_setting(world: &World, name: &str) -> Option<u32> {
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

/// Whether stored limits may be applied: not in Safe Mode, nor if the last start
/// did not complete or that is unknown.
fn may_apply_stored_limits(world: &World) -> bool {
    let path = subkey_path(world.registry.service, PARAMETERS);
    let mark = world.registry.query(&path, GUARD);
    world.safe_mode == 0 && mark == Err(NOT_FOUND)
}

/// The module whose limit was written.
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
