//! The write policy, exhaustively over a reduced domain: each check says no
//! where it must, and a permit says just what was asked.

use scanner_core::policy::{self, PageFacts, Refusal, WriteRequest};
use scanner_core::{Image, Located, SectionFlags, locate};
use verify::memory;
use verify::property;
use verify::specimen::Spec;

fn with_located(check: impl Fn(&Located)) {
    for (_, spec) in Spec::kinds() {
        let loaded = spec.build().load(property::bases(spec.arch)[0]);
        let sections = memory::sections(&loaded);
        let code = memory::live_code(&loaded.headers, &sections).unwrap();
        let image = Image::from_memory(&loaded.headers, loaded.base, loaded.size, &code).unwrap();
        check(&locate(&image, property::module(spec.module)).unwrap());
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

#[test]
fn every_request_of_a_reduced_domain_is_decided_by_the_rules() {
    let values = [
        0,
        1,
        9,
        10,
        11,
        0x00FF_FFFE,
        0x00FF_FFFF,
        0x0100_0000,
        u32::MAX,
    ];
    // Execute, read, write, not paged, discardable.
    let rights = [
        0x2000_0000_u32,
        0x4000_0000,
        0x8000_0000,
        0x0800_0000,
        0x0200_0000,
    ];
    with_located(|located| {
        let (mut permitted, mut refused) = (0, 0);
        for set in 0..1_u32 << rights.len() {
            let chosen = (0..rights.len()).filter(|bit| set >> bit & 1 == 1);
            let flags = 0x40 | chosen.fold(0, |flags, bit| flags | rights[bit]);
            for valid in [true, false] {
                for writable in [Some(true), Some(false), None] {
                    for current in values {
                        for expected in values {
                            for limit in values {
                                let request = WriteRequest {
                                    section: SectionFlags(flags),
                                    page: PageFacts { valid, writable },
                                    current,
                                    expected,
                                    limit,
                                };
                                let may = flags == 0xC800_0040
                                    && valid
                                    && writable == Some(true)
                                    && current == expected
                                    && (1..=16_777_215).contains(&current)
                                    && (1..=16_777_215).contains(&limit);
                                let decision = policy::permit(located, &request);
                                assert_eq!(decision.is_ok(), may, "{request:?}: {decision:?}");
                                if may { permitted += 1 } else { refused += 1 }
                            }
                        }
                    }
                }
            }
        }
        assert_eq!((permitted, refused), (6 * 6, 32 * 6 * 9 * 9 * 9 - 6 * 6));
    });
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
            (request.current, request.expected) = (current, current);
            let refusal = policy::permit(located, &request).unwrap_err();
            assert_eq!(refusal, Refusal::ImplausibleValue(current));
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
fn what_was_located_in_a_file_is_never_written() {
    for (_, spec) in Spec::kinds() {
        let specimen = spec.build();
        let image = Image::from_file(&specimen.file).unwrap();
        let located = locate(&image, property::module(spec.module)).unwrap();
        let decision = policy::permit(&located, &good(&located));
        assert_eq!(decision.unwrap_err(), Refusal::NotInMemory);
    }
}
