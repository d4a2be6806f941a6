//! docs/interface.md against `driver/protocol`.

use std::mem::offset_of;

use tcplimit_protocol::{
    Answer, Flags, Header, Query, Reason, Reset, Set, Start, State, Status, legacy,
};

use crate::document::table::{Page, Row};

fn page() -> Page {
    Page::read("interface.md")
}

/// A row's first two cells.
fn pair(row: &Row) -> (String, String) {
    (row[0].clone(), row[1].clone())
}

/// The rows of a record's table: where each field is. The first two are those of
/// the header, whose values the page gives, too.
fn record<T>(heading: &str, fields: &[(usize, &str)]) {
    let rows = page().table(heading, &["offset", "field", "meaning"]);
    let header = Header::of::<T>();
    assert_eq!(rows[0][2], header.size.to_string(), "{heading}");
    assert_eq!(rows[1][2], header.version.to_string(), "{heading}");
    let header = [
        (offset_of!(Header, size), "size"),
        (offset_of!(Header, version), "version"),
    ];
    let fields: Vec<(String, String)> = header
        .iter()
        .chain(fields)
        .map(|(offset, name)| (offset.to_string(), (*name).to_string()))
        .collect();
    assert_eq!(
        rows.iter().map(pair).collect::<Vec<_>>(),
        fields,
        "{heading}"
    );
    // Fields of four bytes, one behind the other, and nothing behind the last.
    assert_eq!(size_of::<T>(), 4 * rows.len(), "{heading}");
}

/// The offset of a field, with the field's name.
macro_rules! field {
    ($record:ty, $name:ident) => {
        (offset_of!($record, $name), stringify!($name))
    };
}

#[test]
fn a_query_is_as_told() {
    assert_eq!(offset_of!(Query, header), 0);
    record::<Query>("Query", &[field!(Query, module)]);
}

#[test]
fn a_set_is_as_told() {
    assert_eq!(offset_of!(Set, header), 0);
    let fields = [
        field!(Set, module),
        field!(Set, limit),
        field!(Set, expected),
    ];
    record::<Set>("Set", &fields);
}

#[test]
fn a_reset_is_as_told() {
    assert_eq!(offset_of!(Reset, header), 0);
    let fields = [field!(Reset, module), field!(Reset, expected)];
    record::<Reset>("Reset", &fields);
}

#[test]
fn an_answer_is_as_told() {
    use tcplimit_protocol::Identity;

    assert_eq!(offset_of!(Answer, header), 0);
    let detail = offset_of!(Answer, detail);
    let identity = offset_of!(Answer, identity);
    let of_identity = |(offset, name)| (identity + offset, name);
    let fields = [
        field!(Answer, driver),
        field!(Answer, module),
        field!(Answer, state),
        field!(Answer, reason),
        (detail, "detail[0]"),
        (detail + 4, "detail[1]"),
        field!(Answer, limit),
        field!(Answer, half_open),
        field!(Answer, queued),
        field!(Answer, peak),
        field!(Answer, written),
        field!(Answer, original),
        field!(Answer, limit_rva),
        field!(Answer, half_open_rva),
        field!(Answer, queued_rva),
        of_identity(field!(Identity, time_date_stamp)),
        of_identity(field!(Identity, checksum)),
        of_identity(field!(Identity, size_of_image)),
        field!(Answer, evidence),
        field!(Answer, missing),
        field!(Answer, configured),
        field!(Answer, start),
        field!(Answer, start_reason),
        field!(Answer, flags),
    ];
    record::<Answer>("Answer", &fields);
}

#[test]
fn numbers_come_with_reasons_that_there_are() {
    let told = page().table("Reasons", &["number", "detail[0]", "detail[1]"]);
    let numbers: Vec<u32> = told
        .iter()
        .flat_map(|row| row[0].split(", "))
        .map(|number| number.parse().expect("a number"))
        .collect();
    assert!(numbers.is_sorted());
    for number in numbers {
        assert!(Reason::from_code(number).is_some(), "{number}");
    }
}

#[test]
fn states_and_starts_have_the_numbers_that_are_told() {
    for row in page().table("States", &["number", "state", "meaning"]) {
        let state = row[0].parse().ok().and_then(State::from_code);
        assert_eq!(format!("{state:?}"), format!("Some({})", row[1]));
    }
    for row in page().table("Start", &["number", "start", "meaning"]) {
        let start = row[0].parse().ok().and_then(Start::from_code);
        assert_eq!(format!("{start:?}"), format!("Some({})", row[1]));
    }
    let count = |heading, column| page().table(heading, &["number", column, "meaning"]).len();
    let states = (0..).take_while(|&code| State::from_code(code).is_some());
    assert_eq!(count("States", "state"), states.count());
    let starts = (0..).take_while(|&code| Start::from_code(code).is_some());
    assert_eq!(count("Start", "start"), starts.count());
}

#[test]
fn flags_have_the_bits_that_are_told() {
    let told = page().table("Flags", &["bit", "flag", "meaning"]);
    let flags = [
        ("ACCEPTS_UNKNOWN_RIGHTS", Flags::ACCEPTS_UNKNOWN_RIGHTS),
        ("RESTORES_AT_UNLOAD", Flags::RESTORES_AT_UNLOAD),
        ("UNLISTED", Flags::UNLISTED),
        ("WRITTEN_BY_EARLIER_LOAD", Flags::WRITTEN_BY_EARLIER_LOAD),
    ];
    let expected: Vec<(String, String)> = flags
        .iter()
        .map(|(name, flag)| (flag.trailing_zeros().to_string(), (*name).to_string()))
        .collect();
    assert_eq!(told.iter().map(pair).collect::<Vec<_>>(), expected);
}

#[test]
fn errors_are_those_that_the_driver_answers() {
    let told = page().table("Errors", &["status", "error", "when"]);
    let statuses: Vec<String> = told.iter().map(|row| row[0].clone()).collect();
    let expected = [
        Status::INFO_LENGTH_MISMATCH,
        Status::REVISION_MISMATCH,
        Status::INVALID_PARAMETER,
        Status::BUFFER_TOO_SMALL,
        Status::INVALID_DEVICE_REQUEST,
        Status::ACCESS_DENIED,
    ];
    assert_eq!(statuses, expected.map(|status| format!("{:08X}", status.0)));
}

#[test]
fn the_interface_of_2005_is_as_told() {
    let heading = "The interface of 2005";
    let columns = [
        "code",
        "name",
        "function",
        "access",
        "bytes in",
        "bytes out",
    ];
    let told = page().table(heading, &columns);
    let codes: Vec<&str> = told.iter().map(|row| row[0].as_str()).collect();
    let expected = [legacy::GET, legacy::SET].map(|code| format!("{code:08X}"));
    assert_eq!(codes, expected);
    let functions: Vec<&str> = told.iter().map(|row| row[2].as_str()).collect();
    let expected = [legacy::GET, legacy::SET].map(|code| format!("{:X}", code >> 2 & 0xFFF));
    assert_eq!(functions, expected);

    let told = page().table(heading, &["offset", "field", "meaning"]);
    let fields = [
        field!(legacy::Record, limit),
        field!(legacy::Record, half_open),
        field!(legacy::Record, error),
        field!(legacy::Record, log),
    ];
    let expected = fields.map(|(offset, name)| (offset.to_string(), name.to_string()));
    assert_eq!(told.iter().map(pair).collect::<Vec<_>>(), expected);
    assert_eq!(legacy::LOG_OFFSET, fields[3].0);
    let least = format!("{} or more", size_of::<legacy::Record>());
    assert_eq!(page().table(heading, &columns)[1][4], least);
}
