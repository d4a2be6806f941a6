//! The programs for Wine: two target drivers, a driver that completes Wine's kernel,
//! clients, and the shipped driver.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::arch::Arch;
use super::check_log::CheckLog;
use super::tool;
use crate::command::{self, Failure};
use crate::compiler::Compiler;
use crate::executables::{self, ExecutableKind};
use crate::filesystem::copy;
use crate::offsets;
use crate::workspace::Workspace;

/// The program that controls the window.
pub(super) const WINDOW_DRIVER: &str = "window.exe";

/// The stand-ins for the system's drivers, with their compiler flags.
const TARGETS: [(&str, &[&str]); 2] = [("tcpip", &[]), ("tcpip6", &["-DIPV6"])];

/// The driver that completes Wine's kernel.
const MEND: &str = "mend";

/// Sections with the rights of genuine drivers: read, write, execute, discardable, and P
/// for nonpaged.
const SECTIONS: [&str; 5] = [
    "/SECTION:.text,ERP",
    "/SECTION:.rdata,RP",
    "/SECTION:.data,RWP",
    "/SECTION:.pdata,RP",
    "/SECTION:INIT,ERWD",
];

/// The documentation's example for authors of other programs.
const EXAMPLE: &str = "docs/example/limit.c";

/// A program with half-open connections.
const WAITING: &str = "waiting.exe";

const NO_LINKER: &str = "no rust-lld and no lld-link-22";

/// The programs for one processor.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    shipped: PathBuf,
}

/// The RVA of a target's limit, as located on this machine.
#[derive(Debug)]
pub(super) struct TargetLimit {
    pub(super) module: u32,
    pub(super) rva: u32,
}

/// Arguments of compiler and linker for a processor.
struct Toolchain {
    triple: &'static str,
    machine: &'static str,
    subsystem: &'static str,
    entry: &'static str,
    flags: &'static [&'static str],
}

fn toolchain(arch: Arch) -> Toolchain {
    match arch {
        Arch::X64 => Toolchain {
            triple: "x86_64-w64-mingw32",
            machine: "/MACHINE:X64",
            subsystem: "/SUBSYSTEM:NATIVE,5.02",
            entry: "/ENTRY:DriverEntry",
            flags: &[],
        },
        Arch::X86 => Toolchain {
            triple: "i686-w64-mingw32",
            machine: "/MACHINE:X86",
            subsystem: "/SUBSYSTEM:NATIVE,5.01",
            entry: "/ENTRY:DriverEntry@8",
            flags: &["-fno-asynchronous-unwind-tables", "-march=pentium"],
        },
    }
}

/// Builds a DLL for x64 from a file of `verify/wine`.
pub(super) fn build_library(workspace: &Workspace, source: &str, to: &Path) -> Result<(), Failure> {
    let triple = toolchain(Arch::X64).triple;
    let mut compile = workspace.command(&format!("{triple}-gcc"));
    compile
        .args(["-shared", "-Os", "-Wall", "-Wextra", "-Werror"])
        .arg(workspace.path("verify/wine").join(source))
        .arg("-o")
        .arg(to)
        .arg("-ladvapi32");
    command::capture(&mut compile)?.success(source)?;
    Ok(())
}

impl Programs {
    /// Builds all of `verify/wine`; copies the driver.
    pub(super) fn build(workspace: &Workspace, arch: Arch, driver: &Path) -> Result<Self, Failure> {
        let folder = workspace.target(&format!("wine/programs/{}", arch.name()));
        fs::create_dir_all(&folder)?;
        // A copy, so that a run tests one file throughout.
        let shipped = folder.join("tcplimit.sys");
        copy(driver, &shipped)?;
        let programs = Self { folder, shipped };
        let toolchain = toolchain(arch);
        let limiter = format!("limiter_{}.S", arch.name());
        for (name, flags) in TARGETS {
            programs.build_driver(workspace, &toolchain, name, &["target.c", &limiter], flags)?;
        }
        programs.build_driver(workspace, &toolchain, MEND, &["mend.c"], &[])?;
        let parts = ["client.c", "service.c", "storm.c", "restricted.c"]
            .map(|part| format!("verify/wine/{part}"));
        programs.build_program(workspace, &toolchain, "client.exe", &parts)?;
        let legacy = ["verify/wine/legacy.c".to_string()];
        programs.build_program(workspace, &toolchain, "legacy.exe", &legacy)?;
        let example = [EXAMPLE.to_string()];
        programs.build_program(workspace, &toolchain, "limit.exe", &example)?;
        let waiting = ["verify/wine/waiting.c".to_string()];
        programs.build_program(workspace, &toolchain, WAITING, &waiting)?;
        let window = ["verify/wine/window.c".to_string()];
        programs.build_program(workspace, &toolchain, WINDOW_DRIVER, &window)?;
        Ok(programs)
    }

