//! The text and frequency of balloons.

use alloc::string::String;

use super::history::Counts;

/// Seconds between two balloons.
const EVERY: u32 = 600;

/// When the last balloon was shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BalloonTimer {
    /// Seconds since 1970.
    last: Option<u32>,
}

impl BalloonTimer {
    /// Whether a balloon may be shown now; if so, counts it as shown. A clock set back allows one
    /// at once.
    pub(super) fn due(&mut self, now: u32) -> bool {
        let is_due = self
            .last
            .is_none_or(|last| now < last || now - last >= EVERY);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

/// The text of the balloon for event 4226.
pub(super) fn balloon(counts: Option<Counts>) -> String {
    match counts {
        Some(Counts { limit, .. }) => {
            text!(
                "The limit of {limit} half-open connections was reached (event 4226).",
                limit
            )
        }
        None => phrase!("The limit of half-open connections was reached (event 4226).").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_minutes_between_two_balloons() {
        let mut balloon_timer = BalloonTimer::default();
        assert!(balloon_timer.due(1000));
        assert!(!balloon_timer.due(1000));
        assert!(!balloon_timer.due(1599));
        assert!(balloon_timer.due(1600));
        assert!(!balloon_timer.due(1601));
        assert!(balloon_timer.due(900), "the clock was set back");
    }
}
