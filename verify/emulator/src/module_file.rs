//! A module's file with its base address.

/// A module's file.
#[derive(Debug)]
pub struct ModuleFile {
    /// Bytes of the file.
    pub bytes: Vec<u8>,
    /// Base address at which it was loaded.
    pub base: u64,
}