    fn build_driver(
        &self,
        workspace: &Workspace,
        toolchain: &Toolchain,
        name: &str,
        sources: &[&str],
        flags: &[&str],
    ) -> Result<(), Failure> {
        let mut objects = Vec::new();
        for &source in sources {
            let object = self.folder.join(format!("{name}-{source}.o"));
            let mut compile = workspace.command(&format!("{}-gcc", toolchain.triple));
            compile
                .args(["-Os", "-ffreestanding", "-Wall", "-Wextra", "-Werror"])
                .args(["-Wno-unused-parameter", "-c"])
                .args(toolchain.flags)
                .args(flags)
                .arg("-isystem")
                .arg(format!("/usr/{}/include/ddk", toolchain.triple))
                .arg(workspace.path("verify/wine").join(source))
                .arg("-o")
                .arg(&object);
            command::capture(&mut compile)?.success(source)?;
            objects.push(object);
        }
        let linker = linker(workspace).ok_or_else(|| Failure(NO_LINKER.into()))?;
        let mut link = workspace.command(&linker.display().to_string());
        link.args(["-flavor", "link", "-lldmingw", toolchain.machine])
            .args([toolchain.subsystem, toolchain.entry])
            .args(["/DRIVER", "/NODEFAULTLIB", "/RELEASE", "/BREPRO"])
            .args(["/BASE:0x10000", "/FIXED:NO", "/DYNAMICBASE:NO"])
            .args(SECTIONS)
            .arg(format!("/OUT:{}", self.driver_file(name).display()))
            .args(&objects)
            .arg(format!("/usr/{}/lib/libntoskrnl.a", toolchain.triple));
        command::capture(&mut link)?.success("lld-link")?;
        Ok(())
    }

    fn build_program(
        &self,
        workspace: &Workspace,
        toolchain: &Toolchain,
        name: &str,
        sources: &[String],
    ) -> Result<(), Failure> {
        let mut compile = workspace.command(&format!("{}-gcc", toolchain.triple));
        compile
            .args([
                "-O1",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-D_WIN32_WINNT=0x0501",
            ])
            .args(sources.iter().map(|source| workspace.path(source)))
            .arg("-o")
            .arg(self.folder.join(name))
            .args(["-ladvapi32", "-lntdll", "-lole32", "-luuid", "-lws2_32"]);
        command::capture(&mut compile)?.success(name)?;
        Ok(())
    }

    fn driver_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.sys"))
    }

    /// Runs the tool for files on the targets, as files and as loaded: both must be located
    /// at the same RVA.
    pub(super) fn probe(
        &self,
        workspace: &Workspace,
        checks: &mut CheckLog,
    ) -> Result<Vec<TargetLimit>, Failure> {
        let mut limits = Vec::new();
        for ((name, _), module) in TARGETS.into_iter().zip([4, 6]) {
            let file = self.driver_file(name);
            let output = probe(workspace, &file, &[])?;
            let loaded = probe(workspace, &file, &["--as-loaded"])?;
            let rva = |output: &Value| {
                let rva = output["rvas"]["threshold"].as_u64()?;
                u32::try_from(rva).ok()
            };
            let both = rva(&output)
                .zip(rva(&loaded))
                .filter(|(one, other)| one == other);
            let description =
                format!("tcplimit probe locates the limit in {name}.sys as a file and as loaded");
            checks.check(&description, both.is_some(), &loaded);
            limits.extend(both.map(|(rva, _)| TargetLimit { module, rva }));
        }
        Ok(limits)
    }

    /// Copies all programs to Wine's drive.
    pub(super) fn install(&self, drive: &Path) -> Result<(), Failure> {
        let drivers = drive.join("windows/system32/drivers");
        for name in TARGETS.map(|(name, _)| name).into_iter().chain([MEND]) {
            let to = drivers.join(format!("{name}.sys"));
            copy(&self.driver_file(name), &to)?;
        }
        copy(&self.shipped, &drivers.join("tcplimit.sys"))?;
        copy(&self.shipped, &drivers.join("second.sys"))?;
        for name in [
            "client.exe",
            "legacy.exe",
            "limit.exe",
            WAITING,
            WINDOW_DRIVER,
        ] {
            copy(&self.folder.join(name), &drive.join(name))?;
        }
        // Also at a path with a space.
        let folder = drive.join(tool::FOLDER);
        fs::create_dir_all(&folder)?;
        copy(&self.folder.join(WAITING), &folder.join(WAITING))?;
        Ok(())
    }
}

/// The missing tool for the build, if any.
pub(super) fn missing_tool(workspace: &Workspace) -> Option<&'static str> {
    if !offsets::COMPILERS
        .iter()
        .all(|gcc| workspace.has_program(gcc))
    {
        return Some("no mingw-w64; cargo xtask setup installs it");
    }
    linker(workspace).is_none().then_some(NO_LINKER)
}

/// The linker of any compiler.
fn linker(workspace: &Workspace) -> Option<PathBuf> {
    Compiler::Debian.linker(workspace)
}

fn probe(workspace: &Workspace, file: &Path, words: &[&str]) -> Result<Value, Failure> {
    let tool = executables::program(workspace, ExecutableKind::Program, executables::WORKBENCH)?;
    let mut probe = workspace.command(&tool.to_string_lossy());
    probe
        .args(["probe", "--json"])
        .args(words)
        .arg("--")
        .arg(file);
    let output = command::capture(&mut probe)?;
    serde_json::from_str(output.out.trim())
        .map_err(|error| Failure(format!("tcplimit probe: {error}: {}", output.err)))
}
