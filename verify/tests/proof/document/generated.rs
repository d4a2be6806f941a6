//! Generated tables of the pages, each below a comment that names it. `cargo
//! xtask docs` writes them; this test compares them with the source.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use scanner_core::{Arch, Evidence, EvidenceSet, Layout, Module};
use tcplimit_protocol::{
    Answer, Flags, Header, QUERY, Query, RESET, Reason, Reset, SET, Set, Start, State, legacy,
};

use crate::document::documented::{Documented, constants, fields, variants};

/// The environment variable that makes the test write the tables.
const WRITE: &str = "TCPLIMIT_WRITE_TABLES";

/// A table: its page, its name in the page, and its lines.
type Table = (&'static str, &'static str, fn() -> Vec<String>);

const TABLES: [Table; 13] = [
    ("docs/interface.md", "codes", codes),
    ("docs/interface.md", "query", || record::<Query>("Query")),
    ("docs/interface.md", "set", || record::<Set>("Set")),
    ("docs/interface.md", "reset", || record::<Reset>("Reset")),
    ("docs/interface.md", "answer", || record::<Answer>("Answer")),
    ("docs/interface.md", "states", states),
    ("docs/interface.md", "start", starts),
    ("docs/interface.md", "flags", flags),
    ("docs/interface.md", "record of 2005", record_of_2005),
    ("docs/interface.md", "evidence bits", evidence_bits),
    ("docs/interface.md", "reasons", reasons),
    ("docs/locator.md", "evidence", evidence),
    ("CONTRIBUTING.md", "evidence", evidence_in_source),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A table of a heading row, a delimiter row and the rows.
fn table<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<String> {
    let row = |cells: [String; N]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![row(heading.map(String::from)), "|---".repeat(N) + "|"];
    lines.extend(rows.into_iter().map(row));
    lines
}

fn codes() -> Vec<String> {
    let row = |code: u32, name: &str, record: &str, length: usize| {
        let access = ["", "read", "", "read, write"][(code >> 14 & 3) as usize];
        [
            format!("{code:08X}"),
            name.into(),
            format!("{:X}", code >> 2 & 0xFFF),
            access.into(),
            record.into(),
            length.to_string(),
            size_of::<Answer>().to_string(),
        ]
    };
    table(
        [
            "code",
            "name",
            "function",
            "access",
            "record",
            "bytes in",
            "bytes out",
        ],
        [
            row(QUERY, "query", "Query", size_of::<Query>()),
            row(SET, "set", "Set", size_of::<Set>()),
            row(RESET, "reset", "Reset", size_of::<Reset>()),
        ],
    )
}

const ANSWER: &str = include_str!("../../../../driver/protocol/src/answer.rs");
const REQUEST: &str = include_str!("../../../../driver/protocol/src/request.rs");
const LEGACY: &str = include_str!("../../../../driver/protocol/src/legacy.rs");

/// A record that begins with its size and version. All fields have 32 bits
/// without gaps, so the size proves the offsets.
fn record<T>(name: &str) -> Vec<String> {
    let header = Header::for_record::<T>();
    let value = |name: &str, value: u32| Documented {
        name: name.into(),
        of: "U32".into(),
        text: value.to_string(),
    };
    let mut flat = vec![
        value("size", header.size.get()),
        value("version", header.version.get()),
    ];
    let source = [REQUEST, ANSWER].concat();
    for field in fields(&source, name).into_iter().skip(1) {
        match field.of.as_str() {
            "Identity" => flat.extend(fields(&source, "Identity")),
            "[U32; 2]" => flat.extend([0, 1].map(|index| Documented {
                name: format!("{}[{index}]", field.name),
                of: "U32".into(),
                text: field.text.clone(),
            })),
            _ => flat.push(field),
        }
    }
    offsets::<T>(flat)
}

fn record_of_2005() -> Vec<String> {
    let fields = fields(LEGACY, "Record");
    assert_eq!(legacy::LOG_OFFSET, 12);
    assert_eq!(fields[3].name, "log");
    offsets::<legacy::Record>(fields)
}

fn offsets<T>(fields: Vec<Documented>) -> Vec<String> {
    assert_eq!(size_of::<T>(), 4 * fields.len());
    let is_dword = |it: &Documented| ["U32", "ModuleId", "[u8; 4]"].contains(&it.of.as_str());
    assert!(fields.iter().all(is_dword), "{fields:?}");
    let rows = fields.into_iter().enumerate();
    table(
        ["offset", "field", "meaning"],
        rows.map(|(index, it)| [(4 * index).to_string(), it.name, it.text]),
    )
}

fn states() -> Vec<String> {
    let name = |code| State::from_code(code).map(|it| format!("{it:?}"));
    numbers("state", variants(ANSWER, "State"), name)
}

fn starts() -> Vec<String> {
    let name = |code| Start::from_code(code).map(|it| format!("{it:?}"));
    numbers("start", variants(ANSWER, "Start"), name)
}

/// Variants by number, from 0 on.
fn numbers(
    column: &str,
    variants: Vec<Documented>,
    name: impl Fn(u32) -> Option<String>,
) -> Vec<String> {
    let names: Vec<String> = (0..).map_while(name).collect();
    let declared: Vec<&String> = variants.iter().map(|it| &it.name).collect();
    assert_eq!(names.iter().collect::<Vec<_>>(), declared);
    let rows = variants.into_iter().enumerate();
    table(
        ["number", column, "meaning"],
        rows.map(|(number, it)| [number.to_string(), it.name, it.text]),
    )
}

fn flags() -> Vec<String> {
    let values = [
        ("ACCEPTS_UNKNOWN_RIGHTS", Flags::ACCEPTS_UNKNOWN_RIGHTS),
        ("RESTORES_AT_UNLOAD", Flags::RESTORES_AT_UNLOAD),
        ("UNLISTED", Flags::UNLISTED),
        ("WRITTEN_BY_EARLIER_LOAD", Flags::WRITTEN_BY_EARLIER_LOAD),
    ];
    let flags = constants(ANSWER, "Flags");
    let names: Vec<&str> = flags.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, values.map(|(name, _)| name));
    let rows = flags.into_iter().zip(values);
    table(
        ["bit", "flag", "meaning"],
        rows.map(|(it, (_, value))| [value.trailing_zeros().to_string(), it.name, it.text]),
    )
}

