//! Cabinets expanded by other programs: cabextract, and on Windows extrac32, which uses
//! cabinet.dll, in Wine too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::Files;

/// Members and their contents; `None` if the program is missing. `cargo xtask setup` installs
/// cabextract; CI on Linux requires it.
pub(crate) fn expanded(cabinet: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let files = Files::new().with("x.cab", cabinet).with("out/old", b"");
    let outputs = match expand(&files.path()) {
        Ok(outputs) => outputs,
        Err(error) => {
            let required = cfg!(target_os = "linux") && std::env::var_os("CI").is_some();
            assert!(!required, "no cabextract: {error}");
            eprintln!("not judged: {error}, see cargo xtask setup");
            return None;
        }
    };
    for output in outputs {
        let printed = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}");
    }
    let entries = fs::read_dir(files.path().join("out")).unwrap();
    let contents = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(&path).unwrap())
    });
    Some(contents.filter(|(name, _)| name != "old").collect())
}

#[cfg(not(windows))]
fn expand(folder: &Path) -> std::io::Result<Vec<Output>> {
    let cabextract = |arguments: &[&str]| {
        let mut command = Command::new("cabextract");
        command.args(arguments).current_dir(folder).output()
    };
    Ok(vec![
        cabextract(&["-t", "x.cab"])?,
        cabextract(&["-q", "-d", "out", "x.cab"])?,
    ])
}

#[cfg(windows)]
fn expand(folder: &Path) -> std::io::Result<Vec<Output>> {
    let mut command = Command::new("extrac32");
    command.args(["/E", "/Y", "/L"]).arg(folder.join("out"));
    Ok(vec![command.arg(folder.join("x.cab")).output()?])
}
