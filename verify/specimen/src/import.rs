//! Imports: the address table at the start of `.rdata`, and the descriptors,
//! lookup tables and names in INIT (PE format, "The .idata Section").

use super::arch::Arch;
use super::code::{Code, Form, Label, Symbol, pointer_size};
use super::filler_code::Writer;
use super::name::Name;

/// The imports, by library.
const LIBRARIES: [(&str, &[&str]); 4] = [
    (
        "ntoskrnl.exe",
        &[
            "ExAllocatePoolWithTag",
            "ExFreePoolWithTag",
            "IoCreateDevice",
            "IoDeleteDevice",
            "IofCompleteRequest",
            "KeAcquireSpinLockAtDpcLevel",
            "KeInitializeDpc",
            "KeInitializeEvent",
            "KeInitializeSpinLock",
            "KeQueryInterruptTime",
            "KeReleaseSpinLockFromDpcLevel",
            "KeSetEvent",
            "KeWaitForSingleObject",
            "MmMapLockedPagesSpecifyCache",
            "RtlInitUnicodeString",
            "ZwClose",
            "ZwOpenKey",
            "ZwQueryValueKey",
        ],
    ),
    (
        "HAL.dll",
        &["KeGetCurrentIrql", "KfAcquireSpinLock", "KfReleaseSpinLock"],
    ),
    (
        "NDIS.SYS",
        &[
            "NdisAllocatePacket",
            "NdisFreePacket",
            "NdisRegisterProtocol",
        ],
    ),
    (
        "TDI.SYS",
        &["TdiRegisterDeviceObject", "TdiRegisterProvider"],
    ),
];

/// The address table's layout: known before any code is written.
#[derive(Debug)]
pub(super) struct Imports {
    /// Offsets of the slots of functions.
    pub(super) slots: Vec<u32>,
    /// Bytes of the whole table, with the zero slot after each library.
    pub(super) size: u32,
    slot_size: u32,
}

impl Imports {
    pub(super) fn plan(arch: Arch) -> Self {
        let slot_size = u32::try_from(pointer_size(arch)).expect("4 or 8");
        let mut imports = Self {
            slots: Vec::new(),
            size: 0,
            slot_size,
        };
        for (_, functions) in LIBRARIES {
            for _ in functions {
                imports.slots.push(imports.size);
                imports.size += slot_size;
            }
            imports.size += slot_size;
        }
        imports
    }

    /// Writes the unbound address table to `.rdata` and everything else to
    /// INIT. Returns the label and the size of the descriptors.
    pub(super) fn write(
        &self,
        writer: &mut Writer<'_>,
        rdata: &mut Code,
        init: &mut Code,
    ) -> (Label, u32) {
        init.align(4, 0);
        let descriptors = writer.label();
        init.define(descriptors);
        let start = init.here();
        let mut tables = writer.code();
        let mut names = writer.code();
        let mut table_start = 0;
        for (library, functions) in LIBRARIES {
            let (lookup, name) = (writer.label(), writer.label());
            init.refer(Symbol::Label(lookup), Form::Rva);
            init.dword(0);
            init.dword(0);
            init.refer(Symbol::Label(name), Form::Rva);
            init.refer(Symbol::At(Name::Rdata, table_start), Form::Rva);
            tables.define(lookup);
            for function in functions {
                let hint = writer.label();
                self.slot(&mut tables, Some(hint));
                self.slot(rdata, Some(hint));
                names.define(hint);
                names.word(0);
                string(&mut names, function);
            }
            self.slot(&mut tables, None);
            self.slot(rdata, None);
            table_start = rdata.here();
            names.define(name);
            string(&mut names, library);
        }
        init.emit(&[0; 20]);
        let size = init.here() - start;
        init.append(&tables);
        init.append(&names);
        (descriptors, size)
    }

    fn slot(&self, table: &mut Code, hint: Option<Label>) {
        let end = table.here() + self.slot_size;
        if let Some(hint) = hint {
            table.refer(Symbol::Label(hint), Form::Rva);
        }
        let end = usize::try_from(end).expect("u32 fits usize");
        table.bytes.resize(end, 0);
    }
}

/// A zero-terminated string, padded to an even offset.
pub(super) fn string(code: &mut Code, text: &str) {
    code.emit(text.as_bytes());
    code.emit(&[0]);
    code.align(2, 0);
}
