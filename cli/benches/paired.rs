//! The duration of the locator with all evidence, compared with the published loop for the same
//! search: `cargo bench --bench paired`.
//!
//! Both run alternately in one process, so that other load slows both alike. The specimens are as
//! large and as dense as the measured images, as files and as loaded. For more rows pass files:
//! `cargo bench --bench paired -- FOLDER/tcpip.sys`.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use scanner_core::{Image, ImageError, MappedSection, Module, Rva, Section, locate};
use specimen::{Arch, Spec};

/// Number of alternating runs; their medians are compared.
const TURNS: usize = 301;

/// A typical base of a driver.
const LOADED_X86: u64 = 0xF7A8_0000;
const LOADED_X64: u64 = 0xFFFF_FADF_E1A2_3000;

fn main() {
    println!("{:<28}{:>10}{:>10}{:>8}", "", "locate", "loop", "ratio");
    for (kind, spec) in Spec::full_size_presets() {
        let specimen = spec.build();
        let module = Module::named(spec.module.file_name()).expect("a name");
        let text = &specimen.sections[0];
        let code = &specimen.file[text.offset as usize..][..text.virtual_size as usize];
        row(&format!("{kind}, file"), code, || {
            is_located(Image::from_file(&specimen.file), module)
        });
        let base = match spec.arch {
            Arch::X86 => LOADED_X86,
            Arch::X64 => LOADED_X64,
        };
        let loaded = specimen.load(base);
        let (headers, base, size) = (&loaded.headers, loaded.base, loaded.size);
        let live = loaded.live_code().into_iter();
        let sections: Vec<_> = live
            .map(|(rva, bytes)| MappedSection {
                rva: Rva(rva),
                bytes,
            })
            .collect();
        row(
            &format!("{kind}, loaded"),
            &loaded.sections[0].bytes,
            || is_located(Image::from_memory(headers, base, size, &sections), module),
        );
    }
    for name in env::args().skip(1).filter(|name| !name.starts_with('-')) {
        measure_file(&name);
    }
}

fn measure_file(name: &str) {
    let file = match fs::read(name) {
        Ok(file) => file,
        Err(error) => return println!("{name}: {error}"),
    };
    let module = Path::new(name)
        .file_name()
        .and_then(|name| Module::named(name.to_str()?));
    let (Some(module), Ok(image)) = (module, Image::from_file(&file)) else {
        return println!("{name}: no driver by the name of tcpip.sys or tcpip6.sys");
    };
    let sections = image.headers().sections().filter(Section::is_live_code);
    let code: Vec<u8> = sections
        .flat_map(|section| image.bytes(&section).iter().copied())
        .collect();
    row(name, &code, || is_located(Image::from_file(&file), module));
}

fn is_located(image: Result<Image<'_>, ImageError>, module: Module) -> bool {
    image.is_ok_and(|image| locate(&image, module).is_ok())
}

/// Runs both alternately; returns the medians.
fn row(name: &str, code: &[u8], locate: impl Fn() -> bool) {
    assert!(locate(), "{name}: not located");
    let (mut ours, mut loops) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(time(&locate));
        loops.push(time(|| byte_loop(black_box(code))));
    }
    let [ours, loops] = [ours, loops].map(|mut times| {
        times.sort();
        times[TURNS / 2]
    });
    println!(
        "{name:<28}{:>7.1} µs{:>7.1} µs{:>8.2}",
        ours.as_secs_f64() * 1e6,
        loops.as_secs_f64() * 1e6,
        ours.as_secs_f64() / loops.as_secs_f64()
    );
}

fn time<T>(question: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    black_box(question());
    start.elapsed()
}

/// The published heuristic's loop: one look at every byte.
fn byte_loop(code: &[u8]) -> usize {
    let mut found = 0;
    let mut at = 0;
    while at + 11 <= code.len() {
        if code[at] == 0xA1 && code[at + 5] == 0x3B && code[at + 6] == 0x05 {
            found += 1;
        }
        at += 1;
    }
    found
}
