//! The known builds, from the workbench's manifest.

/// Names and hashes as a Rust table: `&[("name", "hash"), ...]`.
///
/// Only these two lines of each build are read from the TOML manifest, so that no parser is built
/// for each target. A test compares the table with the workbench's.
pub(crate) fn table(manifest: &str) -> String {
    let value = |line: &str, key: &str| {
        let rest = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        Some(rest.trim().trim_matches('"').to_owned())
    };
    let mut table = String::from("&[\n");
    let mut name = String::new();
    for line in manifest.lines() {
        if let Some(text) = value(line, "name") {
            name = text;
        }
        if let Some(hash) = value(line, "sha256") {
            table += &format!("    ({name:?}, {hash:?}),\n");
        }
    }
    table + "]\n"
}
