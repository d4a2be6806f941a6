//! Generates bindings of the types that the driver uses from mingw-w64's
//! headers, with the settings of wdk-sys's build script.

use std::env;
use std::path::PathBuf;

use bindgen::{Builder, CodegenConfig, EnumVariation, Formatter, RustEdition, RustTarget};

/// The folder of mingw-w64's headers on Debian and Ubuntu; those for drivers
/// are in `ddk`.
const HEADERS: [&str; 2] = [
    "/usr/share/mingw-w64/include/ddk",
    "/usr/share/mingw-w64/include",
];

/// wdk-build's `base_headers`, behind definitions that adapt mingw-w64's
/// headers to clang: builtin functions, a structure that ntdef.h and ntifs.h
/// both define, assertions over offsets that clang does not treat as constants,
/// and an alignment that only Microsoft's headers have.
const INCLUDED: &str = "
#define __INTRIN_H_
#define _REPARSE_DATA_BUFFER _NTDEF_REPARSE_DATA_BUFFER
#define REPARSE_DATA_BUFFER NTDEF_REPARSE_DATA_BUFFER
#define PREPARSE_DATA_BUFFER PNTDEF_REPARSE_DATA_BUFFER
#include <ntdef.h>
#undef _REPARSE_DATA_BUFFER
#undef REPARSE_DATA_BUFFER
#undef PREPARSE_DATA_BUFFER
#undef C_ASSERT
#define C_ASSERT(condition)
struct __declspec(align(16)) _DEVICE_OBJECT;
#include <ntifs.h>
#include <ntddk.h>
";

/// The types that `types_wdk` names, and the types that they refer to.
const TYPES: [&str; 11] = [
    "DEVICE_OBJECT",
    "DRIVER_OBJECT",
    "FILE_OBJECT",
    "IO_ERROR_LOG_PACKET",
    "IO_STACK_LOCATION",
    "IO_STATUS_BLOCK",
    "IRP",
    "KEY_VALUE_PARTIAL_INFORMATION",
    "KMUTANT",
    "OBJECT_ATTRIBUTES",
    "UNICODE_STRING",
];

/// wdk-build's `preprocessor_definitions` and `wdk_bindgen_compiler_flags`.
const COMPILER: [&str; 9] = [
    "-fno-builtin",
    "-D_WIN64",
    "-D_AMD64_",
    "-DAMD64",
    "-D_KERNEL_MODE",
    "-fms-compatibility",
    "-fms-extensions",
    "-fdelayed-template-parsing",
    "-w",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));

    let mut builder = Builder::default()
        .use_core()
        .derive_default(true)
        .generate_cstr(true)
        .detect_include_paths(false)
        .default_enum_style(EnumVariation::ModuleConsts)
        .must_use_type("NTSTATUS")
        .must_use_type("HRESULT")
        .formatter(Formatter::Prettyplease)
        .rust_target(RustTarget::stable(91, 0).expect("wdk-build's minimum"))
        .rust_edition(RustEdition::Edition2024)
        .with_codegen_config(CodegenConfig::TYPES)
        .clang_args(COMPILER)
        .clang_args(HEADERS.map(|folder| format!("-isystem{folder}")))
        .header_contents("types-input.h", INCLUDED);
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    builder
        .generate()
        .expect("mingw-w64's headers can be read")
        .write_to_file(out.join("types.rs"))
        .expect("OUT_DIR can be written");
}
