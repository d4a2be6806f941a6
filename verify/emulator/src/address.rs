//! Addresses in the emulated system, in the same ranges as on Windows XP and
//! XP x64.

use specimen::Arch;

/// Bytes of a page.
pub const PAGE: u64 = 0x1000;

/// An address on each processor.
#[derive(Debug, Clone, Copy)]
pub struct Address {
    x86: u64,
    x64: u64,
}

impl Address {
    /// The address on a processor.
    #[must_use]
    pub const fn of(self, arch: Arch) -> u64 {
        match arch {
            Arch::X86 => self.x86,
            Arch::X64 => self.x64,
        }
    }
}

const fn at(x86: u64, x64: u64) -> Address {
    Address { x86, x64 }
}

/// The kernel's functions, 16 bytes each, in one page.
pub const EXPORT: Address = at(0x8050_2000, 0xFFFF_F800_0102_4000);
/// The return address of the driver's functions: the end of that page.
pub const RETURN: Address = at(0x8050_2FF0, 0xFFFF_F800_0102_4FF0);
/// The kernel's variables.
pub const VARIABLE: Address = at(0x8054_1000, 0xFFFF_F800_0118_6000);
/// The type of driver objects.
pub const DRIVER_TYPE: Address = at(0x8204_5680, 0xFFFF_FADF_CFF3_1450);
/// The lowest page of the stack; nothing is mapped below it.
pub const STACK: Address = at(0xF78C_A000, 0xFFFF_FADF_D5C0_A000);
/// Bytes of stack that the driver may use, 8 fewer on x64 for the alignment.
/// Nothing is mapped beyond them.
pub const STACK_BYTES: u64 = checker::DEEPEST_DRIVER as u64;
/// Objects of the kernel, one after the other.
pub const OBJECTS: Address = at(0x8186_0000, 0xFFFF_FADF_CE10_0000);
/// The driver's allocations, one after the other.
pub const POOL: Address = at(0xE123_0000, 0xFFFF_FA80_0120_0000);
/// Requests, one after the other.
pub const REQUESTS: Address = at(0x8234_0000, 0xFFFF_FADF_CD20_0000);
/// Base addresses of the driver.
pub const DRIVER: [Address; 3] = [
    at(0xF8C1_2000, 0xFFFF_FADF_E3D0_4000),
    at(0xB1E9_7000, 0xFFFF_FADF_B7A5_9000),
    at(0x8B46_D000, 0xFFFF_F880_0AB1_F000),
];

/// The stack pointer on entry to the driver's functions: at the return address,
/// aligned as after a call.
#[must_use]
pub const fn entry(arch: Arch) -> u64 {
    match arch {
        Arch::X86 => STACK.x86 + STACK_BYTES,
        Arch::X64 => STACK.x64 + STACK_BYTES - 8,
    }
}

/// The low 32 bits, which hold a ULONG argument.
#[must_use]
pub const fn low_dword(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A length in memory as `usize`.
///
/// # Panics
/// The value does not fit `usize`.
#[must_use]
pub fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("a length that fits memory")
}
