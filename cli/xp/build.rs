//! Builds `tcplimit.exe` and `tcplimitw.exe`: linker arguments, resources, known builds,
//! translations.

#[path = "build/icon.rs"]
mod icon;
#[path = "build/known.rs"]
mod known;
#[path = "build/language.rs"]
mod language;
#[path = "build/link.rs"]
mod link;
#[path = "build/manifest.rs"]
mod manifest;
// Resources are built like the driver's.
#[path = "../../driver/build/resource.rs"]
#[expect(dead_code, reason = "a program has no messages")]
mod resource;
#[path = "../../driver/build/version.rs"]
mod version;

use std::path::{Path, PathBuf};
use std::{env, fs};

use link::Subsystem;

const DRIVER: &str = "../../driver/build";
const GERMAN: &str = "languages/de.po";
const BUILDS: &str = "../../corpus/builds.toml";

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={DRIVER}");
    println!("cargo::rerun-if-changed={BUILDS}");
    let builds = fs::read_to_string(BUILDS).expect("the manifest can be read");
    write("known.rs", known::table(&builds).as_bytes());

    println!("cargo::rerun-if-changed={GERMAN}");
    println!("cargo::rerun-if-changed=src/language/hash.rs");
    let german = fs::read_to_string(GERMAN).expect("the file of German can be read");
    let german = language::table(&german).unwrap_or_else(|error| panic!("{GERMAN}: {error}"));
    write("de.rs", german.as_bytes());

    let version = var("CARGO_PKG_VERSION");
    let console = version::encode(&version, &version::PROGRAM);
    let console = [(resource::RT_VERSION, 1, console)];
    program("tcplimit-exe", Subsystem::Console, &console);

    let mut window = Vec::from([
        (
            resource::RT_VERSION,
            1,
            version::encode(&version, &version::WINDOW),
        ),
        (resource::RT_MANIFEST, 1, manifest::MANIFEST.into()),
    ]);
    window.extend(icon::resources());
    program("tcplimitw-exe", Subsystem::Window, &window);
}

/// Sets the linker arguments and resources of a program.
fn program(name: &str, subsystem: Subsystem, resources: &[(u16, u16, Vec<u8>)]) {
    let (os, arch) = (var("CARGO_CFG_TARGET_OS"), var("CARGO_CFG_TARGET_ARCH"));
    let Some(arguments) = link::arguments(&os, &arch, subsystem) else {
        return;
    };
    for argument in arguments {
        println!("cargo::rustc-link-arg-bin={name}={argument}");
    }
    let resources = write(&format!("{name}.res"), &resource::encode_named(resources));
    println!("cargo::rustc-link-arg-bin={name}={}", resources.display());
}

fn write(name: &str, contents: &[u8]) -> PathBuf {
    let file = Path::new(&var("OUT_DIR")).join(name);
    fs::write(&file, contents).expect("OUT_DIR can be written");
    file
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
