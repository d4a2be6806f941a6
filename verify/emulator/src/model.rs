//! Models of the driver's imports: each checks its arguments and has the effects of
//! the NT function that the driver can observe.
//!
//! No import raises the IRQL: all calls are at the level at which NT calls the
//! driver.

mod call_context;
pub mod device;
pub mod event_log;
pub mod irql;
mod memory;
mod mutex;
pub mod object;
mod pool;
mod registry;
pub mod security;
mod system_information;

pub use call_context::{CallContext, ModelEntry};

const MODELS: [&[ModelEntry]; 9] = [
    device::MODELS,
    event_log::MODELS,
    system_information::MODELS,
    memory::MODELS,
    mutex::MODELS,
    object::MODELS,
    pool::MODELS,
    registry::MODELS,
    security::MODELS,
];

/// The model of a function.
#[must_use]
pub fn find(name: &str) -> Option<ModelEntry> {
    let mut all = MODELS.iter().copied().flatten();
    all.find(|(of, ..)| *of == name).copied()
}

/// Offset of a variable in the page of variables.
#[must_use]
pub fn variable_offset(name: &str) -> Option<u64> {
    match name {
        "InitSafeBootMode" => Some(0),
        "IoDriverObjectType" => Some(16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use checker::import::{Convention, DRIVER};

    use super::*;

    #[test]
    fn every_model_is_of_an_allowed_import() {
        for (name, ..) in MODELS.iter().copied().flatten() {
            assert!(DRIVER.iter().any(|import| import.name == *name), "{name}");
        }
    }

    #[test]
    fn a_variable_is_no_function() {
        for import in DRIVER {
            if import.convention == Convention::Data {
                assert!(variable_offset(import.name).is_some() && find(import.name).is_none());
            } else {
                assert!(variable_offset(import.name).is_none());
            }
        }
    }
}
