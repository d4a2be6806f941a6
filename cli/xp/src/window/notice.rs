//! How often the notification area may speak.

/// Seconds between two balloons.
const EVERY: u32 = 600;

/// When the last balloon was shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notices {
    /// Seconds since 1970.
    last: Option<u32>,
}

impl Notices {
    /// Whether a balloon may be shown now; if so, it counts as shown. A clock that was set back
    /// is no reason to be silent for long.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_minutes_between_two_balloons() {
        let mut notices = Notices::default();
        assert!(notices.due(1000));
        assert!(!notices.due(1000));
        assert!(!notices.due(1599));
        assert!(notices.due(1600));
        assert!(!notices.due(1601));
        assert!(notices.due(900), "the clock was set back");
    }
}
