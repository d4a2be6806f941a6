//! Builds and checks `tcplimit.sys`, `tcplimit.exe` and `tcplimitw.exe` for x86 and
//! x64 on any system, optionally a second time in another folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Failure};
use crate::compiler::{Compiler, INSTALL_HINT};
use crate::executables;
use crate::figures::Observations;
use crate::linker_wrapper;
use crate::recorded::{self, Inputs};
use crate::summary::Outcome;
use crate::workspace::{Workspace, copy};

/// The target folder of builds without the standard library.
pub(crate) const BUILD: &str = "driver-build";

/// A processor that the driver is built for.
#[derive(Debug)]
pub(crate) struct Processor {
    /// Name of the result's folder.
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    flags: &'static [&'static str],
}

pub(crate) const PROCESSORS: [Processor; 2] = [
    Processor {
        name: "x86",
        target: "i686-unknown-uefi",
        // XP runs on processors without cmov.
        flags: &["-Ctarget-cpu=pentium", NO_JUMP_TABLES],
    },
    Processor {
        name: "x64",
        target: "x86_64-unknown-uefi",
        // NT walks the stack with these tables, for example for a crash dump.
        flags: &["-Cforce-unwind-tables=yes", NO_JUMP_TABLES],
    },
];

/// The part that is built a second time in another folder and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rebuild {
    Never,
    /// `OwnCrates`, unless the digests equal those recorded for the same sources and
    /// compiler.
    UnlessRecorded,
    /// The workspace's crates. Other sources, including `core`, have the same path both
    /// times, so their build is reused.
    OwnCrates,
    Everything,
}

impl Rebuild {
    /// By the switch `--twice`.
    pub(crate) fn requested(twice: bool) -> Self {
        if twice { Self::Everything } else { Self::Never }
    }
}

/// The kind of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProductKind {
    Driver,
    Program,
    /// A program with a window.
    Window,
}

impl ProductKind {
    /// Its name for the checker.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Program => "program",
            Self::Window => "window",
        }
    }
}

/// A file that is built for each processor.
#[derive(Debug)]
pub(crate) struct Product {
    /// Name of the shipped file.
    pub(crate) file: &'static str,
    /// Its kind for the checker.
    pub(crate) kind: ProductKind,
    pub(crate) package: &'static str,
    program: &'static str,
}

pub(crate) const PRODUCTS: [Product; 3] = [
    Product {
        file: "tcplimit.sys",
        kind: ProductKind::Driver,
        package: "tcplimit-driver",
        program: "tcplimit-sys",
    },
    Product {
        file: "tcplimit.exe",
        kind: ProductKind::Program,
        package: "tcplimit-xp",
        program: "tcplimit-exe",
    },
    Product {
        file: "tcplimitw.exe",
        kind: ProductKind::Window,
        package: "tcplimit-xp",
        program: "tcplimitw-exe",
    },
];

/// The compiled sources, and the code that builds them.
pub(crate) const INPUTS: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "cli",
    "corpus",
    "driver",
    "scanner-core",
    "xtask/src/compiler.rs",
    "xtask/src/driver.rs",
    "xtask/src/linker_wrapper.rs",
];

/// The portable, compact code of SHA-256: the other needs newer processors than XP
/// does.
const PORTABLE: [&str; 2] = [
    "--cfg=sha2_256_backend=\"soft\"",
    "--cfg=sha2_backend_soft=\"compact\"",
];

const NO_COMPILER: &str = "no compiler; cargo xtask setup installs one";

/// The checker can't follow jumps through a table.
const NO_JUMP_TABLES: &str = "-Cjump-tables=no";

/// Builds compiler_builtins with one object per function, like rustup's library:
/// otherwise one use of memcpy links all of its assembler code.
const BUILTINS: [&str; 2] = [
    "--config",
    "profile.driver.package.compiler_builtins.codegen-units=10000",
];

/// Builds and checks the products. rustup's `core` is compiled for newer processors than
/// the driver's; if the checker finds such code in a file, a compiler that builds `core`
/// is tried.
pub(crate) fn run(
    workspace: &Workspace,
    rebuild: Rebuild,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    let mut failure = Failure(format!("no compiler: {INSTALL_HINT}"));
    for compiler in Compiler::all(workspace) {
        println!("--- {compiler}");
        let files = build(workspace, compiler)?;
        let shipped = copy_products(workspace, &files)?;
        // For those who reproduce the build.
        let version = compiler.version(workspace)?;
        fs::write(workspace.target("driver/compiler.txt"), version + "\n")?;
        let reproduced = reproduce(workspace, compiler, rebuild, &files)?;
        let checked = check_products(workspace, &shipped);
        if let Ok(output) = &checked {
            observations.figure("compiler of the driver", compiler);
            observations.read_figures(output);
        }
        match checked {
            Ok(_) => return Ok(Outcome::Passed(format!("{compiler}{reproduced}"))),
            Err(fault) if compiler.builds_core() => return Err(fault),
            Err(fault) => {
                println!("--- possibly because of the prebuilt core: {fault}");
                failure = Failure(format!(
                    "{fault}, and no compiler here builds core: {INSTALL_HINT}"
                ));
            }
        }
    }
    Err(failure)
}

