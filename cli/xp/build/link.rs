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
const XP: [&str; 2] = ["/OSVERSION:5.1", "/VERSION:5.1"];
const XP_X64: [&str; 2] = ["/OSVERSION:5.2", "/VERSION:5.2"];

/// A program with a console, or with a window.
#[derive(Clone, Copy)]
pub(crate) enum Subsystem {
    Console,
    Window,
}

/// The arguments, to be given after those of the target, if it is one of the
/// two that the driver is built for: they are taken for their code (PE, no
/// floats), not for UEFI.
pub(crate) fn arguments(
    os: &str,
    arch: &str,
    subsystem: Subsystem,
) -> Option<impl Iterator<Item = &'static str>> {
    let (own, subsystem) = match (os, arch, subsystem) {
        ("uefi", "x86", Subsystem::Console) => (XP, "/SUBSYSTEM:CONSOLE,5.01"),
        ("uefi", "x86", Subsystem::Window) => (XP, "/SUBSYSTEM:WINDOWS,5.01"),
        ("uefi", "x86_64", Subsystem::Console) => (XP_X64, "/SUBSYSTEM:CONSOLE,5.02"),
        ("uefi", "x86_64", Subsystem::Window) => (XP_X64, "/SUBSYSTEM:WINDOWS,5.02"),
        _ => return None,
    };
    Some(ALL.into_iter().chain(own).chain([subsystem]))
}
