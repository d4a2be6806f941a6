//! What a model works on, and what it checks of each call.

use super::irql::Irql;
use crate::call::Value;
use crate::irp::Pending;
use crate::machine::{Kind, Machine, Rights};
use crate::placement::{Arena, allocate};
use crate::resource_audit::Kept;
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
pub(super) type Model = fn(&mut Scene<'_>, &[u64]) -> Answer;
/// What the call returns, or what is wrong with it.
pub(super) type Answer = Result<Value, Violation>;

/// A function: its name, the highest level at which it may be called, and its
/// model. The level is the one in Microsoft's documentation; where there is none,
/// or it says more than the oldest systems did, the lowest.
pub type Entry = (&'static str, Irql, Model);

/// STATUS_SUCCESS.
pub(super) const SUCCESS: Answer = Ok(Value::Dword(0));

pub(super) fn status(status: u32) -> Answer {
    Ok(Value::Dword(status))
}

impl Scene<'_> {
    /// The call is wrong.
    pub(super) fn wrong(&self, what: impl Into<String>) -> Violation {
        Violation::Call {
            import: self.import,
            what: what.into(),
        }
    }

    pub(super) fn expect(&self, holds: bool, what: &str) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.wrong(what)) }
    }

    /// An argument that must be this.
    pub(super) fn is(&self, argument: u64, must: u64, what: &str) -> Result<(), Violation> {
        if argument == must {
            return Ok(());
        }
        Err(self.wrong(format!("{what} is {argument:X}, not {must:X}")))
    }

    /// Memory of the driver's own, to be read.
    pub(super) fn readable(&self, address: u64, length: u64, what: &str) -> Result<(), Violation> {
        match self.memory.kind(address, length) {
            Some(Kind::Stack | Kind::Data | Kind::Constants | Kind::Pool) => Ok(()),
            kind => Err(self.wrong(format!("{what}: {length} bytes at {address:X} ({kind:?})"))),
        }
    }

    /// Memory of the driver's own, aligned, for something to be put in.
    pub(super) fn room(
        &self,
        address: u64,
        length: u64,
        align: u64,
        what: &str,
    ) -> Result<(), Violation> {
        let kind = self.memory.kind(address, length);
        let own = matches!(kind, Some(Kind::Stack | Kind::Data | Kind::Pool));
        if own && self.memory.is_writable(address, length) && address.is_multiple_of(align) {
            return Ok(());
        }
        Err(self.wrong(format!("{what}: {length} bytes at {address:X} ({kind:?})")))
    }

    /// A place for a pointer.
    pub(super) fn place(&self, address: u64, what: &str) -> Result<(), Violation> {
        let pointer = self.memory.pointer();
        self.room(address, pointer, pointer, what)
    }

    /// The text of a UNICODE_STRING.
    pub(super) fn text(&self, string: u64) -> Result<String, Violation> {
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

    pub(super) fn allocate(&mut self, arena: Arena, bytes: u64, rights: Rights) -> u64 {
        allocate(self.memory, &mut self.kept.next, arena, bytes, rights)
    }
}
