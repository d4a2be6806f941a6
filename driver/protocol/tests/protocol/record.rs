//! The numbers of the interface, each by its value: another value would be
//! another interface.

use tcplimit_protocol::{
    Answer, Flags, Header, ModuleId, QUERY, Query, RESET, Request, Reset, SET, Set, Start, State,
    Status, VERSION, control_code,
};
use zerocopy::IntoBytes;

#[test]
fn states_and_starts_have_their_numbers_and_come_back_from_them() {
    let states = [State::Absent, State::NotLocated, State::Located];
    for (code, state) in (0..).zip(states) {
        assert_eq!(state.code(), code);
        assert_eq!(State::from_code(code), Some(state));
    }
    assert_eq!(State::from_code(3), None);
    let starts = [
        Start::NotConfigured,
        Start::Applied,
        Start::SafeMode,
        Start::Guarded,
        Start::Refused,
    ];
    for (code, start) in (0..).zip(starts) {
        assert_eq!(start.code(), code);
        assert_eq!(Start::from_code(code), Some(start));
    }
    assert_eq!(Start::from_code(5), None);
}

#[test]
fn flags_are_single_bits() {
    let flags = [
        Flags::ACCEPTS_UNKNOWN_RIGHTS,
        Flags::RESTORES_AT_UNLOAD,
        Flags::UNLISTED,
        Flags::WRITTEN_BY_EARLIER_LOAD,
    ];
    assert_eq!(flags, [1, 2, 4, 8]);
}

#[test]
fn control_codes_are_composed_as_ctl_code_does() {
    assert_eq!([QUERY, SET, RESET], [0x0022_6400, 0x0022_E404, 0x0022_E408]);
    // A field too wide for its place overlaps the next, as in C.
    assert_eq!(control_code(0x1000, 1), 0x0022_4000);
    assert_eq!(control_code(0x900, 8), 0x0022_2400);
}

#[test]
fn a_status_is_a_success_up_to_the_first_warning() {
    for (status, success) in [
        (0, true),
        (0x103, true),
        (0x7FFF_FFFF, true),
        (0x8000_0000, false),
        (0x8000_0005, false),
        (0xC000_0001, false),
    ] {
        assert_eq!(Status(status).is_success(), success, "{status:X}");
        let expected = if success { Ok(()) } else { Err(Status(status)) };
        assert_eq!(Status(status).ok(), expected);
    }
}

fn read<T: Request + std::fmt::Debug>(size: usize, version: u32) -> Result<(), Status> {
    let mut bytes = vec![0; size];
    let header = [u32::try_from(size_of::<T>()).unwrap(), version];
    for (place, field) in bytes.chunks_mut(4).zip(header) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    let request = T::read(&bytes)?;
    assert_eq!(request.header(), Header::for_record::<T>());
    assert_eq!(request.as_bytes(), bytes);
    Ok(())
}

fn has_one_length_and_version<T: Request + std::fmt::Debug>(size: usize) {
    assert_eq!(size_of::<T>(), size);
    assert_eq!(read::<T>(size, VERSION), Ok(()));
    assert_eq!(
        read::<T>(size + 4, VERSION),
        Err(Status::INFO_LENGTH_MISMATCH)
    );
    assert_eq!(
        read::<T>(size - 4, VERSION),
        Err(Status::INFO_LENGTH_MISMATCH)
    );
    for version in [0, VERSION + 1] {
        assert_eq!(read::<T>(size, version), Err(Status::REVISION_MISMATCH));
        assert_eq!(read::<T>(size + 4, version), Err(Status::REVISION_MISMATCH));
    }
}

#[test]
fn each_request_has_one_length_and_one_version() {
    has_one_length_and_version::<Query>(12);
    has_one_length_and_version::<Set>(20);
    has_one_length_and_version::<Reset>(16);
    // The header must match the record as well.
    let set = Set {
        header: Header::for_record::<Query>(),
        module: ModuleId::TCPIP,
        limit: 100.into(),
        expected: 0.into(),
    };
    assert_eq!(
        Set::read(set.as_bytes()).map(|_| ()),
        Err(Status::INFO_LENGTH_MISMATCH)
    );
    let header = Header::for_record::<Answer>();
    assert_eq!(header.version.get(), 1);
    assert_eq!(header.size.get() as usize, size_of::<Answer>());
}
