//! What the driver knows of a module from one request to the next.

use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT};
use scanner_core::{Located, Module};
use tcplimit_protocol::{Identity, Reason, Start, Status};
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::cause::Cause;
use crate::kernel::{FORMER_RECORD, Kernel, RECORD};

/// Of one module.
#[derive(Debug)]
pub(crate) struct Known {
    /// The build that all else is about.
    pub(crate) identity: Identity,
    /// Where its limit was located.
    located: Option<Located>,
    /// The most half-open connections seen.
    pub(crate) peak: u32,
    /// What was written, if anything.
    pub(crate) written: Option<Written>,
    /// Whether that is known from an earlier load of the driver.
    pub(crate) by_earlier_load: bool,
    /// The limit that the service key asks for at start.
    pub(crate) configured: Option<u32>,
    /// What became of it.
    pub(crate) start: Start,
    /// Why it was refused.
    pub(crate) start_reason: Reason,
    /// What the event log was told last about finding the limit.
    pub(crate) told: Option<Reason>,
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
struct FormerRecord {
    identity: Identity,
    last: U32,
    original: U32,
}

/// What is remembered until the system is restarted.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Record {
    wrote: FormerRecord,
    /// [`Kernel::boot`] when it was written: it counts for nothing else.
    boot: U64,
}

impl FormerRecord {
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

const _: () = assert!(size_of::<FormerRecord>() == FORMER_RECORD);
const _: () = assert!(size_of::<Record>() == RECORD);

impl Known {
    pub(crate) const fn nothing() -> Known {
        Known {
            identity: Identity::NONE,
            located: None,
            peak: 0,
            written: None,
            by_earlier_load: false,
            configured: None,
            start: Start::NotConfigured,
            start_reason: Reason::Done,
            told: None,
        }
    }

    /// Compares what was located with what was located before. A build that
    /// has not been seen yet replaces what is known.
    pub(crate) fn meet<K: Kernel>(
        &mut self,
        kernel: &K,
        identity: Identity,
        located: &Located,
    ) -> Result<(), Cause> {
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
                self.written = recall(kernel, located.module(), identity);
                self.by_earlier_load = self.written.is_some();
            }
        }
        self.located = Some(*located);
        Ok(())
    }

    /// Where the limit was located.
    pub(crate) fn located(&self) -> Result<&Located, Cause> {
        self.located.as_ref().ok_or(Reason::NoGate.into())
    }

    /// Whether the driver wrote this value.
    pub(crate) fn wrote(&self, value: u32) -> bool {
        self.written.is_some_and(|written| written.last == value)
    }

    /// Takes note of a write, for later loads too.
    pub(crate) fn note<K: Kernel>(
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
        let wrote = FormerRecord {
            identity: self.identity,
            last: written.last.into(),
            original: written.original.into(),
        };
        let boot = kernel.boot()?.into();
        kernel.remember(module, &zerocopy::transmute!(Record { wrote, boot }))
    }

    /// Takes note of how many connections are half-open.
    pub(crate) fn count(&mut self, half_open: u32) {
        // It goes below 0 for a moment when an update is half done.
        if i32::try_from(half_open).is_ok() {
            self.peak = self.peak.max(half_open);
        }
    }
}

/// What an earlier load of the driver wrote to the same build since the system
/// was started. What can't be told, or is about another build, counts as
/// nothing: then only 10 is taken for granted.
fn recall<K: Kernel>(kernel: &K, module: Module, identity: Identity) -> Option<Written> {
    let boot = kernel.boot().ok()?;
    let kept: Option<Record> = kernel
        .recall(module)
        .ok()?
        .map(|it| zerocopy::transmute!(it));
    match kept.filter(|record| record.boot.get() == boot) {
        Some(record) => record.wrote.about(identity),
        None => former(kernel, module, identity, boot),
    }
}

/// What version 0.1.0 left, where this one was installed over it in a running
/// system. From then on it is remembered where all else is.
fn former<K: Kernel>(kernel: &K, module: Module, identity: Identity, boot: u64) -> Option<Written> {
    let wrote: FormerRecord = zerocopy::transmute!(kernel.recall_former(module).ok()??);
    let written = wrote.about(identity)?;
    let boot = boot.into();
    // If that fails it is read here again.
    let _ = kernel.remember(module, &zerocopy::transmute!(Record { wrote, boot }));
    Some(written)
}
