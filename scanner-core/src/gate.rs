//! The code that identifies the limit: a comparison with the count of half-open
//! connections.

use crate::arch::Arch;
use crate::image::Image;
use crate::operand;
use crate::read::dword;
use crate::rva::Rva;

/// A load and a comparison of two variables, followed by a signed jump on
/// "count >= limit":
///
/// ```text
/// A1 A0040500     mov  eax, [count]        or  8B /r, any register
/// 3B 05 9C040500  cmp  eax, [threshold]    or  39 /r, the other way round
/// 7D 51           jge  too many            or  0F 8D rel32, short or near
/// ```
///
/// If the count is compared with the limit, the jump is `jge` (or, taken when
/// there is room, `jl`); if the limit is compared with the count, it is `jle` (or
/// `jg`). So the jump distinguishes the two variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    at: Rva,
    length: u32,
    loaded_at: Rva,
    compared_at: Rva,
    count: Rva,
    threshold: Rva,
    target: Rva,
}

/// The bits common to 39h and 3Bh, the opcodes of a gate's comparison (without a
/// REX prefix).
pub(crate) const COMPARE_MASK: u8 = 0xFD;
pub(crate) const COMPARE: u8 = 0x39;

fn is_compare(opcode: u8) -> bool {
    opcode & COMPARE_MASK == COMPARE
}

/// The longest load in bytes: REX, opcode, ModRM, displacement.
const LONGEST_LOAD: usize = 7;

impl Gate {
    /// The gate that begins at `code[offset]`, if there is one; `code` begins at
    /// `start`.
    #[must_use]
    pub fn read(image: &Image<'_>, code: &[u8], start: Rva, offset: usize) -> Option<Gate> {
        let mut cursor = Cursor {
            image,
            code,
            start,
            at: offset,
        };
        let (loaded, loaded_at, register) = cursor.load()?;
        let (operand, compared_at, compared, loaded_is_left) = cursor.compare()?;
        if compared != register || operand == loaded {
            return None;
        }
        let (left, right) = if loaded_is_left {
            (loaded, operand)
        } else {
            (operand, loaded)
        };
        let (condition, target) = cursor.jump()?;
        let (count, threshold) = match condition {
            // jl, jge: tests left >= right.
            0xC | 0xD => (left, right),
            // jle, jg: tests right >= left.
            0xE | 0xF => (right, left),
            _ => return None,
        };
        Some(Gate {
            at: cursor.rva(offset)?,
            length: u32::try_from(cursor.at.checked_sub(offset)?).ok()?,
            loaded_at,
            compared_at,
            count,
            threshold,
            target,
        })
    }

    /// The gate at an RVA in live code, if there is one.
    #[must_use]
    pub fn at_rva(image: &Image<'_>, at: Rva) -> Option<Gate> {
        let section = image.section_at(at, 1)?;
        if !section.is_live_code() {
            return None;
        }
        let offset = usize::try_from(at.minus(section.rva().0)?.0).ok()?;
        Gate::read(image, image.bytes(&section), section.rva(), offset)
    }

    /// The gate whose comparison's opcode is `code[compare]`, if there is one.
    #[inline]
    pub(crate) fn around(
        image: &Image<'_>,
        code: &[u8],
        start: Rva,
        compare: usize,
    ) -> Option<Gate> {
        // The operand's four bytes and at least a short jump follow.
        let [opcode, modrm, _, _, _, _, jump @ ..] = *code.get(compare..)?.first_chunk::<8>()?;
        if !is_compare(opcode) || !operand::is_direct(modrm) {
            return None;
        }
        if !matches!(jump, [0x7C..=0x7F, _] | [0x0F, 0x8C..=0x8F]) {
            return None;
        }
        Self::before_compare(image, code, start, compare)
    }

    fn before_compare(image: &Image<'_>, code: &[u8], start: Rva, compare: usize) -> Option<Gate> {
        let longest = match image.arch() {
            Arch::X86 => LONGEST_LOAD.checked_sub(1)?,
            // The comparison may have a REX prefix as well.
            Arch::X64 => LONGEST_LOAD.checked_add(1)?,
        };
        // The shortest reading first: a preceding byte that would have no effect
        // as a prefix belongs to the previous instruction.
        (5..=longest).find_map(|back| {
            let offset = compare.checked_sub(back)?;
            let gate = Gate::read(image, code, start, offset)?;
            let opcode = gate.compared_at.minus(2)?;
            (opcode == start.plus(u32::try_from(compare).ok()?)?).then_some(gate)
        })
    }

    /// The RVA of its first byte.
    #[must_use]
    pub fn at(&self) -> Rva {
        self.at
    }

    /// Its length in bytes, the jump included: 13 to 20.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// The variable that counts half-open connections.
    #[must_use]
    pub fn count(&self) -> Rva {
        self.count
    }

    /// The variable that limits them.
    #[must_use]
    pub fn threshold(&self) -> Rva {
        self.threshold
    }

    /// The target of its jump.
    #[must_use]
    pub fn target(&self) -> Rva {
        self.target
    }

    /// The RVAs of the two four-byte operands: the load's, then the comparison's.
    /// On x86 both must be relocated.
    #[must_use]
    pub fn operands(&self) -> [Rva; 2] {
        [self.loaded_at, self.compared_at]
    }
}

/// A reader of successive instructions.
struct Cursor<'a> {
    image: &'a Image<'a>,
    code: &'a [u8],
    start: Rva,
    at: usize,
}

