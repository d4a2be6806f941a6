//! One function's registers and stack at one instruction, as far as they can be known.
//!
//! Followed are: where the stack pointer and copies of it point; the values that the registers had
//! when the function was entered, so that restoring them can be seen; addresses of imports; and
//! constants. All else is unknown. A write through a pointer that isn't followed is taken to change
//! every local variable, but neither saved registers nor return addresses: no pointer of the
//! language points there.

use std::collections::BTreeMap;

use iced_x86::{
    Instruction, InstructionInfoFactory, MemorySize, Mnemonic, OpAccess, OpKind, Register,
};
use scanner_core::Rva;

use super::value::{Context, Place, Value, full_registers};
use super::{Arch, Violation};

/// Registers and stack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    /// By the number of the full register.
    registers: [Value; 16],
    /// Words on the stack, by the place of their first byte.
    words: BTreeMap<Place, Value>,
    /// Whether the direction flag may be set.
    pub(super) is_backward: bool,
}

impl Frame {
    /// As a function is entered.
    pub(super) fn entry() -> Self {
        let mut registers = [Value::Unknown; 16];
        for (value, register) in registers.iter_mut().zip(full_registers()) {
            *value = Value::Entry(register);
        }
        let mut frame = Self {
            registers,
            words: BTreeMap::from([(Place::RETURN, Value::Return)]),
            is_backward: false,
        };
        frame.set_top(Place::RETURN);
        frame
    }

    /// The top of the stack, if it is known.
    pub(super) fn top(&self) -> Option<Place> {
        match self.register(Register::RSP) {
            Value::Stack(place) => Some(place),
            _ => None,
        }
    }

    pub(super) fn set_top(&mut self, place: Place) {
        self.put(Register::RSP, Value::Stack(place));
    }

    /// Whether the stack is as it was at the entry.
    pub(super) fn is_at_return(&self) -> bool {
        self.top() == Some(Place::RETURN) && self.words.get(&Place::RETURN) == Some(&Value::Return)
    }

    /// The registers that hold what they held at the entry.
    pub(super) fn unchanged(&self) -> impl Iterator<Item = Register> {
        full_registers().filter(|&register| self.register(register) == Value::Entry(register))
    }

    /// The import that a call or jump goes to.
    pub(super) fn target(&self, instruction: &Instruction, context: &Context<'_>) -> Option<Rva> {
        match self.operand(instruction, 0, context) {
            Value::Import(slot) => Some(slot),
            _ => None,
        }
    }

    /// After a call: only `preserved` registers are known, the `removed` bytes of arguments are
    /// gone, and the callee may have written to every local variable.
    ///
    /// # Errors
    /// [`Violation::BelowEntry`] at `at`: the callee removes more than is there.
    pub(super) fn returned(
        &mut self,
        at: Rva,
        removed: i64,
        preserved: &[Register],
        context: &Context<'_>,
    ) -> Result<(), Violation> {
        for register in full_registers() {
            if register != Register::RSP && !preserved.contains(&register) {
                self.put(register, Value::Unknown);
            }
        }
        self.forget_locals(context);
        self.shrink(at, removed)?;
        self.settle(at)
    }

    /// On x64 the top four words belong to the function that is called. Functions of the file show
    /// whether they use them, imports may always do.
    pub(super) fn give_home_space(&mut self, context: &Context<'_>) {
        if let (Arch::X64, Some(top)) = (context.image.arch, self.top()) {
            let own = top.depth - 4 * context.word();
            self.words
                .retain(|kept, _| kept.aligned != top.aligned || kept.depth <= own);
        }
    }

    /// What two ways that meet agree on. Whether that is less than `self` knew.
    ///
    /// # Errors
    /// The depths that they disagree on.
    pub(super) fn join(&mut self, other: &Self) -> Result<bool, (i64, i64)> {
        let (one, two) = (self.top(), other.top());
        if one != two {
            let depth = |top: Option<Place>| top.map_or(0, |place| place.depth);
            return Err((depth(one), depth(two)));
        }
        let before = self.clone();
        for (value, other) in self.registers.iter_mut().zip(other.registers) {
            if *value != other {
                *value = Value::Unknown;
            }
        }
        self.words
            .retain(|place, value| other.words.get(place) == Some(value));
        self.is_backward |= other.is_backward;
        Ok(*self != before)
    }

