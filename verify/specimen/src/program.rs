//! The whole program: the code and data of a spec, section by section.

use super::arch::Arch;
use super::code::{Code, Fixup, Form, Label, Symbol};
use super::constants::Constants;
use super::data::{Data, Shape, Trio};
use super::decoy::{Imitation, any_gates, imitations};
use super::defect::Defect;
use super::export;
use super::filler_code::{IMPORT_CALLS, Writer};
use super::gate::Sense;
use super::header::Entry;
use super::image::{Functions, Parts};
use super::import::Imports;
use super::limiter::{Fragment, Limiter};
use super::name::Name;
use super::random::Random;
use super::section::Section;
use super::spec::{Module, Spec};
use super::version;

/// A program before it is linked.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) parts: Parts,
    /// The true limiter's variables.
    pub(super) trio: Trio,
    /// The variables of decoy limiters.
    pub(super) decoy_limiters: Vec<Trio>,
    /// The values that start-up code stores in limiters' thresholds.
    pub(super) stores: Vec<(Trio, u32)>,
}

/// Writes all code and data of a normalized spec. `attempt` varies the filler.
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
    // The approximate address of data.
    let address = spec.image_base.address() + u32::from(spec.text_kib) * 1100 + 0x1000;
    let mut writer = Writer::new(
        spec.arch,
        random,
        &data,
        &imports.slots,
        &constants.strings,
        address,
    );

    let mut trios = data.trios.iter().copied();
    let trio = trios.next().expect("the first shape is the true limiter's");
    let mut read_only = constants.trios.iter().copied();
    let genuine = genuine(spec, trio);
    let decoy_limiters: Vec<Limiter> = imitations
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
    let fragments = fragments(spec, &genuine, &decoy_limiters, &mut writer);

    let (text, functions) = text(spec, &mut writer, &fragments);
    let mut rdata = writer.code();
    let (mut init, entry) = init(&mut writer, &genuine, &decoy_limiters, &fragments);
    let (label, size) = imports.write(&mut writer, &mut rdata, &mut init);
    rdata.emit(&constants.bytes);

    let mut sections = vec![
        Section::new(Name::Text, text),
        Section::new(Name::Rdata, rdata),
    ];
    let mut variables = Section::new(Name::Data, data_bytes);
    variables.virtual_size = data.size;
    if spec.defect == Some(Defect::ReadOnlyData) {
        variables.flags &= !0x8000_0000;
    }
    sections.push(variables);
    let share = u32::from(spec.text_kib) * 0x80;
    let pages = [
        (Name::Page, share),
        (Name::PageLk, share / 4),
        (Name::PageIpmc, share / 4),
    ]
    .map(|(name, bytes)| Section::new(name, pageable(&mut writer, name, bytes, &fragments)));
    let init = Section::new(Name::Init, init);
    if spec.arch == Arch::X64 {
        let code = sections[..1].iter().chain(&pages).chain([&init]);
        let pdata = exceptions(&writer, code, constants.unwind);
        sections.push(Section::new(Name::Pdata, pdata));
    }
    sections.extend(pages);
    if spec.extras.export {
        sections.push(Section::new(
            Name::Edata,
            export::directory(spec, &mut writer, time_stamp),
        ));
    }
    sections.push(init);
    if spec.extras.version {
        sections.push(Section::new(Name::Rsrc, version::resource(spec)));
    }
    let stores = [&genuine].into_iter().chain(&decoy_limiters);
    Program {
        trio,
        stores: stores
            .map(|limiter| (limiter.trio, limiter.start_up))
            .collect(),
        decoy_limiters: decoy_limiters.iter().map(|limiter| limiter.trio).collect(),
        parts: Parts {
            sections,
            functions,
            entry,
            descriptors: Entry { label, size },
            import_addresses: imports.size,
            time_stamp,
        },
    }
}

fn true_shape(spec: &Spec) -> Shape {
    if spec.defect == Some(Defect::NotAdjacent) {
        Shape::Spread
    } else {
        Shape::Regular
    }
}

fn genuine(spec: &Spec, trio: Trio) -> Limiter {
    let event = (spec.module == Module::Tcpip) != (spec.defect == Some(Defect::NoEventId));
    Limiter {
        trio,
        gates: spec.gates,
        section: if spec.defect == Some(Defect::GatesPageable) {
            Name::Page
        } else {
            Name::Text
        },
        sense: if spec.defect == Some(Defect::UnsignedJumps) {
            Sense::Unsigned
        } else {
            Sense::Signed
        },
        atomics: spec.atomics,
        start_up: spec.start_up,
        defect: spec.defect,
        event: event.then_some(spec.event),
        profile_split: spec.profile_split,
        gates_together: spec.gates_together,
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
        defect: imitation.defect,
        event: None,
        profile_split: false,
        gates_together: false,
    }
}

/// All code that is not filler; only the true limiter's is marked.
fn fragments(
    spec: &Spec,
    genuine: &Limiter,
    decoy_limiters: &[Limiter],
    writer: &mut Writer<'_>,
) -> Vec<Fragment> {
    let mut fragments = genuine.fragments(writer);
    for limiter in decoy_limiters {
        let mut code = limiter.fragments(writer);
        code.iter_mut()
            .for_each(|fragment| fragment.code.marks.clear());
        fragments.append(&mut code);
    }
    fragments.append(&mut spec.decoys.fragments(spec, writer));
    fragments.sort_by_key(|fragment| fragment.position);
    fragments
}

/// The number of functions whose cold parts are grouped.
const FUNCTIONS_PER_COLD_BLOCK: usize = 8;
/// One in so many direct calls goes to a function without an entry in the
/// exception table.
const CALLS_PER_LEAF_CALL: u32 = 5;

