//! The driver: its state, and what it does with a request.

use core::fmt;

use scanner_core::policy::{PRISTINE_LIMIT, PageFacts, WriteRequest, is_in_force, permit};
use scanner_core::{Module, SectionFlags, Workspace};
use tcplimit_protocol::{Answer, Flags, Header, ModuleId, Reason, Status};
use zerocopy::IntoBytes;

use crate::cause::Cause;
use crate::event::Event;
use crate::kernel::{Held, Kernel};
use crate::known::Known;
use crate::lock::{Exclusion, Lock};
use crate::message::Message;
use crate::target::{Sight, look};

/// The version in an [`Answer`].
pub(crate) const VERSION: u32 = version(env!("CARGO_PKG_VERSION"));

/// All that `tcplimit.sys` is, but for the calls of the system.
pub struct Driver<K, E> {
    pub(crate) kernel: K,
    pub(crate) state: Lock<State, E>,
}

/// What one thread at a time may change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tcpip: Known,
    pub(crate) tcpip6: Known,
    pub(crate) options: Options,
    /// The mark is set that guards the start.
    pub(crate) guarded: bool,
    /// What the locator works with.
    workspace: Workspace,
    /// The answer to the request that is being served. Both are here since a
    /// kernel's stack is small.
    answer: Answer,
}

impl State {
    /// The limit in the last answer.
    pub(crate) fn limit(&self) -> u32 {
        self.answer.limit.get()
    }

    pub(crate) fn known(&mut self, module: Module) -> &mut Known {
        match module {
            Module::Tcpip => &mut self.tcpip,
            Module::Tcpip6 => &mut self.tcpip6,
        }
    }

    /// Forgets an earlier load. The workspace stays: a search looks at nothing
    /// that another has left in it.
    pub(crate) fn reset(&mut self) {
        self.tcpip = Known::nothing();
        self.tcpip6 = Known::nothing();
        self.options = Options::NONE;
        self.guarded = false;
        self.answer.as_mut_bytes().fill(0);
    }
}

/// Switches of the service key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Write also where a page's rights can't be told.
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

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Look,
    Set { limit: u32, expected: Expected },
}

/// The limit that must be in force for it to be changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// 10, or what this driver wrote.
    Own,
    /// This one and no other.
    Just(u32),
    /// 10, what this driver wrote, or this one.
    OwnOr(u32),
}