fn evidence_bits() -> Vec<String> {
    let bit = |piece| EvidenceSet::EMPTY.with(piece).bits().trailing_zeros();
    table(
        ["bit", "evidence"],
        Evidence::ALL.map(|piece| [bit(piece).to_string(), piece.name().into()]),
    )
}

fn reasons() -> Vec<String> {
    let row = |reason: &Reason| [reason.code().to_string(), reason.text().into()];
    table(["number", "text"], Reason::ALL.iter().map(row))
}

/// The number of files, of 2,607 others for x86 and 1,365 for x64, with a pair
/// that passes one piece of evidence alone; `None` if not counted.
fn measured(piece: Evidence) -> Option<(u32, u32)> {
    match piece {
        Evidence::TwoGates => Some((9, 2)),
        Evidence::Adjacent => Some((69, 9)),
        Evidence::AtomicCounter => Some((10, 3)),
        Evidence::QueueTest => Some((9, 3)),
        Evidence::EventId => Some((0, 0)),
        _ => None,
    }
}

/// The images for which a piece of evidence is required.
fn required(piece: Evidence) -> &'static str {
    type Image = (Module, Arch, Layout);
    type IsOne = fn(Image) -> bool;
    let labels: [(&str, IsOne); 5] = [
        ("all", |_| true),
        ("tcpip.sys", |(module, ..)| module == Module::Tcpip),
        ("tcpip6.sys", |(module, ..)| module == Module::Tcpip6),
        ("x64", |(_, arch, _)| arch == Arch::X64),
        ("files for x86", |(_, arch, layout)| {
            (arch, layout) == (Arch::X86, Layout::File)
        }),
    ];
    let images = Module::ALL.into_iter().flat_map(|module| {
        [Arch::X86, Arch::X64].into_iter().flat_map(move |arch| {
            [Layout::File, Layout::Memory].map(|layout| (module, arch, layout))
        })
    });
    let fits = |holds: &IsOne| {
        let mut images = images.clone();
        images.all(|image| piece.required_for(image.0, image.1, image.2) == holds(image))
    };
    let label = labels.iter().find(|(_, holds)| fits(holds));
    label.expect("a label for these images").0
}

