//! ZwQuerySystemInformation: the module list and the boot time.

use super::call_context::{CallContext, CallResult, ModelEntry, SUCCESS, status};
use super::irql::Irql::Passive;
use crate::address::low_dword;
use crate::offset::Offsets;
use crate::world::NO_RESOURCES;

pub(super) const MODELS: &[ModelEntry] = &[("ZwQuerySystemInformation", Passive, query)];

/// SystemModuleInformation.
const MODULES: u32 = 11;
/// SystemTimeOfDayInformation: BootTime, CurrentTime, TimeZoneBias, TimeZoneId
/// and a reserved dword, BootTimeBias, SleepTimeBias.
const TIME_OF_DAY: u32 = 3;
const TIME_OF_DAY_LENGTH: u64 = 48;
/// STATUS_UNSUCCESSFUL.
const UNSUCCESSFUL: u32 = 0xC000_0001;
/// STATUS_INFO_LENGTH_MISMATCH.
const LENGTH_MISMATCH: u32 = 0xC000_0004;

fn query(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [class, buffer, length, needed] = *arguments else {
        unreachable!("four arguments")
    };
    context.require_buffer(needed, 4, 4, "ReturnLength")?;
    let length = low_dword(length);
    if low_dword(class) == TIME_OF_DAY {
        context.require_value(length.into(), TIME_OF_DAY_LENGTH, "the length")?;
        context.require_buffer(buffer, TIME_OF_DAY_LENGTH, 8, "the buffer")?;
        let Some([time, bias]) = context.world.boot else {
            return status(UNSUCCESSFUL);
        };
        // The clock advances.
        let now = time.wrapping_add(context.calls as u64);
        let fields = [time, now, 0x861C_4680, 1, bias, 0x1234].map(u64::to_le_bytes);
        context.memory.write(buffer, fields.as_flattened());
        context
            .memory
            .write(needed, &low_dword(TIME_OF_DAY_LENGTH).to_le_bytes());
        return SUCCESS;
    }
    context.require_value(low_dword(class).into(), MODULES.into(), "the class")?;
    let [first, base, size, name, path, item] = Offsets::of(context.memory.arch()).module;
    let listed_modules = context.world.listed_modules();
    let modules = listed_modules.clone().unwrap_or_default();
    let total = first + modules.len() * item;
    let bytes = u32::try_from(total).expect("a short list");
    if length < bytes {
        // Only the length is written; there may be no buffer.
        context.memory.write(needed, &bytes.to_le_bytes());
        return status(LENGTH_MISMATCH);
    }
    context.require_buffer(buffer, length.into(), 8, "the buffer")?;
    if listed_modules.is_none() {
        return status(NO_RESOURCES);
    }
    let mut list = vec![0; total];
    list[..4].copy_from_slice(&bytes_of(modules.len()));
    let pointer = if context.memory.pointer_size() == 4 {
        4
    } else {
        8
    };
    for (place, (file, at, long)) in list[first..].chunks_exact_mut(item).zip(modules) {
        // Section and MappedBase stay zero.
        place[base..base + pointer].copy_from_slice(&at.to_le_bytes()[..pointer]);
        place[size..size + 4].copy_from_slice(&long.to_le_bytes());
        place[path..path + file.len()].copy_from_slice(&file);
        let separator = file.iter().rposition(|&byte| byte == b'\\');
        let offset = bytes_of(separator.map_or(0, |at| at + 1));
        place[name..name + 2].copy_from_slice(&offset[..2]);
        // NT leaves the bytes behind the NUL undefined.
        if let Some(rest) = place.get_mut(path + file.len() + 1..) {
            rest.fill(b'\\');
        }
    }
    context.memory.write(buffer, &list);
    context.memory.write(needed, &bytes.to_le_bytes());
    SUCCESS
}

fn bytes_of(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("a small number").to_le_bytes()
}
