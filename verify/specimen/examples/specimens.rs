//! Writes the specimens of `corpus/specimens/`, one of each kind:
//! `cargo xtask specimens`.

use std::path::PathBuf;
use std::{env, fs, io};

use specimen::Spec;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or("corpus/specimens".into()));
    fs::create_dir_all(&folder)?;
    for (name, spec) in Spec::presets() {
        let path = folder.join(format!("{name}.sys"));
        fs::write(&path, spec.build().file)?;
        println!("{}", path.display());
    }
    Ok(())
}
