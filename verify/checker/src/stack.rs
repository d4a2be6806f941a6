//! The deepest stack use of a file, by its call graph.
//!
//! Every function is followed along all of its paths with only the stack depth as state: pushes,
//! pops and additions to the stack pointer, a frame pointer, and the arguments that callees remove.
//! Paths that meet must agree, and a return must be at the depth of the entry. The target of a jump
//! belongs to the function that jumps there, so tail calls need no special case. The emulator
//! checks in each of its runs that functions preserve registers and that the depth is the one found
//! here.
//!
//! The stack use of imports does not count, nor do the return address and arguments that the
//! callers of the roots push.

use std::collections::BTreeMap;

use iced_x86::{
    FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};
use scanner_core::Rva;

use super::code::Code;
use super::image::Image;
use super::import::{self, Convention};
use super::linkage::Slots;
use super::{Arch, Kind, Stack, Violation, instruction};

/// The stack that a driver may use, in bytes, of the 12 KiB of a thread on x86.
pub const DEEPEST_DRIVER: u32 = 2048;

/// The arguments of DriverEntry on x86, in bytes: stdcall, two pointers.
const ENTRY_ARGUMENTS: i64 = 8;

/// # Errors
/// The reasons for an unknown depth, and violations of the callers' stack. For a driver also too
/// great a depth.
pub(super) fn check(
    image: &Image<'_>,
    slots: &Slots,
    code: &Code,
    kind: Kind,
) -> Result<Stack, Vec<Violation>> {
    let mut graph = Graph {
        image,
        slots,
        code,
        functions: BTreeMap::new(),
        path: Vec::new(),
        violations: Vec::new(),
    };
    for &function in &code.functions {
        graph.visit(function);
    }
    let entry = graph.functions.get(&image.entry);
    if kind == Kind::Driver
        && image.arch == Arch::X86
        && let Some(removes) = entry.and_then(|entry| entry.removes)
        && removes != ENTRY_ARGUMENTS
    {
        let wanted = ENTRY_ARGUMENTS;
        graph.note(Violation::EntryArguments { removes, wanted });
    }
    let stack = graph.deepest();
    if kind == Kind::Driver && stack.depth > DEEPEST_DRIVER {
        let (stack, most) = (stack.clone(), DEEPEST_DRIVER);
        graph.note(Violation::TooDeep { stack, most });
    }
    match graph.violations.is_empty() {
        true => Ok(stack),
        false => Err(graph.violations),
    }
}

/// The stack use of a function.
#[derive(Clone, Copy, Debug, Default)]
struct Function {
    /// The most bytes below its return address, callees included.
    depth: i64,
    /// The callee with the deepest byte, and the depth of its return address; `None` if the deepest
    /// byte is the function's own.
    callee: Option<(Rva, i64)>,
    /// The bytes of arguments that it removes; `None` if it never returns.
    removes: Option<i64>,
}

impl Function {
    fn deepen(&mut self, depth: i64, callee: Option<(Rva, i64)>) {
        if depth > self.depth {
            (self.depth, self.callee) = (depth, callee);
        }
    }
}

/// The stack pointer, and the frame pointer if it points to the stack, in bytes below the return
/// address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Depth {
    top: i64,
    frame: Option<i64>,
}

struct Graph<'image> {
    image: &'image Image<'image>,
    slots: &'image Slots,
    code: &'image Code,
    functions: BTreeMap<Rva, Function>,
    /// The functions being followed, the outermost first.
    path: Vec<Rva>,
    violations: Vec<Violation>,
}

