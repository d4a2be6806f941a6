//! Every function is followed instruction by instruction until nothing new is learned; where ways
//! meet, they must agree on the stack pointer. What is found out about a function (its depth, the
//! arguments that it removes, the registers that it gives back) is then used for its callers. Code
//! behind a jump belongs to the function that jumps there, so tail calls need nothing more.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code as Form, FlowControl, Instruction, Register};
use scanner_core::Rva;

use super::code::Code;
use super::frame::Frame;
use super::import::{self, Convention};
use super::value::Context;
use super::{Arch, Violation, instruction};

#[derive(Clone, Debug)]
pub(super) struct Summary {
    /// The most bytes below its return address, callees included.
    pub(super) depth: i64,
    /// What is called there, and its return address's depth, if the deepest byte isn't its own.
    pub(super) callee: Option<(Rva, i64)>,
    /// The bytes of arguments that it removes. `None`: it never returns.
    pub(super) removes: Option<i64>,
    /// The registers that it gives back as it got them.
    pub(super) preserved: Vec<Register>,
}

enum Visit {
    UnderWay,
    /// A violation has said why.
    Failed,
    Done(Summary),
}

/// What was found out so far.
pub(super) struct Walk<'image> {
    pub(super) context: Context<'image>,
    code: &'image Code,
    visits: BTreeMap<Rva, Visit>,
    /// The functions that are under way, the outermost first.
    path: Vec<Rva>,
    pub(super) violations: Vec<Violation>,
}

