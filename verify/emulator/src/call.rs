//! Calls of the driver's functions, and the driver's calls of the system, by each
//! processor's calling convention.

use checker::import::{Convention, Import};
use specimen::Arch;
use unicorn_engine::RegisterX86 as Register;

use crate::address::{self, EXPORT, PAGE, RETURN, STACK, to_usize};
use crate::machine::Machine;
use crate::violation::{Access, Violation};

/// Why the processor stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The called function returned.
    Returned,
    /// The driver called the function of the system with this number.
    Called(usize),
}

/// The return value of a modelled import. Bits of the register that its type does
/// not have are garbage, as on a real system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnValue {
    /// Nothing.
    Nothing,
    /// A BOOLEAN.
    Byte(u8),
    /// An NTSTATUS, or a LONG.
    Dword(u32),
    /// A LARGE_INTEGER.
    Quad(u64),
    /// A pointer.
    Pointer(u64),
}

/// STATUS_OBJECT_NAME_NOT_FOUND, STATUS_INFO_LENGTH_MISMATCH and
/// STATUS_BUFFER_TOO_SMALL: statuses that are no failure.
const ANSWERS: [u32; 3] = [0xC000_0034, 0xC000_0004, 0xC000_0023];

impl ReturnValue {
    /// Whether the call certainly failed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        match self {
            ReturnValue::Dword(status) => status >= 0xC000_0000 && !ANSWERS.contains(&status),
            ReturnValue::Pointer(pointer) => pointer == 0,
            _ => false,
        }
    }
}

/// Registers that a function must preserve, besides the stack pointer.
const PRESERVED_X86: [Register; 4] = [Register::EBX, Register::ESI, Register::EDI, Register::EBP];
const PRESERVED_X64: [Register; 8] = [
    Register::RBX,
    Register::RSI,
    Register::RDI,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
/// Registers that a function may change.
const VOLATILE_X86: [Register; 3] = [Register::EAX, Register::ECX, Register::EDX];
const VOLATILE_X64: [Register; 7] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];
/// Registers of the first arguments on x64.
const ARGUMENTS: [Register; 4] = [Register::RCX, Register::RDX, Register::R8, Register::R9];
/// The value of registers and memory that nobody may rely on.
const GARBAGE: u64 = 0xBAD0_F00D_DEAD_BEEF;
/// The value of unused stack.
const UNUSED: u8 = 0xA5;
/// The direction flag.
const DIRECTION: u64 = 1 << 10;

impl Machine {
    /// Calls a function of two arguments, as NT calls a driver's functions, and runs
    /// until it returns or calls the system.
    ///
    /// # Errors
    /// A violation by the driver.
    pub fn call(&mut self, function: u64, arguments: &[u64]) -> Result<Stop, Violation> {
        self.watch().begin();
        let stack = STACK.of(self.arch());
        // The driver's own stack begins right below the return address and has the
        // permitted size; nothing is mapped below it.
        self.call.entry = address::entry(self.arch());
        self.write(stack, &vec![UNUSED; to_usize(self.call.entry - stack)]);
        self.write_pointer(self.call.entry, RETURN.of(self.arch()));
        for (number, register) in (1..).zip(self.preserved_registers()) {
            self.set_register(*register, GARBAGE.rotate_left(number * 8));
        }
        match self.arch() {
            Arch::X86 => {
                for (number, &argument) in (1..).zip(arguments) {
                    self.write_pointer(self.call.entry + number * 4, argument);
                }
            }
            Arch::X64 => {
                for (register, &argument) in ARGUMENTS.iter().zip(arguments) {
                    self.set_register(*register, argument);
                }
            }
        }
        self.set_register(self.stack_pointer(), self.call.entry);
        let preserved = self.preserved_registers().iter();
        self.call.preserved = preserved.map(|&it| (it, self.register(it))).collect();
        let stop = self.run(function)?;
        Ok(stop)
    }

