//! Critical regions, and the one mutex object.

use super::call_context::{CallContext, CallResult, ModelEntry, SUCCESS};
use super::irql::Irql::{Apc, Dispatch, High};
use crate::address::low_dword;
use crate::call::ReturnValue;
use crate::machine::MemoryKind;

pub(super) const MODELS: &[ModelEntry] = &[
    ("KeEnterCriticalRegion", Apc, enter),
    ("KeLeaveCriticalRegion", Apc, leave),
    ("KeInitializeMutex", High, initialize),
    ("KeWaitForSingleObject", Apc, wait),
    ("KeReleaseMutex", Dispatch, release),
];

fn enter(context: &mut CallContext<'_>, _: &[u64]) -> CallResult {
    context.resources.critical += 1;
    Ok(ReturnValue::Nothing)
}

fn leave(context: &mut CallContext<'_>, _: &[u64]) -> CallResult {
    context.require(
        context.resources.critical > 0,
        "no critical region was entered",
    )?;
    let owned = context.resources.mutex.is_some_and(|(_, owned)| owned);
    context.require(!owned, "the mutex is owned outside of a critical region")?;
    context.resources.critical -= 1;
    Ok(ReturnValue::Nothing)
}

fn initialize(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [mutex, level] = *arguments else {
        unreachable!("two arguments")
    };
    context.require_value(low_dword(level).into(), 0, "Level")?;
    context.require(context.resources.mutex.is_none(), "a second initialization")?;
    // KMUTANT, in memory that is never paged out.
    let size = if context.memory.pointer_size() == 4 {
        32
    } else {
        56
    };
    context.require_buffer(mutex, size, context.memory.pointer_size(), "the mutex")?;
    let kind = context.memory.kind(mutex, size);
    context.require(
        kind == Some(MemoryKind::Data),
        "a mutex outside the driver's variables",
    )?;
    context.resources.mutex = Some((mutex, false));
    // The contents of a KMUTANT are opaque to the driver.
    let garbage = vec![0x3C; if size == 32 { 32 } else { 56 }];
    context.memory.write(mutex, &garbage);
    Ok(ReturnValue::Nothing)
}

fn wait(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [object, reason, mode, alertable, timeout] = *arguments else {
        unreachable!("five arguments")
    };
    context.require_value(low_dword(reason).into(), 0, "WaitReason")?;
    // KPROCESSOR_MODE and BOOLEAN are bytes.
    context.require_value(mode & 0xFF, 0, "WaitMode")?;
    context.require_value(alertable & 0xFF, 0, "Alertable")?;
    context.require_value(timeout, 0, "Timeout")?;
    context.require(
        context.resources.critical > 0,
        "outside of a critical region",
    )?;
    match &mut context.resources.mutex {
        Some((mutex, owned)) if *mutex == object && !*owned => {
            *owned = true;
            SUCCESS
        }
        Some((mutex, true)) if *mutex == object => {
            Err(context.violation("the mutex is already owned"))
        }
        _ => Err(context.violation("the object is not the mutex")),
    }
}

fn release(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [object, wait] = *arguments else {
        unreachable!("two arguments")
    };
    context.require_value(wait & 0xFF, 0, "Wait")?;
    match &mut context.resources.mutex {
        Some((mutex, owned)) if *mutex == object && *owned => {
            *owned = false;
            SUCCESS
        }
        _ => Err(context.violation("the mutex is not owned")),
    }
}
