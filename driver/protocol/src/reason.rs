//! Reasons of refusals, each with the remedy.

/// Defines [`Reason`]: number, name, content of `detail`, and text.
macro_rules! reasons {
    ($( $number:literal $name:ident $detail:literal $text:literal )*) => {
        /// Why a request was refused. Numbers never change; a driver of another
        /// version may know more of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $( #[doc = concat!($text, $detail)] $name, )*
        }

        impl Reason {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Reason] = &[ $( Reason::$name, )* ];

            /// Its number in a record.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self { $( Reason::$name => $number, )* }
            }

            /// The reason with this number.
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Reason> {
                match code { $( $number => Some(Reason::$name), )* _ => None }
            }

            /// A sentence or two for people, ASCII.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $( Reason::$name => $text, )* }
            }
        }
    };
}

reasons! {
    0 Done "" "Done."

    1 NotLoaded "" "The TCP/IP driver is not loaded. For tcpip6.sys that is normal where IPv6 is not installed."
    2 Unusable " The status is in `detail`." "Windows does not say where the TCP/IP driver lies in memory. Restart Windows and try again."
    3 ListUnavailable " The status is in `detail`." "The system's list of modules can't be read; memory may be short. Try again later."
    4 ListDiffers "" "The system's list of modules contradicts the driver object, or does not have the TCP/IP driver. Other software may have replaced or hidden it; remove that software first."

    10 HeadersUnreadable "" "The TCP/IP driver's headers are not in memory. Nothing can be located; please report it with your build."
    11 NotAnImage "" "The TCP/IP driver's headers are not those of a driver. Other software may have erased them."
    12 WrongMachine "" "The TCP/IP driver is for another processor than this system. Please report it with your build."
    13 Inconsistent " The number of the section, if one, is in `detail`." "The TCP/IP driver's headers contradict each other or the system. Other software may have changed them."
    14 TooManySections "" "The TCP/IP driver has more code sections than any known build. Please report it with your build."
    15 CodeUnreadable " The number of the section is in `detail`." "A page of the TCP/IP driver's code or of its exception table is not in memory though it should be. Please report it with your build."

    20 NoGate "" "No code compares the connections with a limit. This build has no limiter or an unknown one; please report it."
    21 EvidenceMissing " The bits are in `detail`." "The evidence for the limit's place is incomplete. This build is unknown, or its code was changed; please report it."
    22 Ambiguous " The two RVAs are in `detail`." "Two places could be the limit. This build is unknown; please report it."
    23 TooManyCandidates "" "Too many places could be the limit. This build is unknown; please report it."
    24 Changed "" "The TCP/IP driver has changed since its limit was first located. Remove the software that changes it, and restart Windows."

    30 LimitOutOfRange " The limit is in `detail`." "A limit must be from 1 to 16777215. Ask for one in that range."
    31 SectionRights "" "The limit's section is not writable data that stays in memory. Please report it with your build."
    32 PageInvalid "" "The limit's page is not in memory. Please report it with your build."
    33 PageReadOnly "" "The limit's page is read-only. Other software may have protected it."
    34 PageUnknown "" "This system does not show whether the limit's page is writable, so nothing was written."
    35 ImplausibleValue " The value is in `detail`." "The variable holds an impossible value. The TCP/IP driver is not running yet, or its memory is damaged; restart Windows."
    36 UnexpectedValue " Current and expected value are in `detail`." "The limit is neither 10 nor what tcplimit wrote: other software changed it. To replace it, name its current value as expected."
    37 ChangedMeanwhile " The value found is in `detail`." "Other software changed the limit at the same moment, so nothing was written. Try again."
    38 Overwritten " The value found is in `detail`." "The limit was written, but other software changed it at once. Remove that software."
    39 NotPermitted "" "The permit is not for this TCP/IP driver or this place; nothing was written. Please report it."
    40 NotAsNamed " Current and named value are in `detail`." "The limit is not the named value. Read it again, and name its current value."

    50 SettingUnreadable "" "The value in the service key is not a number (REG_DWORD) or can't be read. Set it again."
    51 GuardFailed "" "The mark that guards the start can't be read or written, so the stored limit was not applied. Set the limit by hand."
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_and_reasons_stand_for_each_other() {
        for &reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(Reason::from_code(5), None);
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.code()));
    }

    #[test]
    fn every_reason_is_a_different_sentence_of_plain_ascii() {
        let mut texts = HashSet::new();
        for reason in Reason::ALL {
            let text = reason.text();
            assert!(text.is_ascii() && text.ends_with('.'), "{text}");
            // In a message it would read as an insert.
            assert!(!text.contains('%'), "{text}");
            assert!(texts.insert(text), "{text}");
        }
    }
}
