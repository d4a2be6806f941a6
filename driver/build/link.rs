//! Arguments of the linker.

/// The three builds of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// For XP and Server 2003 on x86, with our bindings.
    X86,
    /// For XP x64 and Server 2003 x64, with our bindings.
    X64,
    /// The same, with Microsoft's bindings, linker and libraries.
    Wdk,
}

/// For all three. The image is relocatable, as drivers are, and has none of the
/// later flags (NX, random addresses, terminal server) for programs. `/RELEASE`
/// writes the checksum that NT requires of a driver.
const ALL: [&str; 12] = [
    "/ENTRY:DriverEntry",
    "/DRIVER",
    "/NODEFAULTLIB",
    "/RELEASE",
    "/BASE:0x10000",
    "/FIXED:NO",
    "/DYNAMICBASE:NO",
    "/HIGHENTROPYVA:NO",
    "/NXCOMPAT:NO",
    "/TSAWARE:NO",
    "/INCREMENTAL:NO",
    "/Brepro",
];

/// For lld. Sections stay in memory (`P` is "not paged"), since requests may
/// arrive while nothing can be paged in; so do the unwind tables.
const LLD: [&str; 4] = [
    "/SECTION:.text,ERP",
    "/SECTION:.rdata,RP",
    "/SECTION:.data,RWP",
    "/SECTION:.pdata,RP",
];

/// The oldest supported systems: XP is 5.1; on x64 the first is 5.2.
const XP: [&str; 3] = ["/SUBSYSTEM:NATIVE,5.01", "/OSVERSION:5.1", "/VERSION:5.1"];
const XP_X64: [&str; 3] = ["/SUBSYSTEM:NATIVE,5.02", "/OSVERSION:5.2", "/VERSION:5.2"];

/// For Microsoft's linker, which has no option for the system's version and warns
/// of objects not compiled for the kernel (4257) and of the exported entry point,
/// since Rust exports functions with a fixed name (4216).
const WDK: [&str; 4] = [
    "/SUBSYSTEM:NATIVE,5.02",
    "/MANIFEST:NO",
    "/IGNORE:4257",
    "/IGNORE:4216",
];

impl Build {
    /// The build for a target, if it is a driver's. The UEFI targets are used for
    /// their code (PE, no floats, no red zone), not for UEFI.
    pub(crate) fn for_target(os: &str, arch: &str) -> Option<Build> {
        match (os, arch) {
            ("uefi", "x86") => Some(Build::X86),
            ("uefi", "x86_64") => Some(Build::X64),
            ("windows", "x86_64") if cfg!(feature = "wdk") => Some(Build::Wdk),
            _ => None,
        }
    }

    /// The arguments, to follow those of the target.
    pub(crate) fn arguments(self) -> impl Iterator<Item = &'static str> {
        let own = match self {
            Build::X86 => [&LLD[..], &XP],
            Build::X64 => [&LLD[..], &XP_X64],
            Build::Wdk => [&WDK[..], &[]],
        };
        ALL.into_iter().chain(own.into_iter().flatten().copied())
    }
}