/// Compiles what [`step`] builds and checks, while the checker is compiled.
pub(crate) fn compile(workspace: &Workspace) -> Result<Outcome, Failure> {
    let Some(&compiler) = Compiler::all(workspace).first() else {
        return Ok(Outcome::Skipped(NO_COMPILER.into()));
    };
    build(workspace, compiler)?;
    Ok(Outcome::Passed(compiler.to_string()))
}

/// The step of `cargo xtask test`; skipped without a compiler.
pub(crate) fn step(
    workspace: &Workspace,
    may_be_recorded: bool,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    if Compiler::all(workspace).is_empty() {
        return Ok(Outcome::Skipped(NO_COMPILER.into()));
    }
    let rebuild = match may_be_recorded {
        true => Rebuild::UnlessRecorded,
        false => Rebuild::OwnCrates,
    };
    run(workspace, rebuild, observations)
}

/// Builds the products; returns the linker's files, by processor and product in the
/// order of the tables.
fn build(workspace: &Workspace, compiler: Compiler) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for processor in &PROCESSORS {
        files.extend(build_from(
            workspace,
            compiler,
            processor,
            &PRODUCTS,
            &workspace.path(""),
            &[],
        )?);
    }
    Ok(files)
}

/// Builds products for one processor, from sources that may be a copy in the workspace, with
/// further arguments for cargo.
pub(crate) fn build_from(
    workspace: &Workspace,
    compiler: Compiler,
    processor: &Processor,
    products: &[Product],
    sources: &Path,
    arguments: &[&str],
) -> Result<Vec<PathBuf>, Failure> {
    let Some(linker) = compiler.linker(workspace) else {
        let problem = "no rust-lld (part of rustup's compilers) and no lld-link-22";
        return Err(Failure(format!("{problem}: apt-get install lld-22")));
    };
    let mut build = build_for(workspace, compiler, processor);
    build.current_dir(sources).args(arguments);
    for product in products {
        build.args(["--package", product.package, "--bin", product.program]);
    }
    linker_wrapper::configure(&mut build, processor.target, &linker)?;
    command::run(&mut build)?;
    let made = workspace
        .target(BUILD)
        .join(processor.target)
        .join("driver");
    let efi = |product: &Product| made.join(format!("{}.efi", product.program));
    Ok(products.iter().map(efi).collect())
}

/// `cargo build` for a processor, without a package: always the same flags, so that
/// `core` is built once.
pub(crate) fn build_for(
    workspace: &Workspace,
    compiler: Compiler,
    processor: &Processor,
) -> Command {
    let mut build = compiler.build(workspace);
    build
        .args(["--locked", "--profile", "driver"])
        .args(["--target", processor.target])
        .arg("--target-dir")
        .arg(workspace.target(BUILD))
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, processor));
    if compiler.builds_core() {
        build.args(BUILTINS);
    }
    build
}

/// The compiler's flags, separated as in CARGO_ENCODED_RUSTFLAGS.
fn flags(workspace: &Workspace, processor: &Processor) -> String {
    let flags = processor.flags.iter().chain(&PORTABLE);
    let flags = flags.map(ToString::to_string);
    let flags: Vec<String> = flags.chain(remap_flags(workspace)).collect();
    flags.join("\u{1f}")
}

/// The flags that keep this machine's paths out of a file.
pub(crate) fn remap_flags(workspace: &Workspace) -> Vec<String> {
    source_folders(workspace)
        .into_iter()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
        .collect()
}

/// Folders of sources on this machine, each with its replacement in files.
pub(crate) fn source_folders(workspace: &Workspace) -> Vec<(PathBuf, &'static str)> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let sources = home.map(|home| (home, "cargo"));
    // The same flags in both folders, so that the second build can reuse the first.
    let ours = workspace.build_folders().map(|folder| (folder, "tcplimit"));
    ours.into_iter().chain(sources).collect()
}

/// Every product of every processor.
fn products() -> impl Iterator<Item = (&'static Processor, &'static Product)> {
    let products = |processor| PRODUCTS.iter().map(move |product| (processor, product));
    PROCESSORS.iter().flat_map(products)
}

