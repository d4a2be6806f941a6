//! How much stack the file needs at most, and whether every function keeps to its own part of it.
//!
//! Not counted: the stack that imports need, and the return address and arguments that the callers
//! of the roots push.

use std::collections::BTreeMap;
use std::fmt;

use scanner_core::Rva;

use super::code::Code;
use super::image::Image;
use super::linkage::Slots;
use super::value::Context;
use super::walk::{Summary, Walk};
use super::{Arch, Kind, Violation};

/// The stack that a driver may need, in bytes, of the 12 KiB that a thread has on x86.
pub const DEEPEST_DRIVER: u32 = 2048;

/// The arguments of DriverEntry on x86, in bytes: stdcall, two pointers.
const ENTRY_ARGUMENTS: i64 = 8;

/// The worst case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stack {
    /// Bytes below the return address of the first function of the chain.
    pub depth: u32,
    /// The functions on the stack then, the outermost first, with the bytes of each: from below
    /// its return address to the return address of the next, or to its own deepest push.
    pub chain: Vec<(Rva, u32)>,
}

/// # Errors
/// Why the depth can't be told, or what a function does to the stack of others. For a driver also
/// that it is too deep.
pub(super) fn check(
    image: &Image<'_>,
    slots: &Slots,
    code: &Code,
    kind: Kind,
) -> Result<Stack, Vec<Violation>> {
    let context = Context { image, slots };
    let mut walk = Walk::new(context, code);
    for &function in &code.functions {
        walk.visit(function);
    }
    let mut violations = std::mem::take(&mut walk.violations);
    let summaries = walk.summaries();
    for root in &code.roots {
        if let Some(summary) = summaries.get(root) {
            violations.extend(lost_registers(*root, summary, &walk.context));
        }
    }
    if kind == Kind::Driver
        && image.arch == Arch::X86
        && let Some(removes) = summaries.get(&image.entry).and_then(|entry| entry.removes)
        && removes != ENTRY_ARGUMENTS
    {
        violations.push(Violation::EntryCleanup {
            removes,
            wanted: ENTRY_ARGUMENTS,
        });
    }
    let stack = deepest(&summaries);
    if kind == Kind::Driver && stack.depth > DEEPEST_DRIVER {
        violations.push(Violation::TooDeep {
            stack: stack.clone(),
            most: DEEPEST_DRIVER,
        });
    }
    if violations.is_empty() {
        Ok(stack)
    } else {
        Err(violations)
    }
}

/// The system calls a root and wants its registers back.
fn lost_registers(function: Rva, summary: &Summary, context: &Context<'_>) -> Vec<Violation> {
    if summary.removes.is_none() {
        return Vec::new();
    }
    context
        .preserved()
        .iter()
        .filter(|register| !summary.preserved.contains(register))
        .map(|&register| Violation::Register { function, register })
        .collect()
}

fn deepest(summaries: &BTreeMap<Rva, &Summary>) -> Stack {
    let mut next = summaries
        .iter()
        .max_by_key(|(_, summary)| summary.depth)
        .map(|(&function, _)| function);
    let depth = next.map_or(0, |function| summaries[&function].depth);
    let mut chain = Vec::new();
    while let Some(function) = next {
        let summary = summaries[&function];
        let own = summary.callee.map_or(summary.depth, |(_, pushed)| pushed);
        chain.push((function, bytes(own)));
        next = summary.callee.map(|(callee, _)| callee);
    }
    Stack {
        depth: bytes(depth),
        chain,
    }
}

/// Deeper than 4 GiB is as bad as that.
fn bytes(depth: i64) -> u32 {
    u32::try_from(depth).unwrap_or(u32::MAX)
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes:", self.depth)?;
        self.chain
            .iter()
            .try_for_each(|(function, bytes)| write!(f, " {function} ({bytes})"))
    }
}
