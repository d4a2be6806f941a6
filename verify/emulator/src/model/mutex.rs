//! Critical regions, and the one mutex object.

use super::irql::Irql::{Apc, Dispatch, High};
use super::{Answer, Entry, SUCCESS};
use crate::address::low;
use crate::call::Value;
use crate::machine::Kind;
use crate::system::System;

pub(super) const MODELS: &[Entry] = &[
    ("KeEnterCriticalRegion", Apc, enter),
    ("KeLeaveCriticalRegion", Apc, leave),
    ("KeInitializeMutex", High, initialize),
    ("KeWaitForSingleObject", Apc, wait),
    ("KeReleaseMutex", Dispatch, release),
];

fn enter(system: &mut System, _: &[u64]) -> Answer {
    system.kept.critical += 1;
    Ok(Value::Nothing)
}

fn leave(system: &mut System, _: &[u64]) -> Answer {
    system.expect(system.kept.critical > 0, "no critical region was entered")?;
    let owned = system.kept.mutex.is_some_and(|(_, owned)| owned);
    system.expect(!owned, "the mutex is owned outside of a critical region")?;
    system.kept.critical -= 1;
    Ok(Value::Nothing)
}

fn initialize(system: &mut System, arguments: &[u64]) -> Answer {
    let [mutex, level] = *arguments else {
        unreachable!("two arguments")
    };
    system.is(low(level).into(), 0, "Level")?;
    system.expect(
        system.kept.mutex.is_none(),
        "a second mutex, or the same again",
    )?;
    // KMUTANT, in memory that is never paged out.
    let size = if system.machine.pointer() == 4 {
        32
    } else {
        56
    };
    system.room(mutex, size, system.machine.pointer(), "the mutex")?;
    let kind = system.machine.kind(mutex, size);
    system.expect(kind == Some(Kind::Data), "a mutex on the stack")?;
    system.kept.mutex = Some((mutex, false));
    // What NT keeps in it is not the driver's business.
    let garbage = vec![0x3C; if size == 32 { 32 } else { 56 }];
    system.machine.write(mutex, &garbage);
    Ok(Value::Nothing)
}

fn wait(system: &mut System, arguments: &[u64]) -> Answer {
    let [object, reason, mode, alertable, timeout] = *arguments else {
        unreachable!("five arguments")
    };
    system.is(low(reason).into(), 0, "WaitReason")?;
    // KPROCESSOR_MODE and BOOLEAN are bytes.
    system.is(mode & 0xFF, 0, "WaitMode")?;
    system.is(alertable & 0xFF, 0, "Alertable")?;
    system.is(timeout, 0, "Timeout")?;
    system.expect(system.kept.critical > 0, "outside of a critical region")?;
    match &mut system.kept.mutex {
        Some((mutex, owned)) if *mutex == object && !*owned => {
            *owned = true;
            SUCCESS
        }
        Some((mutex, true)) if *mutex == object => Err(system.wrong("the mutex is owned already")),
        _ => Err(system.wrong("it is no mutex")),
    }
}

fn release(system: &mut System, arguments: &[u64]) -> Answer {
    let [object, wait] = *arguments else {
        unreachable!("two arguments")
    };
    system.is(wait & 0xFF, 0, "Wait")?;
    match &mut system.kept.mutex {
        Some((mutex, owned)) if *mutex == object && *owned => {
            *owned = false;
            SUCCESS
        }
        _ => Err(system.wrong("the mutex is not owned")),
    }
}
