//! A file that stands in for a specimen.

/// A module's file.
#[derive(Debug)]
pub struct ModuleFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it was loaded.
    pub base: u64,
}
