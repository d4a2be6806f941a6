//! The rule: the limit is where all required evidence meets, and only there.

use core::fmt;

use crate::anchor::{Anchor, anchor};
use crate::candidate::{Findings, Pair, Pairs};
use crate::effort::Effort;
use crate::evidence::{Evidence, EvidenceSet};
use crate::exception::Functions;
use crate::image::{Arch, Image, Layout};
use crate::reference::References;
use crate::relocation::Relocations;
use crate::rva::Rva;
use crate::section::SectionFlags;
use crate::sieve::Sieve;
use crate::surroundings::Surroundings;
use crate::sweep::sweep;

/// Locked updates of the count that are required. Seen: 18 and 19 in
/// `tcpip.sys`, 4 and 9 in `tcpip6.sys`.
const ENOUGH_ATOMICS: u32 = 3;

/// Which driver the caller says it is. By structure alone the two can't be
/// told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// `tcpip.sys`: IPv4.
    Tcpip,
    /// `tcpip6.sys`: IPv6.
    Tcpip6,
}

impl Module {
    /// Both.
    pub const ALL: [Module; 2] = [Module::Tcpip, Module::Tcpip6];

    /// The name of its file.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Module::Tcpip => "tcpip.sys",
            Module::Tcpip6 => "tcpip6.sys",
        }
    }

    /// The module whose file has this name, upper or lower case.
    #[must_use]
    pub fn named(name: &str) -> Option<Module> {
        Module::ALL
            .into_iter()
            .find(|module| name.eq_ignore_ascii_case(module.file_name()))
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file_name())
    }
}

/// The limit, found: all required evidence holds for it and for nothing else
/// in the image. Only [`locate`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    module: Module,
    arch: Arch,
    layout: Layout,
    base: u64,
    section_flags: SectionFlags,
    queue: Rva,
    findings: Findings,
}

impl Located {
    /// The driver, as the caller said.
    #[must_use]
    pub fn module(&self) -> Module {
        self.module
    }

    /// x86 or x64.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Whether it was found in a file or in memory.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The base that the image was searched at.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The limit: an aligned dword.
    #[must_use]
    pub fn threshold(&self) -> Rva {
        self.findings.threshold()
    }

    /// The count of half-open connections, directly behind it.
    #[must_use]
    pub fn count(&self) -> Rva {
        self.findings.count()
    }

    /// The length of the queue, directly before it.
    #[must_use]
    pub fn queue(&self) -> Rva {
        self.queue
    }

    /// Flags of the section that holds all three.
    #[must_use]
    pub fn section_flags(&self) -> SectionFlags {
        self.section_flags
    }

    /// The evidence in detail.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether both are the same place of the same image, found by the same code.
    /// Counts of calls may differ: other software may have hooked some.
    #[must_use]
    pub fn is_same_place(&self, other: &Located) -> bool {
        let Located {
            module,
            arch,
            layout,
            base,
            section_flags,
            queue,
            findings,
        } = self;
        *module == other.module
            && *arch == other.arch
            && *layout == other.layout
            && *base == other.base
            && *section_flags == other.section_flags
            && *queue == other.queue
            && findings.is_same_place(&other.findings)
    }
}

/// Why nothing was located.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No code compares two variables in the way that the limiter does.
    NoGate,
    /// The best candidate lacks this evidence.
    Missing(EvidenceSet),
    /// Two candidates have all evidence; the limits would be these.
    Ambiguous(Rva, Rva),
    /// So many pairs of variables are compared that nothing can be told.
    TooManyCandidates,
}

/// Nothing was located, and why. It can't be turned into a write in any way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocated {
    reason: Reason,
    best: Option<Findings>,
}

impl NotLocated {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What was found out about the best candidate, for a report.
    #[must_use]
    pub fn best(&self) -> Option<&Findings> {
        self.best.as_ref()
    }
}

impl fmt::Display for NotLocated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::NoGate => f.write_str("no code compares two variables as the limiter does"),
            Reason::Missing(missing) => write!(f, "evidence is missing: {missing}"),
            Reason::Ambiguous(first, second) => {
                write!(f, "two places qualify: RVA {first} and RVA {second}")
            }
            Reason::TooManyCandidates => {
                f.write_str("too many pairs of variables are compared to tell one from another")
            }
        }
    }
}

