//! Modules by another name.

use specimen::Module;

/// The locator's module for a specimen's, the other way round.
pub(crate) fn module(module: scanner_core::Module) -> Module {
    match module {
        scanner_core::Module::Tcpip => Module::Tcpip,
        scanner_core::Module::Tcpip6 => Module::Tcpip6,
    }
}

/// The place of a module in pairs.
pub(crate) fn slot(module: Module) -> usize {
    match module {
        Module::Tcpip => 0,
        Module::Tcpip6 => 1,
    }
}
