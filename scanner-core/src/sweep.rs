//! The first pass: every gate in live code, and the code of event 4226.

use core::ops::ControlFlow;

use crate::bytes::dword;
use crate::candidate::Pairs;
use crate::effort::Effort;
use crate::gate::{Gate, is_compare};
use crate::image::Image;
use crate::operand;
use crate::probe::Table;
use crate::rva::Rva;

/// `EVENT_TCPIP_TCP_CONNECT_LIMIT_REACHED`, event 4226, a warning.
const EVENT_4226: u32 = 0x8000_1082;
/// The place of a comparison's ModRM byte behind its opcode.
const MODRM: usize = 1;
/// The place of a dword's last byte.
const HIGHEST: usize = 3;

/// Notes every gate in live code; the first place that holds the code of event
/// 4226.
#[inline(never)]
pub(crate) fn sweep(
    image: &Image<'_>,
    pairs: &mut Pairs,
    table: &mut Table,
    effort: &mut Effort,
) -> Option<Rva> {
    *pairs = Pairs::NONE;
    let [lowest, _, _, highest] = EVENT_4226.to_le_bytes();
    table.clear();
    table.mark_all(0, |byte| is_compare(byte) || byte == lowest);
    table.mark_all(MODRM, operand::is_direct);
    table.mark(HIGHEST, highest);
    let mut event: Option<Rva> = None;
    for (start, code) in image.live_code() {
        let ended = table.probe::<2>(code, effort, |at, told_by| {
            // Nearly every place ends here.
            let first = code.get(at).copied().unwrap_or(0);
            if told_by != HIGHEST && is_compare(first) {
                if let Some(gate) = Gate::around(image, code, start, at) {
                    pairs.add(image, &gate);
                }
            } else if told_by != MODRM && first == lowest && dword(code, at) == Some(EVENT_4226) {
                let at = u32::try_from(at).ok().and_then(|at| start.plus(at));
                // Of two that lie close together the second may come first.
                event = event.map_or(at, |event| at.map(|at| at.min(event)));
            }
            ControlFlow::Continue(())
        });
        debug_assert!(ended.is_continue());
    }
    event
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
    use crate::image::MappedSection;
    use crate::pe::Headers;
    use crate::section::Section;

    /// Live code of an x86 driver in which one place is as said, and all that
    /// the first pass finds in it: how many gates, and the event.
    fn swept(place: usize, bytes: &[u8], base: u64) -> (u32, Option<Rva>) {
        let file = include_bytes!("../../corpus/specimens/tcpip-2003-sp2-x86.sys");
        let headers = &file[..0x1000];
        let size = Image::from_file(file).unwrap().headers().size_of_image();
        let parsed = Headers::parse_loaded(headers, base, size).unwrap();
        let text = parsed.sections().find(Section::is_live_code).unwrap();
        let mut code = std::vec![0x90; usize::try_from(text.extent()).unwrap()];
        code[place..][..bytes.len()].copy_from_slice(bytes);
        let sections = [MappedSection {
            rva: text.rva(),
            bytes: &code,
        }];
        let image = Image::from_memory(headers, base, size, &sections).unwrap();
        let (mut pairs, mut table) = (Pairs::NONE, Table::EMPTY);
        let event = sweep(&image, &mut pairs, &mut table, &mut Effort::default());
        let gates = pairs.iter().map(|pair| pair.gate_count()).sum();
        (gates, event.and_then(|at| at.minus(text.rva().0)))
    }

    #[test]
    fn a_gate_is_one_gate_wherever_it_lies_and_whatever_its_operands_hold() {
        // Each byte that the table of the first pass has.
        for byte in [0x05, 0x15, 0x39, 0x3B, 0x3D, 0x80, 0x82] {
            let threshold = [0x00, byte, 0xA4, 0xF7];
            let count = [0x04, byte, 0xA4, 0xF7];
            let gate = [
                &[0xA1][..],
                &count,
                &[0x3B, 0x05],
                &threshold,
                &[0x7D, 0x51],
            ];
            for place in 0x100..0x108 {
                let found = swept(place, &gate.concat(), 0xF7A3_8000);
                assert_eq!(found, (1, None), "{byte:X} at {place:X}");
            }
        }
    }

    #[test]
    fn the_first_event_is_the_one_that_is_told() {
        for first in 0x100..0x108 {
            for apart in 4..8 {
                let mut bytes = EVENT_4226.to_le_bytes().to_vec();
                bytes.resize(apart, 0x90);
                bytes.extend(EVENT_4226.to_le_bytes());
                let (gates, event) = swept(first, &bytes, 0xF7A3_8000);
                assert_eq!(
                    (gates, event),
                    (0, Some(Rva(u32::try_from(first).unwrap())))
                );
            }
        }
    }
}
