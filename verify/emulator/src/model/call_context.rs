//! The context of a modelled call, and checks of its arguments.

use super::irql::Irql;
use crate::call::ReturnValue;
use crate::irp::PendingRequest;
use crate::machine::{Machine, MemoryKind, Rights};
use crate::placement::{Arena, allocate};
use crate::resource_audit::Resources;
use crate::violation::Violation;
use crate::world::World;

/// The context of one call.
#[derive(Debug)]
pub struct CallContext<'a> {
    pub(crate) memory: &'a mut Machine,
    pub(crate) world: &'a mut World,
    pub(crate) resources: &'a mut Resources,
    pub(crate) request: &'a mut Option<PendingRequest>,
    /// The called function.
    pub(crate) import: &'static str,
    /// Number of earlier calls.
    pub(crate) calls: usize,
    /// The driver's own driver object.
    pub(crate) driver: u64,
    pub(crate) unloading: bool,
}

/// The model of a function, called with its arguments.
pub(super) type Model = fn(&mut CallContext<'_>, &[u64]) -> CallResult;
/// The return value, or a violation.
pub(super) type CallResult = Result<ReturnValue, Violation>;

/// A function's name, the highest level at which it may be called, and its model.
/// The level is that of Microsoft's documentation; where there is none, or it allows
/// more than the oldest systems did, the lowest.
pub type ModelEntry = (&'static str, Irql, Model);

/// STATUS_SUCCESS.
pub(super) const SUCCESS: CallResult = Ok(ReturnValue::Dword(0));

pub(super) fn status(status: u32) -> CallResult {
    Ok(ReturnValue::Dword(status))
}

impl CallContext<'_> {
    /// A violation by this call.
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

    /// Requires an argument's value.
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

    /// Requires memory of the driver that the system can read.
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

    /// Requires an aligned, writable buffer of the driver.
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

    /// Requires a buffer for a pointer.
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
            "a string's length is 0 or odd",
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
            .map_err(|_| self.violation("a string is not UTF-16"))
    }

    pub(super) fn allocate(&mut self, arena: Arena, bytes: u64, rights: Rights) -> u64 {
        allocate(self.memory, &mut self.resources.next, arena, bytes, rights)
    }
}
