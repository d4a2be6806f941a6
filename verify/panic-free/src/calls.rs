//! Calls every public function of scanner-core with inputs that [`black_box`]
//! hides from the optimiser.
//!
//! Calls name their type, so that a test can find missing ones.

use core::fmt::{self, Debug, Display, Write};
use core::hint::black_box;

use scanner_core::policy::{self, PageFacts, WritePermit, WriteRequest};
use scanner_core::{
    Arch, Checksum, Directory, Evidence, EvidenceSet, FileFacts, Findings, Gate, Headers, Image,
    Layout, Located, MappedSection, Module, NotLocated, RelocationCoverage, Relocations, Rva,
    Section, SectionFlags, StartUpStore, Text, Workspace, export_name, file_version, likely_module,
    locate, original_name,
};

/// Calls everything, over bytes of unknown number and content.
pub(crate) fn all() {
    let bytes: &[u8] = black_box(&[]);
    numbers();
    names();
    if let Ok(headers) = Headers::parse(bytes) {
        parsed(black_box(&headers), bytes);
    }
    if let Ok(headers) = Headers::parse_loaded(bytes, black_box(0), black_box(0)) {
        parsed(black_box(&headers), bytes);
    }
    match Image::from_file(bytes) {
        Ok(image) => whole(black_box(&image), bytes),
        Err(error) => show(&error),
    }
    let sections: &[MappedSection<'_>] = black_box(&[]);
    match Image::from_memory(bytes, black_box(0), black_box(0), sections) {
        Ok(image) => whole(black_box(&image), bytes),
        Err(error) => show(&error),
    }
}

fn numbers() {
    let rva = black_box(Rva(0));
    show(&rva);
    keep(Rva::plus(rva, black_box(0)));
    keep(Rva::minus(rva, black_box(0)));
    keep(Rva::distance(rva, black_box(Rva(0))));

    let flags = black_box(SectionFlags(0));
    keep(SectionFlags::discardable(flags));
    keep(SectionFlags::not_paged(flags));
    keep(SectionFlags::executable(flags));
    keep(SectionFlags::readable(flags));
    keep(SectionFlags::writable(flags));
}

fn names() {
    let module = black_box(Module::Tcpip);
    show(&module);
    keep(Module::file_name(module));
    keep(Module::named(black_box("")));

    let arch = black_box(Arch::X86);
    show(&arch);
    keep(Arch::pointer_size(arch));

    let evidence = black_box(Evidence::TwoGates);
    show(&evidence);
    keep(Evidence::name(evidence));
    keep(Evidence::explanation(evidence));
    keep(Evidence::rule(evidence));
    keep(Evidence::proves(evidence));
    keep(Evidence::required_for(
        evidence,
        module,
        black_box(Arch::X86),
        black_box(Layout::File),
    ));
    evidence_set(
        EvidenceSet::required(module, black_box(Arch::X86), black_box(Layout::File)),
        evidence,
    );
}

fn evidence_set(set: EvidenceSet, evidence: Evidence) {
    let set = black_box(set);
    show(&set);
    keep(EvidenceSet::with(set, evidence));
    keep(EvidenceSet::with_if(set, evidence, black_box(true)));
    keep(EvidenceSet::without(set, black_box(set)));
    keep(EvidenceSet::contains(set, evidence));
    keep(EvidenceSet::is_empty(set));
    keep(EvidenceSet::len(set));
    keep(EvidenceSet::bits(set));
    keep(EvidenceSet::from_bits(black_box(0)));
    keep(EvidenceSet::iter(set).collect::<EvidenceSet>());
}

fn parsed(headers: &Headers<'_>, file: &[u8]) {
    keep(Headers::arch(headers));
    keep(Headers::image_base(headers));
    keep(Headers::time_date_stamp(headers));
    keep(Headers::section_alignment(headers));
    keep(Headers::file_alignment(headers));
    keep(Headers::size_of_image(headers));
    keep(Headers::size_of_headers(headers));
    keep(Headers::is_native(headers));
    keep(Headers::checksum(headers));
    keep(Headers::checksum_offset(headers));
    keep(Headers::directory(headers, black_box(Directory::Export)));
    for section in Headers::sections(headers) {
        one_section(black_box(&section));
    }
    keep(Headers::exception_table(headers));
    let checksum = black_box(Checksum::compute(headers, file));
    keep(Checksum::is_right(&checksum));
}

fn one_section(section: &Section<'_>) {
    keep(Section::index(section));
    keep(Section::name(section));
    keep(Section::rva(section));
    keep(Section::extent(section));
    keep(Section::file_offset(section));
    keep(Section::raw_size(section));
    keep(Section::flags(section));
    keep(Section::contains(section, black_box(Rva(0)), black_box(0)));
    keep(Section::pageable(section));
    keep(Section::discardable(section));
    keep(Section::is_live_code(section));
    keep(Section::is_live_data(section));
    keep(Section::is_live_constants(section));
}

fn whole(image: &Image<'_>, file: &[u8]) {
    parsed(Image::headers(image), file);
    keep(Image::arch(image));
    keep(Image::base(image));
    keep(Image::layout(image));
    let (rva, length) = (black_box(Rva(0)), black_box(0));
    keep(Image::read(image, rva, length));
    if let Some(section) = Image::section_at(image, rva, length) {
        keep(Image::bytes(image, black_box(&section)));
    }

    if let Some(gate) = Gate::read(image, file, rva, black_box(0)) {
        one_gate(black_box(&gate));
    }
    if let Some(gate) = Gate::at_rva(image, rva) {
        one_gate(black_box(&gate));
    }

    on_disk(image, file);
    let module = black_box(Module::Tcpip);
    match locate(image, module) {
        Ok(located) => found(image, black_box(&located)),
        Err(refusal) => refused(black_box(&refusal)),
    }
    // Both searches: the compiler does not see which one.
    for workspace in [Workspace::new(), Workspace::without_simd()] {
        let mut workspace = black_box(workspace);
        match Workspace::locate(&mut workspace, image, module) {
            Ok(located) => found(image, black_box(located)),
            Err(refusal) => refused(black_box(refusal)),
        }
        keep(Workspace::located(&workspace).is_some());
        keep(Workspace::steps(&workspace));
    }
}

fn one_gate(gate: &Gate) {
    keep(Gate::at(gate));
    keep(Gate::length(gate));
    keep(Gate::count(gate));
    keep(Gate::threshold(gate));
    keep(Gate::target(gate));
    keep(Gate::operands(gate));
}

fn on_disk<'a>(image: &Image<'a>, file: &'a [u8]) {
    keep(FileFacts::read(image, file));
    keep(export_name(image));
    if let Some(version) = file_version(image) {
        show(&version);
    }
    if let Some(name) = original_name(image) {
        let name = black_box(name);
        Text::chars(&name).for_each(keep);
        keep(Text::eq_ignore_ascii_case(&name, black_box("")));
    }
    let relocations = Relocations::new(image);
    keep(Relocations::covers(&relocations, black_box(Rva(0))));
    keep(Relocations::is_truncated(&relocations));
    relocations.for_each(keep);
}