impl<K: Kernel, E: Exclusion> Driver<K, E> {
    /// A driver that was not loaded yet.
    pub const fn new(kernel: K, exclusion: E) -> Driver<K, E> {
        let state = State {
            tcpip: Known::nothing(),
            tcpip6: Known::nothing(),
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

    /// The system that it runs in.
    pub const fn kernel(&self) -> &K {
        &self.kernel
    }

    /// What keeps all threads but one out.
    pub const fn exclusion(&self) -> &E {
        self.state.exclusion()
    }

    /// Does what a client asks, one client at a time, tells the event log, and
    /// hands the answer on.
    pub(crate) fn serve<R>(
        &self,
        module: Module,
        wish: Wish,
        answered: impl FnOnce(&Answer) -> R,
    ) -> R {
        self.state.use_with(|state| {
            let cause = self.act(state, module, wish);
            if let Wish::Set { limit, .. } = wish {
                if cause == Cause::DONE {
                    self.lift_guard(state);
                } else {
                    let refused = Message::Refused(cause.reason);
                    self.tell(module, refused, [limit, 0]);
                }
            }
            answered(&state.answer)
        })
    }

    /// Looks at a module, changes its limit if asked, and describes it in the
    /// answer as it is then.
    pub(crate) fn act(&self, state: &mut State, module: Module, wish: Wish) -> Cause {
        let State {
            tcpip,
            tcpip6,
            options,
            workspace,
            answer,
            ..
        } = state;
        let known = match module {
            Module::Tcpip => tcpip,
            Module::Tcpip6 => tcpip6,
        };
        blank(module, answer);
        let mut sight = Sight::NOTHING;
        let looked = look(&self.kernel, module, known, workspace, &mut sight);
        let done = looked.and_then(|(held, section)| {
            // Something hides it, or there is no such list (Wine).
            let hidden = sight.unlisted && !options.accepts_unknown_rights;
            let done = match wish {
                Wish::Set { limit, expected } if !hidden => {
                    self.change(&held, section, known, *options, limit, expected)
                }
                _ => Ok(()),
            };
            let seen = describe(&held, known, answer);
            match wish {
                Wish::Look => seen,
                Wish::Set { .. } if hidden => seen.and(Err(Reason::ListDiffers.into())),
                // What was done was done, whether or not the page is still there.
                Wish::Set { .. } => done,
            }
        });
        let cause = done.err().unwrap_or(Cause::DONE);
        self.tell_news(known, module, &sight, cause, answer.limit.get());
        report(known, &sight, *options, cause, answer);
        cause
    }

    /// Changes the limit of a located module, if nothing speaks against it. A
    /// limit that is in force already is not written, and stays whose it was.
    #[inline(never)]
    fn change(
        &self,
        held: &K::Held,
        section: SectionFlags,
        known: &mut Known,
        options: Options,
        limit: u32,
        wanted: Expected,
    ) -> Result<(), Cause> {
        let located = known.located()?;
        let (module, place) = (located.module(), located.threshold());
        let current = held.read(place).ok_or(Reason::PageInvalid)?;
        let named = match wanted {
            Expected::Just(value) => Some(value),
            Expected::Own | Expected::OwnOr(_) => None,
        };
        let refused = |refusal| Cause::from(refusal).where_named(named.is_some());
        if is_in_force(current, named, limit).map_err(refused)? {
            return Ok(());
        }
        let expected = match wanted {
            Expected::Just(value) => value,
            Expected::Own | Expected::OwnOr(_) if known.wrote(current) => current,
            Expected::OwnOr(value) if current != PRISTINE_LIMIT => value,
            Expected::Own | Expected::OwnOr(_) => PRISTINE_LIMIT,
        };
        let PageFacts { valid, writable } = held.page(place);
        // A page that is known to be read-only stays so.
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

        if known.note(&self.kernel, module, current, limit).is_err() {
            self.tell(module, Message::NotRemembered, [0; 2]);
        }
        self.tell(module, Message::Changed, [current, limit]);
        match held.read(place) {
            Some(now) if now == limit => Ok(()),
            now => Err(Cause::with(Reason::Overwritten, now.unwrap_or(0))),
        }
    }

    /// A set that worked shows that the driver does no harm here.
    fn lift_guard(&self, state: &mut State) {
        if state.guarded {
            match self.kernel.set_guard(false) {
                Ok(()) => state.guarded = false,
                Err(_) => self.kernel.log(&Event::own(Message::GuardKept)),
            }
        }
    }

    /// Tells the event log whether the limit was located, once, and again when
    /// that changes: clients may ask every second.
    fn tell_news(
        &self,
        known: &mut Known,
        module: Module,
        sight: &Sight,
        cause: Cause,
        limit: u32,
    ) {
        let located = sight.state == tcplimit_protocol::State::Located && cause.shows_limit();
        let reason = if located { Reason::Done } else { cause.reason };
        if known.told == Some(reason) {
            return;
        }
        known.told = Some(reason);
        if located {
            self.tell(module, Message::Located, [limit, 0]);
        } else {
            self.tell(module, Message::NotLocated(reason), [0; 2]);
        }
    }

    // Apart from its callers for the stack's sake, as what follows.
    #[inline(never)]
    pub(crate) fn tell(&self, module: Module, message: Message, numbers: [u32; 2]) {
        self.kernel.log(&Event::about(module, message, numbers));
    }
}

/// The three variables and where they are.
#[inline(never)]
fn describe<H: Held>(held: &H, known: &mut Known, answer: &mut Answer) -> Result<(), Cause> {
    let located = known.located()?;
    answer.limit_rva = located.threshold().0.into();
    answer.half_open_rva = located.count().0.into();
    answer.queued_rva = located.queue().0.into();
    let read = |rva| held.read(rva).ok_or(Reason::PageInvalid);
    answer.limit = read(located.threshold())?.into();
    answer.half_open = read(located.count())?.into();
    answer.queued = read(located.queue())?.into();
    known.count(answer.half_open.get());
    Ok(())
}

/// Everything else.
#[inline(never)]
fn report(known: &Known, sight: &Sight, options: Options, cause: Cause, answer: &mut Answer) {
    answer.state = sight.state.code().into();
    answer.reason = cause.reason.code().into();
    answer.detail = cause.detail.map(Into::into);
    answer.peak = known.peak.into();
    if let Some(written) = known.written {
        answer.written = written.last.into();
        answer.original = written.original.into();
    }
    answer.identity = sight.identity;
    answer.evidence = u32::from(sight.evidence.bits()).into();
    answer.missing = u32::from(sight.missing.bits()).into();
    answer.configured = known.configured.unwrap_or(0).into();
    answer.start = known.start.code().into();
    answer.start_reason = known.start_reason.code().into();
    let flag = |holds: bool, flag| if holds { flag } else { 0 };
    let flags = flag(sight.unlisted, Flags::UNLISTED)
        | flag(known.by_earlier_load, Flags::WRITTEN_BY_EARLIER_LOAD)
        | flag(
            options.accepts_unknown_rights,
            Flags::ACCEPTS_UNKNOWN_RIGHTS,
        )
        | flag(options.restores_at_unload, Flags::RESTORES_AT_UNLOAD);
    answer.flags = flags.into();
}

/// Before the first request.
const NO_ANSWER: Answer = zerocopy::transmute!([0_u8; size_of::<Answer>()]);

/// Makes it an answer about a module of which nothing is known.
fn blank(module: Module, answer: &mut Answer) {
    answer.as_mut_bytes().fill(0);
    answer.header = Header::of::<Answer>();
    answer.driver = VERSION.into();
    answer.module = match module {
        Module::Tcpip => ModuleId::TCPIP,
        Module::Tcpip6 => ModuleId::TCPIP6,
    };
}

/// The module that a record is about.
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
    reason = "when the driver is built, so a mistake is an error then"
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
