//! The known builds, from the manifest of the workbench's tool.

/// A table of hashes and names, as Rust: `&[("name", "hash"), ...]`.
///
/// The manifest is TOML; of it only these two lines of each build are read, so
/// that no parser need be built for each target. A test compares the table with
/// what the workbench reads.
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
