//! The write policy, exhaustively over a reduced domain: each check refuses where
//! it must, and a permit has exactly the requested values.

use scanner_core::policy::{self, PageFacts, Refusal, WriteRequest};
use scanner_core::{Image, Layout, Located, SectionFlags, locate};
use specimen::Spec;

use crate::search::{module, with_image};

fn with_located(check: impl Fn(&Located)) {
    for (_, spec) in Spec::presets() {
        let loaded = spec.build().load(spec.arch.bases()[0]);
        with_image(&loaded, |image| {
            check(&locate(image, module(&spec)).unwrap());
        });
    }
}

fn good(located: &Located) -> WriteRequest {
    WriteRequest {
        section: located.section_flags(),
        page: PageFacts {
            valid: true,
            writable: Some(true),
        },
        current: 10,
        expected: 10,
        limit: 100,
    }
}

#[test]
fn a_permit_names_the_place_the_value_found_and_the_new_limit() {
    with_located(|located| {
        let permit = policy::permit(located, &good(located)).unwrap();
        assert_eq!(permit.base(), located.base());
        assert_eq!(permit.threshold(), located.threshold());
        let address = located.base() + u64::from(located.threshold().0);
        assert_eq!(permit.address(), address);
        assert_eq!((permit.current(), permit.limit()), (10, 100));
    });
}

/// The rule, implemented independently: all objections to a request, by page
/// tables, section table and limits.
fn objections(located: &Located, request: &WriteRequest) -> Vec<Refusal> {
    let (execute, read, write) = (0x2000_0000, 0x4000_0000, 0x8000_0000);
    let (not_paged, discardable) = (0x0800_0000, 0x0200_0000);
    let flags = request.section.0;
    let rights = flags & (execute | read | write | not_paged | discardable);
    let is_limit = |value: u32| value > 0 && value >> 24 == 0;
    let (current, expected, limit) = (request.current, request.expected, request.limit);
    let page = request.page;
    [
        (!is_limit(limit), Refusal::LimitOutOfRange(limit)),
        (located.layout() == Layout::File, Refusal::NotInMemory),
        (rights != read | write | not_paged, Refusal::SectionRights),
        (flags != located.section_flags().0, Refusal::SectionChanged),
        (!page.valid, Refusal::PageInvalid),
        (page.writable == Some(false), Refusal::PageReadOnly),
        (page.writable.is_none(), Refusal::PageUnknown),
        (!is_limit(current), Refusal::ImplausibleValue(current)),
        (
            current != expected,
            Refusal::UnexpectedValue { current, expected },
        ),
    ]
    .into_iter()
    .filter_map(|(objected, refusal)| objected.then_some(refusal))
    .collect()
}

#[test]
fn a_refusal_gives_the_values() {
    let (current, expected) = (50, 10);
    for (refusal, words) in [
        (
            Refusal::LimitOutOfRange(0),
            "limit 0 is not from 1 to 16777215",
        ),
        (Refusal::ImplausibleValue(77), "impossible value 77"),
        (
            Refusal::UnexpectedValue { current, expected },
            "is 50, not 10",
        ),
    ] {
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}

#[test]
fn every_request_of_a_reduced_domain_is_decided_by_the_rules() {
    with_located(|located| assert_eq!(decided_by_the_rules(located), 3 * 3));
}

#[test]
fn no_request_about_a_file_is_permitted() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.build();
        let image = Image::from_file(&specimen.file).unwrap();
        let located = locate(&image, module(&spec)).unwrap();
        assert_eq!(decided_by_the_rules(&located), 0);
    }
}

/// Compares all decisions over the reduced domain with the rule; the number of
/// permits. Three of the six values are limits, and any may replace any.
fn decided_by_the_rules(located: &Located) -> u32 {
    let values = [0, 1, 10, 0x00FF_FFFF, 0x0100_0000, u32::MAX];
    // Execute, read, write, not paged, discardable, and a flag that is no right
    // (IMAGE_SCN_CNT_CODE).
    let bits = [
        0x2000_0000_u32,
        0x4000_0000,
        0x8000_0000,
        0x0800_0000,
        0x0200_0000,
        0x0000_0020,
    ];
    let mut permitted = 0;
    for set in 0..1_u32 << bits.len() {
        let chosen = (0..bits.len()).filter(|bit| set >> bit & 1 == 1);
        let flags = 0x40 | chosen.fold(0, |flags, bit| flags | bits[bit]);
        for (valid, writable) in [
            (true, Some(true)),
            (true, Some(false)),
            (true, None),
            (false, Some(true)),
            (false, Some(false)),
            (false, None),
        ] {
            for (current, expected, limit) in triples(values) {
                let request = WriteRequest {
                    section: SectionFlags(flags),
                    page: PageFacts { valid, writable },
                    current,
                    expected,
                    limit,
                };
                permitted += u32::from(is_decided_by_the_rules(located, &request));
            }
        }
    }
    permitted
}

