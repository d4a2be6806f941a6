//! What the driver knows of a module from one request to the next.

use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT};
use scanner_core::{Located, Module};
use tcplimit_protocol::{Identity, Reason, Start, Status};
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::kernel::{Kernel, RECORD_SIZE, V0_1_RECORD_SIZE};
use crate::outcome::Outcome;

/// Of one module.
#[derive(Debug)]
pub(crate) struct ModuleHistory {
    /// The build that all else is about.
    pub(crate) identity: Identity,
    /// Where its limit was located.
    located: Option<Located>,
    /// The most half-open connections seen.
    pub(crate) peak: u32,
    /// What was written, if anything.
    pub(crate) written: Option<Written>,
    /// Whether an earlier load of the driver wrote it.
    pub(crate) by_earlier_load: bool,
    /// The limit that the service key asks for at start.
    pub(crate) configured: Option<u32>,
    /// What became of it.
    pub(crate) start: Start,
    /// Why it was refused.
    pub(crate) start_reason: Reason,
    /// The last logged result of a search.
    pub(crate) last_logged: Option<Reason>,
}

/// What the driver wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Last.
    pub(crate) last: u32,
    /// The limit before it wrote for the first time.
    pub(crate) original: u32,
}

/// What version 0.1.0 remembered: which build, and what was written to it.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct V0_1Record {
    identity: Identity,
    last: U32,
    original: U32,
}

/// What is remembered until the system is restarted.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Record {
    wrote: V0_1Record,
    /// [`Kernel::boot_id`] when it was written: it counts for nothing else.
    boot: U64,
}

impl V0_1Record {
    /// What was written to this build. The driver writes nothing but limits, and
    /// over nothing else.
    fn about(&self, identity: Identity) -> Option<Written> {
        let written = Written {
            last: self.last.get(),
            original: self.original.get(),
        };
        let limits = [written.last, written.original]
            .iter()
            .all(|limit| (MIN_LIMIT..=MAX_LIMIT).contains(limit));
        (limits && self.identity == identity).then_some(written)
    }
}

const _: () = assert!(size_of::<V0_1Record>() == V0_1_RECORD_SIZE);
const _: () = assert!(size_of::<Record>() == RECORD_SIZE);

impl ModuleHistory {
    pub(crate) const fn new() -> ModuleHistory {
        ModuleHistory {
            identity: Identity::NONE,
            located: None,
            peak: 0,
            written: None,
            by_earlier_load: false,
            configured: None,
            start: Start::NotConfigured,
            start_reason: Reason::Done,
            last_logged: None,
        }
    }

    /// Compares what was located with what was located before. Another build
    /// replaces the history.
    pub(crate) fn compare<K: Kernel>(
        &mut self,
        kernel: &K,
        identity: Identity,
        located: &Located,
    ) -> Result<(), Outcome> {
        match &self.located {
            Some(before) if self.identity == identity => {
                let moved = before.base() != located.base();
                if before.threshold() != located.threshold()
                    || (!moved && !before.is_same_place(located))
                {
                    return Err(Reason::Changed.into());
                }
            }
            _ => {
                self.identity = identity;
                self.written = earlier_write(kernel, located.module(), identity);
                self.by_earlier_load = self.written.is_some();
            }
        }
        self.located = Some(*located);
        Ok(())
    }

    /// Where the limit was located.
    pub(crate) fn located(&self) -> Result<&Located, Outcome> {
        self.located.as_ref().ok_or(Reason::NoGate.into())
    }

    /// Whether the driver wrote this value.
    pub(crate) fn wrote(&self, value: u32) -> bool {
        self.written.is_some_and(|written| written.last == value)
    }

    /// Takes note of a write, for later loads too.
    pub(crate) fn record_write<K: Kernel>(
        &mut self,
        kernel: &K,
        module: Module,
        before: u32,
        limit: u32,
    ) -> Result<(), Status> {
        let written = Written {
            last: limit,
            original: self.written.map_or(before, |written| written.original),
        };
        self.written = Some(written);
        self.by_earlier_load = false;
        let wrote = V0_1Record {
            identity: self.identity,
            last: written.last.into(),
            original: written.original.into(),
        };
        let boot = kernel.boot_id()?.into();
        kernel.write_record(module, &zerocopy::transmute!(Record { wrote, boot }))
    }

    /// Takes note of how many connections are half-open.
    pub(crate) fn record_half_open(&mut self, half_open: u32) {
        // It goes below 0 for a moment when an update is half done.
        if i32::try_from(half_open).is_ok() {
            self.peak = self.peak.max(half_open);
        }
    }
}

/// What an earlier load of the driver wrote to the same build since the system
/// was started. A record that can't be read, or is about another build, counts
/// as none: then the driver accepts only 10.
fn earlier_write<K: Kernel>(kernel: &K, module: Module, identity: Identity) -> Option<Written> {
    let boot = kernel.boot_id().ok()?;
    let kept: Option<Record> = kernel
        .read_record(module)
        .ok()?
        .map(|it| zerocopy::transmute!(it));
    match kept.filter(|record| record.boot.get() == boot) {
        Some(record) => record.wrote.about(identity),
        None => v0_1_write(kernel, module, identity, boot),
    }
}

/// What version 0.1.0 left, where this one was installed over it in a running
/// system. From then on it is remembered where all else is.
fn v0_1_write<K: Kernel>(
    kernel: &K,
    module: Module,
    identity: Identity,
    boot: u64,
) -> Option<Written> {
    let wrote: V0_1Record = zerocopy::transmute!(kernel.read_v0_1_record(module).ok()??);
    let written = wrote.about(identity)?;
    let boot = boot.into();
    // If that fails it is read here again.
    let _ = kernel.write_record(module, &zerocopy::transmute!(Record { wrote, boot }));
    Some(written)
}
