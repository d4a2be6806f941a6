//! The limiter's code: gates, queue tests, event, atomic updates, and the
//! start-up store. The true limiter and decoy limiters are written alike.

use super::arch::Arch;
use super::atomic;
use super::code::{Code, Direct, Label, MarkKind, ShortJump};
use super::data::Trio;
use super::defect::Defect;
use super::filler_code::{Frame, Writer};
use super::gate::{Compare, GateSpec, Loads, QueueForm, QueueTest, Reach, Sense};
use super::name::Name;
use super::spec::EventForm;

/// The event's identifier: EVENT_TCPIP_TCP_CONNECT_LIMIT_REACHED, 4226.
pub(super) const EVENT_ID: u32 = 0x8000_1082;

/// A function or part of one, and its position.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) section: Name,
    /// The position in the section, in thousandths.
    pub(super) position: u32,
    pub(super) code: Code,
}

/// One set of variables and all code that uses them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limiter {
    pub(super) trio: Trio,
    pub(super) gates: [GateSpec; 2],
    /// The section that the gates are in.
    pub(super) section: Name,
    pub(super) sense: Sense,
    pub(super) atomics: u8,
    pub(super) start_up: u32,
    pub(super) defect: Option<Defect>,
    pub(super) event: Option<EventForm>,
    pub(super) profile_split: bool,
    pub(super) gates_together: bool,
}

impl Limiter {
    /// All code of the limiter.
    pub(super) fn fragments(&self, writer: &mut Writer<'_>) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        let mut places = [90, 500, 910];
        writer.random.shuffle(&mut places);
        let event_apart = self.profile_split || self.section != Name::Text;
        for (index, gate) in self.gates.iter().enumerate() {
            let event = if index == 1 && !event_apart {
                self.event
            } else {
                None
            };
            let far = self.profile_split && gate.reach == Reach::Near;
            let cold = match gate.queue {
                QueueTest::BeforeTarget(_) => None,
                _ => far.then(|| writer.label()),
            };
            let code = if index == 1 && self.defect == Some(Defect::OneGate) {
                self.plain(writer, event)
            } else {
                self.gate(writer, gate, event, cold)
            };
            let position = match fragments.first() {
                Some(Fragment { position, .. }) if self.gates_together => *position,
                _ => self.position(writer, places[index]),
            };
            fragments.push(Fragment {
                section: self.section,
                position,
                code,
            });
            if let Some(label) = cold {
                fragments.push(cold_half(writer, self.section, label));
            }
        }
        if event_apart && self.event.is_some() {
            let code = self.plain(writer, self.event);
            let position = self.position(writer, places[2]);
            fragments.push(Fragment {
                section: Name::Text,
                position,
                code,
            });
        }
        self.atomic_updates(writer, &mut fragments);
        let changes = self.queue_changes(writer);
        for code in [Some(changes), self.defect_code(writer)]
            .into_iter()
            .flatten()
        {
            fragments.push(anywhere(writer, Name::Text, code));
        }
        fragments
    }

    fn position(&self, writer: &mut Writer<'_>, split: u32) -> u32 {
        if self.profile_split {
            split
        } else {
            writer.random.below(1000)
        }
    }

    /// `mov [T], imm32`, as in start-up code.
    pub(super) fn start_up_store(&self, code: &mut Code) {
        let start = code.here();
        let immediate = self.start_up.to_le_bytes();
        let store = Direct {
            immediate: &immediate,
            ..Direct::plain(&[0xC7], 0)
        };
        code.direct(self.trio.threshold(), store);
        code.mark(MarkKind::StartUp, start);
    }

    /// A function with no gate.
    fn plain(&self, writer: &mut Writer<'_>, event: Option<EventForm>) -> Code {
        let mut code = writer.code();
        let frame = writer.prologue(&mut code);
        writer.statements(&mut code, 0x20);
        emit_event(&mut code, event);
        writer.statements(&mut code, 0x30);
        writer.epilogue(&mut code, frame);
        code
    }

