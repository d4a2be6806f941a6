//! The first pass: every gate in live code, and the code of event 4226.

use core::ops::ControlFlow;

use crate::byte_scan::{ByteScan, MaskedByte};
use crate::candidate::Pairs;
use crate::gate::{COMPARE, COMPARE_MASK, Gate};
use crate::image::Image;
use crate::operand::{DIRECT, DIRECT_MASK};
use crate::pair_scan::{BytePair, MaskedPair, PairScan, SIMD};
use crate::read::dword;
use crate::rva::Rva;
use crate::step_count::StepCount;

/// `EVENT_TCPIP_TCP_CONNECT_LIMIT_REACHED`, event 4226, a warning.
pub(crate) const EVENT_4226: u32 = 0x8000_1082;

/// The opcode of a gate's comparison and its ModRM byte.
const GATE: [MaskedByte; 2] = [
    MaskedByte::new(COMPARE_MASK, COMPARE),
    MaskedByte::new(DIRECT_MASK, DIRECT),
];
const EVENT: [u8; 4] = EVENT_4226.to_le_bytes();

/// A gate's two bytes with any byte before and behind, or the event's four.
static GATE_OR_EVENT: ByteScan = {
    let [opcode, modrm] = GATE;
    let [a, b, c, d] = EVENT;
    let event = [
        MaskedByte::exactly(a),
        MaskedByte::exactly(b),
        MaskedByte::exactly(c),
        MaskedByte::exactly(d),
    ];
    ByteScan::new([[MaskedByte::ANY, opcode, modrm, MaskedByte::ANY], event])
};

/// The same, by two bytes of each.
const GATE_OR_EVENT_PAIRS: (MaskedPair, BytePair) = {
    let [opcode, modrm] = GATE;
    let [a, b, _, _] = EVENT;
    (MaskedPair::new(opcode, modrm), BytePair::new(a, b, 0xFF))
};

/// Records every gate in live code; returns the first place of event 4226's code.
#[inline(never)]
pub(crate) fn scan_gates(
    image: &Image<'_>,
    simd: bool,
    pairs: &mut Pairs,
    steps: &mut StepCount,
) -> Option<Rva> {
    *pairs = Pairs::NONE;
    let mut event = None;
    for (start, code) in image.live_code() {
        let mut scan = GateScan {
            image,
            code,
            start,
            pairs,
            event,
        };
        scan.run(simd, steps);
        event = scan.event;
    }
    event
}

/// The scan of one section's code.
struct GateScan<'a> {
    image: &'a Image<'a>,
    code: &'a [u8],
    start: Rva,
    pairs: &'a mut Pairs,
    event: Option<Rva>,
}

impl GateScan<'_> {
    fn run(&mut self, simd: bool, steps: &mut StepCount) {
        let code = self.code;
        let ended = if SIMD && simd {
            GATE_OR_EVENT_PAIRS.for_each_match(code, steps, |at| {
                self.record_event(at);
                self.record_gate(at);
                ControlFlow::Continue(())
            })
        } else {
            GATE_OR_EVENT.for_each_match(code, steps, |at| {
                self.record_event(at);
                self.record_gate(at.wrapping_add(1));
                ControlFlow::Continue(())
            })
        };
        debug_assert!(ended.is_continue());
    }

    /// Records the gate whose comparison's opcode is at `at`, if there is one.
    fn record_gate(&mut self, at: usize) {
        if let Some(gate) = Gate::around(self.image, self.code, self.start, at) {
            self.pairs.add(self.image, &gate);
        }
    }

    /// Records the event if its code is at `at`.
    fn record_event(&mut self, at: usize) {
        if self.event.is_none() && dword(self.code, at) == Some(EVENT_4226) {
            let at = u32::try_from(at).ok();
            self.event = at.and_then(|at| self.start.plus(at));
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
mod tests {
    extern crate std;
    use super::*;
    use crate::headers::Headers;
    use crate::image::MappedSection;
    use crate::section::Section;

    const X86: &[u8] = include_bytes!("../../corpus/specimens/tcpip-2003-sp2-x86.sys");
    const X64: &[u8] = include_bytes!("../../corpus/specimens/tcpip-xp-x64.sys");

    /// Scans a driver's code of NOPs with these bytes at one place; the number of
    /// gates, and the event's place.
    fn scan(file: &[u8], place: usize, bytes: &[u8], base: u64) -> (u32, Option<Rva>) {
        let headers = &file[..0x1000];
        let size = Image::from_file(file).unwrap().headers().size_of_image();
        let parsed = Headers::parse_loaded(headers, base, size).unwrap();
        let text = parsed.sections().find(Section::is_live_code).unwrap();
        let mut code = std::vec![0x90; usize::try_from(text.extent()).unwrap()];
        code[place..][..bytes.len()].copy_from_slice(bytes);
        let place = parsed
            .exception_table()
            .map(|table| (table.rva, table.size));
        let (place, length) = place.unwrap_or_default();
        let table = std::vec![0; usize::try_from(length).unwrap()];
        let mapped = [(text.rva(), &code[..]), (place, &table)];
        let sections = mapped.map(|(rva, bytes)| MappedSection { rva, bytes });
        let image = Image::from_memory(headers, base, size, &sections).unwrap();
        let [found, by_byte_scan] = [true, false].map(|simd| {
            let mut pairs = Pairs::NONE;
            let event = scan_gates(&image, simd, &mut pairs, &mut StepCount::default());
            let gates = pairs.iter().map(|pair| pair.gate_count()).sum();
            (gates, event.and_then(|at| at.minus(text.rva().0)))
        });
        assert_eq!(found, by_byte_scan);
        found
    }

    #[test]
    fn a_gate_is_one_gate_wherever_it_lies_and_whatever_its_operands_hold() {
        // Bytes that occur in the patterns.
        for byte in [0x00, 0x05, 0x10, 0x39, 0x3B, 0x3D, 0x80, 0x82] {
            let variable = |low| [low, byte, 0xA4, 0xF7];
            let gate = [
                &[0xA1][..],
                &variable(4),
                &[0x3B, 0x05],
                &variable(0),
                &[0x7D, 0x51],
            ];
            for place in 0x100..0x150 {
                let found = scan(X86, place, &gate.concat(), 0xF7A3_8000);
                assert_eq!(found, (1, None), "{byte:X} at {place:X}");
            }
            let gate = [
                &[0x8B, 0x0D][..],
                &[4, byte, 0, 0],
                &[0x39, 0x0D],
                &[0xFA, byte, 0, 0],
                &[0x7E, 0x51],
            ];
            for place in 0x100..0x150 {
                let found = scan(X64, place, &gate.concat(), 0xFFFF_FADF_0000_0000);
                assert_eq!(found, (1, None), "{byte:X} at {place:X}, x64");
            }
        }
    }

    #[test]
    fn the_first_event_is_reported() {
        for (file, base) in [(X86, 0xF7A3_8000), (X64, 0xFFFF_FADF_0000_0000)] {
            for first in 0x100..0x150 {
                for apart in 4..8 {
                    let mut bytes = EVENT_4226.to_le_bytes().to_vec();
                    bytes.resize(apart, 0x90);
                    bytes.extend(EVENT_4226.to_le_bytes());
                    let expected = Some(Rva(u32::try_from(first).unwrap()));
                    assert_eq!(scan(file, first, &bytes, base), (0, expected));
                }
            }
        }
    }
}