impl Cursor<'_> {
    fn rva(&self, offset: usize) -> Option<Rva> {
        self.start.plus(u32::try_from(offset).ok()?)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.code.get(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    /// A dword and its RVA.
    fn dword(&mut self) -> Option<(u32, Rva)> {
        let value = dword(self.code, self.at)?;
        let at = self.rva(self.at)?;
        self.at = self.at.checked_add(4)?;
        Some((value, at))
    }

    /// An opcode and, on x64, the register bit of the REX prefix before it.
    /// REX.W would compare eight bytes, which is not a gate.
    fn opcode(&mut self) -> Option<(u8, u8)> {
        let byte = self.byte()?;
        match (self.image.arch(), byte) {
            (Arch::X64, 0x40..=0x47) => Some((self.byte()?, (byte & 0b100) << 1)),
            _ => Some((byte, 0)),
        }
    }

    /// A ModRM byte with a direct operand: the variable, the operand's RVA, and
    /// the register.
    fn direct(&mut self, register_bit: u8) -> Option<(Rva, Rva, u8)> {
        let modrm = self.byte()?;
        if !operand::is_direct(modrm) {
            return None;
        }
        let (value, at) = self.dword()?;
        let target = operand::resolve(self.image, value, self.rva(self.at)?)?;
        Some((target, at, operand::register(modrm) | register_bit))
    }

    /// `mov reg, [variable]`: the variable, its operand's RVA, the register.
    fn load(&mut self) -> Option<(Rva, Rva, u8)> {
        match (self.image.arch(), self.opcode()?) {
            (Arch::X86, (0xA1, _)) => {
                let (value, at) = self.dword()?;
                let target = operand::resolve(self.image, value, self.rva(self.at)?)?;
                Some((target, at, 0))
            }
            (_, (0x8B, register_bit)) => self.direct(register_bit),
            _ => None,
        }
    }

    /// `cmp` of a register and a variable: the variable, its operand's RVA, the
    /// register, and whether the register is the left operand.
    fn compare(&mut self) -> Option<(Rva, Rva, u8, bool)> {
        let (opcode, register_bit) = self.opcode()?;
        if !matches!(opcode, 0x39 | 0x3B) {
            return None;
        }
        let (target, at, register) = self.direct(register_bit)?;
        Some((target, at, register, opcode == 0x3B))
    }

    /// A conditional jump: its condition (0 to Fh) and its target.
    fn jump(&mut self) -> Option<(u8, Rva)> {
        let (condition, distance) = match self.byte()? {
            opcode @ 0x70..=0x7F => {
                let distance = i32::from(self.byte()?.cast_signed());
                (opcode & 0xF, distance.cast_unsigned())
            }
            0x0F => match self.byte()? {
                opcode @ 0x80..=0x8F => (opcode & 0xF, self.dword()?.0),
                _ => return None,
            },
            _ => return None,
        };
        let next = self.rva(self.at)?;
        Some((condition, Rva(next.0.wrapping_add(distance))))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const FILE: &[u8] = include_bytes!("../../corpus/specimens/tcpip-xp-x64.sys");

    #[test]
    fn load_and_comparison_are_of_one_register_and_four_bytes() {
        let image = Image::from_file(FILE).unwrap();
        let is_gate = |load: &[u8], compare: &[u8]| {
            let operand = 0x100_u32.to_le_bytes();
            let parts: [&[u8]; 7] = [
                load,
                &[0x8B, 0x0D],
                &operand,
                compare,
                &[0x3B, 0x0D],
                &operand,
                &[0x7D, 0x10],
            ];
            let code: Vec<u8> = parts.concat();
            let gate = Gate::read(&image, &code, Rva(0x1000), 0);
            let end = u32::try_from(code.len()).unwrap();
            if let Some(gate) = gate {
                assert_eq!((gate.at(), gate.length()), (Rva(0x1000), end));
                assert_eq!(gate.target(), Rva(0x1010 + end));
            }
            gate.is_some()
        };
        // Of these prefixes only REX.R selects another register; REX.W selects
        // eight bytes.
        let is_upper = |prefix: u8| prefix & 4 != 0;
        for first in 0x40..=0x4F {
            for second in 0x40..=0x4F {
                let four_bytes = first < 0x48 && second < 0x48;
                let same = is_upper(first) == is_upper(second);
                let found = is_gate(&[first], &[second]);
                assert_eq!(found, four_bytes && same, "{first:X} {second:X}");
            }
            let plain = first < 0x48 && !is_upper(first);
            assert_eq!(is_gate(&[first], &[]), plain, "{first:X}");
            assert_eq!(is_gate(&[], &[first]), plain, "{first:X}");
        }
        assert!(is_gate(&[], &[]));
    }

    #[test]
    fn the_jump_decides_which_variable_is_the_limit() {
        let image = Image::from_file(FILE).unwrap();
        let read = |opcode: u8, jump: &[u8]| {
            let load = [0x8B, 0x0D, 0, 1, 0, 0];
            let compare = [opcode, 0x0D, 0, 2, 0, 0];
            let code: Vec<u8> = [&load, &compare, jump].concat();
            let gate = Gate::read(&image, &code, Rva(0x1000), 0)?;
            Some((gate.count(), gate.threshold()))
        };
        let (loaded, compared) = (Rva(0x1106), Rva(0x120C));
        for condition in 0..0x10_u8 {
            for jump in [
                &[0x70 | condition, 0][..],
                &[0x0F, 0x80 | condition, 0, 0, 0, 0],
            ] {
                // Less, or not; less or equal, or not.
                let [register_first, memory_first] = match condition {
                    0xC | 0xD => [Some((loaded, compared)), Some((compared, loaded))],
                    0xE | 0xF => [Some((compared, loaded)), Some((loaded, compared))],
                    _ => [None, None],
                };
                assert_eq!(read(0x3B, jump), register_first, "{jump:X?}");
                assert_eq!(read(0x39, jump), memory_first, "{jump:X?}");
            }
        }
    }
}
