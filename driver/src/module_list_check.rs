//! The system's list of modules as a second witness of where a module lies.

use scanner_core::Module;
use tcplimit_protocol::Reason;

use crate::kernel::{Kernel, ModuleEntry};
use crate::outcome::Outcome;

/// Whether the list confirms what the module's driver object says. Every entry
/// with the module's name or base must agree with it in name, base and size
/// (in pages: whichever of the two is rounded). `false` where there is no entry
/// at all: something hides the module, or the list is made up, as in Wine.
// Apart from its caller for the stack's sake: it is done before the search.
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

/// Paths come in several styles, so only the file's name counts.
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