fn evidence() -> Vec<String> {
    table(
        ["name", "images", "what must hold", "x86", "x64"],
        Evidence::ALL.map(|piece| {
            let (x86, x64) = measured(piece).unzip();
            let count = |count: Option<u32>| count.map_or(String::new(), |count| count.to_string());
            let name = format!("`{}`", piece.name());
            let (images, rule) = (required(piece), piece.rule());
            [name, images.into(), rule.into(), count(x86), count(x64)]
        }),
    )
}

/// The file of scanner-core that checks a piece of evidence.
fn source(piece: Evidence) -> &'static str {
    match piece {
        Evidence::TwoGates | Evidence::Adjacent | Evidence::SameDataSection => "candidate",
        Evidence::AnchoredBase => "base_check",
        Evidence::EventId | Evidence::NoEventId => "gate_scan",
        Evidence::LocalImports | Evidence::LocalFunctions => "nearby_calls",
        Evidence::Relocated => "relocation",
        _ => "references",
    }
}

/// `TwoGates` as `two_gates`.
fn snake_case(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn evidence_in_source() -> Vec<String> {
    table(
        ["evidence", "code", "test", "mutant"],
        Evidence::ALL.map(|piece| {
            let code = format!("scanner-core/src/{}.rs", source(piece));
            let test = format!("scanner-core/tests/rules/{}.rs", snake_case(piece.name()));
            for path in [&code, &test] {
                assert!(root().join(path).is_file(), "{path}");
            }
            let link = |path: String| format!("[{path}]({path})");
            let mutant = format!("\"{} always holds\"", piece.name());
            [
                format!("`{}`", piece.name()),
                link(code),
                link(test),
                mutant,
            ]
        }),
    )
}

/// Replaces the table of this name in a page: the lines from the second one
/// below its comment up to the next empty line.
fn with_table(page: &str, name: &str, table: &[String]) -> String {
    let comment = format!("<!-- table, generated: {name} -->");
    let mut lines = page.lines();
    let mut written = Vec::new();
    for line in lines.by_ref() {
        written.push(line);
        if line == comment {
            break;
        }
    }
    assert_eq!(written.last(), Some(&comment.as_str()), "no {comment}");
    assert_eq!(lines.next(), Some(""), "an empty line below {comment}");
    written.push("");
    written.extend(table.iter().map(String::as_str));
    let rest = lines.skip_while(|line| !line.is_empty());
    written.extend(rest);
    written.join("\n") + "\n"
}

#[test]
fn generated_tables_are_up_to_date() {
    for (path, name, lines) in TABLES {
        let place = root().join(path);
        let page = fs::read_to_string(&place).expect("the page is there");
        let generated = with_table(&page, name, &lines());
        if env::var_os(WRITE).is_some() {
            fs::write(place, generated).expect("the page can be written");
        } else {
            assert!(page == generated, "{path}, {name}: run `cargo xtask docs`");
        }
    }
}

#[test]
fn a_table_is_replaced_and_nothing_else() {
    let page = "a\n<!-- table, generated: x -->\n\n| 1 |\n|---|\n| 2 |\n\nb\n";
    let new = with_table(page, "x", &table(["3"], [["4".into()]]));
    let expected = "a\n<!-- table, generated: x -->\n\n| 3 |\n|---|\n| 4 |\n\nb\n";
    assert_eq!(new, expected);
    assert_eq!(with_table(&new, "x", &table(["3"], [["4".into()]])), new);
}