    /// Carries out an instruction that is no call, jump or return.
    ///
    /// # Errors
    /// What it does to the stack that a function must not.
    pub(super) fn step(
        &mut self,
        instruction: &Instruction,
        at: Rva,
        context: &Context<'_>,
    ) -> Result<(), Violation> {
        self.reject_beyond_top(instruction, at)?;
        let word = context.word();
        let top = self.top().ok_or(Violation::StackLost(at))?;
        let moved = i64::from(instruction.stack_pointer_increment());
        match instruction.mnemonic() {
            Mnemonic::Push if moved == -word => {
                let value = self.operand(instruction, 0, context);
                self.set_top(top.deeper(word));
                self.store(top.deeper(word), word, value, word);
            }
            Mnemonic::Pop if moved == word => {
                let value = self.load(top);
                self.shrink(at, word)?;
                self.assign(instruction, value, context);
            }
            Mnemonic::Leave => {
                let Value::Stack(frame) = self.register(Register::RBP) else {
                    return Err(Violation::StackLost(at));
                };
                let value = self.load(frame);
                self.set_top(frame);
                self.put(Register::RBP, value);
                self.shrink(at, word)?;
            }
            Mnemonic::Enter
                if instruction.op1_kind() == OpKind::Immediate8_2nd
                    && instruction.immediate8_2nd() == 0 =>
            {
                let frame = top.deeper(word);
                let saved = self.register(Register::RBP);
                self.store(frame, word, saved, word);
                self.put(Register::RBP, Value::Stack(frame));
                self.set_top(frame.deeper(i64::from(instruction.immediate16())));
            }
            Mnemonic::Mov => {
                let value = self.operand(instruction, 1, context);
                self.assign(instruction, value, context);
            }
            Mnemonic::Lea => {
                let value = self.place(instruction).map_or(Value::Unknown, Value::Stack);
                self.assign(instruction, value, context);
            }
            Mnemonic::Add | Mnemonic::Sub | Mnemonic::And
                if instruction.op0_kind() == OpKind::Register =>
            {
                let value = self.computed(instruction, at, context);
                self.assign(instruction, value, context);
            }
            Mnemonic::Std => self.is_backward = true,
            Mnemonic::Cld => self.is_backward = false,
            _ => self.change(instruction, context),
        }
        self.settle(at)
    }

    /// Forgets what is beyond the top of the stack: interrupts and callees write there.
    fn settle(&mut self, at: Rva) -> Result<(), Violation> {
        let top = self.top().ok_or(Violation::StackLost(at))?;
        if top.depth < 0 {
            return Err(Violation::BelowEntry(at));
        }
        self.words.retain(|kept, _| {
            if kept.aligned == top.aligned {
                kept.depth <= top.depth
            } else {
                kept.aligned.is_none()
            }
        });
        Ok(())
    }

    /// Takes bytes off the stack.
    fn shrink(&mut self, at: Rva, bytes: i64) -> Result<(), Violation> {
        let top = self.top().ok_or(Violation::StackLost(at))?.deeper(-bytes);
        if top.depth < 0 {
            return Err(Violation::BelowEntry(at));
        }
        self.set_top(top);
        Ok(())
    }

