//! The driver: its state, and the execution of requests.

use core::fmt;

use scanner_core::policy::{PRISTINE_LIMIT, PageFacts, WriteRequest, is_in_force, permit};
use scanner_core::{Module, SectionFlags, Workspace};
use tcplimit_protocol::{Answer, Flags, Header, ModuleId, Reason, Status};
use zerocopy::IntoBytes;

use crate::event::Event;
use crate::inspect::{Inspection, inspect};
use crate::kernel::{Kernel, ModuleRef};
use crate::lock::{Exclusion, Lock};
use crate::message::Message;
use crate::module_history::ModuleHistory;
use crate::outcome::Outcome;

/// The version in an [`Answer`].
pub(crate) const VERSION: u32 = version(env!("CARGO_PKG_VERSION"));

/// `tcplimit.sys` without the calls of the system.
pub struct Driver<K, E> {
    pub(crate) kernel: K,
    pub(crate) state: Lock<State, E>,
}

/// The state, used by one thread at a time.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tcpip: ModuleHistory,
    pub(crate) tcpip6: ModuleHistory,
    pub(crate) options: Options,
    /// The start mark may be set.
    pub(crate) guarded: bool,
    /// The locator's memory.
    workspace: Workspace,
    /// The answer to the current request. Both are here since a kernel's stack
    /// is small.
    answer: Answer,
}

impl State {
    /// The limit in the last answer.
    pub(crate) fn limit(&self) -> u32 {
        self.answer.limit.get()
    }

    pub(crate) fn history(&mut self, module: Module) -> &mut ModuleHistory {
        match module {
            Module::Tcpip => &mut self.tcpip,
            Module::Tcpip6 => &mut self.tcpip6,
        }
    }

    /// Resets the state of an earlier load. The workspace stays: a search reads
    /// nothing that an earlier one left in it.
    pub(crate) fn reset(&mut self) {
        self.tcpip = ModuleHistory::new();
        self.tcpip6 = ModuleHistory::new();
        self.options = Options::NONE;
        self.guarded = false;
        self.answer.as_mut_bytes().fill(0);
    }
}

/// Options in the service key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Write also to a page of unknown rights.
    pub(crate) accepts_unknown_rights: bool,
    pub(crate) restores_at_unload: bool,
}

impl Options {
    /// All off.
    const NONE: Options = Options {
        accepts_unknown_rights: false,
        restores_at_unload: false,
    };
}

/// A client's command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Query,
    Set { limit: u32, expected: Expected },
}

/// The limit that must be in force for it to be changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// 10, or the limit that this driver wrote.
    Own,
    /// Only this one.
    Just(u32),
    /// 10, the limit that this driver wrote, or this one.
    OwnOr(u32),
}

impl<K: Kernel, E: Exclusion> Driver<K, E> {
    /// A driver that is not loaded yet.
    pub const fn new(kernel: K, exclusion: E) -> Driver<K, E> {
        let state = State {
            tcpip: ModuleHistory::new(),
            tcpip6: ModuleHistory::new(),
            options: Options::NONE,
            guarded: false,
            workspace: Workspace::new(),
            answer: NO_ANSWER,
        };
        Driver {
            kernel,
            state: Lock::new(state, exclusion),
        }
    }

    /// The system.
    pub const fn kernel(&self) -> &K {
        &self.kernel
    }

    /// The lock's exclusion.
    pub const fn exclusion(&self) -> &E {
        self.state.exclusion()
    }

    /// Executes a client's command, one client at a time, logs it, and passes
    /// the answer to `answered`.
    pub(crate) fn serve<R>(
        &self,
        module: Module,
        command: Command,
        answered: impl FnOnce(&Answer) -> R,
    ) -> R {
        self.state.with(|state| {
            let outcome = self.execute(state, module, command);
            if let Command::Set { limit, .. } = command {
                if outcome == Outcome::DONE {
                    self.clear_start_mark(state);
                } else {
                    let refused = Message::Refused(outcome.reason);
                    self.log(module, refused, [limit, 0]);
                }
            }
            answered(&state.answer)
        })
    }

