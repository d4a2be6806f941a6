//! docs/interface.md compared with `driver/protocol`.

use tcplimit_protocol::{Reason, Status, legacy};

use crate::document::table::Page;

fn page() -> Page {
    Page::read("interface.md")
}

#[test]
fn every_documented_reason_number_exists() {
    let rows = page().table("Reasons", &["number", "detail[0]", "detail[1]"]);
    let numbers: Vec<u32> = rows
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
fn documented_errors_match_the_driver() {
    let rows = page().table("Errors", &["status", "error", "when"]);
    let statuses: Vec<String> = rows.iter().map(|row| row[0].clone()).collect();
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
fn the_page_describes_the_interface_of_2005() {
    let heading = "The interface of 2005";
    let columns = [
        "code",
        "name",
        "function",
        "access",
        "bytes in",
        "bytes out",
    ];
    let rows = page().table(heading, &columns);
    let codes: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let expected = [legacy::GET, legacy::SET].map(|code| format!("{code:08X}"));
    assert_eq!(codes, expected);
    let functions: Vec<&str> = rows.iter().map(|row| row[2].as_str()).collect();
    let expected = [legacy::GET, legacy::SET].map(|code| format!("{:X}", code >> 2 & 0xFFF));
    assert_eq!(functions, expected);

    let least = format!("{} or more", size_of::<legacy::Record>());
    assert_eq!(page().table(heading, &columns)[1][4], least);
}
