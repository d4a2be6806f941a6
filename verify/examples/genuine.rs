//! Searches genuine Windows files without a limit for false positives: as
//! either module, as files and as loaded, with every section marked as
//! resident, so that programs are searched like drivers.
//!
//! `cargo run --release --package verify --example genuine -- FOLDER`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use scanner_core::{Headers, Image, Module, NotLocatedReason};
use verify::agreement;
use verify::memory;
use verify::property::{self, Verdict};

/// The number of bytes of each file in which gates are compared with iced-x86.
const SAMPLE: usize = 0x4000;

fn main() -> io::Result<ExitCode> {
    let folder = env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let mut files = Vec::new();
    list(Path::new(&folder), &mut files)?;

    let mut total = Totals::default();
    for path in &files {
        let mut file = fs::read(path)?;
        make_resident(&mut file);
        total.search(path, &file);
    }
    total.print();
    Ok(if total.located == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => list(&entry.path(), files)?,
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}

/// Marks every section as not pageable, as in drivers.
fn make_resident(file: &mut [u8]) {
    let Ok(headers) = Headers::parse(file) else {
        return;
    };
    let count = headers.sections().len();
    let e_lfanew = u32::from_le_bytes([file[0x3C], file[0x3D], file[0x3E], file[0x3F]]) as usize;
    let optional = usize::from(u16::from_le_bytes([
        file[e_lfanew + 20],
        file[e_lfanew + 21],
    ]));
    for index in 0..count {
        file[e_lfanew + 24 + optional + 40 * index + 39] |= 0x08;
    }
}

#[derive(Default)]
struct Totals {
    searched: usize,
    bytes: usize,
    offsets: usize,
    located: usize,
    reasons: BTreeMap<String, usize>,
    time: Duration,
}

impl Totals {
    fn search(&mut self, path: &Path, file: &[u8]) {
        let image = match Image::from_file(file) {
            Ok(image) => image,
            Err(error) => return self.count(&format!("no image: {error}")),
        };
        self.searched += 1;
        self.bytes += file.len();
        for module in Module::ALL {
            let start = Instant::now();
            let verdict = property::file_verdict(file, module);
            self.time += start.elapsed();
            self.record(path, file, &verdict, module);

            let mapped = memory::map(file).expect("an image that was just read");
            let sections = mapped.sections();
            let verdict =
                property::memory_verdict(file, mapped.base, mapped.size, &sections, module);
            self.record(path, file, &verdict, module);
        }
        let live = image
            .headers()
            .sections()
            .find(|section| section.is_live_code());
        if let Some(section) = live {
            let code = image.bytes(&section);
            let code = &code[..code.len().min(SAMPLE)];
            agreement::gates_match_iced(&image, code, section.rva().0);
            self.offsets += code.len();
        }
    }

    fn record(&mut self, path: &Path, file: &[u8], verdict: &Verdict, module: Module) {
        match verdict {
            Verdict::Located(answer) => {
                self.located += 1;
                let oracle = oracle::locate_file(file, module == Module::Tcpip6);
                println!("{}: {answer:X?}, oracle: {oracle:X?}", path.display());
            }
            Verdict::NoImage(error) => self.count(&format!("no image: {error}")),
            Verdict::Refused(NotLocatedReason::Missing(missing)) => {
                self.count(&format!("{:2} pieces of evidence missing", missing.len()));
            }
            Verdict::Refused(NotLocatedReason::Ambiguous(..)) => self.count("ambiguous"),
            Verdict::Refused(reason) => self.count(&format!("{reason:?}")),
        }
    }

    fn count(&mut self, reason: &str) {
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
    }

    fn print(&self) {
        for (reason, count) in &self.reasons {
            println!("{count:6} {reason}");
        }
        // For `cargo xtask report`.
        println!("figure: images searched like drivers = {}", self.searched);
        println!(
            "figure: offsets of real code where gates are compared = {}",
            self.offsets
        );
        println!("figure: located by mistake = {}", self.located);
        let rate = 2.0 * self.bytes as f64 / self.time.as_secs_f64() / 1e9;
        println!(
            "{} images, {} MB, searched as both modules, as files and in memory at {rate:.1} GB/s; \
             gates compared at {} offsets; {} located",
            self.searched,
            self.bytes / 1_000_000,
            self.offsets,
            self.located
        );
    }
}
