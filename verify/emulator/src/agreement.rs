//! Three searches that must agree: the shipped driver's, the locator's on this
//! machine over the same memory, and that of `probe --as-loaded` over the file.

use scanner_core::Module;
use specimen::Arch;
use tcplimit::LoadBase;
use tcplimit::probe::{self, Members, Options};
use tcplimit::report::Search;
use tcplimit_protocol::{Answer, Reason, State};
use verify::property::{Verdict, memory_verdict};

use crate::module_file::ModuleFile;
use crate::run::Run;
use crate::target::Target;
use crate::violation::Violation;
use crate::world::module_index;

impl Run<'_> {
    /// Counts something that is not compared, by the reason.
    pub(crate) fn count_not_compared(&mut self, reason: &'static str) {
        *self.outcome.not_compared.entry(reason).or_default() += 1;
    }

    /// Compares an answer with the locator's on this machine over the same memory.
    pub(crate) fn compare_with_locator(
        &mut self,
        module: Module,
        reason: Reason,
        answer: &Answer,
    ) -> Result<(), Violation> {
        let Some(target) = self.differential.system.world.module(module) else {
            return Ok(());
        };
        // Changed headers may declare other pages as code.
        if self.files[module_index(module)].is_none() {
            self.count_not_compared("answers on changed headers, pages or sizes");
            return Ok(());
        }
        let located = answer.state.get() == State::Located.code();
        let search_with_both = matches!(
            reason,
            Reason::NoGate
                | Reason::EvidenceMissing
                | Reason::Ambiguous
                | Reason::TooManyCandidates
        );
        if !located && !search_with_both {
            self.count_not_compared("answers without a search");
            return Ok(());
        }
        let verdict = locate_in_memory(target, module);
        self.outcome.agreements += 1;
        self.outcome.damaged += u64::from(self.damaged[module_index(module)]);
        if answer_matches(&verdict, reason, answer) {
            return Ok(());
        }
        let detail = format!("the locator found {verdict:X?}, the driver {answer:?}");
        Err(Violation::Disagreement(detail))
    }

    /// Compares `probe --as-loaded` on the file with the locator on the loaded module.
    pub(crate) fn compare_searches(&mut self) -> Result<(), Violation> {
        for module in Module::ALL {
            let Some(target) = self.differential.system.world.module(module) else {
                continue;
            };
            let Some(file) = &self.files[module_index(module)] else {
                self.count_not_compared("modules with changed headers, pages or sizes");
                continue;
            };
            // A file without relocations can't be loaded elsewhere, and the locator
            // refuses it as a file.
            let mut names = target.sections.iter().map(|section| section.name);
            let x86 = self.differential.system.world.arch == Arch::X86;
            let is_fixed = x86 && !names.any(|name| name.starts_with(b".reloc"));
            if is_fixed {
                self.count_not_compared("x86 files without relocations");
                continue;
            }
            let Some(search) = probe_file(file, Some(LoadBase::At(file.base)), module) else {
                self.count_not_compared("modules in which probe does not search");
                continue;
            };
            let verdict = locate_in_memory(target, module);
            self.outcome.agreements += 1;
            if !search_matches(&search, &verdict) {
                let detail = format!("probe found {search:X?}, the locator {verdict:X?}");
                return Err(Violation::Disagreement(detail));
            }
        }
        Ok(())
    }
}

/// Whether the driver's answer matches the locator's verdict.
fn answer_matches(verdict: &Verdict, reason: Reason, answer: &Answer) -> bool {
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
                scanner_core::NotLocatedReason::Missing(missing) => {
                    let bits = u32::from(missing.bits());
                    (Reason::EvidenceMissing, [bits, 0])
                }
                scanner_core::NotLocatedReason::Ambiguous(one, other) => {
                    (Reason::Ambiguous, [one.0, other.0])
                }
                scanner_core::NotLocatedReason::TooManyCandidates => {
                    (Reason::TooManyCandidates, [0; 2])
                }
                _ => (Reason::NoGate, [0; 2]),
            };
            let detail = answer.detail.map(|number| number.get());
            !located && (reason, detail) == expected
        }
    }
}

