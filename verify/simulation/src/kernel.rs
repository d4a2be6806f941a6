//! A simulated system with built specimens as modules: it implements
//! [`tcplimit_driver::Kernel`], injects faults, and records violations by the
//! driver.
//!
//! Read in this order: [`Configuration`], [`Fault`], [`Instance`] (a module in
//! memory), [`State`].

mod build;
mod configuration;
mod exclusion;
mod fault;
mod instance;
mod module;
mod module_list;
mod module_ref;
mod state;

use std::marker::PhantomData;
use std::sync::{Arc, MutexGuard};

use tcplimit_driver::{Device, Event, ModuleEntry, RECORD_SIZE, Setting, V0_1_RECORD_SIZE};
use tcplimit_protocol::Status;

pub use build::{AddressLayout, Build, PAGE, Site, all, named, sound};
pub use configuration::{
    BuildChoice, Configuration, Installed, ListState, ModuleListing, Name, Number, PathStyle,
    Settings, Switch, Value,
};
pub use exclusion::{CheckedExclusion, Owner};
pub use fault::{DeviceId, Fault, ModulePage, SectionRight};
pub use instance::{CodeState, Instance};
pub(crate) use module::{module, slot};
pub use module_list::ListWitness;
pub use module_ref::ModuleRef;
pub use state::{
    DeviceState, DriverObject, ExchangeCall, FailingCalls, FailingDeviceCalls, PowerFailure, State,
};

use module_list::List;
use specimen::Arch;
use state::Shared;

/// A system's processor, as a type.
pub trait Processor {
    /// The processor.
    const ARCH: scanner_core::Arch;
}

/// A 32-bit system.
#[derive(Debug, Clone, Copy)]
pub struct X86;

/// A 64-bit system.
#[derive(Debug, Clone, Copy)]
pub struct X64;

impl Processor for X86 {
    const ARCH: scanner_core::Arch = scanner_core::Arch::X86;
}

impl Processor for X64 {
    const ARCH: scanner_core::Arch = scanner_core::Arch::X64;
}

/// A system, from one boot to the next.
#[derive(Debug)]
pub struct System<M> {
    shared: Arc<Shared>,
    machine: PhantomData<M>,
}

impl<M: Processor> System<M> {
    /// Starts a system.
    pub fn start(of: &Configuration, layout: AddressLayout) -> System<M> {
        let expected = match of.arch {
            Arch::X86 => scanner_core::Arch::X86,
            Arch::X64 => scanner_core::Arch::X64,
        };
        assert_eq!(M::ARCH, expected, "another system's configuration");
        System {
            shared: Shared::new(State::new(of, layout)),
            machine: PhantomData,
        }
    }

    /// The same system, for the next driver.
    pub fn share(&self) -> System<M> {
        System {
            shared: Arc::clone(&self.shared),
            machine: PhantomData,
        }
    }

    /// The current state. The driver must not be called while it is borrowed.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// The exclusion for a driver in this system.
    pub fn exclusion(&self) -> CheckedExclusion {
        CheckedExclusion(Arc::clone(&self.shared.owner))
    }
}

impl<M: Processor> tcplimit_driver::Kernel for System<M> {
    type ModuleRef = ModuleRef;

    const ARCH: scanner_core::Arch = M::ARCH;