    /// Inspects a module, changes its limit if commanded, and writes the answer.
    pub(crate) fn execute(&self, state: &mut State, module: Module, command: Command) -> Outcome {
        let State {
            tcpip,
            tcpip6,
            options,
            workspace,
            answer,
            ..
        } = state;
        let history = match module {
            Module::Tcpip => tcpip,
            Module::Tcpip6 => tcpip6,
        };
        reset_answer(module, answer);
        let mut inspection = Inspection::NOTHING;
        let inspected = inspect(&self.kernel, module, history, workspace, &mut inspection);
        let done = inspected.and_then(|(held, section)| {
            // Something hides the module, or the system has no list (Wine).
            let hidden = inspection.unlisted && !options.accepts_unknown_rights;
            let done = match command {
                Command::Set { limit, expected } if !hidden => {
                    self.change(&held, section, history, *options, limit, expected)
                }
                _ => Ok(()),
            };
            let seen = write_values(&held, history, answer);
            match command {
                Command::Query => seen,
                Command::Set { .. } if hidden => seen.and(Err(Reason::ListDiffers.into())),
                // The change counts, even if the page is gone by now.
                Command::Set { .. } => done,
            }
        });
        let outcome = done.err().unwrap_or(Outcome::DONE);
        self.log_if_changed(history, module, &inspection, outcome, answer.limit.get());
        write_details(history, &inspection, *options, outcome, answer);
        outcome
    }

    /// Changes the limit of a located module, if the policy permits it. A limit
    /// already in force is neither written nor recorded.
    #[inline(never)]
    fn change(
        &self,
        held: &K::ModuleRef,
        section: SectionFlags,
        history: &mut ModuleHistory,
        options: Options,
        limit: u32,
        wanted: Expected,
    ) -> Result<(), Outcome> {
        let located = history.located()?;
        let (module, place) = (located.module(), located.threshold());
        let current = held.read(place).ok_or(Reason::PageInvalid)?;
        let named = match wanted {
            Expected::Just(value) => Some(value),
            Expected::Own | Expected::OwnOr(_) => None,
        };
        let refused = |refusal| Outcome::from(refusal).with_named_value(named.is_some());
        if is_in_force(current, named, limit).map_err(refused)? {
            return Ok(());
        }
        let expected = match wanted {
            Expected::Just(value) => value,
            Expected::Own | Expected::OwnOr(_) if history.wrote(current) => current,
            Expected::OwnOr(value) if current != PRISTINE_LIMIT => value,
            Expected::Own | Expected::OwnOr(_) => PRISTINE_LIMIT,
        };
        let PageFacts { valid, writable } = held.page_facts(place);
        // A page known to be read-only stays so.
        let writable = writable.or(options.accepts_unknown_rights.then_some(true));
        let permit = permit(
            located,
            &WriteRequest {
                section,
                page: PageFacts { valid, writable },
                current,
                expected,
                limit,
            },
        )
        .map_err(refused)?;
        held.exchange(permit)?;

        if history
            .record_write(&self.kernel, module, current, limit)
            .is_err()
        {
            self.log(module, Message::NotRemembered, [0; 2]);
        }
        self.log(module, Message::Changed, [current, limit]);
        match held.read(place) {
            Some(now) if now == limit => Ok(()),
            now => Err(Outcome::with(Reason::Overwritten, now.unwrap_or(0))),
        }
    }

    /// Removes the start mark: a set that worked shows that the driver does no
    /// harm here.
    fn clear_start_mark(&self, state: &mut State) {
        if state.guarded {
            match self.kernel.set_guard(false) {
                Ok(()) => state.guarded = false,
                Err(_) => self.kernel.log(&Event::for_driver(Message::GuardKept)),
            }
        }
    }

    /// Logs whether the limit was located, once, and again when that changes:
    /// clients may ask every second.
    fn log_if_changed(
        &self,
        history: &mut ModuleHistory,
        module: Module,
        inspection: &Inspection,
        outcome: Outcome,
        limit: u32,
    ) {
        let located =
            inspection.state == tcplimit_protocol::State::Located && outcome.limit_is_readable();
        let reason = if located {
            Reason::Done
        } else {
            outcome.reason
        };
        if history.last_logged == Some(reason) {
            return;
        }
        history.last_logged = Some(reason);
        if located {
            self.log(module, Message::Located, [limit, 0]);
        } else {
            self.log(module, Message::NotLocated(reason), [0; 2]);
        }
    }