/// The search of `probe --as-loaded` in a file, or of `probe` without a base;
/// `None` where it does not search.
fn probe_file(file: &ModuleFile, base: Option<LoadBase>, module: Module) -> Option<Search> {
    let options = Options {
        module: Some(module),
        as_loaded: base,
        members: Members::All,
    };
    let reports = probe::bytes(module.file_name(), &file.bytes, &options);
    reports.into_iter().find_map(|report| report.search)
}

/// Whether probe and the locator found the same three variables, or refused for the
/// same reason.
fn search_matches(search: &Search, verdict: &Verdict) -> bool {
    match (search, verdict) {
        (Search::Located(located), Verdict::Located(place)) => {
            let found = [located.threshold(), located.count(), located.queue()];
            found.map(|rva| rva.0) == [place.threshold, place.count, place.queue]
        }
        (Search::Refused(refused), Verdict::Refused(reason)) => refused.reason() == *reason,
        _ => false,
    }
}

/// The locator's verdict on this machine about a module in memory.
fn locate_in_memory(target: &Target, module: Module) -> Verdict {
    let section = |section: &crate::image::Section| {
        let at = usize::try_from(section.rva).ok()?;
        let length = usize::try_from(section.virtual_size).ok()?;
        let there = target.is_present(section.rva, section.virtual_size);
        let bytes = target.memory.get(at..at + length).filter(|_| there)?;
        Some((section.rva, bytes))
    };
    let sections: Vec<(u32, &[u8])> = target.sections.iter().filter_map(section).collect();
    let headers = &target.memory[..target.memory.len().min(0x1000)];
    memory_verdict(headers, target.base, target.size, &sections, module)
}

#[cfg(test)]
mod tests {
    use specimen::Spec;
    use zerocopy::FromZeros;

    use super::*;
    use crate::target::Paged;

    fn search_specimen(spec: &Spec) -> (Module, Search, Verdict) {
        let specimen = spec.build();
        let base = spec.arch.bases()[0];
        let target = Target::from_specimen(&specimen, base, Paged::Out);
        let file = ModuleFile {
            bytes: specimen.file,
            base,
        };
        let module = target.module;
        let search = probe_file(&file, Some(LoadBase::At(base)), module).expect("a search");
        (module, search, locate_in_memory(&target, module))
    }

    /// The verdict with each of the three variables moved.
    fn with_one_variable_moved(verdict: &Verdict) -> Vec<Verdict> {
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
    fn probe_and_locator_disagree_if_any_variable_differs() {
        for (_, spec) in Spec::presets() {
            let (_, search, verdict) = search_specimen(&spec.with_text_kib(4));
            assert!(search_matches(&search, &verdict));
            assert!(
                !with_one_variable_moved(&verdict)
                    .iter()
                    .any(|other| search_matches(&search, other))
            );
        }
    }

    #[test]
    fn driver_and_locator_disagree_if_any_variable_or_the_reason_differs() {
        for (_, spec) in Spec::presets() {
            let (_, _, verdict) = search_specimen(&spec.with_text_kib(4));
            let Verdict::Located(place) = &verdict else {
                panic!("it is located")
            };
            let mut answer = Answer::new_zeroed();
            answer.state = State::Located.code().into();
            answer.limit_rva = place.threshold.into();
            answer.half_open_rva = place.count.into();
            answer.queued_rva = place.queue.into();
            let agrees = |verdict: &Verdict| answer_matches(verdict, Reason::Done, &answer);
            assert!(agrees(&verdict));
            assert!(!with_one_variable_moved(&verdict).iter().any(agrees));
            let refused = Verdict::Refused(scanner_core::NotLocatedReason::NoGate);
            assert!(!agrees(&refused));
        }
    }
}
