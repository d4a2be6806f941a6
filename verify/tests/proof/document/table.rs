//! Tables of a page in Markdown.

use std::fs;
use std::path::Path;

/// A page of `docs/`.
pub(crate) struct Page(String);

/// The cells of a row.
pub(crate) type Row = Vec<String>;

impl Page {
    pub(crate) fn read(name: &str) -> Page {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(name);
        Page(fs::read_to_string(path).expect("the page is there"))
    }

    #[cfg(test)]
    pub(crate) fn from_text(text: &str) -> Page {
        Page(text.into())
    }

    /// The rows of the tables between a heading and the next that have these
    /// columns, in this order.
    pub(crate) fn table(&self, heading: &str, columns: &[&str]) -> Vec<Row> {
        let mut inside = false;
        let mut wanted = false;
        let mut rows = Vec::new();
        for line in self.0.lines() {
            if let Some(title) = line.strip_prefix('#') {
                inside = title.trim_start_matches('#').trim() == heading;
            }
            if !line.starts_with('|') {
                wanted = false;
            } else if inside {
                let row = cells(line);
                if row == columns {
                    wanted = true;
                } else if wanted && !row.iter().all(|cell| cell.starts_with("---")) {
                    assert_eq!(row.len(), columns.len(), "{heading}: {line}");
                    rows.push(row);
                }
            }
        }
        assert!(!rows.is_empty(), "no table {columns:?} below {heading:?}");
        rows
    }
}

/// The cells of a row, without code marks around them.
fn cells(line: &str) -> Row {
    line.trim()
        .trim_start_matches('|')
        .trim_end_matches('|')
        .split('|')
        .map(|cell| cell.trim().trim_matches('`').to_string())
        .collect()
}

#[test]
fn a_table_is_found_by_its_heading_and_columns() {
    let page = Page::from_text(
        "# A\n| x | y |\n|---|---|\n| 1 | `2` |\n\n| z |\n|---|\n| 3 |\n## B\n| x | y |\n|---|---|\n| 4 | 5 |\n",
    );
    assert_eq!(page.table("A", &["x", "y"]), [["1", "2"]]);
    assert_eq!(page.table("A", &["z"]), [["3"]]);
    assert_eq!(page.table("B", &["x", "y"]), [["4", "5"]]);
}

#[test]
#[should_panic(expected = "no table")]
fn a_missing_table_is_an_error() {
    Page::from_text("# A\n| x |\n|---|\n| 1 |\n").table("A", &["y"]);
}
