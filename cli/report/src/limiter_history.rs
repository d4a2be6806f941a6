//! Driver versions with and without the limiter.

use scanner_core::FileVersion;

/// Versions of Windows whose driver is known not to have this limiter. Only the text of a refusal
/// uses it: the search does not depend on versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Before XP SP2 and Server 2003 SP1.
    Before,
    /// Vista before SP2.
    Vista,
    /// Vista SP2 and everything since.
    After,
}

/// Build and revision of `tcpip.sys` as shipped in XP SP2: 5.1.2600.2180
/// (xpsp_sp2_rtm.040803-2158).
const XP_SP2: (u16, u16) = (2600, 2180);
/// Build and revision of `tcpip.sys` as shipped in Server 2003 SP1, and in XP
/// x64, which is built from it: 5.2.3790.1830 (srv03_sp1_rtm.050324-1447).
const SERVER_2003_SP1: (u16, u16) = (3790, 1830);
/// Build of `tcpip.sys` as shipped in Vista SP2: 6.0.6002.18005
/// (lh_sp2rtm.090410-1830). Vista has 6000, with SP1 6001.
const VISTA_SP2: u16 = 6002;

impl Era {
    /// The era of a version; `None` if that version has the limiter: XP SP2 and later, Server 2003
    /// SP1 and later.
    pub(crate) fn of(version: FileVersion) -> Option<Era> {
        match version.0 {
            [0..=4, ..] | [5, 0, ..] => Some(Era::Before),
            [5, 1, build, revision] if (build, revision) < XP_SP2 => Some(Era::Before),
            [5, 2, build, revision] if (build, revision) < SERVER_2003_SP1 => Some(Era::Before),
            [5, ..] => None,
            [6, 0, build, _] if build < VISTA_SP2 => Some(Era::Vista),
            _ => Some(Era::After),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_era_ends_where_the_next_begins() {
        for (version, era) in [
            ([5, 0, 2195, 6655], Some(Era::Before)),
            ([5, 1, 2600, 2179], Some(Era::Before)),
            ([5, 1, 2600, 2180], None),
            ([5, 1, 2600, 5512], None),
            ([5, 2, 3790, 1829], Some(Era::Before)),
            ([5, 2, 3790, 1830], None),
            ([5, 2, 3790, 3959], None),
            ([6, 0, 6000, 16386], Some(Era::Vista)),
            ([6, 0, 6001, 65535], Some(Era::Vista)),
            ([6, 0, 6002, 0], Some(Era::After)),
            ([6, 1, 0, 0], Some(Era::After)),
            ([10, 0, 0, 0], Some(Era::After)),
        ] {
            assert_eq!(Era::of(FileVersion(version)), era, "{version:?}");
        }
    }
}
