//! The identity of the system's current boot.

use tcplimit_protocol::Status;

use super::imports::{ZwQuerySystemInformation, status};

/// SYSTEM_INFORMATION_CLASS: SystemTimeOfDayInformation.
const TIME_OF_DAY: i32 = 3;
/// The length of the call's result in 64-bit words, and the indices of BootTime
/// and BootTimeBias (the same in all versions since XP).
const LENGTH: usize = 6;
const BOOT_TIME: usize = 0;
const BOOT_TIME_BIAS: usize = 4;

/// A number for this boot of the system. Setting the clock moves BootTime and
/// BootTimeBias alike, so their difference stays.
///
/// # Errors
/// The system's.
pub(super) fn boot_id() -> Result<u64, Status> {
    let mut information = [0_u64; LENGTH];
    let mut needed = 0;
    // SAFETY: the buffer is as long as stated, and aligned for its 64-bit fields.
    status(unsafe {
        ZwQuerySystemInformation(
            TIME_OF_DAY,
            (&raw mut information).cast(),
            size_of_val(&information) as u32,
            &raw mut needed,
        )
    })?;
    Ok(information[BOOT_TIME].wrapping_sub(information[BOOT_TIME_BIAS]))
}
