//! The rule: the limit is the only pair with all required evidence.

use crate::base_check::{BaseCheck, check_base};
use crate::byte_scan::ByteScan;
use crate::candidate::{Findings, Pair, Pairs};
use crate::evidence::{Evidence, EvidenceSet};
use crate::exception::Functions;
use crate::gate_scan::scan_gates;
use crate::image::Image;
use crate::located::{Located, NotLocated, NotLocatedReason};
use crate::module::Module;
use crate::nearby_calls::NearbyCalls;
use crate::references::References;
use crate::relocation::Relocations;
use crate::rva::Rva;
use crate::step_count::StepCount;

/// Locked updates of the count that are required. Seen: 18 and 19 in
/// `tcpip.sys`, 4 and 9 in `tcpip6.sys`.
const ENOUGH_ATOMICS: u32 = 3;

/// Finds the limit of half-open connections.
///
/// It depends only on how the code uses the variable, not on its value, a version,
/// a hash or an address. In an image from memory it reads only the headers and the
/// sections provided.
///
/// # Errors
/// If required evidence is missing, or a second place has it all. The refusal
/// states the reason.
#[expect(
    clippy::result_large_err,
    reason = "a refusal carries its report, and nothing can be boxed"
)]
pub fn locate(image: &Image<'_>, module: Module) -> Result<Located, NotLocated> {
    match Workspace::new().locate(image, module) {
        Ok(located) => Ok(*located),
        Err(refusal) => Err(*refusal),
    }
}

/// The memory of a search, and its result: about two kilobytes, too much for a
/// kernel's stack, so a driver keeps it elsewhere. A search reads nothing that an
/// earlier one left in it.
#[derive(Debug)]
pub struct Workspace {
    /// Search with SIMD, if available.
    simd: bool,
    steps: StepCount,
    pairs: Pairs,
    scan: ByteScan,
    /// The current pair.
    evaluation: Evaluation,
    /// The pair with the least evidence missing.
    best: Evaluation,
    located: Option<Located>,
    refusal: NotLocated,
}

impl Workspace {
    /// A new workspace.
    #[must_use]
    pub const fn new() -> Workspace {
        Workspace {
            simd: true,
            steps: StepCount::NONE,
            pairs: Pairs::NONE,
            scan: ByteScan::NOTHING,
            evaluation: Evaluation::NOTHING,
            best: Evaluation::NOTHING,
            located: None,
            refusal: NotLocated {
                reason: NotLocatedReason::NoGate,
                best: None,
            },
        }
    }

    /// A workspace that never uses SIMD, like a driver, to compare the answers.
    #[must_use]
    pub const fn without_simd() -> Workspace {
        Workspace {
            simd: false,
            ..Workspace::new()
        }
    }

    /// As [`locate`], with little stack: the answer stays here.
    ///
    /// # Errors
    /// As [`locate`].
    pub fn locate(&mut self, image: &Image<'_>, module: Module) -> Result<&Located, &NotLocated> {
        self.steps = StepCount::NONE;
        self.located = None;
        self.refusal.best = None;
        let found = match self.search(image, module) {
            Ok(()) => self.accept(image, module),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = found {
            self.refusal.reason = reason;
        }
        self.located.as_ref().ok_or(&self.refusal)
    }

    /// The limit located by the last search, if any.
    #[must_use]
    pub fn located(&self) -> Option<&Located> {
        self.located.as_ref()
    }

    /// The steps of the last search: one for each byte scanned, and more for each
    /// place examined. At most 32 times the bytes searched, for any input.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Stores the pair with the least evidence missing in `best`. `Ok` if it lacks
    /// none and every other pair lacks some.
    fn search(&mut self, image: &Image<'_>, module: Module) -> Result<(), NotLocatedReason> {
        let event = scan_gates(image, self.simd, &mut self.pairs, &mut self.steps);
        let nearest = self.pairs.iter().enumerate();
        let Some((nearest, pair)) = nearest.max_by_key(|(_, pair)| pair.evidence(image).len())
        else {
            return Err(NotLocatedReason::NoGate);
        };
        if self.pairs.overflowed() {
            return Err(NotLocatedReason::TooManyCandidates);
        }

        let facts = ImageFacts {
            simd: self.simd,
            base_check: check_base(image, &mut self.steps),
            event,
            relocations_fit: Relocations::new(image).fit(image),
            functions: Functions::new(image),
        };
        // Without a candidate, the nearest pair is evaluated, so that the refusal
        // can name all missing evidence.
        let no_candidate = !pair.is_candidate(image);
        let mut least_missing = u32::MAX;
        let mut second = None;
        for (index, pair) in self.pairs.iter().enumerate() {
            let is_nearest = no_candidate && index == nearest;
            if !(is_nearest || pair.is_candidate(image)) {
                continue;
            }
            let (scan, steps) = (&mut self.scan, &mut self.steps);
            self.evaluation
                .evaluate(&facts, image, module, pair, scan, steps);
            let missing = self.evaluation.findings.missing.len();
            if missing < least_missing {
                least_missing = missing;
                self.best = self.evaluation;
            } else if missing == 0 {
                second = second.or(Some(pair.threshold));
            }
        }

        self.report_best();
        let best = &self.best.findings;
        match second {
            _ if !best.missing.is_empty() => Err(NotLocatedReason::Missing(best.missing)),
            Some(second) => Err(NotLocatedReason::Ambiguous(best.threshold, second)),
            None => Ok(()),
        }
    }

    /// Stores the best findings for a refusal.
    // Not inlined, here and below, to save stack.
    #[inline(never)]
    fn report_best(&mut self) {
        self.refusal.best = Some(self.best.findings);
    }

    /// Makes the best pair the answer.
    #[inline(never)]
    fn accept(&mut self, image: &Image<'_>, module: Module) -> Result<(), NotLocatedReason> {
        let findings = self.best.findings;
        let section = image.section_at(findings.threshold, 4);
        let (Some(queue), Some(section)) = (findings.queue(), section) else {
            let lacks = EvidenceSet::EMPTY.with(Evidence::SameDataSection);
            return Err(NotLocatedReason::Missing(lacks));
        };
        self.located = Some(Located {
            module,
            arch: image.arch(),
            layout: image.layout(),
            base: image.base(),
            section_flags: section.flags(),
            queue,
            findings,
        });
        Ok(())
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Workspace::new()
    }
}

/// Facts of the image, the same for each candidate.
struct ImageFacts<'a> {
    /// Whether the search may use SIMD.
    simd: bool,
    base_check: BaseCheck,
    event: Option<Rva>,
    /// The relocation table fits the code.
    relocations_fit: bool,
    /// The functions, on x64.
    functions: Option<Functions<'a>>,
}

