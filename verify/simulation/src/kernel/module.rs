//! Conversions of module identifiers.

use specimen::Module;

/// The specimen's module for the locator's.
pub(crate) fn module(module: scanner_core::Module) -> Module {
    match module {
        scanner_core::Module::Tcpip => Module::Tcpip,
        scanner_core::Module::Tcpip6 => Module::Tcpip6,
    }
}

/// The index of a module in pairs.
pub(crate) fn slot(module: Module) -> usize {
    match module {
        Module::Tcpip => 0,
        Module::Tcpip6 => 1,
    }
}
