//! The contents of the archives.

use std::fs;
use std::path::Path;

use super::archive::{Archive, Program, Reader};
use super::components::{self, Parts};
use super::release::Release;
use crate::command::{self, Failure};
use crate::driver::{PROCESSORS, PRODUCTS, Product, ProductKind};
use crate::filesystem::{files, read_text, recreate_folder};

/// File name of the tool for files on this system.
pub(super) const TOOL: &str = if cfg!(windows) {
    "tcplimit.exe"
} else {
    "tcplimit"
};

/// The README.txt of the archives for XP.
const README: &str = include_str!("README.txt");

/// The script for a test on a real machine, and its manual.
const REAL_MACHINE_FILES: [(&str, &str); 2] = [
    ("docs/on-real-xp.cmd", "on-real-xp.cmd"),
    ("docs/on-real-xp.md", "ON-REAL-XP.txt"),
];

/// Shells of `tcplimit completions`, and the file name that each expects.
const COMPLETIONS: [(&str, &str); 5] = [
    ("bash", "tcplimit.bash"),
    ("elvish", "tcplimit.elv"),
    ("fish", "tcplimit.fish"),
    ("powershell", "_tcplimit.ps1"),
    ("zsh", "_tcplimit"),
];

/// The systems of an archive.
fn systems(arch: &str) -> &'static str {
    match arch {
        "x86" => "Windows XP SP2 and SP3, and Server 2003 SP1 and SP2, 32-bit",
        _ => "Windows XP x64 and Server 2003 x64, SP1 and SP2",
    }
}

/// All archives of a release.
pub(super) fn all(release: &Release<'_>) -> Result<Vec<Archive>, Failure> {
    let workspace = release.workspace;
    let version = &release.version;
    let compiler = read_text(&release.driver.join("compiler.txt"))?;
    let mut archives = Vec::new();
    for processor in &PROCESSORS {
        let arch = processor.name;
        let program = |product: &Product| Program {
            name: product.file,
            kind: product.kind,
            package: product.package,
            target: processor.target.into(),
            compiler: compiler.trim().into(),
            path: release.driver.join(arch).join(product.file),
        };
        archives.push(Archive {
            name: format!("tcplimit-{version}-winxp-{arch}"),
            reader: Reader::Xp { arch },
            programs: PRODUCTS.iter().map(program).collect(),
        });
    }
    let compiler = command::capture(workspace.command("rustc").arg("--version"))?;
    archives.push(Archive {
        name: format!("tcplimit-{version}-{}", release.host),
        reader: Reader::Workbench,
        programs: vec![Program {
            name: TOOL,
            kind: ProductKind::Program,
            package: "tcplimit",
            target: release.host.clone(),
            compiler: compiler.success("rustc --version")?.trim().into(),
            path: release.tool.clone(),
        }],
    });
    Ok(archives)
}

/// Writes all files of an archive except the sums into a folder.
pub(super) fn stage(
    release: &Release<'_>,
    archive: &Archive,
    parts: &Parts,
    folder: &Path,
) -> Result<(), Failure> {
    recreate_folder(folder)?;
    let notices = components::notices(parts)?;
    match archive.reader {
        Reader::Xp { arch } => {
            for program in &archive.programs {
                // Not fs::copy, which would keep the execute right.
                let bytes = fs::read(&program.path)
                    .map_err(|error| Failure(format!("{}: {error}", program.path.display())))?;
                fs::write(folder.join(program.name), bytes)?;
            }
            let read = |inside: &str| read_text(&release.workspace.path(inside));
            let words = [
                ("{version}", release.version.as_str()),
                ("{arch}", arch),
                ("{systems}", systems(arch)),
            ];
            let first = words
                .iter()
                .fold(README.to_string(), |text, (word, value)| {
                    text.replace(word, value)
                });
            let texts = [
                ("README.txt", first),
                ("MANUAL.txt", read("docs/manual.md")?),
                ("LICENSE-APACHE.txt", read("LICENSE-APACHE")?),
                ("LICENSE-MIT.txt", read("LICENSE-MIT")?),
                ("THIRD-PARTY.txt", notices),
            ];
            for (name, text) in texts {
                fs::write(folder.join(name), for_notepad(&text))?;
            }
            for (from, name) in REAL_MACHINE_FILES {
                fs::write(folder.join(name), for_notepad(&read(from)?))?;
            }
        }
        Reader::Workbench => workbench(release, &notices, folder)?,
    }
    Ok(())
}

fn workbench(release: &Release<'_>, notices: &str, folder: &Path) -> Result<(), Failure> {
    let workspace = release.workspace;
    let tool = folder.join(TOOL);
    fs::copy(&release.tool, &tool)?;
    let tool = tool.display().to_string();
    let man = folder.join("man/man1");
    let mut pages = workspace.command(&tool);
    command::capture(pages.args(["man", "--output"]).arg(&man))?.success("tcplimit man")?;
    let completions = folder.join("completions");
    fs::create_dir_all(&completions)?;
    for (shell, name) in COMPLETIONS {
        let output = command::capture(workspace.command(&tool).args(["completions", shell]))?;
        fs::write(
            completions.join(name),
            output.success("tcplimit completions")?,
        )?;
    }
    for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        fs::write(folder.join(name), read_text(&workspace.path(name))?)?;
    }
    fs::write(folder.join("THIRD-PARTY"), notices)?;
    let docs = workspace.path("docs");
    for (path, _) in files(&docs)? {
        let inside = path.strip_prefix(&docs).unwrap_or(&path);
        let to = folder.join("docs").join(inside);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(to, fs::read(&path)?)?;
    }
    Ok(())
}

/// The text with CR LF, as Windows XP's Notepad requires.
pub(super) fn for_notepad(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_cr_lf() {
        assert_eq!(for_notepad("a\nb\r\n\nc"), "a\r\nb\r\n\r\nc");
    }
}