    /// Code without a red zone has nothing beyond the top of the stack: an interrupt would change
    /// it. Computing such an address is harmless.
    fn reject_beyond_top(&self, instruction: &Instruction, at: Rva) -> Result<(), Violation> {
        let top = self.top();
        let accesses = !matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Nop);
        let beyond = self
            .place(instruction)
            .zip(top)
            .is_some_and(|(place, top)| place.aligned == top.aligned && place.depth > top.depth);
        if accesses && beyond {
            return Err(Violation::BeyondTop(at));
        }
        Ok(())
    }

    /// The place of the memory operand, if it is one on the stack.
    fn place(&self, instruction: &Instruction) -> Option<Place> {
        let is_plain = instruction.memory_index() == Register::None
            && !matches!(instruction.segment_prefix(), Register::FS | Register::GS);
        let base = instruction.memory_base();
        let has_memory = (0..instruction.op_count())
            .any(|operand| instruction.op_kind(operand) == OpKind::Memory);
        if !has_memory || !is_plain || !base.is_gpr() || base.is_gpr16() {
            return None;
        }
        match self.register(base.full_register()) {
            // Displacements are 32 bits wide on both machines.
            Value::Stack(place) => {
                let displacement = instruction.memory_displacement32().cast_signed();
                Some(place.deeper(-i64::from(displacement)))
            }
            _ => None,
        }
    }

    /// The value of an operand as wide as an address, or of an immediate.
    fn operand(&self, instruction: &Instruction, index: u32, context: &Context<'_>) -> Value {
        match instruction.op_kind(index) {
            OpKind::Register => {
                let register = instruction.op_register(index);
                if register.is_gpr() && register.size() == context.image.word() as usize {
                    self.register(register.full_register())
                } else {
                    Value::Unknown
                }
            }
            OpKind::Memory if is_word(instruction.memory_size(), context) => {
                match (context.slot(instruction), self.place(instruction)) {
                    (Some(slot), _) => Value::Import(slot),
                    (None, Some(place)) => self.load(place),
                    (None, None) => Value::Unknown,
                }
            }
            _ => match instruction.try_immediate(index) {
                Ok(value) => Value::Constant(match context.image.arch {
                    Arch::X86 => (value.cast_signed() << 32) >> 32,
                    Arch::X64 => value.cast_signed(),
                }),
                Err(_) => Value::Unknown,
            },
        }
    }

    /// The result of adding, subtracting or masking.
    fn computed(&self, instruction: &Instruction, at: Rva, context: &Context<'_>) -> Value {
        let left = self.operand(instruction, 0, context);
        let right = self.operand(instruction, 1, context);
        let (Value::Stack(place), Value::Constant(number)) = (left, right) else {
            return Value::Unknown;
        };
        match instruction.mnemonic() {
            Mnemonic::Add => Value::Stack(place.deeper(number.saturating_neg())),
            Mnemonic::Sub => Value::Stack(place.deeper(number)),
            Mnemonic::And if number < 0 && number.unsigned_abs().is_power_of_two() => {
                // The stack pointer is a multiple of a word already.
                Value::Stack(Place {
                    aligned: Some(at),
                    depth: place.depth - number - context.word(),
                })
            }
            _ => Value::Unknown,
        }
    }

    /// Writes to the first operand.
    fn assign(&mut self, instruction: &Instruction, value: Value, context: &Context<'_>) {
        let word = context.word();
        match instruction.op0_kind() {
            OpKind::Register => {
                let register = instruction.op0_register();
                if !register.is_gpr() {
                    return;
                }
                // On x64 the upper half becomes zero.
                let constant = matches!(value, Value::Constant(0..)) && register.size() == 4;
                let whole = i64::try_from(register.size()) == Ok(word) || constant;
                let value = if whole { value } else { Value::Unknown };
                self.put(register.full_register(), value);
            }
            OpKind::Memory => match self.place(instruction) {
                Some(place) => {
                    let size = i64::try_from(instruction.memory_size().size()).unwrap_or(i64::MAX);
                    self.store(place, size, value, word);
                }
                None => self.forget_locals(context),
            },
            _ => self.forget_locals(context),
        }
    }

    /// An instruction of which only what it writes is understood.
    fn change(&mut self, instruction: &Instruction, context: &Context<'_>) {
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(instruction);
        let writes = |access| {
            !matches!(
                access,
                OpAccess::None | OpAccess::NoMemAccess | OpAccess::Read | OpAccess::CondRead
            )
        };
        for used in info.used_registers() {
            if writes(used.access()) && used.register().is_gpr() {
                self.put(used.register().full_register(), Value::Unknown);
            }
        }
        if info.used_memory().iter().any(|used| writes(used.access())) {
            match self.place(instruction) {
                Some(place) => {
                    let size = i64::try_from(instruction.memory_size().size()).unwrap_or(i64::MAX);
                    self.store(place, size, Value::Unknown, context.word());
                }
                None => self.forget_locals(context),
            }
        }
    }

    fn forget_locals(&mut self, context: &Context<'_>) {
        let preserved = context.preserved();
        self.words.retain(|_, value| match value {
            Value::Return => true,
            Value::Entry(register) => preserved.contains(register),
            _ => false,
        });
    }

    fn load(&self, place: Place) -> Value {
        self.words.get(&place).copied().unwrap_or(Value::Unknown)
    }

    /// Puts `size` bytes at `place`, over all words that share a byte with them.
    fn store(&mut self, place: Place, size: i64, value: Value, word: i64) {
        let end = place.depth.saturating_sub(size);
        self.words.retain(|kept, _| {
            kept.aligned != place.aligned || kept.depth <= end || kept.depth - word >= place.depth
        });
        if size == word && value != Value::Unknown {
            self.words.insert(place, value);
        }
    }

    fn register(&self, full: Register) -> Value {
        self.registers[full.number()]
    }

    fn put(&mut self, full: Register, value: Value) {
        self.registers[full.number()] = value;
    }
}

fn is_word(size: MemorySize, context: &Context<'_>) -> bool {
    size.size() == context.image.word() as usize
}
