//! Memory from the pool: what is freed is gone, and behind an allocation there
//! is nothing.

use super::irql::Irql::Apc;
use super::{Answer, Entry};
use crate::address::low;
use crate::call::Value;
use crate::machine::Rights;
use crate::placement::Arena;
use crate::system::System;

pub(super) const MODELS: &[Entry] = &[
    // For paged pool; for the other one a level more.
    ("ExAllocatePoolWithTag", Apc, allocate),
    ("ExFreePoolWithTag", Apc, free),
];

/// NonPagedPool and PagedPool.
const POOLS: [u32; 2] = [0, 1];
/// Nothing of the driver's needs as much.
const MOST: u64 = 1 << 20;

fn allocate(system: &mut System, arguments: &[u64]) -> Answer {
    let [pool, bytes, tag] = *arguments else {
        unreachable!("three arguments")
    };
    let (pool, tag) = (low(pool), low(tag));
    system.expect(POOLS.contains(&pool), "a pool of another kind")?;
    system.expect(
        bytes > 0 && bytes <= MOST,
        "an allocation of no sane length",
    )?;
    let printable = tag.to_le_bytes().iter().all(u8::is_ascii_graphic);
    system.expect(printable, "a tag that no tool can show")?;
    if system.world.no_pool {
        return Ok(Value::Pointer(0));
    }
    let address = system.allocate(Arena::Pool, bytes, Rights::Write);
    system.allow(address, bytes);
    system.kept.pool.push((address, bytes, tag));
    Ok(Value::Pointer(address))
}

fn free(system: &mut System, arguments: &[u64]) -> Answer {
    let [address, tag] = *arguments else {
        unreachable!("two arguments")
    };
    let mut pool = system.kept.pool.iter();
    let Some(place) = pool.position(|&(of, ..)| of == address) else {
        return Err(system.wrong(format!("{address:X} is not allocated")));
    };
    let (_, bytes, of) = system.kept.pool[place];
    system.is(low(tag).into(), of.into(), "the tag")?;
    system.kept.pool.swap_remove(place);
    system.disallow(address);
    system.release(address, bytes);
    Ok(Value::Nothing)
}
