//! Static checks of the shipped files: the driver for both machines, and the programs.
//!
//! They check the bytes without running them: the supported systems load the file ([`import`] and
//! the lists in verify/exports), every processor that they run on has every instruction, and the
//! stack suffices. The checks share nothing with the compiler and linker that made the file; they
//! are strict: code that they can't follow is a violation.
//!
//! `cargo run -p checker -- driver x86 FILE` runs them.

mod code;
mod control_register;
mod debug;
mod export;
mod header;
mod image;
pub mod import;
mod instruction;
mod kind;
mod linkage;
mod locked_exchange;
pub mod program;
mod relocation;
mod report;
mod resource;
mod section;
mod stack;
mod stack_use;
mod text;
mod violation;

pub use header::{LARGEST_DRIVER, LARGEST_PROGRAM};
pub use kind::Kind;
pub use report::Report;
pub use scanner_core::Arch;
pub use stack::DEEPEST_DRIVER;
pub use stack_use::Stack;
pub use violation::Violation;

use image::Image;

/// Checks the bytes of a shipped file.
///
/// # Errors
/// All violations, except that unreadable headers hide the rest, and a function that can't be
/// followed hides the rest of its callers.
pub fn check(file: &[u8], kind: Kind) -> Result<Report, Vec<Violation>> {
    let image = Image::read(file).map_err(|violation| vec![violation])?;
    let mut violations = header::check(&image, kind);
    violations.extend(section::check(&image, kind));
    let (relocations, wrong) = relocation::check(&image);
    violations.extend(wrong);
    let (slots, wrong) = linkage::check(&image, kind);
    violations.extend(wrong);
    let (code, wrong) = code::check(&image, kind, &relocations.targets);
    violations.extend(wrong);
    violations.extend(relocation::missing(&image, &relocations, &code));
    violations.extend(text::check(file));
    violations.extend(debug::check(&image));
    violations.extend(resource::check(&image, kind));
    let mut stack = stack::check(&image, &slots, &code, kind);
    if let Err(wrong) = &mut stack {
        match kind {
            Kind::Driver => violations.append(wrong),
            // A program has a megabyte of stack, and calls through pointers: its depth is only
            // reported. Recursion could exhaust any stack.
            Kind::Program | Kind::Window => {
                let recursions = wrong.extract_if(.., |it| matches!(it, Violation::Recursion(_)));
                violations.extend(recursions);
            }
        }
    }
    violations.extend(locked_exchange::check(&code, kind));
    violations.extend(control_register::check(&code, kind));
    let mut once = Vec::with_capacity(violations.len());
    for violation in violations {
        if !once.contains(&violation) {
            once.push(violation);
        }
    }
    if once.is_empty() {
        Ok(Report::new(&image, &slots, &code, stack))
    } else {
        Err(once)
    }
}
