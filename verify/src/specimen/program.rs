//! The whole program: which code and data a spec asks for, section by section.

use super::code::{Code, Form, Label, Symbol};
use super::constants::Constants;
use super::data::{Data, Shape, Trio};
use super::decoy::{Imitation, any_gates, imitations};
use super::export;
use super::filler::{IMPORT_CALLS, Writer};
use super::flaw::Flaw;
use super::gate::Sense;
use super::header::Entry;
use super::image::Parts;
use super::import::Imports;
use super::limiter::{Fragment, Limiter};
use super::random::Random;
use super::section::{Name, Section};
use super::spec::{Arch, Module, Spec};
use super::version;

/// A program before it is linked.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) parts: Parts,
    /// The true limiter's variables.
    pub(super) trio: Trio,
    /// Thresholds of imitations.
    pub(super) rivals: Vec<Trio>,
    /// What start-up code stores in limiters' thresholds.
    pub(super) stores: Vec<(Trio, u32)>,
}

/// Writes all of a normal spec's code and data. `attempt` varies the filler.
pub(super) fn write(spec: &Spec, attempt: u64) -> Program {
    let mut random = Random::new(spec.seed ^ attempt.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let imitations = imitations(spec);
    let (mut shapes, mut read_only) = (vec![true_shape(spec)], 0);
    for imitation in &imitations {
        match imitation.data {
            Name::Rdata => read_only += 1,
            _ => shapes.push(imitation.shape),
        }
    }
    let imports = Imports::plan(spec.arch);
    let constants = Constants::plan(imports.size, read_only);
    let data = Data::plan(spec, &mut random, &shapes);
    let data_bytes = data.bytes(spec, &mut random);
    let time_stamp = 0x4100_0000 + random.below(0x0800_0000);
    let mut writer = Writer::new(spec.arch, random, &data, &imports.slots, &constants.strings);

    let mut trios = data.trios.iter().copied();
    let trio = trios.next().expect("the first shape is the true limiter's");
    let mut read_only = constants.trios.iter().copied();
    let genuine = genuine(spec, trio);
    let rivals: Vec<Limiter> = imitations
        .iter()
        .filter_map(|imitation| {
            let own = if imitation.data == Name::Rdata {
                &mut read_only as &mut dyn Iterator<Item = Trio>
            } else {
                &mut trios
            };
            own.next().map(|trio| (imitation, trio))
        })
        .map(|(imitation, trio)| imitate(imitation, trio, &mut writer))
        .collect();
    let fragments = fragments(spec, &genuine, &rivals, &mut writer);

    let (text, functions) = text(spec, &mut writer, &fragments);
    let mut rdata = writer.code();
    let (mut init, entry) = init(&mut writer, &genuine, &rivals, &fragments);
    let (label, size) = imports.write(&mut writer, &mut rdata, &mut init);
    rdata.emit(&constants.bytes);

    let mut sections = vec![
        Section::new(Name::Text, text),
        Section::new(Name::Rdata, rdata),
    ];
    let mut variables = Section::new(Name::Data, data_bytes);
    variables.virtual_size = data.size;
    if spec.flaw == Some(Flaw::ReadOnlyData) {
        variables.flags &= !0x8000_0000;
    }
    sections.push(variables);
    if spec.arch == Arch::X64 {
        let pdata = exceptions(&writer, &functions, constants.unwind);
        sections.push(Section::new(Name::Pdata, pdata));
    }
    let share = u32::from(spec.text_kib) * 0x80;
    for (name, bytes) in [
        (Name::Page, share),
        (Name::PageLk, share / 4),
        (Name::PageIpmc, share / 4),
    ] {
        sections.push(Section::new(
            name,
            pageable(&mut writer, name, bytes, &fragments),
        ));
    }
    if spec.extras.export {
        sections.push(Section::new(
            Name::Edata,
            export::directory(spec, &mut writer, time_stamp),
        ));
    }
    sections.push(Section::new(Name::Init, init));
    if spec.extras.version {
        sections.push(Section::new(Name::Rsrc, version::resource(spec)));
    }
    let stores = [&genuine].into_iter().chain(&rivals);
    Program {
        trio,
        stores: stores
            .map(|limiter| (limiter.trio, limiter.start_up))
            .collect(),
        rivals: rivals.iter().map(|limiter| limiter.trio).collect(),
        parts: Parts {
            sections,
            functions: functions.into_iter().map(|(start, _)| start).collect(),
            entry,
            descriptors: Entry { label, size },
            import_addresses: imports.size,
            time_stamp,
        },
    }
}

fn true_shape(spec: &Spec) -> Shape {
    if spec.flaw == Some(Flaw::NotAdjacent) {
        Shape::Spread
    } else {
        Shape::Regular
    }
}

fn genuine(spec: &Spec, trio: Trio) -> Limiter {
    let event = (spec.module == Module::Tcpip) != (spec.flaw == Some(Flaw::NoEventId));
    Limiter {
        trio,
        gates: spec.gates,
        section: if spec.flaw == Some(Flaw::GatesPageable) {
            Name::Page
        } else {
            Name::Text
        },
        sense: if spec.flaw == Some(Flaw::UnsignedJumps) {
            Sense::Unsigned
        } else {
            Sense::Signed
        },
        atomics: spec.atomics,
        start_up: spec.start_up,
        flaw: spec.flaw,
        event: event.then_some(spec.event),
        profile_split: spec.profile_split,
    }
}

fn imitate(imitation: &Imitation, trio: Trio, writer: &mut Writer<'_>) -> Limiter {
    Limiter {
        trio,
        gates: any_gates(writer),
        section: imitation.gates,
        sense: imitation.sense,
        atomics: 4 + writer.random.small(3),
        start_up: 10,
        flaw: imitation.flaw,
        event: None,
        profile_split: false,
    }
}

/// All code that is not filler; only the true limiter's is marked.
fn fragments(
    spec: &Spec,
    genuine: &Limiter,
    rivals: &[Limiter],
    writer: &mut Writer<'_>,
) -> Vec<Fragment> {
    let mut fragments = genuine.fragments(writer);
    for rival in rivals {
        let mut code = rival.fragments(writer);
        code.iter_mut()
            .for_each(|fragment| fragment.code.marks.clear());
        fragments.append(&mut code);
    }
    fragments.append(&mut spec.decoys.fragments(spec, writer));
    fragments.sort_by_key(|fragment| fragment.position);
    fragments
}

/// `.text`: functions until there is enough of them, and the fragments at
/// their places. Gives each function's first and last label.
fn text(
    spec: &Spec,
    writer: &mut Writer<'_>,
    fragments: &[Fragment],
) -> (Code, Vec<(Label, Label)>) {
    let enough = u32::from(spec.text_kib) * 1024;
    let (mut bytes, mut functions, mut labels) = (0, Vec::new(), Vec::new());
    writer.import_calls = 0;
    while bytes < enough || writer.import_calls < IMPORT_CALLS {
        let (start, mut code) = writer.function();
        let end = writer.label();
        code.define(end);
        bytes += code.here();
        functions.push(code);
        labels.push((start, end));
    }
    (weave(writer, Name::Text, &functions, fragments), labels)
}

fn pageable(writer: &mut Writer<'_>, name: Name, enough: u32, fragments: &[Fragment]) -> Code {
    let (mut bytes, mut functions) = (0, Vec::new());
    while bytes < enough {
        let (_, code) = writer.function();
        bytes += code.here();
        functions.push(code);
    }
    weave(writer, name, &functions, fragments)
}

/// Puts a section's fragments among its functions, each at its position.
fn weave(writer: &Writer<'_>, name: Name, functions: &[Code], fragments: &[Fragment]) -> Code {
    let mut code = writer.code();
    let mut rest = fragments
        .iter()
        .filter(|fragment| fragment.section == name)
        .peekable();
    let total = u32::try_from(functions.len()).expect("functions are few");
    for (number, function) in (0..).zip(functions) {
        while let Some(fragment) = rest.next_if(|next| next.position * total <= number * 1000) {
            code.append(&fragment.code);
        }
        code.append(function);
    }
    rest.for_each(|fragment| code.append(&fragment.code));
    code
}

/// INIT's code: the entry point with the true start-up store, and functions
/// with those of the imitations.
fn init(
    writer: &mut Writer<'_>,
    genuine: &Limiter,
    rivals: &[Limiter],
    fragments: &[Fragment],
) -> (Code, Label) {
    let mut functions = Vec::new();
    for rival in rivals {
        let (_, mut code) = writer.function();
        rival.start_up_store(&mut code);
        code.marks.clear();
        code.emit(&[0xC3]);
        functions.push(code);
    }
    let entry = writer.label();
    let mut code = writer.code();
    code.define(entry);
    let frame = writer.open(&mut code);
    writer.run(&mut code, 0x40);
    genuine.start_up_store(&mut code);
    writer.run(&mut code, 0x40);
    writer.close(&mut code, frame);
    functions.push(code);
    let (_, last) = writer.function();
    functions.push(last);
    (weave(writer, Name::Init, &functions, fragments), entry)
}

/// `.pdata`: one RUNTIME_FUNCTION for each function of the filler.
fn exceptions(writer: &Writer<'_>, functions: &[(Label, Label)], unwind: u32) -> Code {
    let mut code = writer.code();
    for &(start, end) in functions {
        code.refer(Symbol::Label(start), Form::Rva);
        code.refer(Symbol::Label(end), Form::Rva);
        code.refer(Symbol::At(Name::Rdata, unwind), Form::Rva);
    }
    code
}
