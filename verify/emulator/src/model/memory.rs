//! Queries about memory.

use super::call_context::{CallContext, CallResult, ModelEntry};
use super::irql::Irql::{Dispatch, High};
use crate::call::ReturnValue;
use crate::machine::MemoryKind;
use crate::world::physical;

pub(super) const MODELS: &[ModelEntry] = &[
    ("MmIsAddressValid", Dispatch, is_valid),
    ("MmGetPhysicalAddress", High, physical_address),
];

fn is_valid(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let mapped = context.memory.is_mapped(arguments[0]);
    Ok(ReturnValue::Byte(mapped.into()))
}

fn physical_address(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let address = arguments[0];
    let kind = context.memory.kind(address, 1);
    context.require(
        kind == Some(MemoryKind::Module),
        "an address outside the modules",
    )?;
    Ok(ReturnValue::Quad(physical(address)))
}
