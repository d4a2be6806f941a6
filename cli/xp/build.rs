//! Makes `tcplimit.exe` of the program: how it is linked, its version, and the
//! builds that it knows.

#[path = "build/known.rs"]
mod known;
#[path = "build/link.rs"]
mod link;
// Resources are made as those of the driver.
#[path = "../../driver/build/resource.rs"]
#[expect(dead_code, reason = "a program has no messages")]
mod resource;
#[path = "../../driver/build/version.rs"]
mod version;

use std::path::{Path, PathBuf};
use std::{env, fs};

const DRIVER: &str = "../../driver/build";
const BUILDS: &str = "../../corpus/builds.toml";

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={DRIVER}");
    println!("cargo::rerun-if-changed={BUILDS}");
    let builds = fs::read_to_string(BUILDS).expect("the manifest can be read");
    write("known.rs", known::table(&builds).as_bytes());

    let (os, arch) = (var("CARGO_CFG_TARGET_OS"), var("CARGO_CFG_TARGET_ARCH"));
    let Some(arguments) = link::arguments(&os, &arch) else {
        return;
    };
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    let version = version::of(&var("CARGO_PKG_VERSION"), &version::PROGRAM);
    let resources = write(
        "tcplimit.res",
        &resource::file(&[(resource::RT_VERSION, version)]),
    );
    println!("cargo::rustc-link-arg-bins={}", resources.display());
}

fn write(name: &str, contents: &[u8]) -> PathBuf {
    let file = Path::new(&var("OUT_DIR")).join(name);
    fs::write(&file, contents).expect("OUT_DIR can be written");
    file
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
