//! Compares the layouts of NT structures in `driver/src/nt/layout.rs` with mingw-w64's
//! headers, with a C compiler. The Rust compiler compares the same table with the
//! driver's structures in every build.

use std::fmt::Write;
use std::fs;

use crate::command::{self, Failure, tail};
use crate::figures::Observations;
use crate::summary::Outcome;
use crate::workspace::Workspace;

const TABLE: &str = "driver/src/nt/layout.rs";

/// The C compilers for x86 and x64. Their ddk headers need a search path.
pub(crate) const COMPILERS: [&str; 2] = ["i686-w64-mingw32-gcc", "x86_64-w64-mingw32-gcc"];
const HEADERS: [&str; 2] = [
    "/usr/i686-w64-mingw32/include/ddk",
    "/usr/x86_64-w64-mingw32/include/ddk",
];

/// A row of the table: the size of a structure, or the offset of a member, in bytes,
/// expected of mingw-w64's headers on x86 and x64.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    kind: &'a str,
    member: Option<&'a str>,
    bytes: [u32; 2],
}

/// Whether mingw-w64 is installed.
pub(crate) fn has_mingw(workspace: &Workspace) -> bool {
    COMPILERS.iter().all(|gcc| workspace.has_program(gcc))
}

/// Compiles the table for both processors; skipped without the compilers.
pub(crate) fn run(
    workspace: &Workspace,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    if !has_mingw(workspace) {
        let why = "no mingw-w64 (gcc-mingw-w64-i686, gcc-mingw-w64-x86-64); cargo xtask setup installs it";
        return Ok(Outcome::Skipped(why.into()));
    }
    let source = fs::read_to_string(workspace.path(TABLE))
        .map_err(|error| Failure(format!("{TABLE}: {error}")))?;
    let rows = table(&source)?;
    let folder = workspace.target("offsets");
    fs::create_dir_all(&folder)?;
    for (processor, (gcc, headers)) in COMPILERS.iter().zip(HEADERS).enumerate() {
        let file = folder.join(format!("{gcc}.c"));
        fs::write(&file, program(&rows, processor))?;
        let mut compile = workspace.command(gcc);
        compile
            .args(["-fsyntax-only", "-isystem", headers])
            .arg(&file);
        let output = command::capture(&mut compile)?;
        if !output.status.success() {
            return Err(Failure(format!(
                "{gcc} disagrees with {TABLE}{}",
                tail(&output.err)
            )));
        }
    }
    let count = rows.len();
    observations.figure("sizes and offsets", count);
    Ok(Outcome::Passed(format!(
        "{count} sizes and offsets, x86 and x64"
    )))
}

/// The rows of the macro invocation.
fn table(source: &str) -> Result<Vec<Row<'_>>, Failure> {
    let (_, rows) = source
        .split_once("\nlayout! {\n")
        .ok_or_else(|| Failure(format!("{TABLE}: no table")))?;
    let (rows, _) = rows
        .split_once("\n}")
        .ok_or_else(|| Failure(format!("{TABLE}: the table has no end")))?;
    rows.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .map(|line| row(line).ok_or_else(|| Failure(format!("{TABLE}: invalid row: {line}"))))
        .collect()
}

/// `TYPE field [= C.path] x86, x64 [except mingw x86, x64] [wdk path];`
fn row(line: &str) -> Option<Row<'_>> {
    let line = line.strip_suffix(';')?;
    // Only the macro uses the path in wdk-sys.
    let line = line.split_once(" wdk ").map_or(line, |(line, _)| line);
    let (line, except) = match line.split_once(" except mingw ") {
        Some((line, except)) => (line, Some(except)),
        None => (line, None),
    };
    let (rest, x64) = line.rsplit_once(", ")?;
    let (rest, x86) = rest.rsplit_once(' ')?;
    let (kind, field) = rest.split_once(' ')?;
    let (name, member) = field.split_once(" = ").unwrap_or((field, field));
    let (x86, x64) = match except {
        Some(except) => except.split_once(", ")?,
        None => (x86, x64),
    };
    let is_path = |text: &str| {
        !text.is_empty()
            && text.split('.').all(|name| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
    };
    let sound = [kind, name, member].into_iter().all(is_path);
    sound.then_some(Row {
        kind,
        member: (name != "size").then_some(member),
        bytes: [x86.parse().ok()?, x64.parse().ok()?],
    })
}

/// Assertions in C for a processor, by its index.
fn program(rows: &[Row<'_>], processor: usize) -> String {
    let mut program = String::from("#include <stddef.h>\n#include <ntifs.h>\n");
    for row in rows {
        let (kind, bytes) = (row.kind, row.bytes[processor]);
        let (what, name) = match row.member {
            Some(member) => (
                format!("offsetof({kind}, {member})"),
                format!("{kind}.{member}"),
            ),
            None => (format!("sizeof({kind})"), format!("the size of {kind}")),
        };
        let _ = writeln!(
            program,
            "_Static_assert({what} == {bytes}, \"{name} is not {bytes}\");"
        );
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_size_or_an_offset_and_may_name_a_path_in_c() {
        let source = "macro_rules! layout {\n}\n\nlayout! {\n    \
            ACL size 8, 8;\n\n    // A comment.\n    \
            IRP IoStatus 24, 48;\n    \
            IRP SystemBuffer = AssociatedIrp.SystemBuffer 12, 24;\n    \
            IO_STATUS_BLOCK Status 0, 0 wdk __bindgen_anon_1.Status;\n    \
            DEVICE_OBJECT size 184, 336 except mingw 184, 328;\n}\n";
        let row = |kind, member, bytes| Row {
            kind,
            member,
            bytes,
        };
        assert_eq!(
            table(source).ok(),
            Some(vec![
                row("ACL", None, [8, 8]),
                row("IRP", Some("IoStatus"), [24, 48]),
                row("IRP", Some("AssociatedIrp.SystemBuffer"), [12, 24]),
                row("IO_STATUS_BLOCK", Some("Status"), [0, 0]),
                row("DEVICE_OBJECT", None, [184, 328]),
            ])
        );
    }

    #[test]
    fn a_malformed_row_is_an_error() {
        for line in [
            "IRP IoStatus 24, 48",
            "IRP IoStatus 24;",
            "IRP 24, 48;",
            "IRP IoStatus 24, x;",
            "IRP IoStatus 24, 48 except mingw 24;",
            "IRP IoStatus = 24, 48;",
            "IRP Io-Status 24, 48;",
        ] {
            assert_eq!(row(line), None, "{line}");
        }
        assert!(table("layout! { }").is_err());
    }

    #[test]
    fn each_row_becomes_an_assertion_with_the_processors_number() {
        let rows = [Row {
            kind: "IRP",
            member: Some("IoStatus"),
            bytes: [24, 48],
        }];
        assert!(program(&rows, 0).contains("offsetof(IRP, IoStatus) == 24,"));
        assert!(program(&rows, 1).contains("offsetof(IRP, IoStatus) == 48,"));
    }
}
