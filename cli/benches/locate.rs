//! The cost of locating the limit with all evidence, compared with cheaper searches of the same
//! bytes: `cargo bench`.
//!
//! The specimens are as large and as dense as the measured images. Throughput is that of `.text`,
//! so that all rows are comparable. On a busy machine, `cargo bench --bench paired` compares the
//! first two better.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use iced_x86::{Decoder, DecoderOptions, Instruction};
use scanner_core::{Image, Module, locate};
use specimen::{Arch, Spec};

fn main() {
    divan::main();
}

/// A specimen and the range of its code.
struct Subject {
    file: Vec<u8>,
    text: std::ops::Range<usize>,
    arch: Arch,
}

impl Subject {
    fn new(kind: &str) -> Subject {
        let mut kinds = Spec::full_size_presets().into_iter();
        let spec = kinds.find_map(|(name, spec)| (name == kind).then_some(spec));
        let specimen = spec.expect("a kind of specimen").build();
        let text = &specimen.sections[0];
        let start = text.offset as usize;
        Subject {
            text: start..start + text.raw_size as usize,
            arch: specimen.spec.arch,
            file: specimen.file,
        }
    }

    fn text(&self) -> &[u8] {
        &self.file[self.text.clone()]
    }
}

const KINDS: [&str; 3] = ["tcpip-xp-sp3-x86", "tcpip-2003-sp2-x86", "tcpip-xp-x64"];

fn bench<T>(bencher: Bencher<'_, '_>, kind: &str, question: impl Fn(&Subject) -> T + Sync) {
    let subject = Subject::new(kind);
    bencher
        .counter(BytesCount::new(subject.text().len()))
        .bench(|| question(black_box(&subject)));
}

/// The whole search: headers, gates, all evidence, the verdict.
#[divan::bench(args = KINDS)]
fn locate_with_all_evidence(bencher: Bencher<'_, '_>, kind: &str) {
    bench(bencher, kind, |subject| {
        let image = Image::from_file(&subject.file).expect("a specimen");
        locate(&image, Module::Tcpip).expect("a specimen with a limit")
    });
}

/// The published heuristic's loop: one look at every byte.
#[divan::bench(args = KINDS)]
fn one_pass_byte_loop(bencher: Bencher<'_, '_>, kind: &str) {
    bench(bencher, kind, |subject| {
        let code = subject.text();
        let mut found = 0;
        let mut at = 0;
        while at + 11 <= code.len() {
            if code[at] == 0xA1 && code[at + 5] == 0x3B && code[at + 6] == 0x05 {
                found += 1;
            }
            at += 1;
        }
        found
    });
}

/// memchr's substring search for the comparison's opcode alone, with SIMD.
#[divan::bench(args = KINDS)]
fn memmem_of_the_opcode(bencher: Bencher<'_, '_>, kind: &str) {
    bench(bencher, kind, |subject| {
        let opcode: &[u8] = match subject.arch {
            Arch::X86 => &[0x3B, 0x05],
            Arch::X64 => &[0x39, 0x1D],
        };
        memchr::memmem::find_iter(subject.text(), opcode).count()
    });
}

/// pelite's scanner, with the gate as its pattern.
#[divan::bench(args = KINDS)]
fn pelite_scanner(bencher: Bencher<'_, '_>, kind: &str) {
    use pelite::pattern::parse;
    bench(bencher, kind, |subject| {
        let mut found = 0;
        let mut save = [0; 4];
        match subject.arch {
            Arch::X86 => {
                use pelite::pe32::{Pe, PeFile};
                let file = PeFile::from_bytes(&subject.file).expect("a specimen");
                let pattern = parse("A1 ? ? ? ? 3B 05").expect("a pattern");
                let mut matches = file.scanner().matches_code(&pattern);
                while matches.next(&mut save) {
                    found += 1;
                }
            }
            Arch::X64 => {
                use pelite::pe64::{Pe, PeFile};
                let file = PeFile::from_bytes(&subject.file).expect("a specimen");
                let pattern = parse("8B 0D ? ? ? ? 39 0D").expect("a pattern");
                let mut matches = file.scanner().matches_code(&pattern);
                while matches.next(&mut save) {
                    found += 1;
                }
            }
        }
        found
    });
}

/// One decode of the code from its beginning to its end.
#[divan::bench(args = KINDS, sample_count = 20)]
fn linear_decode_by_iced(bencher: Bencher<'_, '_>, kind: &str) {
    bench(bencher, kind, |subject| {
        let bits = match subject.arch {
            Arch::X86 => 32,
            Arch::X64 => 64,
        };
        let mut decoder = Decoder::new(bits, subject.text(), DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        let mut count = 0;
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            count += 1;
        }
        count
    });
}
