//! How the processor translates addresses.

use tcplimit_driver::Paging;

/// As control register 4 has it (PAE is bit 5), which is what the processor goes
/// by. PF_PAE_ENABLED is no answer: for drivers it is documented as "the
/// processor implements PAE", and a kernel without PAE may run on such a one.
#[cfg(target_arch = "x86")]
pub(super) fn paging() -> Paging {
    const PAE: usize = 1 << 5;
    let control: usize;
    // SAFETY: a driver runs in ring 0, where the register may be read, and every
    // processor that NT runs on has it; to read it changes nothing.
    unsafe {
        core::arch::asm!(
            "mov {control}, cr4",
            control = out(reg) control,
            options(nomem, nostack, preserves_flags),
        );
    }
    if control & PAE == 0 {
        Paging::Plain
    } else {
        Paging::Pae
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn paging() -> Paging {
    Paging::Long
}
