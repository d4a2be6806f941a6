//! The variables in `.data`: the limiter's three, those of decoy limiters, and
//! the many others around them.

use super::code::{Code, Form, Symbol};
use super::name::Name;
use super::random::Random;
use super::spec::{Alignment, DataPart, Spec};

/// A limiter's variables, as offsets in their section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trio {
    pub(super) section: Name,
    pub(super) queue: u32,
    pub(super) threshold: u32,
    pub(super) count: u32,
}

impl Trio {
    pub(super) fn queue(&self) -> Symbol {
        Symbol::At(self.section, self.queue)
    }

    pub(super) fn threshold(&self) -> Symbol {
        Symbol::At(self.section, self.threshold)
    }

    pub(super) fn count(&self) -> Symbol {
        Symbol::At(self.section, self.count)
    }
}

/// The order of a limiter's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Queue, T, count.
    Regular,
    /// Queue, T, something else, count.
    Spread,
    /// Queue, count, T.
    Reversed,
}

impl Shape {
    pub(super) fn at(self, section: Name, queue: u32) -> Trio {
        let (threshold, count) = match self {
            Self::Regular => (queue + 4, queue + 8),
            Self::Spread => (queue + 4, queue + 12),
            Self::Reversed => (queue + 8, queue + 4),
        };
        Trio {
            section,
            queue,
            threshold,
            count,
        }
    }

    /// Bytes that the variables take together.
    pub(super) fn size(self) -> u32 {
        if self == Self::Spread { 16 } else { 12 }
    }
}

#[derive(Debug, Clone, Copy)]
enum Group {
    Global,
    Pointer,
    Trio(usize),
}

/// The layout of `.data`.
#[derive(Debug)]
pub(super) struct Data {
    /// Offsets of 32-bit variables that any code may use.
    pub(super) globals: Vec<u32>,
    /// Offsets of 8-byte slots that hold a pointer.
    pub(super) pointers: Vec<u32>,
    /// One for each requested shape, in that order.
    pub(super) trios: Vec<Trio>,
    /// Bytes in the file, before alignment.
    pub(super) initialised: u32,
    /// Bytes in memory.
    pub(super) size: u32,
}

impl Data {
    /// Assigns an offset to every variable. The first shape is the true
    /// limiter's and goes to the spec's part of `.data`; the others go
    /// anywhere.
    pub(super) fn plan(spec: &Spec, random: &mut Random, shapes: &[Shape]) -> Self {
        let paged = spec.alignment == Alignment::Page;
        let many = usize::from(spec.text_kib / 2);
        let mut head = vec![Group::Global; 40 + many];
        head.extend(vec![Group::Pointer; 8 + many / 4]);
        let mut tail = vec![Group::Global; if paged { 40 + many } else { 0 }];
        for index in 0..shapes.len() {
            let in_tail = match index {
                0 => spec.data_part == DataPart::ZeroTail,
                _ => paged && random.chance(500),
            };
            (if in_tail { &mut tail } else { &mut head }).push(Group::Trio(index));
        }
        let mut data = Self {
            globals: Vec::new(),
            pointers: Vec::new(),
            trios: vec![Shape::Regular.at(Name::Data, 0); shapes.len()],
            initialised: 0,
            size: 0,
        };
        data.lay(random, head, shapes);
        data.initialised = data.size;
        if paged {
            data.size = data.size.next_multiple_of(spec.alignment.file());
            data.lay(random, tail, shapes);
            // Hash tables and the like: real images have 180 to 210 KiB.
            data.size += u32::from(spec.text_kib) * 0x2C0;
        }
        data
    }

    fn lay(&mut self, random: &mut Random, mut groups: Vec<Group>, shapes: &[Shape]) {
        random.shuffle(&mut groups);
        groups.insert(0, Group::Global);
        groups.push(Group::Global);
        for group in groups {
            let at = self.size;
            self.size += match group {
                Group::Global => {
                    self.globals.push(at);
                    // The dwords behind it are arrays, or parts of structures.
                    4 + 4 * random.below(12)
                }
                Group::Pointer => {
                    self.pointers.push(at);
                    8
                }
                Group::Trio(index) => {
                    let shape = shapes[index];
                    self.trios[index] = shape.at(Name::Data, at);
                    if shape == Shape::Spread {
                        self.globals.push(at + 8);
                    }
                    shape.size()
                }
            };
        }
    }

    /// The section's bytes: limiters 0, pointers to functions, small numbers.
    pub(super) fn bytes(&self, spec: &Spec, random: &mut Random) -> Code {
        let mut code = Code::new(spec.arch);
        while code.here() < self.initialised {
            let at = code.here();
            if self.pointers.binary_search(&at).is_ok() {
                code.refer(Symbol::Function(random.below(u32::MAX)), Form::Absolute);
                let end = usize::try_from(at + 8).expect("u32 fits usize");
                code.bytes.resize(end, 0);
            } else if self.globals.binary_search(&at).is_ok() && random.chance(300) {
                code.dword(random.below(0x400));
            } else {
                code.dword(0);
            }
        }
        code
    }

    /// A variable that any code may use.
    pub(super) fn any(&self, random: &mut Random) -> Symbol {
        Symbol::At(Name::Data, random.pick(&self.globals))
    }
}
