//! Questions about memory.

use super::call_context::{Answer, Entry, Scene};
use super::irql::Irql::{Dispatch, High};
use crate::call::Value;
use crate::machine::Kind;
use crate::world::physical;

pub(super) const MODELS: &[Entry] = &[
    ("MmIsAddressValid", Dispatch, is_valid),
    ("MmGetPhysicalAddress", High, physical_address),
];

fn is_valid(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let mapped = scene.memory.is_mapped(arguments[0]);
    Ok(Value::Byte(mapped.into()))
}

fn physical_address(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let address = arguments[0];
    let kind = scene.memory.kind(address, 1);
    scene.expect(kind == Some(Kind::Module), "of an address in no module")?;
    Ok(Value::Quad(physical(address)))
}
