//! The registry: keys and values, and what goes wrong with them.

use std::collections::BTreeMap;

/// STATUS_OBJECT_NAME_NOT_FOUND.
pub const NOT_FOUND: u32 = 0xC000_0034;
/// REG_BINARY.
pub const BINARY: u32 = 3;
/// REG_DWORD.
pub const DWORD: u32 = 4;

/// The driver's service key, under its own name.
pub const SERVICE: &str = r"\Registry\Machine\System\CurrentControlSet\Services\TcpLimit";
/// The same under the name of 2005, of which the event log has no texts.
pub const SERVICE_OF_2005: &str =
    r"\Registry\Machine\System\CurrentControlSet\Services\tcpip_patcher";
/// What is below it.
pub const PARAMETERS: &str = "Parameters";
/// Where version 0.1.0 remembered.
pub const STATE: &str = "State";
/// Where this one does, until a restart.
pub const HISTORY_KEY: &str = r"\Registry\Machine\System\CurrentControlSet\Control\TcpLimit";

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
    /// Reading who may do what with it.
    Security,
}

/// A value: its type and its bytes.
pub type Value = (u32, Vec<u8>);

/// A key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Key {
    values: BTreeMap<String, Value>,
    /// Its security descriptor, where it does not matter what it inherits.
    descriptor: Vec<u8>,
}

/// All keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The service under whose name the driver is loaded.
    pub service: &'static str,
    keys: BTreeMap<String, Key>,
    /// What is refused: on keys whose name ends so, with which status.
    pub refused: Vec<(Operation, &'static str, u32)>,
}

impl Registry {
    /// With the key of a service, and its subkey for parameters.
    #[must_use]
    pub fn with_service(service: &'static str) -> Registry {
        let mut registry = Registry {
            service,
            keys: BTreeMap::new(),
            refused: Vec::new(),
        };
        for path in [service.to_owned(), subkey_path(service, PARAMETERS)] {
            registry.keys.insert(path.to_lowercase(), Key::default());
        }
        registry
    }

    /// As [`Registry::of`] the driver's own service.
    #[must_use]
    pub fn new() -> Registry {
        Registry::with_service(SERVICE)
    }

    /// The same keys, with the service deleted with all that is below its key,
    /// and created anew under this name, with the same parameters.
    pub fn recreate(&mut self, service: &'static str) {
        let parameters = self
            .keys
            .remove(&subkey_path(self.service, PARAMETERS).to_lowercase());
        let old = self.service.to_lowercase();
        self.keys.retain(|path, _| !path.starts_with(&old));
        self.service = service;
        self.keys.insert(service.to_lowercase(), Key::default());
        if let Some(parameters) = parameters {
            let path = subkey_path(service, PARAMETERS).to_lowercase();
            self.keys.insert(path, parameters);
        }
    }

    /// Without the subkey for parameters.
    pub fn remove_parameters(&mut self) {
        let path = subkey_path(self.service, PARAMETERS).to_lowercase();
        self.keys.remove(&path);
    }

    /// Puts a value in below the service's key, whatever is refused.
    pub fn put(&mut self, subkey: &str, name: &str, value: Value) {
        let path = subkey_path(self.service, subkey);
        self.put_at(&path, name, value);
    }

    /// Puts a value in, whatever is refused.
    pub fn put_at(&mut self, path: &str, name: &str, value: Value) {
        let key = self.keys.entry(path.to_lowercase()).or_default();
        key.values.insert(name.to_lowercase(), value);
    }

    /// Says who may do what with a key, whatever is refused.
    pub fn set_descriptor(&mut self, path: &str, descriptor: Vec<u8>) {
        let key = self.keys.entry(path.to_lowercase()).or_default();
        key.descriptor = descriptor;
    }

    fn check_refused(&self, operation: Operation, path: &str) -> Result<(), u32> {
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
        self.check_refused(Operation::Open, path)?;
        let there = self.keys.contains_key(&path.to_lowercase());
        there.then_some(()).ok_or(NOT_FOUND)
    }

    /// # Errors
    /// The status.
    pub fn create(&mut self, path: &str, descriptor: Vec<u8>) -> Result<(), u32> {
        self.check_refused(Operation::Create, path)?;
        // One that is there keeps its own.
        let key = self.keys.entry(path.to_lowercase());
        key.or_insert_with(|| Key {
            descriptor,
            ..Key::default()
        });
        Ok(())
    }

    /// Owner and access list of a key.
    ///
    /// # Errors
    /// The status.
    pub fn security(&self, path: &str) -> Result<&[u8], u32> {
        self.check_refused(Operation::Security, path)?;
        let key = self.keys.get(&path.to_lowercase()).ok_or(NOT_FOUND)?;
        Ok(&key.descriptor)
    }

    /// # Errors
    /// The status.
    pub fn query(&self, path: &str, name: &str) -> Result<&Value, u32> {
        self.check_refused(Operation::Query, path)?;
        let key = self.keys.get(&path.to_lowercase()).ok_or(NOT_FOUND)?;
        key.values.get(&name.to_lowercase()).ok_or(NOT_FOUND)
    }

    /// # Errors
    /// The status.
    pub fn set(&mut self, path: &str, name: &str, value: Value) -> Result<(), u32> {
        self.check_refused(Operation::Set, path)?;
        let key = self.keys.get_mut(&path.to_lowercase()).ok_or(NOT_FOUND)?;
        key.values.insert(name.to_lowercase(), value);
        Ok(())
    }

    /// # Errors
    /// The status.
    pub fn delete(&mut self, path: &str, name: &str) -> Result<(), u32> {
        self.check_refused(Operation::Delete, path)?;
        let key = self.keys.get_mut(&path.to_lowercase()).ok_or(NOT_FOUND)?;
        key.values
            .remove(&name.to_lowercase())
            .map(|_| ())
            .ok_or(NOT_FOUND)
    }

    /// # Errors
    /// The status.
    pub fn flush(&self, path: &str) -> Result<(), u32> {
        self.check_refused(Operation::Flush, path)
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

/// The path of a subkey.
#[must_use]
pub fn subkey_path(path: &str, subkey: &str) -> String {
    format!(r"{path}\{subkey}")
}