    fn gate(
        &self,
        writer: &mut Writer<'_>,
        gate: &GateSpec,
        event: Option<EventForm>,
        cold: Option<Label>,
    ) -> Code {
        let mut code = writer.code();
        let frame = writer.prologue(&mut code);
        writer.statements(&mut code, 8);
        if event.is_some() {
            emit_event(&mut code, event);
            writer.statements(&mut code, 0x3C);
        }
        let start = code.here();
        self.load_and_compare(&mut code, gate);
        let jump = GateJump::jump(writer, &mut code, gate, self.sense, cold);
        code.mark(MarkKind::Gate, start);
        let (after, before) = match (self.defect, gate.queue) {
            (Some(Defect::NoQueueTest), _) | (_, QueueTest::None) => (None, None),
            (_, QueueTest::FallThrough(form)) => (Some(form), None),
            (_, QueueTest::BeforeTarget(form)) => (None, Some(form)),
        };
        if let Some(form) = after {
            let hole = self.queue_test(writer, &mut code, form);
            writer.statements(&mut code, 4);
            code.land(&hole);
        }
        writer.statements(&mut code, 0x18);
        if let Some(form) = before {
            let hole = self.queue_test(writer, &mut code, form);
            code.emit(&[0x90; 2]);
            code.land(&hole);
        }
        jump.land(&mut code);
        writer.statements(&mut code, 0x20);
        writer.epilogue(&mut code, frame);
        code
    }

    fn load_and_compare(&self, code: &mut Code, gate: &GateSpec) {
        let register = gate.register.on(code.arch);
        let (loaded, compared) = match gate.loads {
            Loads::Count => (self.trio.count(), self.trio.threshold()),
            Loads::Threshold => (self.trio.threshold(), self.trio.count()),
        };
        code.load(register, loaded, gate.short_load);
        let opcode = match gate.compare {
            Compare::RegisterFirst => [0x3B],
            Compare::MemoryFirst => [0x39],
        };
        code.direct(compared, Direct::plain(&opcode, register));
    }

    /// Compares the queue length with 0 and jumps if the queue is not empty.
    fn queue_test(&self, writer: &mut Writer<'_>, code: &mut Code, form: QueueForm) -> ShortJump {
        let register = writer.register();
        match form {
            QueueForm::MemoryFirst | QueueForm::RegisterFirst => {
                code.registers(false, &[0x33], register, register);
            }
            QueueForm::Test => {
                code.registers(false, &[0x83], 1, register);
                code.emit(&[0xFF]);
            }
            QueueForm::Byte | QueueForm::Dword | QueueForm::LoadAndTest => {}
        }
        let start = code.here();
        let queue = self.trio.queue();
        match form {
            QueueForm::MemoryFirst => code.direct(queue, Direct::plain(&[0x39], register)),
            QueueForm::RegisterFirst => code.direct(queue, Direct::plain(&[0x3B], register)),
            QueueForm::Test => code.direct(queue, Direct::plain(&[0x85], register)),
            QueueForm::Byte => {
                code.direct(
                    queue,
                    Direct {
                        immediate: &[0],
                        ..Direct::plain(&[0x83], 7)
                    },
                );
            }
            QueueForm::Dword => {
                code.direct(
                    queue,
                    Direct {
                        immediate: &[0; 4],
                        ..Direct::plain(&[0x81], 7)
                    },
                );
            }
            QueueForm::LoadAndTest => {
                code.load(register, queue, true);
                code.registers(false, &[0x85], register, register);
            }
        }
        code.mark(MarkKind::QueueTest, start);
        code.jump_short(5)
    }

    /// The atomic updates of the count, up to three in a function.
    fn atomic_updates(&self, writer: &mut Writer<'_>, fragments: &mut Vec<Fragment>) {
        let mut left = if self.defect == Some(Defect::FewAtomics) {
            2
        } else {
            self.atomics
        };
        while left > 0 {
            let here = (1 + writer.random.small(3)).min(left);
            left -= here;
            let mut code = writer.code();
            let frame = writer.prologue(&mut code);
            for _ in 0..here {
                writer.statements(&mut code, 0x10);
                atomic::update(writer, &mut code, self.trio.count());
            }
            writer.statements(&mut code, 8);
            writer.epilogue(&mut code, frame);
            fragments.push(anywhere(writer, Name::Text, code));
        }
    }