/// Copies the files to `target/driver`.
fn copy_products(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut shipped = Vec::new();
    for ((processor, product), file) in products().zip(files) {
        let inside = format!("driver/{}/{}", processor.name, product.file);
        let to = workspace.target(&inside);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        let bytes =
            fs::copy(file, &to).map_err(|error| Failure(format!("{}: {error}", file.display())))?;
        println!("{:<4} {bytes:>7} bytes  target/{inside}", processor.name);
        shipped.push(to);
    }
    Ok(shipped)
}

/// Checks the shipped files: imports, instructions, headers, stack; returns the output.
fn check_products(workspace: &Workspace, files: &[PathBuf]) -> Result<String, Failure> {
    let mut out = String::new();
    let mut has_violation = false;
    let checks = executables::program(
        workspace,
        executables::ExecutableKind::Program,
        executables::CHECKER,
    )?;
    for ((processor, product), file) in products().zip(files) {
        let mut check = workspace.command(&checks.to_string_lossy());
        check
            .arg(product.kind.name())
            .args([processor.name.as_ref(), file.as_os_str()]);
        let output = command::tee(&mut check)?;
        has_violation |= !output.status.success();
        out += &output.out;
    }
    if has_violation {
        return Err(Failure("the checker found violations".into()));
    }
    Ok(out)
}

/// Compares the files with a second build in another folder, or with the recorded
/// digests; returns a note.
fn reproduce(
    workspace: &Workspace,
    compiler: Compiler,
    rebuild: Rebuild,
    files: &[PathBuf],
) -> Result<&'static str, Failure> {
    if rebuild == Rebuild::Never {
        return Ok("");
    }
    let mut versions = vec![compiler.version(workspace)?];
    versions.extend(compiler.linker_version(workspace));
    let inputs = Inputs::of(workspace, "driver", &INPUTS, &versions);
    let digests = recorded::digests(workspace, files)?;
    if rebuild == Rebuild::UnlessRecorded && inputs.recorded().as_ref() == Some(&digests) {
        return Ok("; same bytes as recorded");
    }
    rebuild_and_compare(workspace, compiler, rebuild, files)?;
    inputs.record(&digests)?;
    Ok("; built twice, same bytes")
}

/// Builds a copy of the sources in another folder and compares.
fn rebuild_and_compare(
    workspace: &Workspace,
    compiler: Compiler,
    rebuild: Rebuild,
    files: &[PathBuf],
) -> Result<(), Failure> {
    let elsewhere = workspace.copy_elsewhere()?;
    println!("--- building again in {}", elsewhere.path("").display());
    let build_folder = elsewhere.target(BUILD);
    if build_folder.exists() {
        fs::remove_dir_all(&build_folder)?;
    }
    if rebuild != Rebuild::Everything {
        copy(
            &workspace.target(BUILD),
            &build_folder,
            true,
            &is_workspace_crate,
        )?;
    }
    for (one, other) in files.iter().zip(build(&elsewhere, compiler)?) {
        compare(one, &other)?;
    }
    Ok(())
}

/// Whether a file in cargo's target folder belongs to a crate of the workspace.
fn is_workspace_crate(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let crates = ["scanner-core", "scanner_core", "tcplimit"];
    crates.iter().any(|ours| name.contains(ours))
}

/// Both files must have the same bytes.
pub(crate) fn compare(one: &Path, other: &Path) -> Result<(), Failure> {
    let (bytes, others) = (fs::read(one)?, fs::read(other)?);
    match first_difference(&bytes, &others) {
        None => Ok(()),
        Some(offset) => Err(Failure(format!(
            "not reproducible: {} and {} differ at offset {offset:#x}",
            one.display(),
            other.display()
        ))),
    }
}

/// The offset of the first difference; the end of the shorter slice counts as one.
fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    differs.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_named_and_so_is_an_early_end() {
        assert_eq!(first_difference(b"driver", b"driver"), None);
        assert_eq!(first_difference(b"driver", b"drover"), Some(2));
        assert_eq!(first_difference(b"driver", b"driv"), Some(4));
        assert_eq!(first_difference(b"", b"d"), Some(0));
    }

    #[test]
    fn flags_are_separated_so_that_paths_may_hold_spaces() {
        let workspace = Workspace::current();
        let flags = flags(&workspace, &PROCESSORS[0]);
        let flags: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(flags[0], "-Ctarget-cpu=pentium");
        let is_remapped =
            |flag: &&str| flag.starts_with("--remap-path-prefix=") && flag.ends_with("=tcplimit");
        assert_eq!(flags.iter().filter(|flag| is_remapped(flag)).count(), 2);
    }
}
