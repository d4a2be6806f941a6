//! Load, unload and restart.

use tcplimit_driver::{Device, Driver};
use tcplimit_protocol::Status;

use super::Action;
use super::checkpoint::Checkpoint;
use super::run::Run;
use crate::kernel::{Processor, State};

impl<M: Processor> Run<M> {
    pub(super) fn load(&mut self, before: &Checkpoint) -> Status {
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
        before.check_invariants(&self.kernel().state());
        let mut state = self.driver.kernel().state();
        let disturbed = before.has_fault_since(&state);
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
            self.replace_driver();
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
            self.mark_uncertain(before);
        } else {
            if let Some(writes) = writes {
                before.assert_writes(&state, &writes);
                // Set and removed, or left alone.
                assert_eq!(state.guard, before.guard, "the mark after the start");
            } else {
                model.forget_records(state.record_writes > before.record_writes);
            }
            drop(state);
            self.model = model;
        }
        Status::SUCCESS
    }

    pub(super) fn unload(&mut self, before: &Checkpoint) -> Status {
        if !self.is_loaded {
            return Status::SUCCESS;
        }
        let mut model = self.model.clone();
        let writes = model.unload(&self.kernel().state());
        self.driver.unload();
        self.is_loaded = false;
        before.check_invariants(&self.kernel().state());
        let state = self.driver.kernel().state();
        assert!(!state.has_devices(), "devices are left");
        assert_eq!(state.guard, before.guard);
        if before.has_fault_since(&state) {
            drop(state);
            self.mark_uncertain(before);
        } else {
            match writes {
                Some(writes) => before.assert_writes(&state, &writes),
                None => model.forget_records(state.record_writes > before.record_writes),
            }
            drop(state);
            self.model = model;
        }
        self.replace_driver();
        Status::SUCCESS
    }

    /// Replaces the unloaded driver by a fresh one.
    fn replace_driver(&mut self) {
        self.model.forget();
        let (kernel, exclusion) = {
            let kernel = self.kernel().share();
            let exclusion = kernel.exclusion();
            (kernel, exclusion)
        };
        self.driver = Driver::new(kernel, exclusion);
    }

    /// Restarts Windows; only data on disk survives.
    pub(super) fn restart(&mut self) -> Status {
        let guard = self.kernel().state().guard;
        self.system.guard = guard;
        let mut run = Run::start(&self.system, self.layout);
        std::mem::swap(self, &mut run);
        Status::SUCCESS
    }

    /// Checks and restarts after a power failure during a call.
    pub(super) fn recover_from_power_failure(&mut self, action: &Action, before: &Checkpoint) {
        before.check_invariants(&self.kernel().state());
        let state = self.kernel().state();
        if *action == Action::Load && !before.writes(&state).is_empty() {
            assert!(state.guard, "the next start must know that this one failed");
        }
        drop(state);
        self.restart();
    }
}

/// The expected result of creating the devices.
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