impl Graph<'_> {
    fn note(&mut self, violation: Violation) {
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    /// The stack use of a function, computed on demand; nothing for one that is being followed.
    fn visit(&mut self, function: Rva) -> Function {
        if let Some(&known) = self.functions.get(&function) {
            return known;
        }
        if let Some(from) = self.path.iter().position(|&it| it == function) {
            let circle = self.path[from..].iter().copied().chain([function]);
            self.note(Violation::Recursion(circle.collect()));
            return Function::default();
        }
        self.path.push(function);
        let found = self.follow(function);
        self.path.pop();
        self.functions.insert(function, found);
        found
    }

    /// Follows every path through a function. A path ends at a violation.
    fn follow(&mut self, function: Rva) -> Function {
        let mut found = Function::default();
        let entry = Depth {
            top: 0,
            frame: None,
        };
        let mut depths = BTreeMap::from([(function, entry)]);
        let mut work = vec![function];
        while let Some(at) = work.pop() {
            // Undecoded code is already a violation.
            let Some(instruction) = self.code.instructions.get(&at) else {
                continue;
            };
            let mut depth = depths[&at];
            let ways = match self.step(at, instruction, &mut depth, &mut found) {
                Ok(ways) => ways,
                Err(violation) => {
                    self.note(violation);
                    continue;
                }
            };
            found.deepen(depth.top, None);
            for next in ways.into_iter().filter_map(|next| self.image.rva(next)) {
                match depths.get_mut(&next) {
                    None => {
                        depths.insert(next, depth);
                        work.push(next);
                    }
                    Some(before) if before.top != depth.top => {
                        let (at, one, other) = (next, before.top, depth.top);
                        self.note(Violation::DepthMismatch { at, one, other });
                    }
                    Some(before) if before.frame.is_some() && before.frame != depth.frame => {
                        before.frame = None;
                        work.push(next);
                    }
                    Some(_) => {}
                }
            }
        }
        found
    }

    /// Applies one instruction and returns its successors in this function.
    fn step(
        &mut self,
        at: Rva,
        instruction: &Instruction,
        depth: &mut Depth,
        found: &mut Function,
    ) -> Result<Vec<u64>, Violation> {
        let word = i64::from(self.image.word());
        let (next, target) = (instruction.next_ip(), instruction.near_branch_target());
        let pushed = depth.top + word;
        let ways = match instruction.flow_control() {
            _ if instruction::is_trap(instruction) => vec![],
            FlowControl::Next => {
                depth.follow(at, instruction, word)?;
                vec![next]
            }
            FlowControl::UnconditionalBranch => vec![target],
            FlowControl::ConditionalBranch => vec![target, next],
            FlowControl::Call => {
                let Some(target) = self.image.rva(target) else {
                    return Ok(vec![]);
                };
                let callee = self.visit(target);
                found.deepen(pushed + callee.depth, Some((target, pushed)));
                depth.top -= callee.removes.unwrap_or(0);
                callee.removes.map(|_| next).into_iter().collect()
            }
            FlowControl::IndirectCall => {
                found.deepen(pushed, None);
                depth.top -= self.import(at, instruction)?;
                vec![next]
            }
            FlowControl::IndirectBranch => {
                let removes = self.import(at, instruction)?;
                leave(at, *depth, removes, found)?;
                vec![]
            }
            FlowControl::Return => {
                let removes = i64::from(instruction.stack_pointer_increment()) - word;
                leave(at, *depth, removes, found)?;
                vec![]
            }
            // Not on the list of instructions: already a violation.
            FlowControl::Interrupt | FlowControl::Exception | FlowControl::XbeginXabortXend => {
                vec![]
            }
        };
        match depth.top {
            0.. => Ok(ways),
            _ => Err(Violation::BelowEntry(at)),
        }
    }

    /// The bytes removed by the import that an indirect call or jump reaches.
    fn import(&self, at: Rva, instruction: &Instruction) -> Result<i64, Violation> {
        let slot = match instruction.op0_kind() {
            OpKind::Register => self.loaded(at, instruction.op0_register()),
            _ => self.slot(instruction),
        };
        let linked = slot.and_then(|slot| self.slots.get(&slot));
        let linked = linked.ok_or(Violation::Indirect(at))?;
        let (dll, name) = (linked.dll.clone(), linked.name.clone());
        match (self.image.arch, import::find(&dll, &name)) {
            (_, Some(import)) if import.convention == Convention::Data => {
                Err(Violation::CallsData { at, name })
            }
            (Arch::X64, _) => Ok(0),
            (Arch::X86, Some(import)) => Ok(i64::from(import.callee_removes()) * 4),
            (Arch::X86, None) => Err(Violation::NotInTable { dll, name }),
        }
    }

    /// The slot loaded by the last instruction before `at` that writes the register.
    fn loaded(&self, at: Rva, register: Register) -> Option<Rva> {
        let mut before = self.code.instructions.range(..at).rev();
        let (_, load) = before.find(|(_, it)| writes(it, register))?;
        let is_load = load.mnemonic() == Mnemonic::Mov && load.op0_register() == register;
        self.slot(load).filter(|_| is_load)
    }

    /// The slot of the import address table in the memory operand.
    fn slot(&self, instruction: &Instruction) -> Option<Rva> {
        let address = match (instruction.memory_base(), instruction.memory_index()) {
            (Register::RIP, Register::None) => instruction.ip_rel_memory_address(),
            (Register::None, Register::None) if self.image.arch == Arch::X86 => {
                u64::from(instruction.memory_displacement32())
            }
            _ => return None,
        };
        let slot = self.image.rva(address)?;
        self.slots.contains_key(&slot).then_some(slot)
    }

    fn deepest(&self) -> Stack {
        let deepest = self.functions.iter().max_by_key(|(_, it)| it.depth);
        let (depth, mut next) = deepest.map_or((0, None), |(&at, it)| (it.depth, Some(at)));
        let mut chain = Vec::new();
        // Bounded: a cycle, which is a violation, would not end.
        while let Some(function) = next.filter(|_| chain.len() < self.functions.len()) {
            let found = self.functions[&function];
            let own = found.callee.map_or(found.depth, |(_, pushed)| pushed);
            chain.push((function, bytes(own)));
            next = found.callee.map(|(callee, _)| callee);
        }
        let depth = bytes(depth);
        Stack { depth, chain }
    }
}