impl core::error::Error for NotLocated {}

/// Finds the limit of half-open connections.
///
/// It depends on nothing but what the code does with the variable: not on the
/// value, a version, a hash or an address. In an image from memory only the
/// headers and the code sections handed over are read.
///
/// # Errors
/// When required evidence is missing, or a second place has it all. The
/// refusal names the reason.
#[expect(
    clippy::result_large_err,
    reason = "a refusal carries its report, and nothing can be boxed"
)]
pub fn locate(image: &Image<'_>, module: Module) -> Result<Located, NotLocated> {
    locate_counted(image, module, &mut Effort::default())
}

/// As [`locate`], counting the steps it takes: at most 32 times the bytes
/// searched, whatever they are.
///
/// # Errors
/// As [`locate`].
#[expect(
    clippy::result_large_err,
    reason = "a refusal carries its report, and nothing can be boxed"
)]
pub fn locate_counted(
    image: &Image<'_>,
    module: Module,
    effort: &mut Effort,
) -> Result<Located, NotLocated> {
    let mut workspace = Workspace::new();
    match workspace.locate(image, module, effort) {
        Ok(located) => Ok(*located),
        Err(refusal) => Err(*refusal),
    }
}

/// As [`locate`], with next to nothing on the stack: the answer stays in the
/// workspace.
///
/// # Errors
/// As [`locate`].
pub fn locate_in<'w>(
    image: &Image<'_>,
    module: Module,
    workspace: &'w mut Workspace,
) -> Result<&'w Located, &'w NotLocated> {
    workspace.locate(image, module, &mut Effort::default())
}

/// What [`locate_in`] works with: about two kilobytes, a good part of a kernel's
/// stack, so a driver keeps it elsewhere. One search leaves nothing in it that
/// another would look at.
#[derive(Debug)]
pub struct Workspace {
    /// Searched by SIMD where there is any.
    simd: bool,
    pairs: Pairs,
    sieve: Sieve,
    /// The pair that is being weighed.
    weighed: Weighed,
    /// The one that most speaks for.
    best: Weighed,
    located: Option<Located>,
    refusal: NotLocated,
}

impl Workspace {
    /// One that was not used yet.
    #[must_use]
    pub const fn new() -> Workspace {
        Workspace {
            simd: true,
            pairs: Pairs::NONE,
            sieve: Sieve::NOTHING,
            weighed: Weighed::NOTHING,
            best: Weighed::NOTHING,
            located: None,
            refusal: NotLocated {
                reason: Reason::NoGate,
                best: None,
            },
        }
    }

    /// One that searches as a driver does, which has no SIMD, whatever the
    /// processor: to show that the answers are the same.
    #[must_use]
    pub const fn without_simd() -> Workspace {
        Workspace {
            simd: false,
            ..Workspace::new()
        }
    }

    /// What the last search located, if it did.
    #[must_use]
    pub fn located(&self) -> Option<&Located> {
        self.located.as_ref()
    }

    fn locate(
        &mut self,
        image: &Image<'_>,
        module: Module,
        effort: &mut Effort,
    ) -> Result<&Located, &NotLocated> {
        self.located = None;
        self.refusal.reason = match self.search(image, module, effort) {
            Ok(()) => self.conclude(image, module),
            Err(reason) => reason,
        };
        self.located.as_ref().ok_or(&self.refusal)
    }

