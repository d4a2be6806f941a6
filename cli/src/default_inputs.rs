//! The inputs without a path: the drivers of the running Windows, or the built-in specimen.

use std::path::PathBuf;

use tcplimit_report::State;

/// A synthetic image with the layout of the driver of Windows XP SP3. Not Microsoft's: verify/
/// builds it.
pub(crate) const SPECIMEN: &[u8] = include_bytes!("../../corpus/specimens/tcpip-xp-sp3-x86.sys");

/// The name of the specimen in reports.
pub(crate) const SPECIMEN_NAME: &str = "built-in specimen";

/// The note after a report on the specimen.
pub(crate) const SPECIMEN_NOTE: &str = "This is the built-in specimen, a synthetic image made to look like the driver of Windows XP SP3. It is not Microsoft's, and says nothing about this system. To search a file, pass its path.";

/// The drivers of the running Windows; none on other systems.
pub(crate) fn system_drivers() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("SystemRoot").filter(|_| cfg!(windows)) else {
        return Vec::new();
    };
    let root = PathBuf::from(root);
    // 64-bit Windows redirects System32 for 32-bit programs; Sysnative leads to the real one.
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

/// The conclusion about the running Windows from the states of its drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A limit was located.
    Located,
    /// Each driver is known not to have the limit.
    NoLimit,
    /// No limit was located, and at least one driver is undecided.
    Open,
    /// There are no drivers.
    NoDrivers,
}

impl Verdict {
    /// The verdict from the state of each driver.
    pub(crate) fn of(states: impl IntoIterator<Item = State>) -> Verdict {
        let states: Vec<State> = states.into_iter().collect();
        match states.as_slice() {
            [] => Verdict::NoDrivers,
            some if some.iter().any(|state| state.is_located()) => Verdict::Located,
            all if all.iter().all(|state| *state == State::NoLimiter) => Verdict::NoLimit,
            _ => Verdict::Open,
        }
    }

    /// The text after the reports, if any.
    pub(crate) fn text(self) -> Option<&'static str> {
        match self {
            Verdict::Located => None,
            Verdict::NoLimit => Some("This system has no limit to lift."),
            Verdict::Open => Some("It is unknown whether this system has a limit: see above."),
            Verdict::NoDrivers => {
                Some("Neither tcpip.sys nor tcpip6.sys was found among the drivers of this system.")
            }
        }
    }

    /// Whether to show the specimen as an example of a limit.
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
