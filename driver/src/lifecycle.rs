//! Load and unload: the devices, and the limits stored for start-up.

use scanner_core::Module;
use tcplimit_protocol::{Reason, Start, Status};

use crate::driver::{Command, Driver, Expected, Options, State};
use crate::event::Event;
use crate::kernel::{Device, Kernel, Setting};
use crate::lock::Exclusion;
use crate::message::Message;
use crate::outcome::Outcome;

impl<K: Kernel, E: Exclusion> Driver<K, E> {
    /// Creates the devices and applies the stored limits.
    ///
    /// # Errors
    /// If a device can't be created, for example since another driver has its
    /// name: then nothing is left behind or changed. A stored limit that can't be
    /// applied is no error.
    pub fn load(&self) -> Result<(), Status> {
        // The system may have kept the variables of a failed load.
        self.state.with(State::reset);
        self.create(Device::Ours)?;
        if let Err(status) = self.create(Device::Legacy) {
            self.delete(Device::Ours);
            return Err(status);
        }
        self.kernel.log(&Event::for_driver(Message::Loaded));
        self.state.with(|state| {
            state.options = Options {
                accepts_unknown_rights: self.is_set(Setting::AcceptUnknownRights),
                restores_at_unload: self.is_set(Setting::RestoreAtUnload),
            };
            if state.options.accepts_unknown_rights {
                let message = Message::AcceptsUnknownRights;
                self.kernel.log(&Event::for_driver(message));
            }
            self.apply_stored_limits(state);
        });
        Ok(())
    }

    /// Restores the limits if configured, and deletes the devices.
    pub fn unload(&self) {
        self.unlink();
        self.state.with(|state| {
            if state.options.restores_at_unload {
                for module in Module::ALL {
                    self.restore(state, module);
                }
            }
        });
        for device in Device::ALL {
            self.kernel.delete_device(device);
        }
        self.kernel.log(&Event::for_driver(Message::Unloaded));
    }

    fn unlink(&self) {
        for device in Device::ALL {
            self.kernel.unlink_device(device);
        }
    }

    fn create(&self, device: Device) -> Result<(), Status> {
        self.kernel.create_device(device)?;
        // Protect it before programs can open it by name.
        let ready = self
            .kernel
            .protect_device(device)
            .and_then(|()| self.kernel.link_device(device));
        if ready.is_err() {
            self.kernel.delete_device(device);
        }
        ready
    }

    fn delete(&self, device: Device) {
        self.kernel.unlink_device(device);
        self.kernel.delete_device(device);
    }

    /// Whether an option is on. One that can't be read is off, which is safe for
    /// both.
    fn is_set(&self, setting: Setting) -> bool {
        self.kernel.read_setting(setting) == Ok(Some(1))
    }

    /// Applies the stored limits, unless that may have kept the system from
    /// starting the last time.
    fn apply_stored_limits(&self, state: &mut State) {
        // Read it always, so that a manual set removes it.
        let guard = self.kernel.guard();
        state.guarded = guard != Ok(false);
        let mut any = false;
        for module in Module::ALL {
            match self.kernel.read_setting(Setting::Limit(module)) {
                Ok(configured) => {
                    state.history(module).configured = configured;
                    any |= configured.is_some();
                }
                Err(_) => self.refuse_stored_limit(state, module, 0, Reason::SettingUnreadable),
            }
        }
        if !any {
            return;
        }
        if self.kernel.safe_mode() {
            return self.skip_stored_limits(state, Start::SafeMode, Message::SafeMode);
        }
        match guard {
            Ok(false) => {}
            Ok(true) => return self.skip_stored_limits(state, Start::Guarded, Message::Guarded),
            Err(_) => return self.refuse_stored_limits(state, Reason::GuardFailed),
        }
        if self.kernel.set_guard(true).is_err() {
            // The mark may exist all the same, and reach the disk later.
            state.guarded = true;
            return self.refuse_stored_limits(state, Reason::GuardFailed);
        }
        for module in Module::ALL {
            if let Some(limit) = state.history(module).configured {
                self.apply_stored_limit(state, module, limit);
            }
        }
        if self.kernel.set_guard(false).is_err() {
            state.guarded = true;
            self.kernel.log(&Event::for_driver(Message::GuardKept));
        }
    }

    fn apply_stored_limit(&self, state: &mut State, module: Module, limit: u32) {
        let Ok(expected) = self.kernel.read_setting(Setting::Expect(module)) else {
            return self.refuse_stored_limit(state, module, limit, Reason::SettingUnreadable);
        };
        let expected = expected.map_or(Expected::Own, Expected::OwnOr);
        let command = Command::Set { limit, expected };
        match self.execute(state, module, command) {
            Outcome::DONE => state.history(module).start = Start::Applied,
            outcome => self.refuse_stored_limit(state, module, limit, outcome.reason),
        }
    }

    /// Applies none of the stored limits, and logs why.
    fn skip_stored_limits(&self, state: &mut State, start: Start, message: Message) {
        for module in Module::ALL {
            let history = state.history(module);
            if history.configured.is_some() {
                history.start = start;
            }
        }
        self.kernel.log(&Event::for_driver(message));
    }

    fn refuse_stored_limits(&self, state: &mut State, reason: Reason) {
        for module in Module::ALL {
            if let Some(limit) = state.history(module).configured {
                self.refuse_stored_limit(state, module, limit, reason);
            }
        }
    }

    fn refuse_stored_limit(&self, state: &mut State, module: Module, limit: u32, reason: Reason) {
        let history = state.history(module);
        history.start = Start::Refused;
        history.start_reason = reason;
        self.log(module, Message::NotApplied(reason), [limit, 0]);
    }

    /// Restores the original limit, if the current one is the driver's own.
    fn restore(&self, state: &mut State, module: Module) {
        // The query also reads the record of an earlier load.
        let looked = self.execute(state, module, Command::Query);
        let Some(written) = state.history(module).written else {
            return;
        };
        let limit = state.limit();
        if written.last == written.original || limit == written.original {
            return;
        }
        let limit = written.original;
        let command = Command::Set {
            limit,
            expected: Expected::Just(written.last),
        };
        let outcome = match looked {
            Outcome::DONE => self.execute(state, module, command),
            outcome => outcome,
        };
        if outcome != Outcome::DONE {
            self.log(module, Message::NotRestored(outcome.reason), [limit, 0]);
        }
    }
}
