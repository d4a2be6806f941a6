//! Base relocations (PE format, "The .reloc Section").

use super::arch::Arch;
use super::code::Code;
use super::spec::Spec;

/// The whole of `.reloc` for pointers at the given RVAs, which ascend: one
/// block for each page, with an even number of entries.
pub(super) fn blocks(spec: &Spec, pointers: &[u32]) -> Code {
    let kind: u16 = match spec.arch {
        Arch::X86 => 3,
        Arch::X64 => 10,
    };
    let mut code = Code::new(spec.arch);
    for page in pointers.chunk_by(|first, second| first >> 12 == second >> 12) {
        let count = u32::try_from(page.len().next_multiple_of(2)).expect("at most a page");
        code.dword(page[0] & !0xFFF);
        code.dword(8 + 2 * count);
        for pointer in page {
            let offset = u16::try_from(pointer & 0xFFF).expect("12 bits");
            code.word(kind << 12 | offset);
        }
        code.align(4, 0);
    }
    code
}
