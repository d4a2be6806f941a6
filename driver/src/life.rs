//! From load to unload: devices, and limits applied at start.

use scanner_core::Module;
use tcplimit_protocol::{Reason, Start, Status};

use crate::cause::Cause;
use crate::driver::{Driver, Expected, Options, State, Wish};
use crate::event::Event;
use crate::kernel::{Device, Kernel, Setting};
use crate::lock::Exclusion;
use crate::message::Message;

impl<K: Kernel, E: Exclusion> Driver<K, E> {
    /// Creates the devices and applies the stored limits.
    ///
    /// # Errors
    /// When a device can't be made, as when another driver has its name: then
    /// nothing is left behind, and nothing was changed. A stored limit that
    /// can't be applied is no error.
    pub fn load(&self) -> Result<(), Status> {
        // The system may have kept the variables of a load that failed.
        self.state.use_with(State::reset);
        self.create(Device::Ours)?;
        if let Err(status) = self.create(Device::Legacy) {
            self.delete(Device::Ours);
            return Err(status);
        }
        self.kernel.log(&Event::own(Message::Loaded));
        self.state.use_with(|state| {
            state.options = Options {
                accepts_unknown_rights: self.is_set(Setting::AcceptUnknownRights),
                restores_at_unload: self.is_set(Setting::RestoreAtUnload),
            };
            if state.options.accepts_unknown_rights {
                let message = Message::AcceptsUnknownRights;
                self.kernel.log(&Event::own(message));
            }
            self.apply(state);
        });
        Ok(())
    }

    /// Puts the limits back if asked, and deletes the devices.
    pub fn unload(&self) {
        self.unlink();
        self.state.use_with(|state| {
            if state.options.restores_at_unload {
                for module in Module::ALL {
                    self.restore(state, module);
                }
            }
        });
        for device in Device::ALL {
            self.kernel.delete_device(device);
        }
        self.kernel.log(&Event::own(Message::Unloaded));
    }

    fn unlink(&self) {
        for device in Device::ALL {
            self.kernel.unlink_device(device);
        }
    }

    fn create(&self, device: Device) -> Result<(), Status> {
        self.kernel.create_device(device)?;
        // Protected before it has a name that programs can open.
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

    /// Whether a switch is on. One that can't be read is off: that is the safe
    /// side of both.
    fn is_set(&self, setting: Setting) -> bool {
        self.kernel.setting(setting) == Ok(Some(1))
    }

    /// Applies the stored limits, unless that may be what kept the system from
    /// coming up the last time.
    fn apply(&self, state: &mut State) {
        // Read also where it will not be needed, so that a set by hand lifts it.
        let guard = self.kernel.guard();
        state.guarded = guard != Ok(false);
        let mut any = false;
        for module in Module::ALL {
            match self.kernel.setting(Setting::Limit(module)) {
                Ok(configured) => {
                    state.known(module).configured = configured;
                    any |= configured.is_some();
                }
                Err(_) => self.not_applied(state, module, 0, Reason::SettingUnreadable),
            }
        }
        if !any {
            return;
        }
        if self.kernel.safe_mode() {
            return self.skip(state, Start::SafeMode, Message::SafeMode);
        }
        match guard {
            Ok(false) => {}
            Ok(true) => return self.skip(state, Start::Guarded, Message::Guarded),
            Err(_) => return self.each_not_applied(state, Reason::GuardFailed),
        }
        if self.kernel.set_guard(true).is_err() {
            // It may be there all the same, and reach the disk later.
            state.guarded = true;
            return self.each_not_applied(state, Reason::GuardFailed);
        }
        for module in Module::ALL {
            if let Some(limit) = state.known(module).configured {
                self.apply_to(state, module, limit);
            }
        }
        if self.kernel.set_guard(false).is_err() {
            state.guarded = true;
            self.kernel.log(&Event::own(Message::GuardKept));
        }
    }

    fn apply_to(&self, state: &mut State, module: Module, limit: u32) {
        let Ok(expected) = self.kernel.setting(Setting::Expect(module)) else {
            return self.not_applied(state, module, limit, Reason::SettingUnreadable);
        };
        let expected = expected.map_or(Expected::Own, Expected::OwnOr);
        let wish = Wish::Set { limit, expected };
        match self.act(state, module, wish) {
            Cause::DONE => state.known(module).start = Start::Applied,
            cause => self.not_applied(state, module, limit, cause.reason),
        }
    }

    /// Applies none of the stored limits, and says why.
    fn skip(&self, state: &mut State, start: Start, message: Message) {
        for module in Module::ALL {
            let known = state.known(module);
            if known.configured.is_some() {
                known.start = start;
            }
        }
        self.kernel.log(&Event::own(message));
    }

    fn each_not_applied(&self, state: &mut State, reason: Reason) {
        for module in Module::ALL {
            if let Some(limit) = state.known(module).configured {
                self.not_applied(state, module, limit, reason);
            }
        }
    }

    fn not_applied(&self, state: &mut State, module: Module, limit: u32, reason: Reason) {
        let known = state.known(module);
        known.start = Start::Refused;
        known.start_reason = reason;
        self.tell(module, Message::NotApplied(reason), [limit, 0]);
    }

    /// Puts back the limit that the driver first found, where it is still the
    /// one that it wrote.
    fn restore(&self, state: &mut State, module: Module) {
        // Looking also recalls what an earlier load wrote.
        let looked = self.act(state, module, Wish::Look);
        let Some(written) = state.known(module).written else {
            return;
        };
        let limit = state.limit();
        if written.last == written.original || limit == written.original {
            return;
        }
        let limit = written.original;
        let wish = Wish::Set {
            limit,
            expected: Expected::Just(written.last),
        };
        let cause = match looked {
            Cause::DONE => self.act(state, module, wish),
            cause => cause,
        };
        if cause != Cause::DONE {
            self.tell(module, Message::NotRestored(cause.reason), [limit, 0]);
        }
    }
}