    fn preserved_registers(&self) -> &'static [Register] {
        match self.arch() {
            Arch::X86 => &PRESERVED_X86,
            Arch::X64 => &PRESERVED_X64,
        }
    }

    fn run(&mut self, from: u64) -> Result<Stop, Violation> {
        let until = RETURN.of(self.arch());
        let ran = self.unicorn.emu_start(from, until, 0, 0);
        let pc = self.unicorn.pc_read().expect("a register");
        if let Some(violation) = self.watch().violation.take() {
            return Err(violation);
        }
        if let Err(error) = ran {
            let detail = format!("{error:?}");
            return Err(Violation::Exception { pc, detail });
        }
        if pc == until {
            return Ok(Stop::Returned);
        }
        // Each export is a `hlt`; the emulator stops behind it.
        let export = pc.wrapping_sub(1).wrapping_sub(EXPORT.of(self.arch()));
        match usize::try_from(export / 16) {
            Ok(number) if export < PAGE && export.is_multiple_of(16) => Ok(Stop::Called(number)),
            _ => Err(Violation::Access {
                access: Access::Fetch,
                address: pc,
                size: 1,
                pc,
            }),
        }
    }

    /// The arguments of the driver's call of the system.
    ///
    /// # Errors
    /// The stack is not aligned for a call.
    pub fn arguments(&self, import: &'static Import) -> Result<Vec<u64>, Violation> {
        let stack = self.register(self.stack_pointer());
        let count = match import.convention {
            Convention::Stdcall(count) => count,
            // The format and its argument; the two in registers.
            Convention::Cdecl | Convention::Fastcall(0) => 2,
            Convention::Fastcall(more) => 2 + more,
            Convention::Data => 0,
        };
        let pointer = self.pointer_size();
        let place = |number: u64| match (self.arch(), import.convention) {
            (Arch::X86, Convention::Fastcall(_)) => match number {
                0 => self.register(Register::ECX),
                1 => self.register(Register::EDX),
                more => self.read_pointer(stack + 4 * (more - 1)),
            },
            (Arch::X86, _) => self.read_pointer(stack + pointer * (number + 1)),
            (Arch::X64, _) => match usize::try_from(number).ok().and_then(|n| ARGUMENTS.get(n)) {
                Some(&register) => self.register(register),
                None => self.read_pointer(stack + pointer * (number + 1)),
            },
        };
        if self.arch() == Arch::X64 && stack % 16 != 8 {
            let detail = format!("the stack pointer is {stack:X}");
            let import = import.name;
            return Err(Violation::Call { import, detail });
        }
        Ok((0..u64::from(count)).map(place).collect())
    }

    /// Returns from the call of the system, and runs on. Everything that the called
    /// function may change is garbage then.
    ///
    /// # Errors
    /// As [`Machine::call`].
    pub fn resume(
        &mut self,
        import: &'static Import,
        value: ReturnValue,
    ) -> Result<Stop, Violation> {
        let stack = self.register(self.stack_pointer());
        let back = self.read_pointer(stack);
        let garbage = GARBAGE ^ u64::from(self.dword(stack));
        let (volatile, arguments): (&[Register], u64) = match self.arch() {
            Arch::X86 => (&VOLATILE_X86, u64::from(import.callee_removes())),
            // The four that the caller reserves space for.
            Arch::X64 => (&VOLATILE_X64, 4),
        };
        for number in 1..=arguments {
            self.write_pointer(stack + number * self.pointer_size(), garbage);
        }
        for &register in volatile {
            self.set_register(register, garbage);
        }
        let (low, result) = match self.arch() {
            Arch::X86 => (0xFFFF_FFFF, Register::EAX),
            Arch::X64 => (u64::MAX, Register::RAX),
        };
        match value {
            ReturnValue::Nothing => {}
            ReturnValue::Byte(byte) => self.set_register(result, garbage & !0xFF | u64::from(byte)),
            ReturnValue::Dword(dword) => {
                self.set_register(result, garbage << 32 | u64::from(dword));
            }
            ReturnValue::Pointer(pointer) => self.set_register(result, pointer),
            ReturnValue::Quad(quad) => {
                self.set_register(result, quad & low);
                if self.arch() == Arch::X86 {
                    self.set_register(Register::EDX, quad >> 32);
                }
            }
        }
        let removed = match self.arch() {
            Arch::X86 => 4 + 4 * u64::from(import.callee_removes()),
            Arch::X64 => 8,
        };
        self.set_register(self.stack_pointer(), stack + removed);
        self.run(back)
    }

    /// Checks the return of the called function: its status, and the stack that it
    /// used, in bytes.
    ///
    /// # Errors
    /// It did not preserve a register, the stack pointer or the direction flag.
    pub fn check_return(&self, arguments: u64) -> Result<(u32, u64), Violation> {
        let wrong = |detail: String| Err(Violation::Return(detail));
        for &(register, before) in &self.call.preserved {
            if self.register(register) != before {
                return wrong(format!("{register:?} is not preserved"));
            }
        }
        let removed = match self.arch() {
            Arch::X86 => 4 + 4 * arguments,
            Arch::X64 => 8,
        };
        let stack = self.register(self.stack_pointer());
        if stack != self.call.entry + removed {
            return wrong(format!(
                "the stack is off by {}",
                stack.wrapping_sub(self.call.entry)
            ));
        }
        if self.register(Register::EFLAGS) & DIRECTION != 0 {
            return wrong("the direction flag is set".into());
        }
        let lowest = STACK.of(self.arch());
        let own = self.read(lowest, to_usize(self.call.entry - lowest));
        let unused = own.iter().take_while(|&&byte| byte == UNUSED).count();
        let used = (own.len() - unused) as u64;
        let status = self.register(Register::EAX) & 0xFFFF_FFFF;
        Ok((u32::try_from(status).expect("32 bits"), used))
    }
}
