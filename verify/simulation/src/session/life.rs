//! From load to unload, and from one start of Windows to the next.

use tcplimit_driver::{Device, Driver};
use tcplimit_protocol::Status;

use super::Action;
use super::before::Before;
use super::run::Run;
use crate::kernel::{Processor, State};

impl<M: Processor> Run<M> {
    pub(super) fn load(&mut self, before: &Before) -> Status {
        if self.is_loaded {
            return Status::SUCCESS;
        }
        let mut model = self.model.clone();
        let (created, writes) = {
            let mut state = self.kernel().state();
            (created(&mut state), model.load(&state))
        };
        let result = self.driver.load();
        self.is_loaded = result.is_ok();
        before.holds(&self.kernel().state());
        let mut state = self.driver.kernel().state();
        let disturbed = before.is_over(&state);
        if !disturbed {
            assert_eq!(result, created);
        }
        if let Err(status) = result {
            assert!(
                !state.has_devices(),
                "a driver that isn't loaded has devices"
            );
            assert_eq!(before.writes(&state), [], "nor does it write");
            drop(state);
            self.rest();
            return status;
        }
        for device in Device::ALL {
            let device = state.device(device);
            assert!(device.created && device.protected && device.linked);
        }
        if disturbed {
            self.model.accepts = state.accepts_unknown_rights;
            self.model.restores = state.restores_at_unload;
            drop(state);
            self.doubt(before);
        } else {
            if let Some(writes) = writes {
                before.wrote(&state, &writes);
                // Set and taken away, or left alone.
                assert_eq!(state.guard, before.guard, "the mark after the start");
            } else {
                model.unlearn(state.record_writes > before.record_writes);
            }
            drop(state);
            self.model = model;
        }
        Status::SUCCESS
    }

    pub(super) fn unload(&mut self, before: &Before) -> Status {
        if !self.is_loaded {
            return Status::SUCCESS;
        }
        let mut model = self.model.clone();
        let writes = model.unload(&self.kernel().state());
        self.driver.unload();
        self.is_loaded = false;
        before.holds(&self.kernel().state());
        let state = self.driver.kernel().state();
        assert!(!state.has_devices(), "devices are left");
        assert_eq!(state.guard, before.guard);
        if before.is_over(&state) {
            drop(state);
            self.doubt(before);
        } else {
            match writes {
                Some(writes) => before.wrote(&state, &writes),
                None => model.unlearn(state.record_writes > before.record_writes),
            }
            drop(state);
            self.model = model;
        }
        self.rest();
        Status::SUCCESS
    }

    /// The driver is gone, and with it all that it knew.
    fn rest(&mut self) {
        self.model.forget();
        let (kernel, exclusion) = {
            let kernel = self.kernel().share();
            let exclusion = kernel.exclusion();
            (kernel, exclusion)
        };
        self.driver = Driver::new(kernel, exclusion);
    }

    /// Windows starts again; only what is on disk stays.
    pub(super) fn restart(&mut self) -> Status {
        let guard = self.kernel().state().guard;
        self.system.guard = guard;
        let mut run = Run::start(&self.system, self.layout);
        std::mem::swap(self, &mut run);
        Status::SUCCESS
    }

    /// The power failed while the driver was at work.
    pub(super) fn lights_out(&mut self, action: &Action, before: &Before) {
        before.holds(&self.kernel().state());
        let state = self.kernel().state();
        if *action == Action::Load && !before.writes(&state).is_empty() {
            assert!(state.guard, "the next start must know that this one failed");
        }
        drop(state);
        self.restart();
    }
}

/// Whether the devices can be made.
fn created(state: &mut State) -> Result<(), Status> {
    for device in Device::ALL {
        let device = *state.device(device);
        for (fails, status) in [
            (device.failing.create, Status::INSUFFICIENT_RESOURCES),
            (device.name_taken, Status::OBJECT_NAME_COLLISION),
            (device.failing.protect, Status::ACCESS_DENIED),
            (device.failing.link, Status::INSUFFICIENT_RESOURCES),
            (device.link_taken, Status::OBJECT_NAME_COLLISION),
        ] {
            if fails {
                return Err(status);
            }
        }
    }
    Ok(())
}
