//! The driver's knowledge of a module from one request to the next.

use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT};
use scanner_core::{Located, Module};
use tcplimit_protocol::{Identity, Reason, Start, Status};
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::kernel::{Kernel, RECORD_SIZE, V0_1_RECORD_SIZE};
use crate::outcome::Outcome;

/// The history of one module.
#[derive(Debug)]
pub(crate) struct ModuleHistory {
    /// The build that this history is about.
    pub(crate) identity: Identity,
    /// The located limit.
    located: Option<Located>,
    /// The most half-open connections so far.
    pub(crate) peak: u32,
    /// The driver's writes, if any.
    pub(crate) written: Option<Written>,
    /// Whether an earlier load of the driver wrote it.
    pub(crate) by_earlier_load: bool,
    /// The limit stored for start-up.
    pub(crate) configured: Option<u32>,
    /// Its outcome.
    pub(crate) start: Start,
    /// Why it was refused.
    pub(crate) start_reason: Reason,
    /// The last logged result of a search.
    pub(crate) last_logged: Option<Reason>,
}

/// The driver's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The last limit written.
    pub(crate) last: u32,
    /// The limit before the first write.
    pub(crate) original: u32,
}

/// The record of version 0.1.0: the build and the writes to it.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct V0_1Record {
    identity: Identity,
    last: U32,
    original: U32,
}

/// The record, valid until the system restarts.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Record {
    wrote: V0_1Record,
    /// [`Kernel::boot_id`] at the write; the record is void under any other.
    boot: U64,
}

impl V0_1Record {
    /// The writes to this build. Both values must be limits, since the driver
    /// writes and overwrites nothing else.
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

    /// Compares a located limit with the one located before. Another build
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

    /// The located limit.
    pub(crate) fn located(&self) -> Result<&Located, Outcome> {
        self.located.as_ref().ok_or(Reason::NoGate.into())
    }

    /// Whether the driver wrote this value.
    pub(crate) fn wrote(&self, value: u32) -> bool {
        self.written.is_some_and(|written| written.last == value)
    }

    /// Records a write, for later loads too.
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

    /// Records the number of half-open connections.
    pub(crate) fn record_half_open(&mut self, half_open: u32) {
        // The count is briefly negative during an update.
        if i32::try_from(half_open).is_ok() {
            self.peak = self.peak.max(half_open);
        }
    }
}

/// The writes of an earlier load to the same build since the system started. A
/// record that can't be read, or is about another build, counts as none: then
/// the driver accepts only 10.
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

/// The writes of version 0.1.0, if this version replaced it in a running system.
/// They are copied into this version's record.
fn v0_1_write<K: Kernel>(
    kernel: &K,
    module: Module,
    identity: Identity,
    boot: u64,
) -> Option<Written> {
    let wrote: V0_1Record = zerocopy::transmute!(kernel.read_v0_1_record(module).ok()??);
    let written = wrote.about(identity)?;
    let boot = boot.into();
    // If that fails, the next call imports the old record again.
    let _ = kernel.write_record(module, &zerocopy::transmute!(Record { wrote, boot }));
    Some(written)
}
