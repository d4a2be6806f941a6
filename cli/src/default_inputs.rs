//! What is looked at when no path is named.

use std::path::PathBuf;

use tcplimit_report::State;

/// A synthetic image, laid out like the driver of Windows XP SP3. Not
/// Microsoft's: verify/ builds it.
pub(crate) const SPECIMEN: &[u8] = include_bytes!("../../corpus/specimens/tcpip-xp-sp3-x86.sys");

/// What reports call it.
pub(crate) const SPECIMEN_NAME: &str = "built-in specimen";

/// What is said of it.
pub(crate) const SPECIMEN_NOTE: &str = "This is the built-in specimen, a synthetic image made to look like the driver of Windows XP SP3. It is not Microsoft's, and says nothing about this system. Name a file to look into it.";

/// The drivers of the running system; none unless it is Windows.
pub(crate) fn system_drivers() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("SystemRoot").filter(|_| cfg!(windows)) else {
        return Vec::new();
    };
    let root = PathBuf::from(root);
    // A 32-bit program on 64-bit Windows is shown another System32; the true
    // one is then called Sysnative.
    let native = root.join("Sysnative");
    let system = if native.is_dir() {
        native
    } else {
        root.join("System32")
    };
    let drivers = system.join("drivers");
    ["tcpip.sys", "tcpip6.sys"]
        .into_iter()
        .map(|name| drivers.join(name))
        .filter(|path| path.exists())
        .collect()
}

/// What the states of the drivers of the running Windows say of the system as
/// a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The reports say it: a limit was located.
    Located,
    /// Each driver is known not to have the limit.
    NoLimit,
    /// At least one driver gave no answer, and none has a limit.
    Open,
    /// There are no drivers.
    NoDrivers,
}

impl Verdict {
    /// From the state of each driver found.
    pub(crate) fn of(states: impl IntoIterator<Item = State>) -> Verdict {
        let states: Vec<State> = states.into_iter().collect();
        match states.as_slice() {
            [] => Verdict::NoDrivers,
            some if some.iter().any(|state| state.is_located()) => Verdict::Located,
            all if all.iter().all(|state| *state == State::NoLimiter) => Verdict::NoLimit,
            _ => Verdict::Open,
        }
    }

    /// What to say behind the reports, if anything.
    pub(crate) fn text(self) -> Option<&'static str> {
        match self {
            Verdict::Located => None,
            Verdict::NoLimit => Some("This system has no limit to lift."),
            Verdict::Open => Some("Whether this system has a limit is not known: see above."),
            Verdict::NoDrivers => {
                Some("Neither tcpip.sys nor tcpip6.sys was found among the drivers of this system.")
            }
        }
    }

    /// Whether a stranger should see on the specimen what a limit looks like.
    pub(crate) fn wants_specimen(self) -> bool {
        matches!(self, Verdict::NoLimit | Verdict::NoDrivers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_claimed_only_where_every_driver_is_known_to_have_none() {
        use State::{Damaged, Located, NoLimiter, NotLocated, Patched, Unpatched, Unreadable};
        let cases: [(&[State], Verdict); 10] = [
            (&[Unpatched], Verdict::Located),
            (&[NoLimiter, Patched(50)], Verdict::Located),
            (&[Located, Unreadable], Verdict::Located),
            (&[NoLimiter], Verdict::NoLimit),
            (&[NoLimiter, NoLimiter], Verdict::NoLimit),
            (&[NotLocated], Verdict::Open),
            (&[NoLimiter, NotLocated], Verdict::Open),
            (&[Unreadable, NoLimiter], Verdict::Open),
            (&[Damaged], Verdict::Open),
            (&[], Verdict::NoDrivers),
        ];
        for (states, verdict) in cases {
            assert_eq!(Verdict::of(states.iter().copied()), verdict, "{states:?}");
        }
    }

    #[test]
    fn the_specimen_is_shown_only_where_there_is_no_limit() {
        assert!(Verdict::NoLimit.wants_specimen() && Verdict::NoDrivers.wants_specimen());
        assert!(!Verdict::Open.wants_specimen() && !Verdict::Located.wants_specimen());
        assert!(Verdict::Located.text().is_none());
    }
}
