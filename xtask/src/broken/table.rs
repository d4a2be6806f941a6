//! What is broken of scanner-core on purpose, and which test must notice.

use super::breakage::{Breakage, Witness};

/// The specimens: found as built, refused without any one required fact.
const LOCATOR: Witness = Witness::file("locator");
/// Just inside a rule and just outside.
const EDGE: Witness = Witness::file("edge");
const DAMAGE: Witness = Witness::file("damage");
const HOSTILE: Witness = Witness::file("hostile");
const POLICY: Witness = Witness::file("policy");
const DISK: Witness = Witness::file("disk");
/// One search after another in the same memory.
const WORKSPACE: Witness = Witness::file("workspace");
/// Specimens, whole or lacking one fact, as the oracle judges them.
const ORACLE: Witness = Witness::oracle("locator", "the_oracle_agrees_on_what_is_built");
/// Instructions in places of their own.
const READING: Witness = Witness::file("reading");
/// Whatever else code may do with the variables, as the oracle reads it.
const READER: Witness = Witness::oracle(
    "reading",
    "whatever_code_does_with_the_variables_the_oracle_reads_it_alike",
);
/// Gates, as iced-x86 reads them.
const ICED: Witness = Witness::oracle("reading", "gates_are_read_as_iced_reads_them");

