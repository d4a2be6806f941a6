//! Pool memory: freed memory is unmapped, and so is the page behind an allocation.

use super::call_context::{CallContext, CallResult, ModelEntry};
use super::irql::Irql::Apc;
use crate::address::low_dword;
use crate::call::ReturnValue;
use crate::machine::Rights;
use crate::placement::{Arena, allow_writes, forbid_writes, release};

pub(super) const MODELS: &[ModelEntry] = &[
    // For paged pool; DISPATCH_LEVEL for nonpaged pool.
    ("ExAllocatePoolWithTag", Apc, allocate),
    ("ExFreePoolWithTag", Apc, free),
];

/// NonPagedPool and PagedPool.
const POOLS: [u32; 2] = [0, 1];
/// The largest allocation that is accepted.
const MOST: u64 = 1 << 20;

fn allocate(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [pool, bytes, tag] = *arguments else {
        unreachable!("three arguments")
    };
    let (pool, tag) = (low_dword(pool), low_dword(tag));
    context.require(POOLS.contains(&pool), "an unexpected pool type")?;
    context.require(
        bytes > 0 && bytes <= MOST,
        "an allocation of an implausible length",
    )?;
    let printable = tag.to_le_bytes().iter().all(u8::is_ascii_graphic);
    context.require(printable, "a tag that is not printable")?;
    if context.world.no_pool {
        return Ok(ReturnValue::Pointer(0));
    }
    let address = context.allocate(Arena::Pool, bytes, Rights::Write);
    allow_writes(context.memory, address, bytes);
    context.resources.pool.push((address, bytes, tag));
    Ok(ReturnValue::Pointer(address))
}

fn free(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [address, tag] = *arguments else {
        unreachable!("two arguments")
    };
    let mut pool = context.resources.pool.iter();
    let Some(place) = pool.position(|&(of, ..)| of == address) else {
        return Err(context.violation(format!("{address:X} is not allocated")));
    };
    let (_, bytes, of) = context.resources.pool[place];
    context.require_value(low_dword(tag).into(), of.into(), "the tag")?;
    context.resources.pool.swap_remove(place);
    forbid_writes(context.memory, address);
    release(context.memory, address, bytes);
    Ok(ReturnValue::Nothing)
}