    fn create_device(&self, device: Device) -> Result<(), Status> {
        let mut state = self.shared.call_outside();
        let now = state.device(device);
        if now.failing.create {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        if now.name_taken {
            return Err(Status::OBJECT_NAME_COLLISION);
        }
        if std::mem::replace(&mut now.created, true) {
            state.violation(format!("{device:?} was created twice"));
        }
        Ok(())
    }

    fn protect_device(&self, device: Device) -> Result<(), Status> {
        let mut state = self.shared.call_outside();
        let now = state.device(device);
        if now.failing.protect {
            return Err(Status::ACCESS_DENIED);
        }
        now.protected = true;
        if !now.created || now.linked {
            state.violation(format!("{device:?} was protected too early or too late"));
        }
        Ok(())
    }

    fn link_device(&self, device: Device) -> Result<(), Status> {
        let mut state = self.shared.call_outside();
        let now = state.device(device);
        if now.failing.link {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        if now.link_taken {
            return Err(Status::OBJECT_NAME_COLLISION);
        }
        let ready = now.created && now.protected && !now.linked;
        now.linked = true;
        if !ready {
            state.violation(format!("{device:?} was linked unprotected, or twice"));
        }
        Ok(())
    }

    fn unlink_device(&self, device: Device) {
        let mut state = self.shared.call_outside();
        if !std::mem::take(&mut state.device(device).linked) {
            state.violation(format!("{device:?} was unlinked, and had no link of ours"));
        }
    }

    fn delete_device(&self, device: Device) {
        let mut state = self.shared.call_outside();
        let now = state.device(device);
        let linked = now.linked;
        now.protected = false;
        if !std::mem::take(&mut now.created) || linked {
            state.violation(format!("{device:?} was deleted twice, or with its link"));
        }
    }

    fn reference_module(&self, wanted: scanner_core::Module) -> Result<ModuleRef, Status> {
        let mut state = self.shared.call("reference_module");
        let DriverObject { instance, unusable } = *state.driver_object(module(wanted));
        if unusable {
            return Err(Status::ACCESS_DENIED);
        }
        let instance = instance.ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
        state.instances[instance].references += 1;
        drop(state);
        Ok(ModuleRef::new(Arc::clone(&self.shared), instance))
    }

    fn for_each_module(&self, show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status> {
        let list = List::read(&self.shared.call("for_each_module"));
        list.show(show)
    }

    fn read_setting(&self, setting: Setting) -> Result<Option<u32>, Status> {
        let mut state = self.shared.call("setting");
        let settings = &state.settings;
        let value = match setting {
            Setting::Limit(wanted) => settings.limit[slot(module(wanted))],
            Setting::Expect(wanted) => settings.expect[slot(module(wanted))],
            Setting::RestoreAtUnload => settings.restore.0,
            Setting::AcceptUnknownRights => settings.accept_unknown_rights.0,
        };
        let read = match value {
            _ if state.failing.settings => Err(Status::UNSUCCESSFUL),
            Value::Unreadable => Err(Status::OBJECT_TYPE_MISMATCH),
            Value::Absent => Ok(None),
            Value::Number(Number(number)) => Ok(Some(number)),
        };
        match setting {
            Setting::AcceptUnknownRights => state.accepts_unknown_rights = read == Ok(Some(1)),
            Setting::RestoreAtUnload => state.restores_at_unload = read == Ok(Some(1)),
            _ => {}
        }
        read
    }

    fn guard(&self) -> Result<bool, Status> {
        let state = self.shared.call("guard");
        match state.failing.guard_read {
            true => Err(Status::ACCESS_DENIED),
            false => Ok(state.guard),
        }
    }

    fn set_guard(&self, set: bool) -> Result<(), Status> {
        let mut state = self.shared.call("set_guard");
        if state.failing.guard_write {
            return Err(Status::ACCESS_DENIED);
        }
        state.guard = set;
        Ok(())
    }

    fn boot_id(&self) -> Result<u64, Status> {
        let state = self.shared.call("boot_id");
        match state.failing.boot_id {
            true => Err(Status::UNSUCCESSFUL),
            false => Ok(state.boot),
        }
    }

    fn read_record(
        &self,
        wanted: scanner_core::Module,
    ) -> Result<Option<[u8; RECORD_SIZE]>, Status> {
        let state = self.shared.call("read_record");
        match state.failing.read_record {
            true => Err(Status::ACCESS_DENIED),
            false => Ok(state.records[slot(module(wanted))]),
        }
    }

    fn read_v0_1_record(
        &self,
        wanted: scanner_core::Module,
    ) -> Result<Option<[u8; V0_1_RECORD_SIZE]>, Status> {
        let state = self.shared.call("read_v0_1_record");
        match state.failing.read_record {
            true => Err(Status::ACCESS_DENIED),
            false => Ok(state.v0_1_records[slot(module(wanted))]),
        }
    }

    fn write_record(
        &self,
        wanted: scanner_core::Module,
        record: &[u8; RECORD_SIZE],
    ) -> Result<(), Status> {
        let mut state = self.shared.call("write_record");
        if state.failing.write_record {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        state.records[slot(module(wanted))] = Some(*record);
        state.record_writes += 1;
        Ok(())
    }

    fn safe_mode(&self) -> bool {
        self.shared.call("safe_mode").safe_mode
    }

    fn log(&self, event: &Event) {
        self.shared.call_outside().events.push(*event);
    }
}
