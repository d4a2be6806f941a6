//! What a model works on, and what it checks of each call.

use super::irql::Irql;
use crate::call::ReturnValue;
use crate::irp::PendingRequest;
use crate::machine::{Machine, MemoryKind, Rights};
use crate::placement::{Arena, allocate};
use crate::resource_audit::Resources;
use crate::violation::Violation;
use crate::world::World;

/// What a model works on, for one call.
#[derive(Debug)]
pub struct CallContext<'a> {
    pub(crate) memory: &'a mut Machine,
    pub(crate) world: &'a mut World,
    pub(crate) resources: &'a mut Resources,
    pub(crate) request: &'a mut Option<PendingRequest>,
    /// The function that is called.
    pub(crate) import: &'static str,
    /// How many calls there were before.
    pub(crate) calls: usize,
    /// The object of the driver itself.
    pub(crate) driver: u64,
    pub(crate) unloading: bool,
}

/// What serves a call: it is given the arguments.
pub(super) type Model = fn(&mut CallContext<'_>, &[u64]) -> CallResult;
/// What the call returns, or what is wrong with it.
pub(super) type CallResult = Result<ReturnValue, Violation>;

/// A function: its name, the highest level at which it may be called, and its
/// model. The level is the one in Microsoft's documentation; where there is none,
/// or it says more than the oldest systems did, the lowest.
pub type ModelEntry = (&'static str, Irql, Model);

/// STATUS_SUCCESS.
pub(super) const SUCCESS: CallResult = Ok(ReturnValue::Dword(0));

pub(super) fn status(status: u32) -> CallResult {
    Ok(ReturnValue::Dword(status))
}

impl CallContext<'_> {
    /// The call is wrong.
    pub(super) fn violation(&self, detail: impl Into<String>) -> Violation {
        Violation::Call {
            import: self.import,
            detail: detail.into(),
        }
    }

    pub(super) fn require(&self, holds: bool, detail: &str) -> Result<(), Violation> {
        if holds {
            Ok(())
        } else {
            Err(self.violation(detail))
        }
    }

    /// An argument that must be this.
    pub(super) fn require_value(
        &self,
        argument: u64,
        expected: u64,
        subject: &str,
    ) -> Result<(), Violation> {
        if argument == expected {
            return Ok(());
        }
        Err(self.violation(format!("{subject} is {argument:X}, not {expected:X}")))
    }

    /// Memory of the driver's own, to be read.
    pub(super) fn require_readable(
        &self,
        address: u64,
        length: u64,
        subject: &str,
    ) -> Result<(), Violation> {
        match self.memory.kind(address, length) {
            Some(
                MemoryKind::Stack | MemoryKind::Data | MemoryKind::Constants | MemoryKind::Pool,
            ) => Ok(()),
            kind => Err(self.violation(format!(
                "{subject}: {length} bytes at {address:X} ({kind:?})"
            ))),
        }
    }

    /// Memory of the driver's own, aligned, for something to be put in.
    pub(super) fn require_buffer(
        &self,
        address: u64,
        length: u64,
        align: u64,
        subject: &str,
    ) -> Result<(), Violation> {
        let kind = self.memory.kind(address, length);
        let own = matches!(
            kind,
            Some(MemoryKind::Stack | MemoryKind::Data | MemoryKind::Pool)
        );
        if own && self.memory.is_writable(address, length) && address.is_multiple_of(align) {
            return Ok(());
        }
        Err(self.violation(format!(
            "{subject}: {length} bytes at {address:X} ({kind:?})"
        )))
    }

    /// A place for a pointer.
    pub(super) fn require_pointer_buffer(
        &self,
        address: u64,
        subject: &str,
    ) -> Result<(), Violation> {
        let pointer = self.memory.pointer_size();
        self.require_buffer(address, pointer, pointer, subject)
    }

    /// The text of a UNICODE_STRING.
    pub(super) fn unicode_string(&self, string: u64) -> Result<String, Violation> {
        let pointer = self.memory.pointer_size();
        self.require_readable(string, 2 * pointer, "the string")?;
        self.require(string.is_multiple_of(pointer), "the string is not aligned")?;
        let lengths = self.memory.dword(string);
        let (length, most) = (lengths & 0xFFFF, lengths >> 16);
        self.require(
            length > 0 && length.is_multiple_of(2),
            "an odd length of a string",
        )?;
        self.require(length <= most, "a string is longer than its buffer")?;
        let buffer = self.memory.read_pointer(string + pointer);
        self.require_readable(buffer, length.into(), "the string's buffer")?;
        self.require(
            buffer.is_multiple_of(2),
            "the string's buffer is not aligned",
        )?;
        let bytes = self.memory.read(buffer, length as usize);
        let units = bytes
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        char::decode_utf16(units)
            .collect::<Result<_, _>>()
            .map_err(|_| self.violation("a string that is no UTF-16"))
    }

    pub(super) fn allocate(&mut self, arena: Arena, bytes: u64, rights: Rights) -> u64 {
        allocate(self.memory, &mut self.resources.next, arena, bytes, rights)
    }
}