/// `.text`: functions up to the requested size, with the fragments at their
/// positions.
fn text(spec: &Spec, writer: &mut Writer<'_>, fragments: &[Fragment]) -> (Code, Functions) {
    let enough = u32::from(spec.text_kib) * 1024;
    let (mut bytes, mut pieces, mut functions) = (0, Vec::new(), Functions::default());
    writer.import_calls = 0;
    while bytes < enough || writer.import_calls < IMPORT_CALLS {
        let (start, code) = writer.function();
        functions.framed.push(start);
        bytes += code.here();
        pieces.push(code);
        if functions.framed.len() % CALLS_PER_LEAF_CALL as usize == 1 {
            let (start, code) = writer.leaf();
            functions.leaves.push(start);
            bytes += code.here();
            pieces.push(code);
        }
        if functions
            .framed
            .len()
            .is_multiple_of(FUNCTIONS_PER_COLD_BLOCK)
        {
            let cold = cold(writer);
            bytes += cold.here();
            pieces.push(cold);
        }
    }
    pieces.push(cold(writer));
    let mut code = weave(writer, Name::Text, &pieces, fragments);
    share_calls(spec, writer, &mut code);
    (code, functions)
}

/// The cold parts of the functions so far.
fn cold(writer: &mut Writer<'_>) -> Code {
    let mut parts = std::mem::take(&mut writer.cold);
    writer.random.shuffle(&mut parts);
    let mut code = writer.code();
    parts.iter().for_each(|part| code.append(part));
    code
}

/// Gives every nth call another kind of target, in the order of addresses, so
/// that the shares are the same everywhere.
fn share_calls(spec: &Spec, writer: &mut Writer<'_>, code: &mut Code) {
    // One in so many calls through a pointer uses one in `.data`.
    let through_data = match (spec.module, spec.arch) {
        (Module::Tcpip, Arch::X86) => 8,
        (Module::Tcpip, Arch::X64) => 18,
        (Module::Tcpip6, _) => 60,
    };
    let (mut direct, mut through) = (0_u32, 0_u32);
    let Code { bytes, fixups, .. } = code;
    for Fixup { at, symbol, .. } in fixups {
        let at = usize::try_from(*at).expect("u32 fits usize");
        match (&bytes[..at], *symbol) {
            ([.., 0xE8], Symbol::Function(number)) => {
                direct += 1;
                if direct.is_multiple_of(CALLS_PER_LEAF_CALL) {
                    *symbol = Symbol::Leaf(number);
                }
            }
            ([.., 0xFF, 0x15], Symbol::At(Name::Rdata, _)) => {
                through += 1;
                if through.is_multiple_of(through_data) {
                    let pointer = writer.random.pick(&writer.data.pointers);
                    *symbol = Symbol::At(Name::Data, pointer);
                }
            }
            _ => {}
        }
    }
}

fn pageable(writer: &mut Writer<'_>, name: Name, enough: u32, fragments: &[Fragment]) -> Code {
    let (mut bytes, mut pieces) = (0, Vec::new());
    while bytes < enough {
        let (_, code) = writer.function();
        bytes += code.here();
        pieces.push(code);
        let cold = cold(writer);
        bytes += cold.here();
        pieces.push(cold);
    }
    weave(writer, name, &pieces, fragments)
}

/// Puts a section's fragments among its functions, each at its position.
fn weave(writer: &Writer<'_>, name: Name, functions: &[Code], fragments: &[Fragment]) -> Code {
    let mut code = writer.code();
    let mut rest = fragments
        .iter()
        .filter(|fragment| fragment.section == name)
        .peekable();
    let total = u32::try_from(functions.len()).expect("functions are few");
    let mut append = |piece: &Code| {
        if piece.arch == Arch::X64 {
            code.align(16, 0x90);
        }
        code.append(piece);
    };
    for (number, function) in (0..).zip(functions) {
        while let Some(fragment) = rest.next_if(|next| next.position * total <= number * 1000) {
            append(&fragment.code);
        }
        append(function);
    }
    rest.for_each(|fragment| append(&fragment.code));
    code
}

/// The code of INIT: the entry point with the true start-up store, and
/// functions with those of the decoy limiters.
fn init(
    writer: &mut Writer<'_>,
    genuine: &Limiter,
    decoy_limiters: &[Limiter],
    fragments: &[Fragment],
) -> (Code, Label) {
    let mut functions = Vec::new();
    for limiter in decoy_limiters {
        let (_, mut code) = writer.function();
        limiter.start_up_store(&mut code);
        code.marks.clear();
        code.emit(&[0xC3]);
        functions.push(code);
    }
    let entry = writer.label();
    let mut code = writer.code();
    code.define(entry);
    let frame = writer.prologue(&mut code);
    writer.statements(&mut code, 0x40);
    genuine.start_up_store(&mut code);
    writer.statements(&mut code, 0x40);
    writer.epilogue(&mut code, frame);
    functions.push(code);
    let (_, last) = writer.function();
    functions.push(last);
    functions.push(cold(writer));
    (weave(writer, Name::Init, &functions, fragments), entry)
}

/// `.pdata`: a RUNTIME_FUNCTION for each function and each part of one.
fn exceptions<'a>(
    writer: &Writer<'_>,
    sections: impl Iterator<Item = &'a Section>,
    unwind: u32,
) -> Code {
    let mut code = writer.code();
    for section in sections {
        for range in &section.code.covered {
            for at in [range.start, range.end] {
                code.refer(Symbol::At(section.name, at), Form::Rva);
            }
            code.refer(Symbol::At(Name::Rdata, unwind), Form::Rva);
        }
    }
    code
}
