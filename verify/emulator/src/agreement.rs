//! The searches that must be of one mind: the shipped driver's, the locator's on
//! this machine over the same memory, and `probe --as-loaded`'s over the file.

use scanner_core::Module;
use tcplimit::LoadBase;
use tcplimit::probe::{self, Members, Options};
use tcplimit::report::Search;
use tcplimit_protocol::{Answer, Reason, State};
use verify::property::{Verdict, of_memory};

use crate::run::Run;
use crate::target::Target;
use crate::violation::Violation;
use crate::world::slot;

impl Run<'_> {
    /// The locator on this machine, given the same memory, says the same.
    pub(crate) fn host_agrees(
        &mut self,
        module: Module,
        reason: Reason,
        answer: &Answer,
    ) -> Result<(), Violation> {
        let Some(target) = self.pair.system.world.module(module) else {
            return Ok(());
        };
        // Headers that were changed may call other pages code.
        if self.files[slot(module)].is_none() {
            return Ok(());
        }
        let located = answer.state.get() == State::Located.code();
        let searched = matches!(
            reason,
            Reason::NoGate
                | Reason::EvidenceMissing
                | Reason::Ambiguous
                | Reason::TooManyCandidates
        );
        if !located && !searched {
            return Ok(());
        }
        let verdict = verdict(target, module);
        let agrees = match &verdict {
            Verdict::Located(place) => {
                located
                    && place.threshold == answer.limit_rva.get()
                    && place.count == answer.half_open_rva.get()
                    && place.queue == answer.queued_rva.get()
            }
            Verdict::NoImage(_) => false,
            Verdict::Refused(why) => {
                let expected = match why {
                    scanner_core::Reason::Missing(missing) => {
                        let bits = u32::from(missing.bits());
                        (Reason::EvidenceMissing, [bits, 0])
                    }
                    scanner_core::Reason::Ambiguous(one, other) => {
                        (Reason::Ambiguous, [one.0, other.0])
                    }
                    scanner_core::Reason::TooManyCandidates => (Reason::TooManyCandidates, [0; 2]),
                    _ => (Reason::NoGate, [0; 2]),
                };
                let detail = answer.detail.map(|number| number.get());
                !located && (reason, detail) == expected
            }
        };
        self.outcome.agreements += 1;
        if agrees {
            return Ok(());
        }
        let what = format!("the locator says {verdict:X?}, the driver {answer:?}");
        Err(Violation::Disagreement(what))
    }

    /// `probe --as-loaded` on the file, and the locator on what was loaded.
    pub(crate) fn three_agree(&mut self) -> Result<(), Violation> {
        for module in Module::ALL {
            let target = self.pair.system.world.module(module);
            let (Some(target), Some(file)) = (target, &self.files[slot(module)]) else {
                continue;
            };
            let options = Options {
                module: Some(module),
                as_loaded: Some(LoadBase::At(file.base)),
                members: Members::All,
            };
            let reports = probe::bytes(module.file_name(), &file.bytes, &options);
            let Some(search) = reports.iter().find_map(|report| report.search) else {
                continue;
            };
            // Without relocations in the file it can't be loaded elsewhere.
            let x86 = self.pair.system.world.arch == verify::specimen::Arch::X86;
            if x86
                && !target
                    .sections
                    .iter()
                    .any(|section| section.name.starts_with(b".reloc"))
            {
                continue;
            }
            let verdict = verdict(target, module);
            let same = match (&search, &verdict) {
                (Search::Located(located), Verdict::Located(place)) => {
                    located.threshold().0 == place.threshold
                }
                (Search::Refused(refused), Verdict::Refused(reason)) => refused.reason() == *reason,
                _ => false,
            };
            self.outcome.agreements += 1;
            if !same {
                let what = format!("probe says {search:X?}, the locator {verdict:X?}");
                return Err(Violation::Disagreement(what));
            }
        }
        Ok(())
    }
}

/// What the locator says on this machine of what is in memory.
fn verdict(target: &Target, module: Module) -> Verdict {
    let section = |section: &crate::image::Section| {
        let at = usize::try_from(section.rva).ok()?;
        let length = usize::try_from(section.virtual_size).ok()?;
        let there = target.is_present(section.rva, section.virtual_size);
        let bytes = target.memory.get(at..at + length).filter(|_| there)?;
        Some((section.rva, bytes))
    };
    let sections: Vec<(u32, &[u8])> = target.sections.iter().filter_map(section).collect();
    let headers = &target.memory[..target.memory.len().min(0x1000)];
    of_memory(headers, target.base, target.size, &sections, module)
}
