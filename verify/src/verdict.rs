//! The locator's verdict on a file or on an image in memory, by both searches.

use scanner_core::{
    Evidence, Image, ImageError, Located, Module, NotLocated, NotLocatedReason, Workspace,
};
use specimen::Loaded;

use crate::memory;

/// The limit of steps for each byte of a search.
const STEPS_PER_BYTE: u64 = 32;

/// The locator's result, without details that depend on the kind of search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Found: RVAs of limit, count, queue length and gates.
    Located(oracle::Answer),
    /// Not an image.
    NoImage(ImageError),
    /// Not found.
    Refused(NotLocatedReason),
}

impl Verdict {
    pub(crate) fn from_result(result: Result<&Located, &NotLocated>) -> Verdict {
        match result {
            Ok(located) => Verdict::Located(oracle::Answer {
                threshold: located.threshold().0,
                count: located.count().0,
                queue: located.queue().0,
                gates: located.findings().gates().map(|gate| gate.at().0).collect(),
            }),
            Err(refusal) => Verdict::Refused(refusal.reason()),
        }
    }

    /// The RVA of the limit.
    pub fn threshold(&self) -> Option<u32> {
        match self {
            Verdict::Located(answer) => Some(answer.threshold),
            _ => None,
        }
    }

    /// The missing evidence in a refusal.
    pub fn missing(&self) -> Vec<Evidence> {
        match self {
            Verdict::Refused(NotLocatedReason::Missing(missing)) => missing.iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// The locator's module for a specimen's.
pub fn module(module: specimen::Module) -> Module {
    match module {
        specimen::Module::Tcpip => Module::Tcpip,
        specimen::Module::Tcpip6 => Module::Tcpip6,
    }
}

/// The verdict on a file. Checks the limit of steps.
pub fn file_verdict(file: &[u8], module: Module) -> Verdict {
    let image = match Image::from_file(file) {
        Ok(image) => image,
        Err(error) => return Verdict::NoImage(error),
    };
    verdict_within(STEPS_PER_BYTE * file.len() as u64, &image, module)
}

/// The verdict on a loaded image, given only the sections that a driver would
/// give.
pub fn memory_verdict(
    headers: &[u8],
    base: u64,
    size: u32,
    sections: &[(u32, &[u8])],
    module: Module,
) -> Verdict {
    let code = match memory::live_code(headers, sections) {
        Ok(code) => code,
        Err(error) => return Verdict::NoImage(error),
    };
    match Image::from_memory(headers, base, size, &code) {
        Ok(image) => {
            let bytes: usize = code.iter().map(|section| section.bytes.len()).sum();
            let bytes = (headers.len() + bytes) as u64;
            verdict_within(STEPS_PER_BYTE * bytes, &image, module)
        }
        Err(error) => Verdict::NoImage(error),
    }
}

/// The verdict. Checks that **the driver's search gives the same answer**,
/// including its report, and that neither search exceeds the allowed steps.
fn verdict_within(allowed: u64, image: &Image<'_>, module: Module) -> Verdict {
    let [mut workspace, mut by_table] = [Workspace::new(), Workspace::without_simd()];
    let answer = workspace.locate(image, module);
    assert_eq!(by_table.locate(image, module), answer);
    let verdict = Verdict::from_result(answer);
    for steps in [workspace.steps(), by_table.steps()] {
        assert!(steps <= allowed, "{steps} steps, {allowed} allowed");
    }
    verdict
}

/// The verdict on a file laid out at its preferred base.
pub fn as_loaded(file: &[u8], module: Module) -> Verdict {
    let mapped = match memory::map(file) {
        Ok(mapped) => mapped,
        Err(error) => return Verdict::NoImage(error),
    };
    let headers = &file[..mapped.headers.min(file.len())];
    memory_verdict(
        headers,
        mapped.base,
        mapped.size,
        &mapped.sections(),
        module,
    )
}

/// The verdict on a loaded specimen.
pub fn loaded_verdict(loaded: &Loaded, module: Module) -> Verdict {
    let sections = memory::sections(loaded);
    memory_verdict(&loaded.headers, loaded.base, loaded.size, &sections, module)
}
