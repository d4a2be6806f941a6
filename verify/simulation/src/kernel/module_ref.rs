//! The driver's reference to a module.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use scanner_core::Rva;
use scanner_core::policy::{PageFacts, WritePermit};
use tcplimit_driver::ExchangeError;

use super::instance::forbidden_section;
use super::state::{ExchangeCall, Shared};
use specimen::PlacedSection;

/// A reference to a module, released when dropped.
#[derive(Debug)]
pub struct ModuleRef {
    shared: Arc<Shared>,
    instance: usize,
    snapshot: OnceLock<Box<Snapshot>>,
    /// The module when the driver first read it.
    first_view: OnceLock<FirstView>,
    /// The last page facts returned, with their RVA.
    last_page_facts: Mutex<Option<(u32, PageFacts)>>,
}

/// A module when the driver first read it: the driver reads the headers once, and
/// they may change before and after.
#[derive(Debug)]
struct FirstView {
    /// Its limit can't be located, so the driver must refuse it.
    unlocatable: bool,
    sections: Vec<PlacedSection>,
    /// The range of its exception table.
    table: Option<Range<u64>>,
}

/// The memory when slices of it were lent: it may change while the driver reads.
#[derive(Debug)]
struct Snapshot {
    memory: Arc<Vec<u8>>,
    next: OnceLock<Box<Snapshot>>,
}

impl ModuleRef {
    pub(super) fn new(shared: Arc<Shared>, instance: usize) -> ModuleRef {
        ModuleRef {
            shared,
            instance,
            snapshot: OnceLock::new(),
            first_view: OnceLock::new(),
            last_page_facts: Mutex::new(None),
        }
    }

    fn keep(&self, memory: &Arc<Vec<u8>>) -> &[u8] {
        let mut place = &self.snapshot;
        loop {
            let snapshot = place.get_or_init(|| {
                Box::new(Snapshot {
                    memory: Arc::clone(memory),
                    next: OnceLock::new(),
                })
            });
            if Arc::ptr_eq(&snapshot.memory, memory) {
                return &snapshot.memory;
            }
            place = &snapshot.next;
        }
    }
}

impl tcplimit_driver::ModuleRef for ModuleRef {
    fn base(&self) -> u64 {
        self.shared.call("base").instances[self.instance].base
    }

    fn size(&self) -> u32 {
        self.shared.call("size").instances[self.instance].size
    }

    fn bytes(&self, rva: Rva, length: u32) -> Option<&[u8]> {
        let mut state = self.shared.call("bytes");
        let module = &state.instances[self.instance];
        let range = u64::from(rva.0)..u64::from(rva.0) + u64::from(length);
        let readable = module.is_readable(&range);
        let inside = module.has(&range);
        let first_view = self.first_view.get_or_init(|| FirstView {
            unlocatable: module.verdict().is_some_and(|verdict| verdict.is_err()),
            sections: module.sections().to_vec(),
            table: module.exception_table(),
        });
        let forbidden = forbidden_section(&first_view.sections, first_view.table.as_ref(), &range)
            .map(|section| section.name.escape_ascii().to_string());
        let memory = Arc::clone(module.memory());
        if !inside {
            state.violation(format!("asked for {range:X?}, past the module's end"));
        }
        if let Some(section) = forbidden {
            state.violation(format!("asked for {range:X?}, some of it in {section}"));
        }
        let bytes = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        readable.then(|| &self.keep(&memory)[bytes])
    }

    fn page_facts(&self, rva: Rva) -> PageFacts {
        let state = self.shared.call("page");
        let mut facts = state.instances[self.instance].page(rva.0);
        if !state.rights_known {
            facts.writable = None;
        }
        let mut page_facts = self
            .last_page_facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *page_facts = Some((rva.0, facts));
        facts
    }

    fn read(&self, rva: Rva) -> Option<u32> {
        let mut state = self.shared.call("read");
        let module = &state.instances[self.instance];
        let range = u64::from(rva.0)..u64::from(rva.0) + 4;
        if !rva.0.is_multiple_of(4) || !module.has(&range) {
            state.violation(format!("read at {rva}, where no variable can be"));
            return None;
        }
        module.is_readable(&range).then(|| module.dword(rva.0))
    }

    fn exchange(&self, permit: WritePermit) -> Result<(), ExchangeError> {
        let page_facts = *self
            .last_page_facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut state = self.shared.call("exchange");
        if self
            .first_view
            .get()
            .is_none_or(|first_view| first_view.unlocatable)
        {
            state.violation("a permit for a module whose limit can't be located".into());
        }
        state.exchange(self.instance, permit, page_facts)
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // Not a call: releasing a reference can't fail.
        self.shared.lock().instances[self.instance].references -= 1;
    }
}

impl super::state::State {
    /// Exchanges the limit as the processor does, and records violations.
    fn exchange(
        &mut self,
        instance: usize,
        permit: WritePermit,
        page_facts: Option<(u32, PageFacts)>,
    ) -> Result<(), ExchangeError> {
        let refused = self.failing.exchange;
        let accepts_unknown = self.accepts_unknown_rights;
        let module = &mut self.instances[instance];
        let rva = permit.threshold().0;
        let (current, limit) = (permit.current(), permit.limit());
        let mut wrong = Vec::new();
        if permit.base() != module.base || rva != module.threshold() {
            wrong.push(format!("a permit for {rva:X}, which is not the limit"));
        }
        if !(1..=16_777_215).contains(&limit) {
            wrong.push(format!("a permit for a limit of {limit}"));
        }
        match page_facts {
            Some((asked, facts)) if asked == rva && facts.valid => match facts.writable {
                Some(true) => {}
                None if accepts_unknown => {}
                rights => wrong.push(format!("a write where the page's rights are {rights:?}")),
            },
            _ => wrong.push(format!("a write after page facts {page_facts:?}")),
        }
        let found = module.dword(rva);
        let result = if refused || !wrong.is_empty() {
            Err(ExchangeError::NotPermitted)
        } else if found != current {
            Err(ExchangeError::Found(found))
        } else {
            module.write_limit(rva, limit);
            Ok(())
        };
        self.exchanges.push(ExchangeCall {
            instance,
            current,
            limit,
            written: result.is_ok(),
        });
        for wrong in wrong {
            self.violation(wrong);
        }
        result
    }
}
