//! The encoding of a gate and of the queue test beside it.

use super::arch::Register;

/// One gate: the load of one variable, its compare with the other, and the
/// signed jump that the result decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct GateSpec {
    /// Which variable is loaded; the other is the compare's memory operand.
    pub loads: Loads,
    /// The register it is loaded into.
    pub register: Register,
    /// `A1` where the register is eax on x86, else `8B`.
    pub short_load: bool,
    /// The order of the compare's operands.
    pub compare: Compare,
    /// Whether the jump is taken at the limit or below it.
    pub jump: Jump,
    /// The size of the jump's encoding.
    pub reach: Reach,
    /// The queue test beside the gate.
    pub queue: QueueTest,
}

/// The variable that a gate loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Loads {
    /// The count of half-open connections.
    Count,
    /// The limit.
    Threshold,
}

/// The order of a compare's operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Compare {
    /// `3B`: register minus memory.
    RegisterFirst,
    /// `39`: memory minus register.
    MemoryFirst,
}

/// When a gate's jump is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Jump {
    /// Taken at the limit: jge, or jle where the limit comes first.
    AtLimit,
    /// Taken below the limit: jl, or jg where the limit comes first.
    BelowLimit,
}

/// The size of a jump's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Reach {
    /// `7x rel8`.
    Short,
    /// `0F 8x rel32`.
    Near,
}

/// The position of the queue test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum QueueTest {
    /// No queue test at this gate.
    None,
    /// Right after the gate's jump.
    FallThrough(QueueForm),
    /// Right before the target of the gate's jump.
    BeforeTarget(QueueForm),
}

impl Default for QueueTest {
    fn default() -> Self {
        Self::FallThrough(QueueForm::MemoryFirst)
    }
}

/// The instructions that compare the queue length with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum QueueForm {
    /// `xor r, r; cmp [queue], r` (`39 /r`).
    MemoryFirst,
    /// `xor r, r; cmp r, [queue]` (`3B /r`).
    RegisterFirst,
    /// `cmp [queue], imm8` (`83 3D`).
    Byte,
    /// `cmp [queue], imm32` (`81 3D`).
    Dword,
    /// `or r, -1; test [queue], r` (`85 /r`).
    Test,
    /// `mov r, [queue]; test r, r`.
    LoadAndTest,
}

/// The signedness and operand order of a gate's jump; decoys have wrong ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sense {
    Signed,
    Unsigned,
    /// Signed, as if the compare's operands were in the other order.
    Swapped,
}

impl GateSpec {
    /// The usual gate of an x86 build: `A1 count; 3B 05 T; jge`.
    pub(super) const fn usual(reach: Reach, queue: QueueTest) -> Self {
        Self {
            loads: Loads::Count,
            register: Register(0),
            short_load: true,
            compare: Compare::RegisterFirst,
            jump: Jump::AtLimit,
            reach,
            queue,
        }
    }

    /// The low nibble of the jump's opcode.
    pub(super) fn condition(&self, sense: Sense) -> u8 {
        let count_first = (self.loads == Loads::Count) == (self.compare == Compare::RegisterFirst);
        let count_first = count_first != (sense == Sense::Swapped);
        match (sense, count_first, self.jump) {
            (Sense::Unsigned, true, Jump::AtLimit) => 0x3,
            (Sense::Unsigned, true, Jump::BelowLimit) => 0x2,
            (Sense::Unsigned, false, Jump::AtLimit) => 0x6,
            (Sense::Unsigned, false, Jump::BelowLimit) => 0x7,
            (_, true, Jump::AtLimit) => 0xD,
            (_, true, Jump::BelowLimit) => 0xC,
            (_, false, Jump::AtLimit) => 0xE,
            (_, false, Jump::BelowLimit) => 0xF,
        }
    }
}
