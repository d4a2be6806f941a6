//! Questions about memory.

use super::irql::Irql::{Dispatch, High};
use super::{Answer, Entry};
use crate::call::Value;
use crate::machine::Kind;
use crate::system::System;
use crate::world::physical;

pub(super) const MODELS: &[Entry] = &[
    ("MmIsAddressValid", Dispatch, is_valid),
    ("MmGetPhysicalAddress", High, physical_address),
];

fn is_valid(system: &mut System, arguments: &[u64]) -> Answer {
    let mapped = system.machine.is_mapped(arguments[0]);
    Ok(Value::Byte(mapped.into()))
}

fn physical_address(system: &mut System, arguments: &[u64]) -> Answer {
    let address = arguments[0];
    let kind = system.machine.kind(address, 1);
    system.expect(kind == Some(Kind::Module), "of an address in no module")?;
    Ok(Value::Quad(physical(address)))
}
