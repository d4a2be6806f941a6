//! The driver's allowed imports: every function and variable with its calling convention, and the
//! evidence that the oldest supported system has it.
//!
//! An export of the systems in verify/exports is not enough, since Windows XP SP2 is not among
//! them. If Microsoft names no first system, the name is in all three lists and a comment gives
//! further evidence.

/// The calling convention of an import on x86. On x64 all functions have the same one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Convention {
    /// All arguments on the stack, in dwords; the callee removes them.
    Stdcall(u32),
    /// The first two arguments in ecx and edx; the others on the stack, in dwords; the callee
    /// removes them.
    Fastcall(u32),
    /// All arguments on the stack; the caller removes them.
    Cdecl,
    /// A variable: the import is its address. Calling it is an error.
    Data,
}

/// The first system with an import.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Since {
    /// Windows 2000 by Microsoft's documentation.
    Windows2000,
    /// Windows XP by Microsoft's documentation.
    WindowsXp,
    /// Documented in ntifs.h without a first system.
    Unstated,
    /// Not documented, but in every list of verify/exports.
    Undocumented,
}

/// One allowed import from ntoskrnl.exe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Import {
    /// The exported name, without decoration.
    pub name: &'static str,
    /// The calling convention on x86.
    pub convention: Convention,
    /// The first system with it.
    pub since: Since,
}

impl Import {
    /// The dwords of stack arguments that the callee removes on x86.
    #[must_use]
    pub fn callee_removes(&self) -> u32 {
        match self.convention {
            Convention::Stdcall(dwords) | Convention::Fastcall(dwords) => dwords,
            Convention::Cdecl | Convention::Data => 0,
        }
    }
}

/// The import of that name, if the driver may use it. `dll` is in lower case.
#[must_use]
pub fn find(dll: &str, name: &str) -> Option<&'static Import> {
    (dll == "ntoskrnl.exe")
        .then(|| DRIVER.iter().find(|import| import.name == name))
        .flatten()
}

const fn stdcall(name: &'static str, dwords: u32) -> Import {
    Import {
        name,
        convention: Convention::Stdcall(dwords),
        since: Since::Windows2000,
    }
}

const fn fastcall(name: &'static str) -> Import {
    Import {
        name,
        convention: Convention::Fastcall(0),
        since: Since::Windows2000,
    }
}

const fn data(name: &'static str) -> Import {
    Import {
        name,
        convention: Convention::Data,
        since: Since::Windows2000,
    }
}

const fn since(since: Since, import: Import) -> Import {
    Import { since, ..import }
}

/// All allowed imports of the driver, in the order of their names.
///
/// Source: windows-driver-docs-ddi (the pages' target-min-winverclnt), unless a comment names
/// another.
pub const DRIVER: &[Import] = &[
    Import {
        name: "DbgPrint",
        convention: Convention::Cdecl,
        since: Since::Windows2000,
    },
    stdcall("ExAllocatePoolWithTag", 3),
    stdcall("ExFreePoolWithTag", 2),
    // KB 837643 documents it for the Windows 2000 DDK and later.
    data("InitSafeBootMode"),
    stdcall("IoAllocateErrorLogEntry", 2),
    stdcall("IoCreateDevice", 7),
    stdcall("IoCreateSymbolicLink", 2),
    stdcall("IoDeleteDevice", 1),
    stdcall("IoDeleteSymbolicLink", 1),
    // Required by ObReferenceObjectByName; as old as that function.
    since(Since::Undocumented, data("IoDriverObjectType")),
    stdcall("IoWriteErrorLogEntry", 1),
    // The documented IoCompleteRequest is this function on every NT.
    fastcall("IofCompleteRequest"),
    stdcall("KeEnterCriticalRegion", 0),
    stdcall("KeInitializeMutex", 2),
    stdcall("KeLeaveCriticalRegion", 0),
    stdcall("KeReleaseMutex", 2),
    stdcall("KeWaitForSingleObject", 5),
    stdcall("MmGetPhysicalAddress", 1),
    stdcall("MmIsAddressValid", 1),
    since(Since::Unstated, stdcall("ObOpenObjectByPointer", 7)),
    // Never documented; Microsoft's own drivers and many others use it since NT 4.
    since(Since::Undocumented, stdcall("ObReferenceObjectByName", 8)),
    // The documented ObDereferenceObject is this function on every NT.
    fastcall("ObfDereferenceObject"),
    stdcall("ZwClose", 1),
    stdcall("ZwCreateKey", 7),
    stdcall("ZwDeleteValueKey", 2),
    stdcall("ZwFlushKey", 1),
    stdcall("ZwOpenKey", 3),
    since(Since::WindowsXp, stdcall("ZwQuerySecurityObject", 5)),
    stdcall("ZwQuerySystemInformation", 4),
    stdcall("ZwQueryValueKey", 6),
    since(Since::WindowsXp, stdcall("ZwSetSecurityObject", 3)),
    stdcall("ZwSetValueKey", 6),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, export};

    #[test]
    fn every_import_of_the_table_is_exported_by_every_system() {
        for import in DRIVER {
            for arch in [Arch::X86, Arch::X64] {
                let lacking = export::missing_in(arch, "ntoskrnl.exe", import.name);
                assert_eq!(lacking, Some(vec![]), "{}", import.name);
            }
        }
    }

    #[test]
    fn the_table_is_sorted_and_names_nothing_twice() {
        assert!(DRIVER.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn only_the_kernel_is_in_the_table() {
        assert!(find("ntoskrnl.exe", "ZwClose").is_some());
        assert_eq!(find("ntdll.dll", "ZwClose"), None);
    }
}
