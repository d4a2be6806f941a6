//! The version resource, which identifies the file to Explorer and scanners.
//!
//! Source: VS_VERSIONINFO in Microsoft's documentation of Win32.

use super::resource::{LANGUAGE, align, wide};

/// UTF-16, as a code page.
const CODE_PAGE: u16 = 1200;

/// VS_FIXEDFILEINFO's beginning.
const SIGNATURE: u32 = 0xFEEF_04BD;
const STRUCTURE_VERSION: u32 = 0x0001_0000;
/// VS_FFI_FILEFLAGSMASK, with no flag set.
const FLAGS_MASK: u32 = 0x3F;
const FLAGS: u32 = 0;
/// VOS_NT_WINDOWS32.
const SYSTEM: u32 = 0x0004_0004;

/// The identity of a file.
pub(crate) struct Product {
    file: &'static str,
    description: &'static str,
    /// dwFileType and dwFileSubtype.
    kind: [u32; 2],
}

/// VFT_DRV, VFT2_DRV_SYSTEM.
#[allow(dead_code, reason = "for the driver's build")]
pub(crate) const DRIVER: Product = Product {
    file: "tcplimit.sys",
    description: "tcplimit: half-open connection limit",
    kind: [3, 7],
};
/// VFT_APP.
#[allow(dead_code, reason = "for the program's build")]
pub(crate) const PROGRAM: Product = Product {
    file: "tcplimit.exe",
    description: "tcplimit: half-open connection limit, command line",
    kind: [1, 0],
};

/// VFT_APP.
#[allow(dead_code, reason = "for the program's build")]
pub(crate) const WINDOW: Product = Product {
    file: "tcplimitw.exe",
    description: "tcplimit: half-open connection limit, window",
    kind: [1, 0],
};

/// Encodes the resource for a version such as `1.2.3`.
pub(crate) fn encode(version: &str, product: &Product) -> Vec<u8> {
    let strings: Vec<u8> = children(&[
        text("FileDescription", product.description),
        text("FileVersion", version),
        text("InternalName", "tcplimit"),
        text("LegalCopyright", "MIT OR Apache-2.0"),
        text("OriginalFilename", product.file),
        text("ProductName", "tcplimit"),
        text("ProductVersion", version),
    ]);
    let language = format!("{LANGUAGE:04X}{CODE_PAGE:04X}");
    let table = block(&language, Value::None, &strings);
    let translation: Vec<u8> = [LANGUAGE, CODE_PAGE]
        .into_iter()
        .flat_map(u16::to_le_bytes)
        .collect();
    let translation = block("Translation", Value::Binary(&translation), &[]);
    let both = children(&[
        block("StringFileInfo", Value::None, &table),
        block("VarFileInfo", Value::None, &translation),
    ]);
    block(
        "VS_VERSION_INFO",
        Value::Binary(&fixed(version, product)),
        &both,
    )
}

/// VS_FIXEDFILEINFO.
fn fixed(version: &str, product: &Product) -> Vec<u8> {
    let mut parts = version.split(['.', '-', '+']);
    let mut part = || -> u32 {
        let number = parts.next().and_then(|part| part.parse::<u16>().ok());
        number.unwrap_or(0).into()
    };
    let (high, low) = (part() << 16 | part(), part() << 16);
    let [kind, sub_kind] = product.kind;
    [
        SIGNATURE,
        STRUCTURE_VERSION,
        // The file's version, then the product's.
        high,
        low,
        high,
        low,
        FLAGS_MASK,
        FLAGS,
        SYSTEM,
        kind,
        sub_kind,
        // No date, for reproducible files.
        0,
        0,
    ]
    .into_iter()
    .flat_map(u32::to_le_bytes)
    .collect()
}

/// The value of a block in the tree.
enum Value<'a> {
    None,
    Binary(&'a [u8]),
    Text(&'a str),
}

fn text(key: &str, value: &str) -> Vec<u8> {
    block(key, Value::Text(value), &[])
}

/// Concatenates blocks, each aligned to a dword.
fn children(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::new();
    for block in blocks {
        align(&mut all);
        all.extend(block);
    }
    all
}

/// A block: three words (length, length of the value, type), key, value and
/// inner blocks, the latter two each aligned to a dword.
fn block(key: &str, value: Value<'_>, inside: &[u8]) -> Vec<u8> {
    // A text's length is in characters, with its NUL.
    let (kind, count, value) = match value {
        Value::None => (1, 0, Vec::new()),
        Value::Binary(bytes) => (0, bytes.len(), bytes.to_vec()),
        Value::Text(text) => (1, text.encode_utf16().count() + 1, wide(text)),
    };
    let mut block = Vec::new();
    // The length is filled in last.
    word(&mut block, 0);
    word(&mut block, count);
    word(&mut block, kind);
    block.extend(wide(key));
    for part in [value.as_slice(), inside] {
        if !part.is_empty() {
            align(&mut block);
            block.extend(part);
        }
    }
    let mut length = Vec::new();
    word(&mut length, block.len());
    block.splice(..2, length);
    block
}

fn word(block: &mut Vec<u8>, value: usize) {
    let value = u16::try_from(value).expect("version resources are small");
    block.extend(value.to_le_bytes());
}