fn triples(values: [u32; 6]) -> impl Iterator<Item = (u32, u32, u32)> {
    let pairs = values
        .into_iter()
        .flat_map(move |first| values.map(|second| (first, second)));
    pairs.flat_map(move |(first, second)| values.map(|third| (first, second, third)))
}

fn is_decided_by_the_rules(located: &Located, request: &WriteRequest) -> bool {
    let objections = objections(located, request);
    match policy::permit(located, request) {
        Ok(permit) => {
            assert!(objections.is_empty(), "{request:?}: {objections:?}");
            assert_eq!(permit.base(), located.base());
            assert_eq!(permit.threshold(), located.threshold());
            assert_eq!(
                (permit.current(), permit.limit()),
                (request.current, request.limit)
            );
            true
        }
        Err(refusal) => {
            // The refusal is the first objection.
            assert_eq!(Some(&refusal), objections.first(), "{request:?}");
            false
        }
    }
}

#[test]
fn each_refusal_names_its_reason() {
    with_located(|located| {
        let refusal = |change: fn(&mut WriteRequest)| {
            let mut request = good(located);
            change(&mut request);
            policy::permit(located, &request).unwrap_err()
        };
        for limit in [0, 16_777_216, u32::MAX] {
            let mut request = good(located);
            request.limit = limit;
            let refusal = policy::permit(located, &request).unwrap_err();
            assert_eq!(refusal, Refusal::LimitOutOfRange(limit));
        }
        for current in [0, 16_777_216, 0x8056_7000] {
            let mut request = good(located);
            for expected in [current, 10] {
                (request.current, request.expected) = (current, expected);
                let refusal = policy::permit(located, &request).unwrap_err();
                assert_eq!(refusal, Refusal::ImplausibleValue(current));
            }
        }
        assert_eq!(refusal(|r| r.page.valid = false), Refusal::PageInvalid);
        assert_eq!(
            refusal(|r| r.page.writable = Some(false)),
            Refusal::PageReadOnly
        );
        assert_eq!(refusal(|r| r.page.writable = None), Refusal::PageUnknown);
        assert_eq!(
            refusal(|r| r.section.0 &= !0x8000_0000),
            Refusal::SectionRights
        );
        assert_eq!(refusal(|r| r.section.0 |= 0x20), Refusal::SectionChanged);
        assert_eq!(
            refusal(|r| r.current = 50),
            Refusal::UnexpectedValue {
                current: 50,
                expected: 10
            }
        );
    });
}

#[test]
fn a_limit_located_in_a_file_is_never_written() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.build();
        let image = Image::from_file(&specimen.file).unwrap();
        let located = locate(&image, module(&spec)).unwrap();
        let decision = policy::permit(&located, &good(&located));
        assert_eq!(decision.unwrap_err(), Refusal::NotInMemory);
    }
}

/// Whether there is nothing to write, implemented independently: a valid limit,
/// already in force, and equal to the named value if any.
#[test]
fn a_limit_is_in_force_if_it_is_there_and_no_other_was_named() {
    let values = [0, 1, 9, 10, 11, 0x00FF_FFFF, 0x0100_0000, u32::MAX];
    for limit in values {
        for current in values {
            for named in [None].into_iter().chain(values.map(Some)) {
                let expected = match named {
                    _ if limit == 0 || limit >> 24 != 0 => Err(Refusal::LimitOutOfRange(limit)),
                    Some(expected) if limit == current && expected != current => {
                        Err(Refusal::UnexpectedValue { current, expected })
                    }
                    _ => Ok(limit == current),
                };
                assert_eq!(policy::is_in_force(current, named, limit), expected);
            }
        }
    }
}
