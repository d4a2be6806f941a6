//! Critical regions, and the one mutex object.

use super::call_context::{Answer, Entry, SUCCESS, Scene};
use super::irql::Irql::{Apc, Dispatch, High};
use crate::address::low;
use crate::call::Value;
use crate::machine::Kind;

pub(super) const MODELS: &[Entry] = &[
    ("KeEnterCriticalRegion", Apc, enter),
    ("KeLeaveCriticalRegion", Apc, leave),
    ("KeInitializeMutex", High, initialize),
    ("KeWaitForSingleObject", Apc, wait),
    ("KeReleaseMutex", Dispatch, release),
];

fn enter(scene: &mut Scene<'_>, _: &[u64]) -> Answer {
    scene.kept.critical += 1;
    Ok(Value::Nothing)
}

fn leave(scene: &mut Scene<'_>, _: &[u64]) -> Answer {
    scene.expect(scene.kept.critical > 0, "no critical region was entered")?;
    let owned = scene.kept.mutex.is_some_and(|(_, owned)| owned);
    scene.expect(!owned, "the mutex is owned outside of a critical region")?;
    scene.kept.critical -= 1;
    Ok(Value::Nothing)
}

fn initialize(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [mutex, level] = *arguments else {
        unreachable!("two arguments")
    };
    scene.is(low(level).into(), 0, "Level")?;
    scene.expect(
        scene.kept.mutex.is_none(),
        "a second mutex, or the same again",
    )?;
    // KMUTANT, in memory that is never paged out.
    let size = if scene.memory.pointer() == 4 { 32 } else { 56 };
    scene.room(mutex, size, scene.memory.pointer(), "the mutex")?;
    let kind = scene.memory.kind(mutex, size);
    scene.expect(kind == Some(Kind::Data), "a mutex on the stack")?;
    scene.kept.mutex = Some((mutex, false));
    // What NT keeps in it is not the driver's business.
    let garbage = vec![0x3C; if size == 32 { 32 } else { 56 }];
    scene.memory.write(mutex, &garbage);
    Ok(Value::Nothing)
}

fn wait(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [object, reason, mode, alertable, timeout] = *arguments else {
        unreachable!("five arguments")
    };
    scene.is(low(reason).into(), 0, "WaitReason")?;
    // KPROCESSOR_MODE and BOOLEAN are bytes.
    scene.is(mode & 0xFF, 0, "WaitMode")?;
    scene.is(alertable & 0xFF, 0, "Alertable")?;
    scene.is(timeout, 0, "Timeout")?;
    scene.expect(scene.kept.critical > 0, "outside of a critical region")?;
    match &mut scene.kept.mutex {
        Some((mutex, owned)) if *mutex == object && !*owned => {
            *owned = true;
            SUCCESS
        }
        Some((mutex, true)) if *mutex == object => Err(scene.wrong("the mutex is owned already")),
        _ => Err(scene.wrong("it is no mutex")),
    }
}

fn release(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [object, wait] = *arguments else {
        unreachable!("two arguments")
    };
    scene.is(wait & 0xFF, 0, "Wait")?;
    match &mut scene.kept.mutex {
        Some((mutex, owned)) if *mutex == object && *owned => {
            *owned = false;
            SUCCESS
        }
        _ => Err(scene.wrong("the mutex is not owned")),
    }
}
