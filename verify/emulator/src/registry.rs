//! The registry: keys and values, and what goes wrong with them.

use std::collections::BTreeMap;

/// STATUS_OBJECT_NAME_NOT_FOUND.
pub const NOT_FOUND: u32 = 0xC000_0034;
/// REG_BINARY.
pub const BINARY: u32 = 3;
/// REG_DWORD.
pub const DWORD: u32 = 4;

/// The driver's service key.
pub const SERVICE: &str = r"\Registry\Machine\System\CurrentControlSet\Services\TcpLimit";
/// What is below it.
pub const PARAMETERS: &str = "Parameters";
/// The same, gone after a restart.
pub const STATE: &str = "State";

/// Something that is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening it.
    Open,
    /// Opening or creating it.
    Create,
    /// Reading a value.
    Query,
    /// Writing one.
    Set,
    /// Deleting one.
    Delete,
    /// Writing it to disk.
    Flush,
}

/// A value: its type and its bytes.
pub type Value = (u32, Vec<u8>);

/// All keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    keys: BTreeMap<String, BTreeMap<String, Value>>,
    /// What is refused: on keys whose name ends so, with which status.
    pub refused: Vec<(Operation, &'static str, u32)>,
}

impl Registry {
    /// With the service key, and its subkey for parameters.
    #[must_use]
    pub fn new() -> Registry {
        let mut registry = Registry::default();
        for path in [SERVICE.to_owned(), below(SERVICE, PARAMETERS)] {
            registry.keys.insert(path.to_lowercase(), BTreeMap::new());
        }
        registry
    }

    /// Without the subkey for parameters.
    pub fn forget_parameters(&mut self) {
        self.keys.remove(&below(SERVICE, PARAMETERS).to_lowercase());
    }

    /// Puts a value in, whatever is refused.
    pub fn put(&mut self, subkey: &str, name: &str, value: Value) {
        let key = self.keys.entry(below(SERVICE, subkey).to_lowercase());
        key.or_default().insert(name.to_lowercase(), value);
    }

    fn refuses(&self, operation: Operation, path: &str) -> Result<(), u32> {
        let path = path.to_lowercase();
        let refused = self
            .refused
            .iter()
            .find(|(refused, end, _)| *refused == operation && path.ends_with(&end.to_lowercase()));
        refused.map_or(Ok(()), |&(_, _, status)| Err(status))
    }

    /// # Errors
    /// The status.
    pub fn open(&self, path: &str) -> Result<(), u32> {
        self.refuses(Operation::Open, path)?;
        let there = self.keys.contains_key(&path.to_lowercase());
        there.then_some(()).ok_or(NOT_FOUND)
    }

    /// # Errors
    /// The status.
    pub fn create(&mut self, path: &str) -> Result<(), u32> {
        self.refuses(Operation::Create, path)?;
        self.keys.entry(path.to_lowercase()).or_default();
        Ok(())
    }

    /// # Errors
    /// The status.
    pub fn query(&self, path: &str, name: &str) -> Result<&Value, u32> {
        self.refuses(Operation::Query, path)?;
        let key = self.keys.get(&path.to_lowercase()).ok_or(NOT_FOUND)?;
        key.get(&name.to_lowercase()).ok_or(NOT_FOUND)
    }

    /// # Errors
    /// The status.
    pub fn set(&mut self, path: &str, name: &str, value: Value) -> Result<(), u32> {
        self.refuses(Operation::Set, path)?;
        let key = self.keys.get_mut(&path.to_lowercase()).ok_or(NOT_FOUND)?;
        key.insert(name.to_lowercase(), value);
        Ok(())
    }

    /// # Errors
    /// The status.
    pub fn delete(&mut self, path: &str, name: &str) -> Result<(), u32> {
        self.refuses(Operation::Delete, path)?;
        let key = self.keys.get_mut(&path.to_lowercase()).ok_or(NOT_FOUND)?;
        key.remove(&name.to_lowercase())
            .map(|_| ())
            .ok_or(NOT_FOUND)
    }

    /// # Errors
    /// The status.
    pub fn flush(&self, path: &str) -> Result<(), u32> {
        self.refuses(Operation::Flush, path)
    }
}

/// The path of a subkey.
#[must_use]
pub fn below(path: &str, subkey: &str) -> String {
    format!(r"{path}\{subkey}")
}
