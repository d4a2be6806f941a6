//! How often each byte occurs in genuine code, and how many of each the code
//! under construction still lacks.
//!
//! A search's speed and its chance matches depend on how common the searched
//! bytes are. So of several instructions the builder takes the one whose bytes
//! are most underrepresented, and the code resembles the measured images.

use std::sync::LazyLock;

use super::arch::Arch;
use super::code::{Code, Form};

/// Counts in 10,000 bytes, by value: XP SP3 x86, Server 2003 SP2 x86, XP x64 SP2.
const GENUINE: &str = include_str!("genuine_bytes.tsv");
/// The sum of the counts in one column.
const WHOLE: i64 = 10_000;
/// The number of entries in a table of bytes to draw from.
const DRAWS: usize = 1 << 12;

/// How common each byte is in genuine code for one machine.
#[derive(Debug)]
pub(super) struct Density {
    common: [i64; 256],
    /// The weight of one missing byte: higher for a rare one.
    weight: [i64; 256],
    /// Each byte about as often as in genuine code.
    any: [u8; DRAWS],
    /// The same for multiples of 4, like offsets in structures.
    offsets: [u8; DRAWS],
}

static X86: LazyLock<Density> =
    LazyLock::new(|| Density::read(|[xp, server, _]| (xp + server) / 2));
static X64: LazyLock<Density> = LazyLock::new(|| Density::read(|[.., x64]| x64));

impl Density {
    pub(super) fn for_arch(arch: Arch) -> &'static Self {
        match arch {
            Arch::X86 => &X86,
            Arch::X64 => &X64,
        }
    }

    fn read(column: impl Fn([i64; 3]) -> i64) -> Self {
        let mut common = [0; 256];
        for line in GENUINE.lines().filter(|line| !line.starts_with('#')) {
            let mut cells = line.split('\t');
            let byte = cells
                .next()
                .and_then(|cell| usize::from_str_radix(cell, 16).ok());
            let mut count = || cells.next().and_then(|cell| cell.parse().ok());
            let counts = [count(), count(), count()].map(|count| count.expect("a count"));
            common[byte.expect("a byte")] = column(counts);
        }
        Self {
            common,
            weight: common.map(|common| (1 << 20) / (16 * common).isqrt().max(1)),
            any: draws(&common, |_| true),
            offsets: draws(&common, |byte| byte % 4 == 0),
        }
    }

    /// A byte, by 12 random bits.
    pub(super) fn any(&self, bits: u64) -> u8 {
        self.any[place(bits)]
    }

    /// An offset in a structure, by 12 random bits.
    pub(super) fn offset(&self, bits: u64) -> u8 {
        self.offsets[place(bits)]
    }
}

fn place(bits: u64) -> usize {
    usize::try_from(bits).expect("u64 fits usize") % DRAWS
}

fn draws(common: &[i64; 256], wanted: impl Fn(u8) -> bool) -> [u8; DRAWS] {
    let bytes = (u8::MIN..=u8::MAX)
        .zip(common)
        .filter(|(byte, _)| wanted(*byte));
    let total: i64 = bytes.clone().map(|(_, common)| common).sum();
    let mut table = [0; DRAWS];
    let (mut from, mut sum) = (0, 0);
    for (byte, common) in bytes {
        sum += common * i64::try_from(DRAWS).expect("a small number");
        let end = usize::try_from(sum / total).expect("no more than all");
        table[from..end].fill(byte);
        from = end;
    }
    table
}

/// Counts of the bytes so far, compared with genuine code.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) density: &'static Density,
    counts: [i64; 256],
    total: i64,
    /// The two high bytes of most addresses.
    high: [u8; 2],
}

impl Balance {
    /// An empty count; addresses will be near `address`.
    pub(super) fn new(arch: Arch, address: u32) -> Self {
        let [.., third, fourth] = address.to_le_bytes();
        Self {
            density: Density::for_arch(arch),
            counts: [0; 256],
            total: 0,
            high: [third, fourth],
        }
    }

    /// The mean shortage of these bytes.
    pub(super) fn shortage(&self, bytes: &[u8]) -> i64 {
        let shortage = bytes.iter().map(|&byte| {
            let byte = usize::from(byte);
            let missing = self.total * self.density.common[byte] - WHOLE * self.counts[byte];
            missing * self.density.weight[byte]
        });
        shortage.sum::<i64>() / i64::try_from(bytes.len().max(1)).expect("an instruction")
    }

    /// Counts the bytes of `code` from `start` on; for references from `fixup`
    /// on, their likely bytes.
    pub(super) fn count(&mut self, code: &Code, start: u32, fixup: usize) {
        let start = usize::try_from(start).expect("u32 fits usize");
        for &byte in &code.bytes[start..] {
            self.add(byte, 1);
        }
        for fixup in &code.fixups[fixup..] {
            self.add(0, -4);
            let at = usize::try_from(fixup.at).expect("u32 fits usize");
            match (fixup.form, &code.bytes[..at]) {
                (Form::Absolute, _) => self.high.into_iter().for_each(|byte| self.add(byte, 1)),
                // A jump back from a cold part, a call to anywhere, otherwise a
                // forward jump.
                (Form::Relative { .. }, [.., 0xE9]) => self.add(0xFF, 2),
                (Form::Relative { .. }, [.., 0xE8]) if at % 2 == 0 => self.add(0xFF, 2),
                (Form::Relative { .. }, [.., 0xE8]) => self.add(0, 2),
                (Form::Relative { .. }, [.., 0x0F, 0x80..=0x8F]) => self.add(0, 2),
                _ => self.add(0, 1),
            }
        }
    }

    fn add(&mut self, byte: u8, times: i64) {
        self.counts[usize::from(byte)] += times;
        self.total += times;
    }
}