    /// Code that adds to and takes from the queue.
    fn queue_changes(&self, writer: &mut Writer<'_>) -> Code {
        let queue = self.trio.queue();
        let mut code = writer.code();
        let frame = writer.prologue(&mut code);
        writer.statements(&mut code, 0x10);
        code.direct(queue, Direct::plain(&[0xFF], 0));
        writer.statements(&mut code, 0x20);
        // The last two occur on x64 only.
        match writer
            .random
            .below(if writer.arch == Arch::X64 { 3 } else { 1 })
        {
            0 => code.direct(queue, Direct::plain(&[0xFF], 1)),
            1 => code.direct(
                queue,
                Direct {
                    immediate: &[0xFF],
                    ..Direct::plain(&[0x83], 0)
                },
            ),
            _ => {
                code.load(1, queue, false);
                code.registers(false, &[0x83], 5, 1);
                code.emit(&[1]);
                code.direct(queue, Direct::plain(&[0x89], 1));
            }
        }
        writer.epilogue(&mut code, frame);
        code
    }

    /// The code that breaks a rule.
    fn defect_code(&self, writer: &mut Writer<'_>) -> Option<Code> {
        let (threshold, count) = (self.trio.threshold(), self.trio.count());
        let mut code = writer.code();
        let frame = writer.prologue(&mut code);
        writer.statements(&mut code, 0x10);
        let register = writer.register();
        let add = Direct {
            lock: true,
            ..Direct::plain(&[0xFF], 0)
        };
        match self.defect? {
            Defect::OtherReadOfThreshold => code.load(register, threshold, true),
            Defect::OtherLoadOfCount => code.load(register, count, true),
            Defect::LiveWriter => code.direct(threshold, Direct::plain(&[0x89], register)),
            Defect::AtomicThreshold => code.direct(threshold, add),
            _ => return None,
        }
        writer.statements(&mut code, 0x10);
        writer.epilogue(&mut code, frame);
        Some(code)
    }
}

/// The jump of a gate: a short distance ahead, or to the cold half of the
/// function.
enum GateJump {
    Short(ShortJump),
    Near(Label),
    Far,
}

impl GateJump {
    fn jump(
        writer: &mut Writer<'_>,
        code: &mut Code,
        gate: &GateSpec,
        sense: Sense,
        cold: Option<Label>,
    ) -> Self {
        let condition = gate.condition(sense);
        match (gate.reach, cold) {
            (Reach::Short, _) => Self::Short(code.jump_short(condition)),
            (Reach::Near, None) => {
                let label = writer.label();
                code.jump_near(condition, label);
                Self::Near(label)
            }
            (Reach::Near, Some(label)) => {
                code.jump_near(condition, label);
                Self::Far
            }
        }
    }

    fn land(&self, code: &mut Code) {
        match self {
            Self::Short(hole) => code.land(hole),
            Self::Near(label) => code.define(*label),
            Self::Far => {}
        }
    }
}

/// The cold half of a function, far from the rest.
fn cold_half(writer: &mut Writer<'_>, section: Name, label: Label) -> Fragment {
    let mut code = writer.code();
    code.define(label);
    writer.statements(&mut code, 0x20);
    writer.epilogue(&mut code, Frame { saved: false });
    anywhere(writer, section, code)
}

/// A fragment at a random position.
pub(super) fn anywhere(writer: &mut Writer<'_>, section: Name, code: Code) -> Fragment {
    Fragment {
        section,
        position: writer.random.below(1000),
        code,
    }
}

/// One use of the event constant.
pub(super) fn emit_event(code: &mut Code, form: Option<EventForm>) {
    let start = code.here();
    match form {
        None => return,
        Some(EventForm::Push) => {
            code.emit(&[0x68]);
            code.dword(EVENT_ID);
        }
        Some(EventForm::Register(register)) => code.immediate(register.on(code.arch), EVENT_ID),
        Some(EventForm::Stack) => {
            code.emit(&[0xC7, 0x44, 0x24, 0x04]);
            code.dword(EVENT_ID);
        }
    }
    code.mark(MarkKind::Event, start);
}
