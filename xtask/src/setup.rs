//! What the checks need and a machine may lack, and how it gets there.

use std::fs;

use crate::command::{self, Failure};
use crate::debian;
use crate::no_std::{Compiler, TARGETS};
use crate::report::Outcome;
use crate::workspace::{Workspace, consent};

/// A cargo subcommand, installed under `target/tools`.
#[derive(Debug)]
struct Tool {
    name: &'static str,
    version: &'static str,
    purpose: &'static str,
    arguments: &'static [&'static str],
}

/// Versions are pinned: a check must not change its mind over night.
const TOOLS: [Tool; 2] = [
    Tool {
        name: "cargo-deny",
        version: "0.20.2",
        purpose: "licences and duplicate dependencies",
        // Its default features are for fetching, which is never asked of it.
        arguments: &["--no-default-features"],
    },
    Tool {
        name: "cargo-fuzz",
        version: "0.13.2",
        purpose: "fuzzing",
        arguments: &[],
    },
];

/// Debian's compiler with the source of its library.
const DEBIAN_RUST: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Something that is missing, and the way to it.
#[derive(Debug)]
enum Need {
    Tool(&'static Tool),
    /// A compiler for targets without a standard library, from Debian.
    DebianRust,
    /// The same, where a person has to fetch it.
    RustTargets,
}

impl Need {
    /// Everything that this machine lacks.
    fn all(workspace: &Workspace) -> Vec<Self> {
        let mut needs: Vec<Self> = TOOLS
            .iter()
            .filter(|tool| !workspace.has_program(tool.name))
            .map(Self::Tool)
            .collect();
        if Compiler::find(workspace).is_none() {
            let debian = debian::is_this(workspace);
            needs.push(if debian {
                Self::DebianRust
            } else {
                Self::RustTargets
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
            Self::DebianRust => {
                let packages = DEBIAN_RUST.join(" ");
                format!("Debian packages {packages}, to build for targets without std or float")
            }
            Self::RustTargets => {
                let targets = TARGETS.join(" ");
                format!("by hand: rustup target add {targets} (their build is skipped until then)")
            }
        }
    }

    fn install(&self, workspace: &Workspace) -> Result<(), Failure> {
        match self {
            Self::Tool(tool) => tool.install(workspace),
            Self::DebianRust => debian::install(workspace, &DEBIAN_RUST),
            Self::RustTargets => Ok(()),
        }
    }

    fn is_for_a_person(&self) -> bool {
        matches!(self, Self::RustTargets)
    }
}

impl Tool {
    /// Not optimised: these run for milliseconds and take minutes to optimise.
    fn install(&self, workspace: &Workspace) -> Result<(), Failure> {
        let build = workspace.made("tools/build");
        let mut install = workspace.cargo(&["install", "--locked", self.name]);
        install
            .args(["--version", self.version])
            .args(self.arguments)
            .arg("--root")
            .arg(workspace.made("tools"))
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

/// Lists what is missing, asks, installs. Returns at once when all is there.
pub(crate) fn run(workspace: &Workspace, yes: bool) -> Result<Outcome, Failure> {
    let needs = Need::all(workspace);
    if needs.is_empty() {
        return Ok(Outcome::Passed("nothing is missing".into()));
    }
    println!("This machine lacks:");
    for need in &needs {
        println!("  - {}", need.describe());
    }
    let (by_hand, ours): (Vec<Need>, Vec<Need>) =
        needs.into_iter().partition(Need::is_for_a_person);
    if !ours.is_empty() && !consent("Install what can be installed?", yes) {
        return Ok(Outcome::Skipped(
            "nothing was installed; what needs it is skipped".into(),
        ));
    }
    let mut failed = Vec::new();
    for need in &ours {
        if let Err(failure) = need.install(workspace) {
            failed.push(failure.to_string());
        }
    }
    if !failed.is_empty() {
        return Err(Failure(failed.join("; ")));
    }
    let left = if by_hand.is_empty() {
        ""
    } else {
        ", the rest is for you to do"
    };
    Ok(Outcome::Passed(format!("{} installed{left}", ours.len())))
}