/// The evidence for one pair.
#[derive(Clone, Copy, Debug)]
struct Evaluation {
    found: References,
    findings: Findings,
}

impl Evaluation {
    const NOTHING: Evaluation = Evaluation {
        found: References::NONE,
        findings: Findings::NOTHING,
    };

    /// Evaluates all evidence for a pair.
    #[inline(never)]
    fn evaluate(
        &mut self,
        facts: &ImageFacts<'_>,
        image: &Image<'_>,
        module: Module,
        pair: &Pair,
        scan: &mut ByteScan,
        steps: &mut StepCount,
    ) {
        let Evaluation { found, findings } = self;
        pair.read_gates(image, &mut findings.gates);
        *found = References::NONE;
        found.collect(image, facts.simd, pair, &findings.gates, scan, steps);
        let (mut imports, mut functions) = (true, true);
        for (gate, around) in findings.gates.iter().zip(&mut findings.nearby_calls) {
            let Some(gate) = gate else {
                *around = NearbyCalls::NONE;
                continue;
            };
            around.survey(image, facts.functions, gate.at(), steps);
            imports &= around.imports_hold();
            functions &= around.functions_hold();
            for operand in gate.operands() {
                found.count_relocated(image, operand);
            }
        }
        let queue_test = found.queue_test(image);
        if let Some(test) = queue_test {
            found.count_relocated(image, test);
        }
        let relocated = found.relocated.is_whole() && facts.relocations_fit;
        let event = facts.event;
        // Measured for tcpip.sys only, so required only there.
        let loader = found.loader.filter(|_| module == Module::Tcpip);
        let reader = found.reader.or(loader);
        let all = pair
            .evidence(image)
            .with_if(
                Evidence::AtomicCounter,
                found.atomic_updates >= ENOUGH_ATOMICS,
            )
            .with_if(Evidence::QueueTest, queue_test.is_some())
            .with_if(Evidence::GateReadsOnly, reader.is_none())
            .with_if(Evidence::NoLiveWriter, found.writer.is_none())
            .with_if(Evidence::NoAtomicOnThreshold, found.locked.is_none())
            .with_if(Evidence::AnchoredBase, facts.base_check.passes())
            .with_if(Evidence::EventId, event.is_some())
            .with_if(Evidence::NoEventId, event.is_none())
            .with_if(Evidence::LocalImports, imports)
            .with_if(Evidence::LocalFunctions, functions)
            .with_if(Evidence::Relocated, relocated);
        let required = EvidenceSet::required(module, image.arch(), image.layout());
        let missing = required.without(all);
        findings.threshold = pair.threshold;
        findings.count = pair.count;
        findings.held = required.without(missing);
        findings.missing = missing;
        findings.atomic_updates = found.atomic_updates;
        findings.first_atomic = found.first_atomic;
        findings.queue_test = queue_test;
        findings.event = event;
        findings.import_calls = facts.base_check.imports;
        findings.offender = found.writer.or(found.locked).or(reader);
        findings.relocated = found.relocated;
    }
}
