//! Comparison of a driver object with the system's list of modules.

use scanner_core::Module;
use tcplimit_protocol::Reason;

use crate::kernel::{Kernel, ModuleEntry};
use crate::outcome::Outcome;

/// Whether the list confirms the module's driver object. Every entry with the
/// module's name or base must agree with it in name, base and size (in pages,
/// since either may be rounded). `false` if no entry exists: something hides the
/// module, or the list is fake, as in Wine.
// Not inlined, so that its stack is free again before the search.
#[inline(never)]
pub(crate) fn is_listed<K: Kernel>(
    kernel: &K,
    module: Module,
    base: u64,
    size: u32,
) -> Result<bool, Outcome> {
    let mut listed = false;
    let mut differs = false;
    kernel
        .for_each_module(|entry| {
            let named = is_named(entry, module);
            if named || entry.base == base {
                listed = true;
                differs |= !named || entry.base != base || pages(entry.size) != pages(size);
            }
        })
        .map_err(|status| Outcome::status(Reason::ListUnavailable, status))?;
    if differs {
        return Err(Reason::ListDiffers.into());
    }
    Ok(listed)
}

/// Compares file names only, for paths come in several styles.
fn is_named(entry: &ModuleEntry<'_>, module: Module) -> bool {
    entry
        .path
        .rsplit(|&byte| byte == b'\\' || byte == b'/')
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(module.file_name().as_bytes()))
}

fn pages(size: u32) -> u32 {
    size.div_ceil(0x1000)
}
