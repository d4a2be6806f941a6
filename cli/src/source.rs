//! What is looked at when no path is named.

use std::path::PathBuf;

/// A synthetic image, laid out like the driver of Windows XP SP3. Not
/// Microsoft's: verify/ builds it.
pub(crate) const SPECIMEN: &[u8] = include_bytes!("../../corpus/specimens/tcpip-xp-sp3-x86.sys");

/// What reports call it.
pub(crate) const SPECIMEN_NAME: &str = "built-in specimen";

/// What is said of it.
pub(crate) const SPECIMEN_NOTE: &str = "This is the built-in specimen, a synthetic image made to look like the driver of Windows XP SP3. It is not Microsoft's, and says nothing about this system. Name a file to look into it.";

/// The drivers of the running system; none unless it is Windows.
pub(crate) fn system_drivers() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("SystemRoot").filter(|_| cfg!(windows)) else {
        return Vec::new();
    };
    let root = PathBuf::from(root);
    // A 32-bit program on 64-bit Windows is shown another System32; the true
    // one is then called Sysnative.
    let native = root.join("Sysnative");
    let system = if native.is_dir() {
        native
    } else {
        root.join("System32")
    };
    let drivers = system.join("drivers");
    ["tcpip.sys", "tcpip6.sys"]
        .into_iter()
        .map(|name| drivers.join(name))
        .filter(|path| path.exists())
        .collect()
}
