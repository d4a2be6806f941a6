//! Decoys: code and data that resemble the limiter. Real images have some;
//! others are limiters that lack one fact.

use super::arch::{Arch, Register};
use super::atomic;
use super::code::{Code, Direct, Form, Symbol};
use super::data::Shape;
use super::defect::Defect;
use super::filler_code::Writer;
use super::gate::{Compare, GateSpec, Jump, Loads, QueueForm, QueueTest, Reach, Sense};
use super::limiter::{Fragment, anywhere};
use super::name::Name;
use super::spec::{Decoys, Spec};

/// A decoy limiter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Imitation {
    pub(super) shape: Shape,
    /// The section of the variables.
    pub(super) data: Name,
    /// The section of the gates.
    pub(super) gates: Name,
    pub(super) sense: Sense,
    pub(super) defect: Option<Defect>,
}

impl Imitation {
    const COMPLETE: Self = Self {
        shape: Shape::Regular,
        data: Name::Data,
        gates: Name::Text,
        sense: Sense::Signed,
        defect: None,
    };
}

impl Decoys {
    fn imitations(&self) -> Vec<Imitation> {
        let complete = Imitation::COMPLETE;
        let lacking = |defect| Imitation {
            defect: Some(defect),
            ..complete
        };
        [
            (self.single_gate, lacking(Defect::OneGate)),
            (
                self.unsigned,
                Imitation {
                    sense: Sense::Unsigned,
                    ..complete
                },
            ),
            (
                self.pageable,
                Imitation {
                    gates: Name::Page,
                    ..complete
                },
            ),
            (
                self.discardable,
                Imitation {
                    gates: Name::Init,
                    ..complete
                },
            ),
            (
                self.reversed,
                Imitation {
                    shape: Shape::Reversed,
                    ..complete
                },
            ),
            (
                self.spread,
                Imitation {
                    shape: Shape::Spread,
                    ..complete
                },
            ),
            (
                self.swapped,
                Imitation {
                    sense: Sense::Swapped,
                    ..complete
                },
            ),
            (self.few_atomics, lacking(Defect::FewAtomics)),
            (self.no_queue_test, lacking(Defect::NoQueueTest)),
            (self.live_writer, lacking(Defect::LiveWriter)),
            (self.other_read, lacking(Defect::OtherReadOfThreshold)),
            (self.other_load, lacking(Defect::OtherLoadOfCount)),
            (self.atomic_threshold, lacking(Defect::AtomicThreshold)),
            (
                self.read_only,
                Imitation {
                    data: Name::Rdata,
                    ..complete
                },
            ),
        ]
        .into_iter()
        .filter_map(|(wanted, imitation)| wanted.then_some(imitation))
        .collect()
    }

    /// The code of the smaller decoys.
    pub(super) fn fragments(&self, spec: &Spec, writer: &mut Writer<'_>) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        if self.rivals {
            for index in 0..8 {
                let code = rival(writer, index < 2);
                fragments.push(anywhere(writer, Name::Text, code));
            }
        }
        if self.counter {
            let counter = writer.data.any(&mut writer.random);
            for _ in 0..8 {
                let code = wrapped(writer, |writer, code| {
                    atomic::update(writer, code, counter);
                    writer.statements(code, 8);
                    atomic::update(writer, code, counter);
                });
                fragments.push(anywhere(writer, Name::Text, code));
            }
        }
        if self.stores_of_ten {
            for section in [Name::Text, Name::Init].repeat(3) {
                let code = wrapped(writer, |writer, code| {
                    let variable = writer.data.any(&mut writer.random);
                    let ten = Direct {
                        immediate: &[10, 0, 0, 0],
                        ..Direct::plain(&[0xC7], 0)
                    };
                    code.direct(variable, ten);
                });
                fragments.push(anywhere(writer, section, code));
            }
        }
        if self.data_in_text {
            for _ in 0..=spec.text_kib / 8 {
                let table = jump_table(writer);
                fragments.push(anywhere(writer, Name::Text, table));
                let mut text = writer.code();
                text.emit(b"TCPIP: %x out of range\0");
                fragments.push(anywhere(writer, Name::Text, text));
            }
        }
        for fragment in &mut fragments {
            fragment.code.marks.clear();
        }
        fragments
    }
}

