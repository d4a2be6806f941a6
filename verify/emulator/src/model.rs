//! What the driver imports, one by one: each checks how it is called, and does
//! what NT does, as far as the driver can see.
//!
//! No import of the driver's raises the IRQL: all calls are at the level at which
//! NT calls the driver.

pub mod device;
pub mod event_log;
pub mod irql;
mod list;
mod memory;
mod mutex;
pub mod object;
mod pool;
mod registry;
pub mod security;

use crate::call::Value;
use crate::irp::Pending;
use crate::kept::Kept;
use crate::machine::{Kind, Machine, Rights};
use crate::placement::{Arena, allocate};
use crate::violation::Violation;
use crate::world::World;

/// What a model works on, for one call.
#[derive(Debug)]
pub struct Scene<'a> {
    pub(crate) memory: &'a mut Machine,
    pub(crate) world: &'a mut World,
    pub(crate) kept: &'a mut Kept,
    pub(crate) request: &'a mut Option<Pending>,
    /// The function that is called.
    pub(crate) import: &'static str,
    /// How many calls there were before.
    pub(crate) calls: usize,
    /// The object of the driver itself.
    pub(crate) driver: u64,
    pub(crate) unloading: bool,
}

/// What serves a call: it is given the arguments.
pub type Model = fn(&mut Scene<'_>, &[u64]) -> Answer;
/// What the call returns, or what is wrong with it.
pub type Answer = Result<Value, Violation>;

/// A function: its name, the highest level at which it may be called, and its
/// model. The level is the one in Microsoft's documentation; where there is none,
/// or it says more than the oldest systems did, the lowest.
pub type Entry = (&'static str, irql::Irql, Model);

const MODELS: [&[Entry]; 9] = [
    device::MODELS,
    event_log::MODELS,
    list::MODELS,
    memory::MODELS,
    mutex::MODELS,
    object::MODELS,
    pool::MODELS,
    registry::MODELS,
    security::MODELS,
];

/// The model of a function.
#[must_use]
pub fn of(name: &str) -> Option<Entry> {
    let mut all = MODELS.iter().copied().flatten();
    all.find(|(of, ..)| *of == name).copied()
}

/// Where a variable lies in the page of variables.
#[must_use]
pub fn variable(name: &str) -> Option<u64> {
    match name {
        "InitSafeBootMode" => Some(0),
        "IoDriverObjectType" => Some(16),
        _ => None,
    }
}

/// STATUS_SUCCESS.
const SUCCESS: Answer = Ok(Value::Dword(0));

fn status(status: u32) -> Answer {
    Ok(Value::Dword(status))
}

impl Scene<'_> {
    /// The call is wrong.
    fn wrong(&self, what: impl Into<String>) -> Violation {
        Violation::Call {
            import: self.import,
            what: what.into(),
        }
    }

    fn expect(&self, holds: bool, what: &str) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.wrong(what)) }
    }

    /// An argument that must be this.
    fn is(&self, argument: u64, must: u64, what: &str) -> Result<(), Violation> {
        if argument == must {
            return Ok(());
        }
        Err(self.wrong(format!("{what} is {argument:X}, not {must:X}")))
    }

    /// Memory of the driver's own, to be read.
    fn readable(&self, address: u64, length: u64, what: &str) -> Result<(), Violation> {
        match self.memory.kind(address, length) {
            Some(Kind::Stack | Kind::Data | Kind::Constants | Kind::Pool) => Ok(()),
            kind => Err(self.wrong(format!("{what}: {length} bytes at {address:X} ({kind:?})"))),
        }
    }

    /// Memory of the driver's own, aligned, for something to be put in.
    fn room(&self, address: u64, length: u64, align: u64, what: &str) -> Result<(), Violation> {
        let kind = self.memory.kind(address, length);
        let own = matches!(kind, Some(Kind::Stack | Kind::Data | Kind::Pool));
        if own && self.memory.is_writable(address, length) && address.is_multiple_of(align) {
            return Ok(());
        }
        Err(self.wrong(format!("{what}: {length} bytes at {address:X} ({kind:?})")))
    }

    /// A place for a pointer.
    fn place(&self, address: u64, what: &str) -> Result<(), Violation> {
        let pointer = self.memory.pointer();
        self.room(address, pointer, pointer, what)
    }

    /// The text of a UNICODE_STRING.
    fn text(&self, string: u64) -> Result<String, Violation> {
        let pointer = self.memory.pointer();
        self.readable(string, 2 * pointer, "the string")?;
        self.expect(string.is_multiple_of(pointer), "the string is not aligned")?;
        let lengths = self.memory.dword(string);
        let (length, most) = (lengths & 0xFFFF, lengths >> 16);
        self.expect(
            length > 0 && length.is_multiple_of(2),
            "an odd length of a string",
        )?;
        self.expect(length <= most, "a string is longer than its buffer")?;
        let buffer = self.memory.word(string + pointer);
        self.readable(buffer, length.into(), "the string's buffer")?;
        self.expect(
            buffer.is_multiple_of(2),
            "the string's buffer is not aligned",
        )?;
        let bytes = self.memory.read(buffer, length as usize);
        let units = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        char::decode_utf16(units)
            .collect::<Result<_, _>>()
            .map_err(|_| self.wrong("a string that is no UTF-16"))
    }

    fn allocate(&mut self, arena: Arena, bytes: u64, rights: Rights) -> u64 {
        allocate(self.memory, &mut self.kept.next, arena, bytes, rights)
    }
}

#[cfg(test)]
mod tests {
    use verify::shipped::import::{Convention, DRIVER};

    use super::*;

    #[test]
    fn whatever_has_a_model_may_be_imported() {
        for (name, ..) in MODELS.iter().copied().flatten() {
            assert!(DRIVER.iter().any(|import| import.name == *name), "{name}");
        }
    }

    #[test]
    fn a_variable_is_no_function() {
        for import in DRIVER {
            if import.convention == Convention::Data {
                assert!(variable(import.name).is_some() && of(import.name).is_none());
            } else {
                assert!(variable(import.name).is_none());
            }
        }
    }
}
