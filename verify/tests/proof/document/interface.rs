//! docs/interface.md against `driver/protocol`.

use tcplimit_protocol::{Reason, Status, legacy};

use crate::document::table::Page;

fn page() -> Page {
    Page::read("interface.md")
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

    let least = format!("{} or more", size_of::<legacy::Record>());
    assert_eq!(page().table(heading, &columns)[1][4], least);
}
