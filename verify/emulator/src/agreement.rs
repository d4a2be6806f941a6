//! The searches that must be of one mind: the shipped driver's, the locator's on
//! this machine over the same memory, and `probe --as-loaded`'s over the file.

use scanner_core::Module;
use specimen::Arch;
use tcplimit::LoadBase;
use tcplimit::probe::{self, Members, Options};
use tcplimit::report::Search;
use tcplimit_protocol::{Answer, Reason, State};
use verify::property::{Verdict, of_memory};

use crate::file::File;
use crate::run::Run;
use crate::target::Target;
use crate::violation::Violation;
use crate::world::slot;

impl Run<'_> {
    /// Something is not compared, for a reason.
    pub(crate) fn exempt(&mut self, what: &'static str) {
        *self.outcome.exempt.entry(what).or_default() += 1;
    }

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
            self.exempt("answers about headers, pages or a size that were changed");
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
            self.exempt("answers without a search");
            return Ok(());
        }
        let verdict = verdict(target, module);
        self.outcome.agreements += 1;
        self.outcome.damaged += u64::from(self.damaged[slot(module)]);
        if agrees(&verdict, reason, answer) {
            return Ok(());
        }
        let what = format!("the locator says {verdict:X?}, the driver {answer:?}");
        Err(Violation::Disagreement(what))
    }

    /// `probe --as-loaded` on the file, and the locator on what was loaded.
    pub(crate) fn three_agree(&mut self) -> Result<(), Violation> {
        for module in Module::ALL {
            let Some(target) = self.pair.system.world.module(module) else {
                continue;
            };
            let Some(file) = &self.files[slot(module)] else {
                self.exempt("modules with headers, pages or a size that were changed");
                continue;
            };
            // Without relocations in the file it can't be loaded elsewhere, and as a
            // file it is refused.
            let mut names = target.sections.iter().map(|section| section.name);
            let x86 = self.pair.system.world.arch == Arch::X86;
            let stays = x86 && !names.any(|name| name.starts_with(b".reloc"));
            if stays {
                self.exempt("files for x86 without relocations");
                continue;
            }
            let Some(search) = probed(file, Some(LoadBase::At(file.base)), module) else {
                self.exempt("modules in which probe does not search");
                continue;
            };
            let verdict = verdict(target, module);
            self.outcome.agreements += 1;
            if !same(&search, &verdict) {
                let what = format!("probe says {search:X?}, the locator {verdict:X?}");
                return Err(Violation::Disagreement(what));
            }
        }
        Ok(())
    }
}

/// Whether an answer of the driver's is what the locator says.
fn agrees(verdict: &Verdict, reason: Reason, answer: &Answer) -> bool {
    let located = answer.state.get() == State::Located.code();
    match verdict {
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
    }
}

/// What `probe --as-loaded` finds in a file, or `probe` without a base, if it
/// searches at all.
fn probed(file: &File, base: Option<LoadBase>, module: Module) -> Option<Search> {
    let options = Options {
        module: Some(module),
        as_loaded: base,
        members: Members::All,
    };
    let reports = probe::bytes(module.file_name(), &file.bytes, &options);
    reports.into_iter().find_map(|report| report.search)
}

/// Whether probe and the locator have found the same three variables, or refuse for
/// the same reason.
fn same(search: &Search, verdict: &Verdict) -> bool {
    match (search, verdict) {
        (Search::Located(located), Verdict::Located(place)) => {
            let found = [located.threshold(), located.count(), located.queue()];
            found.map(|rva| rva.0) == [place.threshold, place.count, place.queue]
        }
        (Search::Refused(refused), Verdict::Refused(reason)) => refused.reason() == *reason,
        _ => false,
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

#[cfg(test)]
mod tests {
    use specimen::Spec;
    use zerocopy::FromZeros;

    use super::*;
    use crate::target::Paged;

    fn found(spec: &Spec) -> (Module, Search, Verdict) {
        let specimen = spec.build();
        let base = spec.arch.bases()[0];
        let target = Target::of_specimen(&specimen, base, Paged::Out);
        let file = File {
            bytes: specimen.file,
            base,
        };
        let module = target.module;
        let search = probed(&file, Some(LoadBase::At(base)), module).expect("a search");
        (module, search, verdict(&target, module))
    }

    /// Each of the three variables elsewhere.
    fn moved(verdict: &Verdict) -> Vec<Verdict> {
        let Verdict::Located(place) = verdict else {
            panic!("it is located")
        };
        let mut others = vec![place.clone(), place.clone(), place.clone()];
        others[0].threshold += 4;
        others[1].count += 4;
        others[2].queue += 4;
        others.into_iter().map(Verdict::Located).collect()
    }

    #[test]
    fn probe_and_locator_differ_where_any_of_the_three_does() {
        for (_, spec) in Spec::presets() {
            let (_, search, verdict) = found(&spec.with_text_kib(4));
            assert!(same(&search, &verdict));
            assert!(!moved(&verdict).iter().any(|other| same(&search, other)));
        }
    }

    #[test]
    fn driver_and_locator_differ_where_any_of_the_three_does_or_the_reason() {
        for (_, spec) in Spec::presets() {
            let (_, _, verdict) = found(&spec.with_text_kib(4));
            let Verdict::Located(place) = &verdict else {
                panic!("it is located")
            };
            let mut answer = Answer::new_zeroed();
            answer.state = State::Located.code().into();
            answer.limit_rva = place.threshold.into();
            answer.half_open_rva = place.count.into();
            answer.queued_rva = place.queue.into();
            let agrees = |verdict: &Verdict| agrees(verdict, Reason::Done, &answer);
            assert!(agrees(&verdict));
            assert!(!moved(&verdict).iter().any(agrees));
            let refused = Verdict::Refused(scanner_core::Reason::NoGate);
            assert!(!agrees(&refused));
        }
    }
}