/// All decoy limiters of the spec, including the one of its defect.
pub(super) fn imitations(spec: &Spec) -> Vec<Imitation> {
    let mut imitations = spec.decoys.imitations();
    if spec.defect == Some(Defect::SecondCandidate) {
        imitations.push(Imitation::COMPLETE);
    }
    imitations
}

/// Two gates of any form, at least one with a queue test.
pub(super) fn any_gates(writer: &mut Writer<'_>) -> [GateSpec; 2] {
    const FORMS: [QueueForm; 6] = [
        QueueForm::MemoryFirst,
        QueueForm::RegisterFirst,
        QueueForm::Byte,
        QueueForm::Dword,
        QueueForm::Test,
        QueueForm::LoadAndTest,
    ];
    let random = &mut writer.random;
    let mut gate = |tests: &[fn(QueueForm) -> QueueTest]| GateSpec {
        loads: random.pick(&[Loads::Count, Loads::Threshold]),
        register: Register(random.small(16)),
        short_load: random.chance(500),
        compare: random.pick(&[Compare::RegisterFirst, Compare::MemoryFirst]),
        jump: random.pick(&[Jump::AtLimit, Jump::BelowLimit]),
        reach: random.pick(&[Reach::Short, Reach::Near]),
        queue: random.pick(tests)(random.pick(&FORMS)),
    };
    let (after, before) = (QueueTest::FallThrough, QueueTest::BeforeTarget);
    [
        gate(&[after, before]),
        gate(&[|_| QueueTest::None, after, before]),
    ]
}

/// A function around `body`.
fn wrapped<'a>(writer: &mut Writer<'a>, body: impl FnOnce(&mut Writer<'a>, &mut Code)) -> Code {
    let mut code = writer.code();
    let frame = writer.prologue(&mut code);
    writer.statements(&mut code, 8);
    body(writer, &mut code);
    writer.statements(&mut code, 8);
    writer.epilogue(&mut code, frame);
    code
}

/// A load and compare of two other variables.
fn rival(writer: &mut Writer<'_>, signed: bool) -> Code {
    let loaded = writer.data.any(&mut writer.random);
    let compared = loop {
        let other = writer.data.any(&mut writer.random);
        if are_apart(loaded, other) {
            break other;
        }
    };
    let opcode = [writer.random.pick(&[0x39, 0x3B])];
    let condition = writer.random.pick(if signed {
        &[0xC, 0xD, 0xE, 0xF]
    } else {
        &[2, 3, 6, 7]
    });
    wrapped(writer, |writer, code| {
        let register = writer.register();
        code.load(register, loaded, true);
        code.direct(compared, Direct::plain(&opcode, register));
        let hole = code.jump_short(condition);
        writer.statements(code, 8);
        code.land(&hole);
    })
}

/// Whether two variables are different and not neighbours.
fn are_apart(first: Symbol, second: Symbol) -> bool {
    match (first, second) {
        (Symbol::At(_, first), Symbol::At(_, second)) => first.abs_diff(second) > 4,
        _ => false,
    }
}

/// A `switch` with its table of targets behind it.
fn jump_table(writer: &mut Writer<'_>) -> Code {
    let cases: Vec<_> = (0..3 + writer.random.small(5))
        .map(|_| writer.label())
        .collect();
    let (table, end) = (writer.label(), writer.label());
    let last = u8::try_from(cases.len() - 1).expect("at most eight cases");
    let mut code = wrapped(writer, |writer, code| {
        code.emit(&[0x83, 0xF8, last]);
        code.jump_near(7, end);
        match writer.arch {
            Arch::X86 => {
                code.emit(&[0xFF, 0x24, 0x85]);
                code.refer(Symbol::Label(table), Form::Absolute);
            }
            Arch::X64 => {
                code.registers(true, &[0x63], 0, 0);
                code.address(2, Symbol::Base);
                code.emit(&[0x8B, 0x8C, 0x82]);
                code.refer(Symbol::Label(table), Form::Rva);
                code.emit(&[0x48, 0x03, 0xCA, 0xFF, 0xE1]);
            }
        }
        for case in &cases {
            code.define(*case);
            writer.statements(code, 8);
        }
        code.define(end);
    });
    code.define(table);
    for case in cases {
        let form = if writer.arch == Arch::X86 {
            Form::Absolute
        } else {
            Form::Rva
        };
        code.refer(Symbol::Label(case), form);
    }
    code
}
