//! Builds the program as `tcplimit.sys`: link arguments and resources.

#[path = "build/link.rs"]
mod link;
// The one source of the event log's texts.
#[path = "src/message.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is written for the library")]
mod message;
#[path = "build/message_table.rs"]
mod message_table;
#[path = "protocol/src/reason.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is written for the library")]
mod reason;
#[path = "build/resource.rs"]
mod resource;
#[path = "build/version.rs"]
mod version;

// `message` needs only this of the protocol; as a dependency, all of it would be compiled
// for the build script too.
extern crate self as tcplimit_protocol;
use reason::Reason;

use std::path::Path;
use std::{env, fs};

use link::Build;
use message::Message;

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=protocol/src/reason.rs");
    println!("cargo::rerun-if-changed=src/message.rs");
    let Some(build) = Build::for_target(&var("CARGO_CFG_TARGET_OS"), &var("CARGO_CFG_TARGET_ARCH"))
    else {
        return;
    };
    for argument in build.arguments() {
        link_with(argument);
    }
    // The linker converts it to an object.
    let resources = Path::new(&var("OUT_DIR")).join("tcplimit.res");
    fs::write(&resources, contents()).expect("OUT_DIR can be written");
    link_with(&resources.display().to_string());

    #[cfg(all(windows, target_env = "msvc", feature = "wdk"))]
    search_libraries_of_wdk();
}

/// Only the folders: `configure_wdk_binary_build` prints link arguments too, for
/// a cdylib, which this is not.
#[cfg(all(windows, target_env = "msvc", feature = "wdk"))]
fn search_libraries_of_wdk() {
    let configuration = wdk_build::Config::from_env_auto().expect("the WDK is installed");
    let folders = configuration.library_paths();
    for folder in folders.expect("the WDK has libraries for drivers") {
        println!("cargo::rustc-link-search={}", folder.display());
    }
}

fn contents() -> Vec<u8> {
    let texts = message_table::encode(Message::texts().collect());
    resource::encode(&[
        (resource::RT_MESSAGETABLE, texts),
        (
            resource::RT_VERSION,
            version::encode(&var("CARGO_PKG_VERSION"), &version::DRIVER),
        ),
    ])
}

fn link_with(argument: &str) {
    println!("cargo::rustc-link-arg-bins={argument}");
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
