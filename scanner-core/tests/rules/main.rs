//! The rules of the locator, each in a file named after it, with cases just inside
//! and just outside the rule. For each piece of evidence, a driver that lacks only
//! this piece is refused by its name; with the piece made always true,
//! `cargo xtask broken` sees a test of the file fail.

use std::fs;
use std::path::Path;

use scanner_core::Evidence;

mod edit;
mod nearby_calls;
mod search;

mod adjacent;
mod anchored_base;
mod atomic_counter;
mod event_id;
mod gate_reads_only;
mod local_functions;
mod local_imports;
mod no_atomic_on_threshold;
mod no_event_id;
mod no_live_writer;
mod queue_test;
mod relocated;
mod same_data_section;
mod two_gates;

mod candidates;
mod evidence;
mod file_facts;
mod gate;
mod headers;
mod policy;
mod section;
mod steps;
mod workspace;

#[test]
fn each_piece_of_evidence_has_a_file_of_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut files = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        files += usize::from(text.starts_with("//! Evidence: "));
    }
    assert_eq!(files, Evidence::ALL.len());
    for evidence in Evidence::ALL {
        let mut name = String::new();
        for letter in evidence.name().chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        let text = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        assert!(text.starts_with("//! Evidence: "), "{name}");
    }
}
