//! scanner-core built where there is no standard library and no float.

use crate::command::{self, Failure};
use crate::compiler::{Compiler, TARGETS};
use crate::driver::{self, PROCESSORS};
use crate::report::Outcome;
use crate::workspace::Workspace;

/// Builds it alone for each processor, as it is built for the driver; loudly
/// skipped without a compiler for them.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let Some(compiler) = Compiler::all(workspace).into_iter().next() else {
        let why = "no compiler for i686-unknown-uefi and x86_64-unknown-uefi: cargo xtask setup";
        return Ok(Outcome::Skipped(why.into()));
    };
    for processor in &PROCESSORS {
        let mut build = driver::build_for(workspace, compiler, processor);
        command::run(build.args(["--package", "scanner-core"]))?;
    }
    Ok(Outcome::Passed(format!(
        "{} with {compiler}",
        TARGETS.join(", ")
    )))
}
