//! Changes of the system while the driver is loaded.

use scanner_core::Module;
use simulation::kernel::ListState;

use crate::registry::Value;
use crate::target::Target;
use crate::world::{Paging, World};

/// A change of the system.
#[derive(Debug, Clone)]
pub enum Change {
    /// Bytes of a module change, by other software or by the module itself.
    Bytes(Module, u32, Vec<u8>),
    /// The page of an RVA becomes read-only.
    ReadOnly(Module, u32),
    /// The page of an RVA is paged out.
    Absent(Module, u32),
    /// A module is loaded, or replaces another.
    Loaded(Module, Box<Target>),
    /// A module is unloaded.
    Unloaded(Module),
    /// Referencing its driver object fails with this status.
    DriverObjectFailure(Module, u32),
    /// The page tables change.
    Paging(Paging),
    /// The module list changes.
    ModuleList(ListState),
    /// Pool allocations fail (`false`) or succeed again.
    Pool(bool),
    /// Allocations of event log entries fail.
    NoLog,
    /// A registry value is set.
    Value(&'static str, &'static str, Value),
    /// The clock is set forward by this much.
    Clock(u64),
    /// The driver's service is deleted and created under this name while the driver
    /// is not loaded.
    Recreated(&'static str),
    /// A registry operation fails with this status.
    RegistryFailure(crate::registry::Operation, &'static str, u32),
}

impl Change {
    /// Applies the change to a world.
    pub fn apply(&self, world: &mut World) {
        match self {
            Change::Bytes(module, rva, bytes) => {
                if let Some(target) = world.module_mut(*module) {
                    target.write(*rva, bytes);
                }
            }
            Change::ReadOnly(module, rva) => {
                let target = world.module_mut(*module);
                if let Some(page) = target.and_then(|target| page(target, *rva)) {
                    page.writable = false;
                }
            }
            Change::Absent(module, rva) => {
                if let Some(target) = world.module_mut(*module) {
                    target.write(rva & !0xFFF, &[0; 0x1000]);
                    if let Some(page) = page(target, *rva) {
                        page.present = false;
                    }
                }
            }
            Change::Loaded(module, target) => {
                world.modules[crate::world::module_index(*module)] = Some(Target::clone(target));
            }
            Change::Unloaded(module) => world.modules[crate::world::module_index(*module)] = None,
            Change::DriverObjectFailure(module, status) => {
                world.driver_object_failure[crate::world::module_index(*module)] = Some(*status);
            }
            Change::Paging(paging) => world.paging = *paging,
            Change::ModuleList(says) => world.module_list.state = *says,
            Change::Pool(there) => world.no_pool = !there,
            Change::NoLog => world.no_log = true,
            Change::Value(subkey, name, value) => {
                world.registry.put(subkey, name, value.clone());
            }
            Change::Clock(by) => {
                for time in world.boot.iter_mut().flatten() {
                    *time = time.wrapping_add(*by);
                }
            }
            Change::Recreated(service) => world.registry.recreate(service),
            Change::RegistryFailure(operation, key, status) => {
                world.registry.refused.push((*operation, *key, *status));
            }
        }
    }
}

fn page(target: &mut Target, rva: u32) -> Option<&mut crate::target::Page> {
    target.pages.get_mut(usize::try_from(rva / 0x1000).ok()?)
}
