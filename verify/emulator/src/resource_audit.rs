//! Resources that the driver holds, and a check that it releases them.

use scanner_core::Module;

use crate::violation::Violation;
use crate::world::module_index;

/// A device that the driver created.
#[derive(Debug, Clone)]
pub struct CreatedDevice {
    /// Address of the device object.
    pub address: u64,
    /// The device's name.
    pub name: String,
    /// Whether only SYSTEM and Administrators may open it.
    pub secured: bool,
}

/// An open handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    /// Value of the handle.
    pub number: u64,
    /// The opened object.
    pub of: HandleTarget,
}

/// An object that a handle refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandleTarget {
    /// A key, by its path.
    Key(String),
    /// A device, by its address.
    Device(u64),
}
/// An entry of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// ErrorCode.
    pub code: u32,
    /// The inserts, `%2` first.
    pub inserts: Vec<String>,
}

/// Resources that the driver holds, and its output to event log and debugger.
#[derive(Debug, Default)]
pub struct Resources {
    /// Devices that the driver created.
    pub devices: Vec<CreatedDevice>,
    /// Symbolic links: name and device.
    pub links: Vec<(String, String)>,
    /// Open handles.
    pub handles: Vec<Handle>,
    /// Referenced driver objects, one entry per reference.
    pub references: Vec<u64>,
    /// Allocated pool: address, bytes, tag.
    pub pool: Vec<(u64, u64, u32)>,
    /// Allocated event log entries that are not written yet: address, bytes.
    pub packets: Vec<(u64, u64)>,
    /// Number of critical regions that were entered and not left.
    pub critical: u32,
    /// The mutex object, and whether it is owned.
    pub mutex: Option<(u64, bool)>,
    /// Entries written to the event log.
    pub events: Vec<LogEntry>,
    /// Lines printed to the debugger.
    pub printed: Vec<String>,
    pub(crate) objects: [u64; 2],
    pub(crate) next: [u64; 3],
}

impl Resources {
    /// Resources that a call acquires must be released when it ends.
    pub(crate) fn check_balanced(&self) -> Result<(), Violation> {
        let left = [
            ("handles", self.handles.len()),
            ("references", self.references.len()),
            ("pool allocations", self.pool.len()),
            ("unwritten log entries", self.packets.len()),
            ("critical regions", self.critical as usize),
            (
                "mutexes",
                usize::from(self.mutex.is_some_and(|(_, owned)| owned)),
            ),
        ];
        match left.iter().find(|(_, count)| *count > 0) {
            Some((detail, count)) => Err(Violation::Unbalanced(format!("{count} {detail}"))),
            None => Ok(()),
        }
    }

    /// Resources that must be released at unload.
    pub(crate) fn check_nothing_left(&self) -> Result<(), Violation> {
        if let Some((link, _)) = self.links.first() {
            return Err(Violation::Unbalanced(format!("{link} not deleted")));
        }
        if let Some(device) = self.devices.first() {
            return Err(Violation::Unbalanced(format!(
                "{} not deleted",
                device.name
            )));
        }
        Ok(())
    }

    /// Whether the driver holds a reference to a module's driver object: only then
    /// the module can't be unloaded.
    pub(crate) fn has_reference_to(&self, module: Module) -> bool {
        let object = self.objects[module_index(module)];
        object != 0 && self.references.contains(&object)
    }
}
