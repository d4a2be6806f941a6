//! What the linker is told.

/// For both processors. A program needs none of the later marks (NX, random
/// addresses, terminal server); it is relocatable all the same.
const ALL: [&str; 12] = [
    "/ENTRY:start",
    "/NODEFAULTLIB",
    "/RELEASE",
    "/BASE:0x400000",
    "/FIXED:NO",
    "/DYNAMICBASE:NO",
    "/NXCOMPAT:NO",
    "/TSAWARE:NO",
    "/HIGHENTROPYVA:NO",
    "/INCREMENTAL:NO",
    "/Brepro",
    "/STACK:0x100000",
];

/// The oldest systems that load it: XP is 5.1; on x64 the first is 5.2.
const XP: [&str; 3] = ["/SUBSYSTEM:CONSOLE,5.01", "/OSVERSION:5.1", "/VERSION:5.1"];
const XP_X64: [&str; 3] = ["/SUBSYSTEM:CONSOLE,5.02", "/OSVERSION:5.2", "/VERSION:5.2"];

/// The arguments, to be given after those of the target, if it is one of the
/// two that the driver is built for: they are taken for their code (PE, no
/// floats), not for UEFI.
pub(crate) fn arguments(os: &str, arch: &str) -> Option<impl Iterator<Item = &'static str>> {
    let own = match (os, arch) {
        ("uefi", "x86") => XP,
        ("uefi", "x86_64") => XP_X64,
        _ => return None,
    };
    Some(ALL.into_iter().chain(own))
}
