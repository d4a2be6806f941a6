//! A specimen's layout as JSON, for the drawing of `cargo xtask report`: its
//! sections in the file and in memory, all that is evidence, and which bytes
//! the driver may read.
//!
//! `cargo run --package verify --example layout -- KIND`

use std::env;
use std::process::ExitCode;

use scanner_core::{Headers, Image, Located, Section};
use serde_json::{Value, json};
use verify::property;
use verify::specimen::{Arch, Spec, Specimen};

fn main() -> ExitCode {
    let wanted = env::args().nth(1).unwrap_or_default();
    let kinds = Spec::kinds();
    let Some((kind, spec)) = kinds.iter().find(|(kind, _)| *kind == wanted) else {
        let known = kinds.map(|(kind, _)| kind).join(", ");
        eprintln!("no kind {wanted:?}; there are {known}");
        return ExitCode::FAILURE;
    };
    let specimen = spec.build();
    let located = Image::from_file(&specimen.file)
        .ok()
        .and_then(|image| scanner_core::locate(&image, property::module(spec.module)).ok());
    let Some(located) = located else {
        eprintln!("{kind} was not located");
        return ExitCode::FAILURE;
    };
    println!("{}", layout(kind, &specimen, &located));
    ExitCode::SUCCESS
}

fn layout(kind: &str, specimen: &Specimen, located: &Located) -> Value {
    let headers = Headers::parse(&specimen.file).expect("a specimen");
    let sections: Vec<Value> = headers.sections().map(|it| section(&it)).collect();
    json!({
        "kind": kind,
        "module": specimen.spec.module.file_name(),
        "arch": match specimen.spec.arch {
            Arch::X86 => "x86",
            Arch::X64 => "x64",
        },
        "file_size": specimen.file.len(),
        "image_size": specimen.size_of_image,
        "headers": specimen.truth.headers.end,
        "sections": sections,
        "variables": variables(specimen, located),
        "marks": marks(specimen),
    })
}

/// Which of them may be read is the locator's own rule.
fn section(section: &Section<'_>) -> Value {
    json!({
        "name": section.name().escape_ascii().to_string(),
        "rva": section.rva().0,
        "size": section.extent(),
        "offset": section.file_offset(),
        "raw_size": section.raw_size(),
        "discardable": section.discardable(),
        "pageable": section.pageable(),
        "writable": section.flags().writable(),
        "read": section.is_live_code(),
    })
}

/// Where they were put, and where they were located.
fn variables(specimen: &Specimen, located: &Located) -> Value {
    let truth = &specimen.truth;
    let loaded = specimen.load(property::bases(specimen.spec.arch)[0]);
    json!({
        "queue": truth.queue,
        "threshold": truth.threshold,
        "count": truth.count,
        "located": [located.queue().0, located.threshold().0, located.count().0],
        "limit": loaded.dword(truth.threshold),
    })
}

/// Runs of bytes that are evidence, each with the file's own bytes.
fn marks(specimen: &Specimen) -> Vec<Value> {
    let truth = &specimen.truth;
    let gates = truth.gates.iter().map(|&rva| ("gate", rva));
    let atomics = truth.atomics.iter().map(|&rva| ("atomic", rva));
    let tests = truth.queue_tests.iter().map(|&rva| ("queue test", rva));
    let event = truth.event.iter().map(|&rva| ("event", rva));
    let store = truth.start_up_store.iter().map(|&rva| ("start-up", rva));
    let all = gates.chain(atomics).chain(tests).chain(event).chain(store);
    let mark = |(what, rva): (&str, u32)| {
        let section = specimen
            .sections
            .iter()
            .find(|section| (section.rva..section.rva + section.virtual_size).contains(&rva))
            .expect("in a section");
        let offset = section.file_offset(rva).expect("code is in the file");
        let start = usize::try_from(offset).expect("a small file");
        let range = truth.evidence.iter().find(|range| range.start == start);
        let range = range.expect("evidence has its bytes").clone();
        let bytes: Vec<String> = specimen.file[range]
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        json!({ "what": what, "rva": rva, "offset": offset, "bytes": bytes.join(" ") })
    };
    all.map(mark).collect()
}