impl Depth {
    /// Applies an instruction that is no call, jump or return.
    fn follow(&mut self, at: Rva, instruction: &Instruction, word: i64) -> Result<(), Violation> {
        use Register::{RBP, RSP};
        let depth_of = |register: Register| match register.full_register() {
            RSP => Some(self.top),
            RBP => self.frame,
            _ => None,
        };
        let base = instruction.memory_base();
        // Displacements are 32 bits wide on both machines, and constants on x86.
        let below = i64::from(instruction.memory_displacement32().cast_signed());
        let wide = |constant: u64| match word {
            4 => (constant.cast_signed() << 32) >> 32,
            _ => constant.cast_signed(),
        };
        let constant = instruction.try_immediate(1).ok().map(wide);
        let is_access = !matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Nop);
        if is_access && base.full_register() == RSP && below < 0 {
            return Err(Violation::BeyondTop(at));
        }
        let to = instruction.op0_register();
        let result = match (instruction.mnemonic(), constant) {
            (Mnemonic::Add, Some(bytes)) => depth_of(to).map(|depth| depth - bytes),
            (Mnemonic::Sub, Some(bytes)) => depth_of(to).map(|depth| depth + bytes),
            // Deeper by at most the unaligned part.
            (Mnemonic::And, Some(mask)) if mask < 0 => {
                depth_of(to).map(|depth| depth - mask - word)
            }
            (Mnemonic::Mov, None) => depth_of(instruction.op1_register()),
            (Mnemonic::Lea, _) if instruction.memory_index() == Register::None => {
                depth_of(base).map(|depth| depth - below)
            }
            _ => None,
        };
        let result = result.filter(|_| i64::try_from(to.size()) == Ok(word));
        let moved = i64::from(instruction.stack_pointer_increment());
        let top = match instruction.mnemonic() {
            _ if !writes(instruction, RSP) => Some(self.top),
            Mnemonic::Leave => self.frame.map(|frame| frame - word),
            _ if to.full_register() == RSP => result,
            _ => (moved.abs() == word).then_some(self.top - moved),
        };
        if writes(instruction, RBP) {
            self.frame = result.filter(|_| to.full_register() == RBP);
        }
        self.top = top.ok_or(Violation::UnknownStack(at))?;
        Ok(())
    }
}

/// Whether the instruction changes the register, or a part of it.
fn writes(instruction: &Instruction, register: Register) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_registers();
    used.iter().any(|used| {
        let is_read = matches!(used.access(), OpAccess::Read | OpAccess::CondRead);
        used.register().full_register() == register.full_register() && !is_read
    })
}

/// Leaves the function: to its caller, or by a jump to an import.
fn leave(at: Rva, depth: Depth, removes: i64, found: &mut Function) -> Result<(), Violation> {
    match (depth.top, found.removes.replace(removes)) {
        (0, Some(other)) if other != removes => {
            let one = removes;
            Err(Violation::ArgumentMismatch { at, one, other })
        }
        (0, _) => Ok(()),
        (depth, _) => Err(Violation::Return { at, depth }),
    }
}

/// Clamps to 4 GiB.
fn bytes(depth: i64) -> u32 {
    u32::try_from(depth).unwrap_or(u32::MAX)
}
