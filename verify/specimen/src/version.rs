//! The version resource: a resource tree of one leaf, and VS_VERSIONINFO
//! (PE format, "The .rsrc Section"; Win32, VS_VERSIONINFO).

use super::arch::Arch;
use super::code::{Code, Form, Symbol};
use super::name::Name;
use super::spec::{Alignment, Spec};

/// RT_VERSION, VS_VERSION_INFO and U.S. English: the ids on the way to the leaf.
const PATH: [u32; 3] = [16, 1, 0x409];
const DIRECTORY: u32 = 16 + 8;
const SUBDIRECTORY: u32 = 0x8000_0000;

/// The file version of the measured image nearest to the spec.
fn version(spec: &Spec) -> [u16; 4] {
    match (spec.arch, spec.alignment) {
        (Arch::X86, Alignment::Sub80 | Alignment::Sub40) => [5, 1, 2600, 5512],
        (Arch::X86, Alignment::Page) | (Arch::X64, _) => [5, 2, 3790, 3959],
    }
}

/// The whole of `.rsrc`.
pub(super) fn resource(spec: &Spec) -> Code {
    let mut code = Code::new(spec.arch);
    for (level, id) in (1..).zip(PATH) {
        code.emit(&[0; 12]);
        code.word(0);
        code.word(1);
        code.dword(id);
        let next = level * DIRECTORY;
        code.dword(if level == 3 {
            next
        } else {
            SUBDIRECTORY | next
        });
    }
    let information = information(spec);
    let data = code.here() + 16;
    code.refer(Symbol::At(Name::Rsrc, data), Form::Rva);
    code.dword(u32::try_from(information.len()).expect("a version resource is small"));
    code.dword(0);
    code.dword(0);
    code.emit(&information);
    code
}

fn information(spec: &Spec) -> Vec<u8> {
    let name = spec.module.file_name();
    let numbers = version(spec);
    let text = numbers.map(|number| number.to_string()).join(".");
    let strings: Vec<Vec<u8>> = [
        ("CompanyName", "tcplimit project"),
        ("FileDescription", "Specimen of a TCP/IP driver"),
        ("FileVersion", text.as_str()),
        ("InternalName", name),
        ("OriginalFilename", name),
        ("ProductVersion", text.as_str()),
    ]
    .into_iter()
    .map(|(key, value)| {
        let characters = u16::try_from(value.len() + 1).expect("values are short");
        block(key, &utf16(value), characters, true, &[])
    })
    .collect();
    let table = block("040904B0", &[], 0, true, &strings);
    let file_info = block("StringFileInfo", &[], 0, true, &[table]);
    let translation = block("Translation", &[0x09, 0x04, 0xB0, 0x04], 4, false, &[]);
    let var_info = block("VarFileInfo", &[], 0, true, &[translation]);
    let fixed = fixed(numbers);
    let size = u16::try_from(fixed.len()).expect("52 bytes");
    block(
        "VS_VERSION_INFO",
        &fixed,
        size,
        false,
        &[file_info, var_info],
    )
}

/// VS_FIXEDFILEINFO: signature, structure version, the numbers twice, then
/// flags mask, flags, OS (NT), type (driver), subtype (network) and date.
fn fixed(numbers: [u16; 4]) -> Vec<u8> {
    let pair = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
    let [major, minor, build, revision] = numbers;
    let version = [pair(major, minor), pair(build, revision)];
    let rest = [0x3F, 0, 0x0004_0004, 3, 6, 0, 0];
    [[0xFEEF_04BD, 0x0001_0000], version, version]
        .into_iter()
        .flatten()
        .chain(rest)
        .flat_map(u32::to_le_bytes)
        .collect()
}

/// One block of the tree: lengths, type, key, value and children, each part
/// at a multiple of 4.
fn block(key: &str, value: &[u8], value_length: u16, text: bool, children: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 2];
    bytes.extend(value_length.to_le_bytes());
    bytes.extend(u16::from(text).to_le_bytes());
    bytes.extend(utf16(key));
    pad(&mut bytes);
    bytes.extend(value);
    for child in children {
        pad(&mut bytes);
        bytes.extend(child);
    }
    let length = u16::try_from(bytes.len()).expect("a version resource is small");
    bytes[..2].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}
