//! All reachable code, and executable bytes that are not reached.
//!
//! Recursive descent from the entry point and from every address of code that is taken: by a
//! relocation, by a rip-relative operand, or in the exception table of x64. Executable bytes that
//! are neither reached nor padding are a violation, so that no code escapes the checks.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use object::pe;
use scanner_core::Rva;

use super::image::{Image, Section};
use super::{Arch, Kind, Violation, instruction};

/// The longest instruction, in bytes.
const LONGEST: u32 = 15;
/// UNW_FLAG_CHAININFO, above the three bits of the version: not a function of its own.
const CHAINED: u8 = 4 << 3;

/// The reached code. Instructions are decoded at their addresses at the preferred base.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    pub(super) instructions: BTreeMap<Rva, Instruction>,
    /// Functions called from outside: the entry point and every address of code that is taken.
    pub(super) roots: BTreeSet<Rva>,
    /// The roots and the functions that they call.
    pub(super) functions: BTreeSet<Rva>,
}

/// The reached code and its violations. `taken` are the targets of relocations.
pub(super) fn check(image: &Image<'_>, kind: Kind, taken: &[Rva]) -> (Code, Vec<Violation>) {
    let mut descent = Descent {
        image,
        kind,
        code: Code::default(),
        work: Vec::new(),
        violations: Vec::new(),
    };
    descent.root(image.entry);
    for &target in taken {
        descent.root(target);
    }
    for function in listed_functions(image) {
        descent.function(function);
    }
    while let Some(at) = descent.work.pop() {
        descent.reach(at);
    }
    descent.overlaps();
    let unreached = image
        .sections
        .iter()
        .filter(|section| section.is_executable())
        .flat_map(|section| unreached(image, section, &descent.code));
    let violations = descent.violations.into_iter().chain(unreached).collect();
    (descent.code, violations)
}

/// The function starts in the exception directory (.pdata) of x64.
fn listed_functions(image: &Image<'_>) -> Vec<Rva> {
    let directory = image.directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION);
    let Some((start, size)) = directory.filter(|_| image.arch == Arch::X64) else {
        return Vec::new();
    };
    (0..size)
        .step_by(12)
        .filter_map(|offset| {
            let entry = start.plus(offset)?;
            let unwind = Rva(image.u32_at(entry.plus(8)?)?);
            let chained = image.bytes(unwind, 1)?.first()? & CHAINED != 0;
            (!chained).then_some(Rva(image.u32_at(entry)?))
        })
        .collect()
}

struct Descent<'image> {
    image: &'image Image<'image>,
    kind: Kind,
    code: Code,
    work: Vec<Rva>,
    violations: Vec<Violation>,
}

impl Descent<'_> {
    /// Adds a pointer to `target`, which may be code.
    fn root(&mut self, target: Rva) {
        if self.image.code(target).is_some() && self.code.roots.insert(target) {
            self.function(target);
        }
    }

    fn function(&mut self, target: Rva) {
        self.code.functions.insert(target);
        self.work.push(target);
    }

    /// Decodes the instruction at `at` and queues its successors.
    fn reach(&mut self, at: Rva) {
        if self.code.instructions.contains_key(&at) {
            return;
        }
        let Some(instruction) = decode(self.image, at) else {
            return self.violations.push(Violation::Undecodable(at));
        };
        self.code.instructions.insert(at, instruction);
        let violation = instruction::check(&instruction, at, self.image.arch, self.kind);
        self.violations.extend(violation);
        if instruction.is_ip_rel_memory_operand()
            && let Some(target) = self.image.rva(instruction.ip_rel_memory_address())
        {
            self.root(target);
        }
        if instruction::is_trap(&instruction) {
            return;
        }
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::IndirectCall => self.follow(at, instruction.next_ip()),
            FlowControl::UnconditionalBranch => self.branch(at, &instruction),
            FlowControl::ConditionalBranch => {
                self.branch(at, &instruction);
                self.follow(at, instruction.next_ip());
            }
            FlowControl::Call => {
                self.branch(at, &instruction);
                let target = self.image.rva(instruction.near_branch_target());
                self.code.functions.extend(target);
                self.follow(at, instruction.next_ip());
            }
            FlowControl::IndirectBranch | FlowControl::Return => {}
            // Not on the list of instructions: already a violation.
            FlowControl::Interrupt | FlowControl::Exception | FlowControl::XbeginXabortXend => {}
        }
    }

    fn branch(&mut self, at: Rva, instruction: &Instruction) {
        self.follow(at, instruction.near_branch_target());
    }

    fn follow(&mut self, at: Rva, target: u64) {
        match self.image.rva(target) {
            Some(rva) if self.image.code(rva).is_some() => self.work.push(rva),
            _ => self
                .violations
                .push(Violation::BranchOutside { at, target }),
        }
    }

    fn overlaps(&mut self) {
        let mut instructions = self.code.instructions.iter().peekable();
        while let Some((&inside, instruction)) = instructions.next() {
            if let Some(&(&at, _)) = instructions.peek()
                && at.distance(inside) < length(instruction)
            {
                self.violations.push(Violation::Overlap { at, inside });
            }
        }
    }
}

fn length(instruction: &Instruction) -> u32 {
    u32::try_from(instruction.len()).unwrap_or(LONGEST)
}

/// The instruction at `at`, with its address at the preferred base.
fn decode(image: &Image<'_>, at: Rva) -> Option<Instruction> {
    let bytes = image.code(at)?.bytes_from(at)?;
    let address = image.base + u64::from(at.0);
    let mut decoder = Decoder::with_ip(image.word() * 8, bytes, address, DecoderOptions::NONE);
    let instruction = decoder.decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// The gaps between the instructions of a section that hold more than padding.
fn unreached(image: &Image<'_>, section: &Section<'_>, code: &Code) -> Vec<Violation> {
    let start = section.rva;
    let size = u32::try_from(section.bytes.len()).unwrap_or(u32::MAX);
    let Some(end) = start.plus(size) else {
        return Vec::new();
    };
    let mut gaps = Vec::new();
    let mut reached_to = start;
    for (&at, instruction) in code.instructions.range(start..end) {
        gaps.push((reached_to, at));
        reached_to = reached_to.max(at.plus(length(instruction)).unwrap_or(end));
    }
    gaps.push((reached_to, end));
    gaps.into_iter()
        .filter(|&(from, to)| from < to && !is_padding(image, from, to))
        .map(|(at, to)| Violation::Unreached {
            at,
            bytes: to.distance(at),
        })
        .collect()
}

/// Whether a gap holds only padding of linkers and compilers: int3, nop of any length, zeros up to
/// the end.
fn is_padding(image: &Image<'_>, from: Rva, to: Rva) -> bool {
    let mut at = from;
    while at < to {
        let rest = image.bytes(at, to.distance(at)).unwrap_or(&[1]);
        if rest.iter().all(|&byte| byte == 0) {
            return true;
        }
        let padding = decode(image, at)
            .filter(|instruction| matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3));
        match padding.and_then(|instruction| at.plus(length(&instruction))) {
            Some(next) => at = next,
            None => return false,
        }
    }
    at == to
}
