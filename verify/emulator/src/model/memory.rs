//! Questions about memory and the processor.

use super::irql::Irql::{Dispatch, High};
use super::{Answer, Entry};
use crate::address::low;
use crate::call::Value;
use crate::machine::Kind;
use crate::system::System;
use crate::world::physical;

pub(super) const MODELS: &[Entry] = &[
    ("MmIsAddressValid", Dispatch, is_valid),
    ("MmGetPhysicalAddress", High, physical_address),
    ("ExIsProcessorFeaturePresent", High, has_feature),
];

/// PF_PAE_ENABLED.
const PAE: u32 = 9;

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

fn has_feature(system: &mut System, arguments: &[u64]) -> Answer {
    system.is(low(arguments[0]).into(), PAE.into(), "the feature")?;
    Ok(Value::Byte(system.world.pae.into()))
}
