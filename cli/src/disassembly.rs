//! Disassembly for people: RVA, bytes, text.

use std::fmt;

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, OpKind};
use iced_x86::{SymbolResolver, SymbolResult};
use scanner_core::{Arch, Findings, Image, Rva};

/// Trial disassemblies begin up to this many bytes before an operand.
const BEFORE: u32 = 48;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Rva,
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
    /// It has a lock prefix: an atomic update of memory.
    pub(crate) locked: bool,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self
            .bytes
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        write!(
            f,
            "{:>6}  {:<30}  {}",
            self.at.to_string(),
            bytes.join(" "),
            self.text
        )
    }
}

/// The code of an image, with names for a candidate's variables.
pub(crate) struct Listing<'a> {
    image: &'a Image<'a>,
    names: Names,
}

impl<'a> Listing<'a> {
    /// Names the limit, the count and the queue length of a candidate.
    pub(crate) fn new(image: &'a Image<'a>, findings: &Findings) -> Listing<'a> {
        let address = |rva: Rva| image.base().wrapping_add(rva.0.into());
        let mut variables = vec![
            (address(findings.threshold()), "limit"),
            (address(findings.count()), "count"),
        ];
        variables.extend(findings.queue().map(|queue| (address(queue), "queue")));
        Listing {
            image,
            names: Names {
                variables,
                base: image.base(),
                size: image.headers().size_of_image(),
            },
        }
    }

    /// The instructions from `at` on.
    pub(crate) fn from(&self, at: Rva) -> impl Iterator<Item = Line> + use<'a> {
        let code = code_from(self.image, at).unwrap_or_default();
        let mut decoder = decoder(self.image, code, at);
        let mut formatter = IntelFormatter::with_options(Some(Box::new(self.names.clone())), None);
        let options = formatter.options_mut();
        options.set_space_after_operand_separator(true);
        options.set_show_branch_size(false);
        options.set_branch_leading_zeros(false);
        options.set_rip_relative_addresses(false);
        std::iter::from_fn(move || {
            if !decoder.can_decode() {
                return None;
            }
            let start = decoder.position();
            let instruction = decoder.decode();
            let bytes = code.get(start..decoder.position())?.to_vec();
            let mut text = String::new();
            formatter.format(&instruction, &mut text);
            Some(Line {
                at: at.plus(u32::try_from(start).ok()?)?,
                bytes,
                text,
                locked: instruction.has_lock_prefix(),
            })
        })
    }

    /// The instructions of `length` bytes from `at` on.
    pub(crate) fn range(&self, at: Rva, length: u32) -> Vec<Line> {
        self.from(at)
            .take_while(|line| line.at.distance(at) < length)
            .collect()
    }

    /// The RVA that the memory operand of the instruction at `at` refers to.
    pub(crate) fn operand_of(&self, at: Rva) -> Option<Rva> {
        let instruction = decoder(self.image, code_from(self.image, at)?, at).decode();
        let address = instruction
            .memory_displacement64()
            .checked_sub(self.image.base())?;
        u32::try_from(address).ok().map(Rva)
    }

    /// The first byte of the instruction whose displacement or immediate lies at `operand`.
    ///
    /// Code can't be disassembled backwards. But disassemblies of x86 code from different start
    /// bytes soon synchronize, so this is the instruction that most disassemblies from the bytes
    /// before reach.
    pub(crate) fn instruction_with(&self, operand: Rva) -> Option<Rva> {
        let mut votes: Vec<(Rva, u32)> = Vec::new();
        for back in 1..=BEFORE {
            let Some(start) = operand.minus(back) else {
                break;
            };
            let Some(at) = self.reading(start, operand) else {
                continue;
            };
            match votes.iter_mut().find(|(voted, _)| *voted == at) {
                Some((_, count)) => *count += 1,
                None => votes.push((at, 1)),
            }
        }
        // On a tie the one that begins first: it includes the prefix.
        votes.sort_by_key(|&(at, count)| (std::cmp::Reverse(count), at));
        votes.first().map(|&(at, _)| at)
    }

    /// Disassembles from `start`; returns the instruction with the operand, if reached.
    fn reading(&self, start: Rva, operand: Rva) -> Option<Rva> {
        let code = code_from(self.image, start)?;
        let mut decoder = decoder(self.image, code, start);
        let mut instruction = Instruction::default();
        loop {
            let at = start.plus(u32::try_from(decoder.position()).ok()?)?;
            let within = operand.minus(at.0)?;
            if !decoder.can_decode() {
                return None;
            }
            decoder.decode_out(&mut instruction);
            if instruction.is_invalid() {
                return None;
            }
            let parts = decoder.get_constant_offsets(&instruction);
            let holds =
                |offset: usize| u32::try_from(offset).is_ok_and(|offset| offset == within.0);
            if parts.has_displacement() && holds(parts.displacement_offset())
                || parts.has_immediate() && holds(parts.immediate_offset())
            {
                return Some(at);
            }
        }
    }
}

/// The bytes from `at` to the end of its section.
fn code_from<'a>(image: &Image<'a>, at: Rva) -> Option<&'a [u8]> {
    let section = image.section_at(at, 1)?;
    let offset = usize::try_from(at.minus(section.rva().0)?.0).ok()?;
    image.bytes(&section).get(offset..)
}

fn decoder<'a>(image: &Image<'_>, code: &'a [u8], at: Rva) -> Decoder<'a> {
    let bitness = match image.arch() {
        Arch::X86 => 32,
        Arch::X64 => 64,
    };
    let address = image.base().wrapping_add(at.0.into());
    Decoder::with_ip(bitness, code, address, DecoderOptions::NONE)
}

/// Names for addresses.
#[derive(Clone, Debug)]
struct Names {
    variables: Vec<(u64, &'static str)>,
    base: u64,
    size: u32,
}

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        instruction: &Instruction,
        _operand: u32,
        instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        if let Some((_, name)) = self
            .variables
            .iter()
            .find(|(variable, _)| *variable == address)
        {
            return Some(SymbolResult::with_str(address, name));
        }
        // Other addresses in the image by RVA; a constant is no address.
        let rva = u32::try_from(address.checked_sub(self.base)?).ok()?;
        let kind = instruction.op_kind(instruction_operand?);
        let place = matches!(
            kind,
            OpKind::Memory | OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
        );
        (place && rva < self.size)
            .then(|| SymbolResult::with_string(address, format!("rva_{rva:X}")))
    }
}
