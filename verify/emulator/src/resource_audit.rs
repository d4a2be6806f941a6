//! What the driver has of the system, and that it gives all of it back.

use scanner_core::Module;

use crate::violation::Violation;
use crate::world::module_index;

/// A device of the driver's.
#[derive(Debug, Clone)]
pub struct CreatedDevice {
    /// Of the object.
    pub address: u64,
    /// Its own name.
    pub name: String,
    /// Only SYSTEM and Administrators may open it.
    pub secured: bool,
}

/// An open handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    /// Its number.
    pub number: u64,
    /// What it is of.
    pub of: HandleTarget,
}

/// What a handle may be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandleTarget {
    /// A key, by its path.
    Key(String),
    /// A device, by its address.
    Device(u64),
}
/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// ErrorCode.
    pub code: u32,
    /// The inserts, `%2` first.
    pub inserts: Vec<String>,
}

/// What the driver has of the system, and has told it.
#[derive(Debug, Default)]
pub struct Resources {
    /// Devices that it has created.
    pub devices: Vec<CreatedDevice>,
    /// Names that programs open, and the devices that they lead to.
    pub links: Vec<(String, String)>,
    /// Open handles.
    pub handles: Vec<Handle>,
    /// Referenced driver objects, one entry for each reference.
    pub references: Vec<u64>,
    /// Allocated pool: address, bytes, tag.
    pub pool: Vec<(u64, u64, u32)>,
    /// Entries of the event log that were not written yet: address, bytes.
    pub packets: Vec<(u64, u64)>,
    /// Critical regions entered.
    pub critical: u32,
    /// The mutex object, and whether it is owned.
    pub mutex: Option<(u64, bool)>,
    /// What was written to the event log.
    pub events: Vec<LogEntry>,
    /// What the debugger was told.
    pub printed: Vec<String>,
    pub(crate) objects: [u64; 2],
    pub(crate) next: [u64; 3],
}

impl Resources {
    /// Whatever was taken in a call must be given back when it ends.
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
            Some((detail, count)) => {
                Err(Violation::Unbalanced(format!("{count} {detail} are left")))
            }
            None => Ok(()),
        }
    }

    /// All that must be gone with the driver.
    pub(crate) fn check_nothing_left(&self) -> Result<(), Violation> {
        if let Some((link, _)) = self.links.first() {
            return Err(Violation::Unbalanced(format!("{link} is left")));
        }
        if let Some(device) = self.devices.first() {
            return Err(Violation::Unbalanced(format!("{} is left", device.name)));
        }
        Ok(())
    }

    /// Whether the driver has a reference to a module's driver object: only then
    /// may it count on the module staying where it is.
    pub(crate) fn has_reference_to(&self, module: Module) -> bool {
        let object = self.objects[module_index(module)];
        object != 0 && self.references.contains(&object)
    }
}