/// By file, in the order in which the locator goes about its work.
pub(super) const TABLE: &[Breakage] = &[
    Breakage::of_file(
        "image.rs",
        "code may be shorter in memory than in the file",
        "|| section.extent() == 0 || !whole",
        "|| section.extent() == 0",
        HOSTILE,
    ),
    Breakage::of_file(
        "image.rs",
        "sections may lie anywhere in memory",
        "next != Some(section.rva().0) || ",
        "",
        HOSTILE,
    )
    .sampled(),
    Breakage::of_file(
        "image.rs",
        "raw bytes behind a section's end are taken for code",
        "section.raw_size().min(section.extent())",
        "section.raw_size()",
        EDGE,
    ),
    Breakage::of_file(
        "image.rs",
        "sections may lie anywhere in the file",
        "section.file_offset() != next",
        "false",
        HOSTILE,
    ),
    Breakage::of_file(
        "image.rs",
        "the image may end anywhere",
        "Some(end) if end == headers.size_of_image()",
        "Some(_)",
        HOSTILE,
    ),
    Breakage::of_file(
        "image.rs",
        "the file may be cut short",
        "Ok(end) if end <= length",
        "Ok(_)",
        HOSTILE,
    ),
    Breakage::of_file(
        "image.rs",
        "an x86 image may pass 4 GiB",
        "if end <= 1 << 32",
        "if end > 0",
        HOSTILE,
    ),
    Breakage::of_file(
        "image.rs",
        "a base may be any page",
        "base & 0xFFFF != 0",
        "base & 0xFFF != 0",
        HOSTILE,
    ),
    Breakage::of_file(
        "image.rs",
        "the system's size is not compared",
        "pages(size) != pages(headers.size_of_image())",
        "false",
        EDGE,
    ),
    Breakage::of_file(
        "image.rs",
        "code may be missing",
        "mapped(code, &section).is_none()",
        "false",
        EDGE,
    ),
    Breakage::of_file(
        "image.rs",
        "code may be cut short",
        " && mapped.bytes.len() == length",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "pageable only by name",
        "!self.flags().not_paged()\n            || self.name().starts_with(b\"PAGE\")",
        "self.name().starts_with(b\"PAGE\")",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "pageable only by flag",
        "            || self.name().starts_with(b\"PAGE\")\n",
        "",
        EDGE,
    )
    .sampled(),
    Breakage::of_file(
        "section.rs",
        "`.edata` is not pageable",
        "\n            || self.name().starts_with(b\".eda\")",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "discardable only by name",
        "self.flags().discardable() || ",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "discardable only by flag",
        " || self.name().starts_with(b\"INIT\")",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "data may be read-only",
        "            && flags.writable()\n",
        "",
        LOCATOR,
    ),
    Breakage::of_file(
        "section.rs",
        "data may be code",
        "            && !flags.executable()\n",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "data may be pageable",
        "            && !self.discardable()\n            && !self.pageable()",
        "            && !self.discardable()",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "code may be gone",
        "self.flags().executable() && !self.discardable()",
        "self.flags().executable()",
        EDGE,
    ),
    Breakage::of_file(
        "section.rs",
        "code may be pageable",
        " && !self.discardable() && !self.pageable()\n",
        " && !self.discardable()\n",
        ORACLE,
    ),
    Breakage::of_file(
        "section.rs",
        "a section is four bytes longer",
        "end.0 <= self.extent()",
        "end.0 <= self.extent().saturating_add(4)",
        EDGE,
    ),
    Breakage::of_file(
        "gate.rs",
        "unsigned jumps will do",
        "0xC | 0xD => (left",
        "0x2 | 0x3 | 0xC | 0xD => (left",
        ICED,
    )
    .sampled(),
    Breakage::of_file(
        "gate.rs",
        "count and limit change places",
        "0xE | 0xF => (right, left)",
        "0xE | 0xF => (left, right)",
        ICED,
    ),
    Breakage::of_file(
        "gate.rs",
        "the operands of the comparison change places",
        "opcode == 0x3B",
        "opcode == 0x39",
        ORACLE,
    ),
    Breakage::of_file(
        "gate.rs",
        "another register may be compared",
        "compared != register || ",
        "",
        ICED,
    ),
    Breakage::of_file(
        "gate.rs",
        "a variable may be compared with itself",
        " || operand == loaded",
        "",
        ICED,
    ),
    Breakage::of_file(
        "gate.rs",
        "the register bit of REX does not count",
        "(byte & 0b100) << 1",
        "0",
        ICED,
    ),
    Breakage::of_file(
        "gate.rs",
        "eight bytes may be compared",
        "0x40..=0x47",
        "0x40..=0x4F",
        ICED,
    ),
    Breakage::of_file(
        "gate.rs",
        "short jumps only go forward",
        "i32::from(self.byte()?.cast_signed())",
        "i32::from(self.byte()?)",
        ICED,
    ),
    Breakage::of_file(
        "gate.rs",
        "the shortest load is not tried",
        "(5..=longest)",
        "(6..=longest)",
        ORACLE,
    ),
    Breakage::of_file(
        "operand.rs",
        "66h before a comparison with a dword makes it one with a word",
        "4 if prefix == Some(0x66) => Use {",
        "4 if prefix == Some(0x66) => Use {\n            immediate: 2,",
        READING,
    ),
    Breakage::of_file(
        "operand.rs",
        "66h before a comparison never makes it one with a word",
        "others: [2; 2],",
        "others: [4; 2],",
        READING,
    ),
    Breakage::of_file(
        "operand.rs",
        "cmp with a byte has no immediate",
        "0x80 | 0x82 | 0x83 | 0x6B",
        "0x80 | 0x82 | 0x6B",
        ORACLE,
    ),
    Breakage::of_file(
        "operand.rs",
        "cmp with a dword has no immediate",
        "0x69 | 0x81 | 0xC7 => 4",
        "0x69 | 0xC7 => 4",
        ORACLE,
    ),
    Breakage::of_file(
        "operand.rs",
        "no update needs LOCK",
        "Access::Update if prefix == Some(0xF0)",
        "Access::Update",
        EDGE,
    ),
    Breakage::of_file(
        "operand.rs",
        "xchg does not lock",
        "0x86 | 0x87 => Access::Locked",
        "0x86 | 0x87 => Access::Update",
        EDGE,
    ),
    Breakage::of_file(
        "operand.rs",
        "lock xadd is not known",
        "0xC0 | 0xC1 | 0xB0 | 0xB1 | 0xAB",
        "0xC0 | 0xB0 | 0xB1 | 0xAB",
        ORACLE,
    ),
    Breakage::of_file(
        "operand.rs",
        "an update through any register counts",
        " || modrm & 7 | base_bit != pointer",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "operand.rs",
        "a test of any register counts",
        "0x39 | 0x3B | 0x85 => is_rm || field | reg_bit == register",
        "0x39 | 0x3B | 0x85 => true",
        EDGE,
    ),
    Breakage::of_file(
        "operand.rs",
        "mov does not write",
        "0x88 | 0x89 | 0x8F",
        "0x88 | 0x8F",
        LOCATOR,
    ),
    Breakage::of_file(
        "candidate.rs",
        "one gate is enough",
        "self.gate_count >= 2 && few",
        "self.gate_count >= 1 && few",
        LOCATOR,
    ),
    Breakage::of_file(
        "candidate.rs",
        "any number of gates will do",
        "self.gate_count >= 2 && few",
        "self.gate_count >= 2",
        EDGE,
    ),
    Breakage::of_file(
        "candidate.rs",
        "the count may lie anywhere",
        "self.threshold.plus(4) == Some(self.count) && self",
        "self",
        LOCATOR,
    ),
    Breakage::of_file(
        "candidate.rs",
        "the limit need not be aligned",
        "Some(self.count) && self.threshold.0 & 3 == 0",
        "Some(self.count)",
        EDGE,
    ),
    Breakage::of_file(
        "candidate.rs",
        "the variables may lie in any section",
        "is_some_and(|section| section.is_live_data())",
        "is_some()",
        LOCATOR,
    ),
    Breakage::of_file(
        "candidate.rs",
        "only the limit's section counts",
        "checked_add(8)",
        "checked_add(4)",
        EDGE,
    ),
    Breakage::of_file(
        "candidate.rs",
        "the queue need not lie in the section",
        ".minus(4)\n            .zip(length)",
        ".minus(0)\n            .zip(length)",
        EDGE,
    ),
    Breakage::of_file(
        "candidate.rs",
        "too many candidates go unnoticed",
        "self.overflow |= in_place;",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "anchor.rs",
        "calls that land elsewhere don't count against it",
        "self.imports.saturating_mul(8) >= self.calls",
        "true",
        EDGE,
    ),
    Breakage::of_file(
        "anchor.rs",
        "one call is enough",
        "ENOUGH: u32 = 8",
        "ENOUGH: u32 = 1",
        EDGE,
    ),
    Breakage::of_file(
        "anchor.rs",
        "calls may land between two entries",
        "offset.0.checked_rem(self.pointer) == Some(0)",
        "true",
        EDGE,
    ),
    Breakage::of_file(
        "anchor.rs",
        "the table may be gone",
        "!section.discardable() && rva.0",
        "rva.0",
        EDGE,
    ),
    Breakage::of_file(
        "piece.rs",
        "a distance's third byte is thought to be one",
        ".chain([spread])",
        "",
        READER,
    ),
    Breakage::of_file(
        "reference.rs",
        "what begins behind a piece counts twice",
        "if modrm < length {",
        "if true {",
        READING,
    ),
    Breakage::of_file(
        "reference.rs",
        "a piece ends before its last distance",
        "length.wrapping_add(THIRD)",
        "length",
        READING,
    ),
    Breakage::of_file(
        "reference.rs",
        "a queue test counts wherever it is",
        "NEAR: u32 = 0x200",
        "NEAR: u32 = 0xFFFF_FFFF",
        EDGE,
    ),
    Breakage::of_file(
        "reference.rs",
        "a queue test where the jump goes is none",
        " || at.distance(gate.target()) <= NEAR",
        "",
        EDGE,
    ),
    Breakage::of_file(
        "reference.rs",
        "an update through a register comes at once",
        "SOON: usize = 16",
        "SOON: usize = 0",
        LOCATOR,
    ),
    Breakage::of_file(
        "reference.rs",
        "the limit's upper bytes may be written",
        "is_some_and(|part| part.0 < 4)",
        "is_some_and(|part| part.0 < 1)",
        EDGE,
    ),
    Breakage::of_file(
        "reference.rs",
        "the count may be loaded anywhere",
        "matches!(used.access, Access::Load(_))",
        "false",
        ORACLE,
    ),
    Breakage::of_file(
        "reference.rs",
        "the last of the variables is not looked for",
        "value.wrapping_sub(range.low) <= range.span",
        "value.wrapping_sub(range.low) < range.span",
        ORACLE,
    ),
    Breakage::of_file(
        "reference.rs",
        "an immediate does not count on x64",
        "let named = with(used.immediate);",
        "let named = with(0);",
        ORACLE,
    ),
    Breakage::of_file(
        "reference.rs",
        "an update through a register may come later",
        "SOON: usize = 16",
        "SOON: usize = 17",
        EDGE,
    ),
    Breakage::of_file(
        "sweep.rs",
        "the first byte of the event is enough",
        "dword(code, at) == Some(EVENT_4226)",
        "dword(code, at).is_some()",
        LOCATOR,
    ),
    Breakage::of_file(
        "sweep.rs",
        "an earlier search's pairs count",
        "    *pairs = Pairs::NONE;\n",
        "",
        WORKSPACE,
    ),
    Breakage::of_file(
        "sweep.rs",
        "only gates at even places are found",
        "table.mark_all(MODRM, operand::is_direct);",
        "",
        LOCATOR,
    ),
    Breakage::of_file(
        "sweep.rs",
        "only events at even places are found",
        "table.mark(HIGHEST, highest);",
        "",
        LOCATOR,
    ),
    Breakage::of_file(
        "locate.rs",
        "two locked updates are enough",
        "ENOUGH_ATOMICS: u32 = 3",
        "ENOUGH_ATOMICS: u32 = 2",
        ORACLE,
    ),
    Breakage::of_file(
        "locate.rs",
        "no queue test is needed",
        "QueueTest, found.queue_test.is_some()",
        "QueueTest, true",
        ORACLE,
    ),
    Breakage::of_file(
        "locate.rs",
        "the limit may be read anywhere",
        "GateReadsOnly, reader.is_none()",
        "GateReadsOnly, true",
        LOCATOR,
    ),
    Breakage::of_file(
        "locate.rs",
        "the limit may be written",
        "NoLiveWriter, found.writer.is_none()",
        "NoLiveWriter, true",
        ORACLE,
    )
    .sampled(),
    Breakage::of_file(
        "locate.rs",
        "the limit may be a counter",
        "NoAtomicOnThreshold, found.locked.is_none()",
        "NoAtomicOnThreshold, true",
        LOCATOR,
    ),
    Breakage::of_file(
        "locate.rs",
        "the base is believed",
        "AnchoredBase, common.anchor.holds()",
        "AnchoredBase, true",
        LOCATOR,
    )
    .sampled(),
    Breakage::of_file(
        "locate.rs",
        "tcpip.sys needs no event",
        "EventId, common.event.is_some()",
        "EventId, true",
        LOCATOR,
    ),
    Breakage::of_file(
        "locate.rs",
        "tcpip6.sys may have the event",
        "NoEventId, common.event.is_none()",
        "NoEventId, true",
        LOCATOR,
    ),
    Breakage::of_file(
        "locate.rs",
        "the first of two candidates is taken",
        "Some(also) => Err(Reason::Ambiguous(best.threshold, also)),",
        "Some(_) => Ok(()),",
        LOCATOR,
    ),
    Breakage::of_file(
        "locate.rs",
        "a second candidate goes unnoticed",
        "            Some(0) if lacks == 0 => also = also.or(Some(pair.threshold)),\n",
        "",
        DAMAGE,
    ),
    Breakage::of_file(
        "locate.rs",
        "an earlier search's references count",
        "        *found = References::NONE;\n",
        "",
        WORKSPACE,
    ),
    Breakage::of_file(
        "locate.rs",
        "an earlier search's answer stays",
        "        self.located = None;\n",
        "",
        WORKSPACE,
    )
    .sampled(),
    Breakage::of_file(
        "locate.rs",
        "an earlier search's report stays",
        "        self.refusal.best = None;\n",
        "",
        WORKSPACE,
    ),
    Breakage::of_file(
        "checksum.rs",
        "the carry is lost",
        "(sum & 0xFFFF).wrapping_add(sum >> 16)",
        "sum & 0xFFFF",
        DISK,
    )
    .sampled(),
    Breakage::of_file(
        "checksum.rs",
        "the field itself counts",
        "sum(file).wrapping_sub(own)",
        "sum(file)",
        DISK,
    ),
    Breakage::of_file(
        "checksum.rs",
        "the length does not count",
        ".wrapping_add(length)",
        "",
        DISK,
    ),
    Breakage::of_file(
        "disk.rs",
        "several stores are one",
        "_ => StartUp::Several",
        "_ => store",
        DISK,
    ),
    Breakage::of_file(
        "disk.rs",
        "any store is the start-up store",
        "(operand::resolve(image, dword(code, operand)?, next)? == threshold).then_some(())?;",
        "",
        DISK,
    ),
    Breakage::of_file(
        "disk.rs",
        "any relocation covers",
        "any(|entry| entry == (*operand, Kind::HighLow))",
        "any(|entry| entry.1 == Kind::HighLow)",
        DISK,
    ),
    Breakage::of_file(
        "policy.rs",
        "any limit may be set",
        "!LIMITS.contains(&request.limit)",
        "false",
        POLICY,
    )
    .sampled(),
    Breakage::of_file(
        "policy.rs",
        "no limit may be set",
        "MIN_LIMIT: u32 = 1",
        "MIN_LIMIT: u32 = 0",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "what was found in a file may be written",
        "located.layout() != Layout::Memory",
        "false",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "the section may be read-only",
        "        || !section.writable()\n",
        "",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "the section may have changed",
        "section != located.section_flags()",
        "false",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "the page may be absent",
        "!request.page.valid",
        "false",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "the page may be read-only",
        "Some(false) => return Err(Refusal::PageReadOnly)",
        "Some(false) => {}",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "the page may be unknown",
        "None => return Err(Refusal::PageUnknown)",
        "None => {}",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "the limit may hold anything",
        "!LIMITS.contains(&request.current)",
        "false",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "any value may be overwritten",
        "request.current != request.expected",
        "false",
        POLICY,
    ),
    Breakage::of_file(
        "policy.rs",
        "the permit names another value",
        "current: request.current,\n        limit: request.limit",
        "current: request.limit,\n        limit: request.limit",
        POLICY,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_witness_is_heard_each_time() {
        for witness in [
            LOCATOR, EDGE, HOSTILE, POLICY, DISK, WORKSPACE, ORACLE, ICED,
        ] {
            let sampled = |breakage: &&Breakage| breakage.sample && breakage.witness == witness;
            assert!(TABLE.iter().any(|breakage| sampled(&breakage)), "{witness}");
        }
    }
}