impl<'image> Walk<'image> {
    pub(super) fn new(context: Context<'image>, code: &'image Code) -> Self {
        Self {
            context,
            code,
            visits: BTreeMap::new(),
            path: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// What was found out of all functions that could be followed.
    pub(super) fn summaries(&self) -> BTreeMap<Rva, &Summary> {
        let mut done = BTreeMap::new();
        for (&function, visit) in &self.visits {
            if let Visit::Done(summary) = visit {
                done.insert(function, summary);
            }
        }
        done
    }

    /// What is known of a function, found out if need be. `None`: a violation has said why not.
    pub(super) fn visit(&mut self, function: Rva) -> Option<Summary> {
        match self.visits.get(&function) {
            Some(Visit::Done(summary)) => return Some(summary.clone()),
            Some(Visit::Failed) => return None,
            Some(Visit::UnderWay) => {
                let from = self.path.iter().position(|&it| it == function);
                let mut circle = self.path[from.unwrap_or(0)..].to_vec();
                circle.push(function);
                self.violations.push(Violation::Recursion(circle));
                return None;
            }
            None => {}
        }
        self.visits.insert(function, Visit::UnderWay);
        self.path.push(function);
        let before = self.violations.len();
        let summary = self.follow(function);
        self.path.pop();
        let done = self.violations.len() == before;
        let visit = match summary {
            Some(ref summary) if done => Visit::Done(summary.clone()),
            _ => Visit::Failed,
        };
        self.visits.insert(function, visit);
        summary.filter(|_| done)
    }

    /// Follows every way through a function until nothing new is learned.
    fn follow(&mut self, function: Rva) -> Option<Summary> {
        let mut summary = Summary {
            depth: 0,
            callee: None,
            removes: None,
            preserved: Frame::entry().unchanged().collect(),
        };
        let mut frames = BTreeMap::from([(function, Frame::entry())]);
        let mut work = BTreeSet::from([function]);
        let mut failed = false;
        while let Some(at) = work.pop_first() {
            // What isn't decoded is a violation of the code.
            let Some(instruction) = self.code.instructions.get(&at) else {
                failed = true;
                continue;
            };
            let mut frame = frames[&at].clone();
            match self.carry_out(at, instruction, &mut frame, &mut summary) {
                Err(None) => failed = true,
                Err(Some(violation)) => {
                    failed = true;
                    self.note(violation);
                }
                Ok(next) => {
                    for next in next {
                        let Some(before) = frames.get_mut(&next) else {
                            frames.insert(next, frame.clone());
                            work.insert(next);
                            continue;
                        };
                        match before.join(&frame) {
                            Ok(true) => {
                                work.insert(next);
                            }
                            Ok(false) => {}
                            Err((one, other)) => {
                                failed = true;
                                let at = next;
                                self.note(Violation::Disagree { at, one, other });
                            }
                        }
                    }
                }
            }
        }
        (!failed).then_some(summary)
    }

    fn note(&mut self, violation: Violation) {
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    /// Carries out one instruction and says where it goes on in this function.
    ///
    /// # Errors
    /// What is wrong, or `None` if that has been said already.
    fn carry_out(
        &mut self,
        at: Rva,
        instruction: &Instruction,
        frame: &mut Frame,
        summary: &mut Summary,
    ) -> Result<Vec<Rva>, Option<Violation>> {
        // A trap goes nowhere.
        if instruction::is_trap(instruction) {
            return Ok(Vec::new());
        }
        let next = self.rva(instruction.next_ip());
        let target = self.rva(instruction.near_branch_target());
        match instruction.flow_control() {
            FlowControl::Next => {
                frame.step(instruction, at, &self.context)?;
                let depth = frame.top().map_or(0, |top| top.depth);
                summary.deepen(depth, None);
                Ok(next.into_iter().collect())
            }
            FlowControl::UnconditionalBranch => Ok(target.into_iter().collect()),
            FlowControl::ConditionalBranch => {
                // `loop` would count ecx down, but isn't on the list of instructions.
                Ok(target.into_iter().chain(next).collect())
            }
            FlowControl::Call => {
                let target = target.ok_or(None)?;
                let returns = self.call(at, target, frame, summary)?;
                Ok(next.into_iter().filter(|_| returns).collect())
            }
            FlowControl::IndirectCall => {
                let (removes, _) = self.import(at, instruction, frame)?;
                let depth = self.depth(at, frame)? + self.context.word();
                summary.deepen(depth, None);
                frame.give_home_space(&self.context);
                frame.returned(at, removes, self.context.preserved(), &self.context)?;
                Ok(next.into_iter().collect())
            }
            FlowControl::IndirectBranch => {
                let (removes, preserved) = self.import(at, instruction, frame)?;
                self.leave(at, frame, summary, removes, preserved)?;
                Ok(Vec::new())
            }
            FlowControl::Return => {
                let removes = self.removed(at, instruction)?;
                let preserved: Vec<_> = frame.unchanged().collect();
                self.leave(at, frame, summary, removes, &preserved)?;
                Ok(Vec::new())
            }
            FlowControl::Interrupt | FlowControl::Exception | FlowControl::XbeginXabortXend => {
                Err(None)
            }
        }
    }

    fn rva(&self, address: u64) -> Option<Rva> {
        self.context.image.rva(address)
    }

    fn depth(&self, at: Rva, frame: &Frame) -> Result<i64, Violation> {
        frame
            .top()
            .map(|top| top.depth)
            .ok_or(Violation::StackLost(at))
    }

    /// Calls a function of the file. Whether it returns.
    fn call(
        &mut self,
        at: Rva,
        target: Rva,
        frame: &mut Frame,
        summary: &mut Summary,
    ) -> Result<bool, Option<Violation>> {
        if frame.is_backward {
            return Err(Some(Violation::Direction(at)));
        }
        let callee = self.visit(target).ok_or(None)?;
        let pushed = self.depth(at, frame)? + self.context.word();
        summary.deepen(pushed + callee.depth, Some((target, pushed)));
        let Some(removes) = callee.removes else {
            return Ok(false);
        };
        frame.returned(at, removes, &callee.preserved, &self.context)?;
        Ok(true)
    }

    /// The bytes that the import at the other end of an indirect call or jump removes, and the
    /// registers it gives back.
    fn import(
        &self,
        at: Rva,
        instruction: &Instruction,
        frame: &Frame,
    ) -> Result<(i64, &'static [Register]), Violation> {
        let slot = frame.target(instruction, &self.context);
        let linked = slot.and_then(|slot| self.context.slots.get(&slot));
        let linked = linked.ok_or(Violation::Indirect(at))?;
        if frame.is_backward {
            return Err(Violation::Direction(at));
        }
        let import = import::find(&linked.dll, &linked.name);
        if import.is_some_and(|import| import.convention == Convention::Data) {
            return Err(Violation::CallsData {
                at,
                name: linked.name.clone(),
            });
        }
        let removes = match (self.context.image.arch, import) {
            (Arch::X64, _) => 0,
            (Arch::X86, Some(import)) => i64::from(import.callee_removes()) * 4,
            (Arch::X86, None) => {
                return Err(Violation::NotInTable {
                    dll: linked.dll.clone(),
                    name: linked.name.clone(),
                });
            }
        };
        Ok((removes, self.context.preserved()))
    }

    /// The bytes of arguments that a `ret` removes.
    fn removed(&self, at: Rva, instruction: &Instruction) -> Result<i64, Violation> {
        match (self.context.image.arch, instruction.code()) {
            (Arch::X86, Form::Retnd) | (Arch::X64, Form::Retnq) => Ok(0),
            (Arch::X86, Form::Retnd_imm16) | (Arch::X64, Form::Retnq_imm16) => {
                Ok(i64::from(instruction.immediate16()))
            }
            _ => Err(Violation::StackLost(at)),
        }
    }

    /// Leaves the function, to its caller or with a jump to an import.
    fn leave(
        &self,
        at: Rva,
        frame: &Frame,
        summary: &mut Summary,
        removes: i64,
        preserved: &[Register],
    ) -> Result<(), Violation> {
        if frame.is_backward {
            return Err(Violation::Direction(at));
        }
        if !frame.is_at_return() {
            let depth = self.depth(at, frame)?;
            return Err(Violation::Return { at, depth });
        }
        if let Some(other) = summary.removes.replace(removes)
            && other != removes
        {
            return Err(Violation::Cleanup {
                at,
                one: removes,
                other,
            });
        }
        let unchanged: Vec<_> = frame.unchanged().collect();
        summary
            .preserved
            .retain(|register| preserved.contains(register) && unchanged.contains(register));
        Ok(())
    }
}

impl Summary {
    fn deepen(&mut self, depth: i64, callee: Option<(Rva, i64)>) {
        if depth > self.depth {
            self.depth = depth;
            self.callee = callee;
        }
    }
}
