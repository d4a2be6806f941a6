//! The processor time of a step.

use std::time::Duration;

/// Processor time of this process and of the children that it has waited for; `None`
/// on systems without that figure.
#[cfg(unix)]
pub(crate) fn time() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;

    let of = |time: TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).ok()?;
        let micros = u64::try_from(time.tv_usec()).ok()?;
        Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
    };
    let mut sum = Duration::ZERO;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who).ok()?;
        sum += of(usage.user_time())? + of(usage.system_time())?;
    }
    Some(sum)
}

#[cfg(not(unix))]
pub(crate) fn time() -> Option<Duration> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_childs_time_counts_once_it_has_been_waited_for() {
        let before = time().unwrap();
        let busy = Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"])
            .status();
        assert!(busy.unwrap().success());
        assert!(time().unwrap() > before + Duration::from_millis(5));
    }
}
