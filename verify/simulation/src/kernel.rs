//! A system for the driver to run in, made of built specimens: it does what a
//! [`tcplimit_driver::Kernel`] is told, fails where it is asked to, and notes
//! whatever the driver must not do.
//!
//! Read in this order: [`Configuration`] (what is set up), [`Fault`] (what
//! goes wrong), [`Instance`] (a module in memory), [`State`] (all of it).

mod build;
mod configuration;
mod exclusion;
mod fault;
mod held;
mod instance;
mod list;
mod module;
mod state;

use std::marker::PhantomData;
use std::sync::{Arc, MutexGuard};

use tcplimit_driver::{Device, Entry, Event, FORMER_RECORD, RECORD, Setting};
use tcplimit_protocol::Status;

pub use build::{Build, PAGE, Site, World, all, named, sound};
pub use configuration::{
    Choice, Configuration, Installed, Listing, Name, Number, PathStyle, Says, Settings, Switch,
    Value,
};
pub use exclusion::{Watch, Watched};
pub use fault::{Fault, Part, Right, Which};
pub use held::Held;
pub use instance::{Code, Instance};
pub use list::Witness;
pub(crate) use module::{module, slot};
pub use state::{Broken, DeviceFails, DeviceState, Exchanged, Place, PowerFailure, State};

use list::List;
use specimen::Arch;
use state::Shared;

/// Which processor a system runs on, as a type.
pub trait Machine {
    /// Which.
    const ARCH: scanner_core::Arch;
}

/// A 32-bit system.
#[derive(Debug, Clone, Copy)]
pub struct X86;

/// A 64-bit system.
#[derive(Debug, Clone, Copy)]
pub struct X64;

impl Machine for X86 {
    const ARCH: scanner_core::Arch = scanner_core::Arch::X86;
}

impl Machine for X64 {
    const ARCH: scanner_core::Arch = scanner_core::Arch::X64;
}

/// A system, from one start to the next.
#[derive(Debug)]
pub struct System<M> {
    shared: Arc<Shared>,
    machine: PhantomData<M>,
}

impl<M: Machine> System<M> {
    /// A system that was just started.
    pub fn start(of: &Configuration, world: World) -> System<M> {
        let expected = match of.arch {
            Arch::X86 => scanner_core::Arch::X86,
            Arch::X64 => scanner_core::Arch::X64,
        };
        assert_eq!(M::ARCH, expected, "another system's configuration");
        System {
            shared: Shared::new(State::new(of, world)),
            machine: PhantomData,
        }
    }

    /// The same system, for the next driver.
    pub fn again(&self) -> System<M> {
        System {
            shared: Arc::clone(&self.shared),
            machine: PhantomData,
        }
    }

    /// All that it is now. The driver must not be called meanwhile.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// What keeps all threads but one out of a driver that runs in it.
    pub fn exclusion(&self) -> Watched {
        Watched(Arc::clone(&self.shared.watch))
    }
}

impl<M: Machine> tcplimit_driver::Kernel for System<M> {
    type Held = Held;

    const ARCH: scanner_core::Arch = M::ARCH;

    fn create_device(&self, device: Device) -> Result<(), Status> {
        let mut state = self.shared.call_outside();
        let now = state.device(device);
        if now.fails.create {
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
        if now.fails.protect {
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
        if now.fails.link {
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

    fn hold(&self, wanted: scanner_core::Module) -> Result<Held, Status> {
        let mut state = self.shared.call("hold");
        let Place { instance, unusable } = *state.place(module(wanted));
        if unusable {
            return Err(Status::ACCESS_DENIED);
        }
        let instance = instance.ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
        state.instances[instance].holds += 1;
        drop(state);
        Ok(Held::new(Arc::clone(&self.shared), instance))
    }

    fn list(&self, show: impl FnMut(&Entry<'_>)) -> Result<(), Status> {
        let list = List::of(&self.shared.call("list"));
        list.show(show)
    }

    fn setting(&self, setting: Setting) -> Result<Option<u32>, Status> {
        let mut state = self.shared.call("setting");
        let settings = &state.settings;
        let value = match setting {
            Setting::Limit(wanted) => settings.limit[slot(module(wanted))],
            Setting::Expect(wanted) => settings.expect[slot(module(wanted))],
            Setting::RestoreAtUnload => settings.restore.0,
            Setting::AcceptUnknownRights => settings.accept_unknown_rights.0,
        };
        let read = match value {
            _ if state.broken.settings => Err(Status::UNSUCCESSFUL),
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
        match state.broken.guard_read {
            true => Err(Status::ACCESS_DENIED),
            false => Ok(state.guard),
        }
    }

    fn set_guard(&self, set: bool) -> Result<(), Status> {
        let mut state = self.shared.call("set_guard");
        if state.broken.guard_write {
            return Err(Status::ACCESS_DENIED);
        }
        state.guard = set;
        Ok(())
    }

    fn boot(&self) -> Result<u64, Status> {
        let state = self.shared.call("boot");
        match state.broken.boot {
            true => Err(Status::UNSUCCESSFUL),
            false => Ok(state.boot),
        }
    }

    fn recall(&self, wanted: scanner_core::Module) -> Result<Option<[u8; RECORD]>, Status> {
        let state = self.shared.call("recall");
        match state.broken.recall {
            true => Err(Status::ACCESS_DENIED),
            false => Ok(state.remembered[slot(module(wanted))]),
        }
    }

    fn recall_former(
        &self,
        wanted: scanner_core::Module,
    ) -> Result<Option<[u8; FORMER_RECORD]>, Status> {
        let state = self.shared.call("recall_former");
        match state.broken.recall {
            true => Err(Status::ACCESS_DENIED),
            false => Ok(state.former[slot(module(wanted))]),
        }
    }

    fn remember(&self, wanted: scanner_core::Module, record: &[u8; RECORD]) -> Result<(), Status> {
        let mut state = self.shared.call("remember");
        if state.broken.remember {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        state.remembered[slot(module(wanted))] = Some(*record);
        state.remembers += 1;
        Ok(())
    }

    fn safe_mode(&self) -> bool {
        self.shared.call("safe_mode").safe_mode
    }

    fn log(&self, event: &Event) {
        self.shared.call_outside().events.push(*event);
    }
}