fn found(image: &Image<'_>, located: &Located) {
    keep(Located::module(located));
    keep(Located::arch(located));
    keep(Located::layout(located));
    keep(Located::base(located));
    keep(Located::threshold(located));
    keep(Located::count(located));
    keep(Located::queue(located));
    keep(Located::section_flags(located));
    keep(Located::is_same_place(located, black_box(located)));
    findings(Located::findings(located));

    keep(StartUpStore::find(image, located));
    if let Some(coverage) = RelocationCoverage::measure(image, located) {
        keep(RelocationCoverage::is_full(black_box(&coverage)));
    }
    let request = black_box(WriteRequest {
        section: SectionFlags(0),
        page: PageFacts {
            valid: true,
            writable: None,
        },
        current: 0,
        expected: 0,
        limit: 0,
    });
    match policy::is_in_force(request.current, Some(request.expected), request.limit) {
        Ok(in_force) => keep(in_force),
        Err(refusal) => show(&refusal),
    }
    match policy::permit(located, &request) {
        Ok(permit) => permitted(black_box(&permit)),
        Err(refusal) => show(&refusal),
    }
}

fn permitted(permit: &WritePermit) {
    keep(WritePermit::base(permit));
    keep(WritePermit::threshold(permit));
    keep(WritePermit::address(permit));
    keep(WritePermit::current(permit));
    keep(WritePermit::limit(permit));
    // At the end of the longest path through the crate: if any part of the path
    // were optimised out, so would be this.
    #[cfg(feature = "canary")]
    canary();
}

/// A reachable panic: an unbounded index.
#[cfg(feature = "canary")]
fn canary() {
    let bytes: &[u8] = black_box(&[]);
    keep(bytes[black_box(0)]);
}

fn refused(refusal: &NotLocated) {
    show(refusal);
    keep(NotLocated::reason(refusal));
    if let Some(best) = NotLocated::best(refusal) {
        findings(best);
    }
}

fn findings(findings: &Findings) {
    keep(Findings::threshold(findings));
    keep(Findings::count(findings));
    keep(Findings::queue(findings));
    Findings::gates(findings).for_each(one_gate);
    keep(Findings::held(findings));
    keep(Findings::missing(findings));
    keep(Findings::atomic_updates(findings));
    keep(Findings::first_atomic(findings));
    keep(Findings::queue_test(findings));
    keep(Findings::event(findings));
    keep(Findings::import_calls(findings));
    keep(Findings::offender(findings));
    for around in Findings::nearby_calls(findings) {
        show(&around.imports);
        show(&around.functions);
    }
    keep(Findings::relocated(findings));
    keep(likely_module(findings));
}

/// Uses a result, so that its call is not optimised out.
fn keep<T>(result: T) {
    black_box(result);
}

/// Formats with `Display`.
fn show<T: Display + Debug>(item: &T) {
    let item = black_box(item);
    keep(write!(NullWriter, "{item}"));
}

/// Discards text.
struct NullWriter;

impl Write for NullWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        black_box(Ok(()))
    }
}
