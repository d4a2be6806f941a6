//! The registry: keys, values, and failing operations.

use std::collections::BTreeMap;

/// STATUS_OBJECT_NAME_NOT_FOUND.
pub const NOT_FOUND: u32 = 0xC000_0034;
/// REG_BINARY.
pub const BINARY: u32 = 3;
/// REG_DWORD.
pub const DWORD: u32 = 4;

/// The driver's service key, under its own name.
pub const SERVICE: &str = r"\Registry\Machine\System\CurrentControlSet\Services\TcpLimit";
/// The service key under the 2005 driver's name, for which the event log has no
/// message texts.
pub const SERVICE_OF_2005: &str =
    r"\Registry\Machine\System\CurrentControlSet\Services\tcpip_patcher";
/// The subkey of settings.
pub const PARAMETERS: &str = "Parameters";
/// The subkey of the history of version 0.1.0.
pub const STATE: &str = "State";
/// The volatile key of the history.
pub const HISTORY_KEY: &str = r"\Registry\Machine\System\CurrentControlSet\Control\TcpLimit";

/// An operation on a key.
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
    /// Reading its security descriptor.
    Security,
}

/// A value: its type and its bytes.
pub type Value = (u32, Vec<u8>);

/// A key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Key {
    values: BTreeMap<String, Value>,
    /// Its security descriptor; empty where it does not matter.
    descriptor: Vec<u8>,
}

/// All keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The service under whose name the driver is loaded.
    pub service: &'static str,
    keys: BTreeMap<String, Key>,
    /// Failing operations: on keys whose path ends like this, with this status.
    pub refused: Vec<(Operation, &'static str, u32)>,
}

impl Registry {
    /// A registry with a service key and its subkey of settings.
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

    /// [`Registry::with_service`] for the driver's own service name.
    #[must_use]
    pub fn new() -> Registry {
        Registry::with_service(SERVICE)
    }

    /// Deletes the service key with its subkeys, and creates it under this name with
    /// the same settings.
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

    /// Removes the subkey of settings.
    pub fn remove_parameters(&mut self) {
        let path = subkey_path(self.service, PARAMETERS).to_lowercase();
        self.keys.remove(&path);
    }

    /// Sets a value in a subkey of the service key, even if operations fail.
    pub fn put(&mut self, subkey: &str, name: &str, value: Value) {
        let path = subkey_path(self.service, subkey);
        self.put_at(&path, name, value);
    }

    /// Sets a value, even if operations fail.
    pub fn put_at(&mut self, path: &str, name: &str, value: Value) {
        let key = self.keys.entry(path.to_lowercase()).or_default();
        key.values.insert(name.to_lowercase(), value);
    }

    /// Sets a key's security descriptor, even if operations fail.
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
        // An existing key keeps its descriptor.
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