    // Not inlined, here and below, to save stack.
    #[inline(never)]
    pub(crate) fn log(&self, module: Module, message: Message, numbers: [u32; 2]) {
        self.kernel
            .log(&Event::for_module(module, message, numbers));
    }
}

/// Writes the three variables and their RVAs into the answer.
#[inline(never)]
fn write_values<H: ModuleRef>(
    held: &H,
    history: &mut ModuleHistory,
    answer: &mut Answer,
) -> Result<(), Outcome> {
    let located = history.located()?;
    answer.limit_rva = located.threshold().0.into();
    answer.half_open_rva = located.count().0.into();
    answer.queued_rva = located.queue().0.into();
    let read = |rva| held.read(rva).ok_or(Reason::PageInvalid);
    answer.limit = read(located.threshold())?.into();
    answer.half_open = read(located.count())?.into();
    answer.queued = read(located.queue())?.into();
    history.record_half_open(answer.half_open.get());
    Ok(())
}

/// Writes all other fields of the answer.
#[inline(never)]
fn write_details(
    history: &ModuleHistory,
    inspection: &Inspection,
    options: Options,
    outcome: Outcome,
    answer: &mut Answer,
) {
    answer.state = inspection.state.code().into();
    answer.reason = outcome.reason.code().into();
    answer.detail = outcome.detail.map(Into::into);
    answer.peak = history.peak.into();
    if let Some(written) = history.written {
        answer.written = written.last.into();
        answer.original = written.original.into();
    }
    answer.identity = inspection.identity;
    answer.evidence = u32::from(inspection.evidence.bits()).into();
    answer.missing = u32::from(inspection.missing.bits()).into();
    answer.configured = history.configured.unwrap_or(0).into();
    answer.start = history.start.code().into();
    answer.start_reason = history.start_reason.code().into();
    let flag = |holds: bool, flag| if holds { flag } else { 0 };
    let flags = flag(inspection.unlisted, Flags::UNLISTED)
        | flag(history.by_earlier_load, Flags::WRITTEN_BY_EARLIER_LOAD)
        | flag(
            options.accepts_unknown_rights,
            Flags::ACCEPTS_UNKNOWN_RIGHTS,
        )
        | flag(options.restores_at_unload, Flags::RESTORES_AT_UNLOAD);
    answer.flags = flags.into();
}

/// The answer before the first request.
const NO_ANSWER: Answer = zerocopy::transmute!([0_u8; size_of::<Answer>()]);

/// Resets the answer to one about a module of which nothing is known.
fn reset_answer(module: Module, answer: &mut Answer) {
    answer.as_mut_bytes().fill(0);
    answer.header = Header::for_record::<Answer>();
    answer.driver = VERSION.into();
    answer.module = match module {
        Module::Tcpip => ModuleId::TCPIP,
        Module::Tcpip6 => ModuleId::TCPIP6,
    };
}

/// The module of a record.
pub(crate) fn module(id: ModuleId) -> Result<Module, Status> {
    match id {
        ModuleId::TCPIP => Ok(Module::Tcpip),
        ModuleId::TCPIP6 => Ok(Module::Tcpip6),
        _ => Err(Status::INVALID_PARAMETER),
    }
}

/// Major, minor and patch, a byte each.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "evaluated by the compiler, where a mistake is an error"
)]
const fn version(text: &str) -> u32 {
    let (mut version, mut part, mut rest) = (0, 0, text.as_bytes());
    while let [byte, tail @ ..] = rest {
        match byte {
            b'0'..=b'9' => part = part * 10 + (*byte - b'0') as u32,
            b'.' => (version, part) = ((version | part) << 8, 0),
            _ => break,
        }
        rest = tail;
    }
    version | part
}

impl<K, E> fmt::Debug for Driver<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_a_byte_for_each_of_its_numbers() {
        assert_eq!(version("0.12.3"), 0x0000_0C03);
        assert_eq!(version("10.2.34-beta.1"), 0x000A_0222);
    }
}
