//! The version of Windows, and whether it is supported.

use alloc::format;
use alloc::string::String;

use crate::failure::Failure;
use crate::os::{Os, Version};
use crate::verb::Needs;

/// Refuses verbs that can't work on this system.
pub(crate) fn check(os: &dyn Os, needs: Needs) -> Result<(), Failure> {
    if needs == Needs::Nothing {
        return Ok(());
    }
    if os.is_wow64() {
        return Err(Failure::refused(
            phrase!("This tcplimit is for 32-bit Windows, but this Windows is 64-bit."),
            text!(
                "Use the other zip: tcplimit-{version}-winxp-x64.zip",
                version = env!("CARGO_PKG_VERSION")
            ),
        ));
    }
    if needs == Needs::Native {
        return Ok(());
    }
    let version = os.version();
    match unsupported_advice(version) {
        None => Ok(()),
        Some(advice) => Err(Failure::refused(
            text!(
                "{system} has no limit that tcplimit can raise.",
                system = name(version)
            ),
            advice,
        )),
    }
}

/// The advice for systems without the limit. It exists in XP SP2 and later, Server 2003 SP1 and
/// later, and XP x64, which is built from the latter.
fn unsupported_advice(version: Version) -> Option<&'static str> {
    let Version {
        major,
        minor,
        service_pack,
        ..
    } = version;
    match (major, minor, service_pack) {
        (5, 1, 2..) | (5, 2, 1..) => None,
        (0..=5, _, _) => Some(phrase!(
            "The limit came with XP SP2 and Server 2003 SP1. There is nothing to do."
        )),
        (6, 0, 0..=1) => Some(phrase!(
            "Vista before SP2 limits half-open connections in another way, which is not \
             supported. Install Service Pack 2: it removes the limit."
        )),
        _ => Some(phrase!(
            "The limit ended with Vista SP2. There is nothing to do."
        )),
    }
}

/// The name of a Windows version.
pub(crate) fn name(version: Version) -> String {
    let Version {
        major,
        minor,
        build,
        service_pack,
    } = version;
    match service_pack {
        0 => format!("Windows {major}.{minor}.{build}"),
        _ => format!("Windows {major}.{minor}.{build} SP{service_pack}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_systems_with_the_limit_are_accepted() {
        for (major, minor, service_pack, has) in [
            (5, 0, 4, false),
            (5, 1, 1, false),
            (5, 1, 2, true),
            (5, 1, 3, true),
            (5, 2, 0, false),
            (5, 2, 1, true),
            (5, 2, 2, true),
            (6, 0, 0, false),
            (6, 0, 1, false),
            (6, 0, 2, false),
            (6, 1, 0, false),
            (10, 0, 0, false),
        ] {
            let version = Version {
                major,
                minor,
                build: 0,
                service_pack,
            };
            assert_eq!(unsupported_advice(version).is_none(), has, "{version:?}");
        }
    }

    #[test]
    fn each_unsupported_system_has_its_own_advice() {
        let of = |major, minor, service_pack| {
            unsupported_advice(Version {
                major,
                minor,
                build: 0,
                service_pack,
            })
            .unwrap_or_default()
        };
        assert!(of(5, 1, 1).contains("came with XP SP2"));
        assert!(of(6, 0, 1).contains("not supported"));
        assert!(of(6, 0, 2).contains("ended with Vista SP2"));
        assert!(of(6, 1, 1).contains("ended with Vista SP2"));
    }
}
