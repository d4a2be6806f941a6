//! The processor's mode of address translation.

use tcplimit_driver::Paging;

/// The mode by control register 4 (PAE is bit 5), which the processor itself uses.
/// PF_PAE_ENABLED does not help: for drivers it is documented as "the processor
/// implements PAE", and a kernel without PAE may run on such a processor.
#[cfg(target_arch = "x86")]
pub(super) fn paging() -> Paging {
    const PAE: usize = 1 << 5;
    let control: usize;
    // SAFETY: a driver runs in ring 0, where the register is readable, and every
    // processor that NT runs on has it; reading it changes nothing.
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