    /// Leaves the one pair that all required evidence holds for in `best`, or
    /// the nearest to it.
    fn search(
        &mut self,
        image: &Image<'_>,
        module: Module,
        effort: &mut Effort,
    ) -> Result<(), Reason> {
        self.refusal.best = None;
        let event = sweep(image, self.simd, &mut self.pairs, effort);
        let nearest = self.pairs.iter().enumerate();
        let Some((nearest, pair)) = nearest.max_by_key(|(_, pair)| pair.evidence(image).len())
        else {
            return Err(Reason::NoGate);
        };
        if self.pairs.overflowed() {
            return Err(Reason::TooManyCandidates);
        }

        let common = Common {
            simd: self.simd,
            anchor: anchor(image, effort),
            event,
            relocations_fit: Relocations::of(image).fit(image),
            functions: Functions::of(image),
        };
        // Where no pair is a candidate, the nearest to one is looked into, so
        // that the refusal can say all that it lacks.
        let none = !pair.is_candidate(image);
        let mut fewest = None;
        let mut also = None;
        for (index, pair) in self.pairs.iter().enumerate() {
            let looked_into = pair.is_candidate(image) || (none && index == nearest);
            if !looked_into {
                continue;
            }
            let sieve = &mut self.sieve;
            self.weighed
                .weigh(&common, image, module, pair, sieve, effort);
            let lacks = self.weighed.findings.missing.len();
            match fewest {
                Some(0) if lacks == 0 => also = also.or(Some(pair.threshold)),
                Some(fewest) if fewest <= lacks => {}
                _ => {
                    fewest = Some(lacks);
                    self.best = self.weighed;
                }
            }
        }

        self.keep_best();
        let best = &self.best.findings;
        match also {
            _ if !best.missing.is_empty() => Err(Reason::Missing(best.missing)),
            Some(also) => Err(Reason::Ambiguous(best.threshold, also)),
            None => Ok(()),
        }
    }

    /// For a report, should it come to a refusal.
    // Apart from its caller for the stack's sake, as the next one.
    #[inline(never)]
    fn keep_best(&mut self) {
        self.refusal.best = Some(self.best.findings);
    }

    /// Makes the best pair the answer.
    #[inline(never)]
    fn conclude(&mut self, image: &Image<'_>, module: Module) -> Reason {
        let findings = self.best.findings;
        if let (Some(queue), Some(section)) =
            (findings.queue(), image.section_at(findings.threshold, 4))
        {
            self.located = Some(Located {
                module,
                arch: image.arch(),
                layout: image.layout(),
                base: image.base(),
                section_flags: section.flags(),
                queue,
                findings,
            });
        }
        // Only counts where the above did not: not reached, since with
        // SameDataSection there is a section.
        Reason::NoGate
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Workspace::new()
    }
}

/// What is true of the image, whatever the candidate.
struct Common<'a> {
    /// And of the search: whether SIMD may be used.
    simd: bool,
    anchor: Anchor,
    event: Option<Rva>,
    /// The relocation table is one of this code.
    relocations_fit: bool,
    /// On x64.
    functions: Option<Functions<'a>>,
}

/// A pair, and all that speaks for it.
#[derive(Clone, Copy, Debug)]
struct Weighed {
    found: References,
    findings: Findings,
}

impl Weighed {
    const NOTHING: Weighed = Weighed {
        found: References::NONE,
        findings: Findings::NOTHING,
    };

    /// Weighs all evidence for one pair.
    #[inline(never)]
    fn weigh(
        &mut self,
        common: &Common<'_>,
        image: &Image<'_>,
        module: Module,
        pair: &Pair,
        sieve: &mut Sieve,
        effort: &mut Effort,
    ) {
        let Weighed { found, findings } = self;
        pair.read_gates(image, &mut findings.gates);
        *found = References::NONE;
        found.gather(image, common.simd, pair, &findings.gates, sieve, effort);
        let (mut imports, mut functions) = (true, true);
        for (gate, around) in findings.gates.iter().zip(&mut findings.surroundings) {
            let Some(gate) = gate else {
                *around = Surroundings::NONE;
                continue;
            };
            around.survey(image, common.functions, gate.at(), effort);
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
        let relocated = found.relocated.is_whole() && common.relocations_fit;
        let event = common.event;
        // Measured for tcpip.sys only, so asked for only there.
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
            .with_if(Evidence::AnchoredBase, common.anchor.holds())
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
        findings.import_calls = common.anchor.imports;
        findings.offender = found.writer.or(found.locked).or(reader);
        findings.relocated = found.relocated;
    }
}
