//! Arguments of the linker.

/// For both processors. The programs need none of the later flags (NX, random addresses, terminal
/// server), but are relocatable.
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

/// The oldest supported systems: XP is 5.1; the first x64 is 5.2.
const XP: [&str; 2] = ["/OSVERSION:5.1", "/VERSION:5.1"];
const XP_X64: [&str; 2] = ["/OSVERSION:5.2", "/VERSION:5.2"];

/// The PE subsystem: console or window.
#[derive(Clone, Copy)]
pub(crate) enum Subsystem {
    Console,
    Window,
}

/// The arguments to add after the target's own, if it is one of the driver's two targets. Those are
/// chosen for their code (PE, no floats), not for UEFI.
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
