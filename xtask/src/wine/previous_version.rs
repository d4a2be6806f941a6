//! Version 0.1.0, built from its commit: this version must accept its history and stored
//! limits.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::arch::Arch;
use super::check_log::CheckLog;
use super::machine::Machine;
use crate::command::{self, Failure};
use crate::compiler::Compiler;
use crate::driver::{self, PROCESSORS, PRODUCTS};
use crate::filesystem;
use crate::workspace::Workspace;

/// The last commit whose driver kept the history below its service key.
const COMMIT: &str = "6813a2f";

/// Only what its program writes is used, so it need not be small; and build scripts are
/// compiled as in this version's profile, so that macros are built already.
const PROFILE: [&str; 6] = [
    "--config",
    "profile.driver.build-override.codegen-units=1",
    "--config",
    "profile.driver.package.tcplimit-xp.opt-level=0",
    "--config",
    "profile.driver.package.serde_json.opt-level=0",
];

/// Builds its driver and program unless already built; the folder, or the reason why that
/// is impossible. A shallow clone lacks the commit.
pub(super) fn build(workspace: &Workspace, arch: Arch) -> Result<Result<PathBuf, String>, Failure> {
    // It had no window.
    let [products @ .., _window] = &PRODUCTS;
    let folder = workspace.target("wine/former").join(arch.name());
    let built = folder.join("built");
    if products.iter().all(|it| built.join(it.file).is_file()) {
        return Ok(Ok(built));
    }
    let commit = format!("{COMMIT}^{{commit}}");
    let has = command::capture(workspace.command("git").args(["cat-file", "-e", &commit]));
    if !has.is_ok_and(|output| output.status.success()) {
        let why = format!("this clone lacks commit {COMMIT} (version 0.1.0)");
        return Ok(Err(why));
    }
    let Some(compiler) = Compiler::all(workspace).pop() else {
        return Ok(Err("no compiler; cargo xtask setup installs one".into()));
    };
    let Some(processor) = PROCESSORS.iter().find(|it| it.name == arch.name()) else {
        return Err(Failure(format!("no processor {}", arch.name())));
    };
    println!("--- version 0.1.0, from {COMMIT}");
    let source = folder.join("source");
    fs::create_dir_all(&source)?;
    let archive = folder.join("source.tar");
    let mut export = workspace.command("git");
    export.args(["archive", "--format=tar", "-o"]).arg(&archive);
    command::capture(export.arg(COMMIT))?.success("git archive")?;
    let mut unpack = Command::new("tar");
    unpack.arg("-xf").arg(&archive).arg("-C").arg(&source);
    command::capture(&mut unpack)?.success("tar")?;
    // With the same flags, so that `core` is built already.
    let files = driver::build_from(workspace, compiler, processor, products, &source, &PROFILE)?;
    fs::create_dir_all(&built)?;
    for (product, file) in products.iter().zip(files) {
        filesystem::copy(&file, &built.join(product.file))?;
    }
    Ok(Ok(built))
}

/// The folder of version 0.1.0; `None`, with a message, if there is none.
pub(super) fn folder(
    workspace: &Workspace,
    machine: &Machine<'_>,
    checks: &mut CheckLog,
) -> Result<Option<PathBuf>, Failure> {
    let files = build(workspace, machine.arch())?;
    if let Err(why) = &files {
        let arch = machine.arch().name();
        println!("{arch} SKIPPED: upgrade from version 0.1.0: {why}");
        checks.skip();
    }
    Ok(files.ok())
}
