//! Memory from the pool: what is freed is gone, and behind an allocation there
//! is nothing.

use super::call_context::{Answer, Entry, Scene};
use super::irql::Irql::Apc;
use crate::address::low;
use crate::call::Value;
use crate::machine::Rights;
use crate::placement::{Arena, allow, disallow, release};

pub(super) const MODELS: &[Entry] = &[
    // For paged pool; for the other one a level more.
    ("ExAllocatePoolWithTag", Apc, allocate),
    ("ExFreePoolWithTag", Apc, free),
];

/// NonPagedPool and PagedPool.
const POOLS: [u32; 2] = [0, 1];
/// Nothing of the driver's needs as much.
const MOST: u64 = 1 << 20;

fn allocate(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [pool, bytes, tag] = *arguments else {
        unreachable!("three arguments")
    };
    let (pool, tag) = (low(pool), low(tag));
    scene.expect(POOLS.contains(&pool), "a pool of another kind")?;
    scene.expect(
        bytes > 0 && bytes <= MOST,
        "an allocation of no sane length",
    )?;
    let printable = tag.to_le_bytes().iter().all(u8::is_ascii_graphic);
    scene.expect(printable, "a tag that no tool can show")?;
    if scene.world.no_pool {
        return Ok(Value::Pointer(0));
    }
    let address = scene.allocate(Arena::Pool, bytes, Rights::Write);
    allow(scene.memory, address, bytes);
    scene.kept.pool.push((address, bytes, tag));
    Ok(Value::Pointer(address))
}

fn free(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [address, tag] = *arguments else {
        unreachable!("two arguments")
    };
    let mut pool = scene.kept.pool.iter();
    let Some(place) = pool.position(|&(of, ..)| of == address) else {
        return Err(scene.wrong(format!("{address:X} is not allocated")));
    };
    let (_, bytes, of) = scene.kept.pool[place];
    scene.is(low(tag).into(), of.into(), "the tag")?;
    scene.kept.pool.swap_remove(place);
    disallow(scene.memory, address);
    release(scene.memory, address, bytes);
    Ok(Value::Nothing)
}
