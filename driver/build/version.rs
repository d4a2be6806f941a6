//! The version resource: what Explorer shows, and what tells people and
//! scanners whose file this is.
//!
//! Source: VS_VERSIONINFO in Microsoft's documentation of Win32.

use crate::resource::{LANGUAGE, align, wide};

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
/// VFT_DRV, VFT2_DRV_SYSTEM.
const DRIVER: u32 = 3;
const DRIVER_KIND: u32 = 7;

/// The resource for a version such as `1.2.3`.
pub(crate) fn of(version: &str) -> Vec<u8> {
    let strings: Vec<u8> = children(&[
        text("FileDescription", "tcplimit: half-open connection limit"),
        text("FileVersion", version),
        text("InternalName", "tcplimit"),
        text("LegalCopyright", "MIT OR Apache-2.0"),
        text("OriginalFilename", "tcplimit.sys"),
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
    block("VS_VERSION_INFO", Value::Binary(&fixed(version)), &both)
}

/// VS_FIXEDFILEINFO.
fn fixed(version: &str) -> Vec<u8> {
    let mut parts = version.split(['.', '-', '+']);
    let mut part = || -> u32 {
        let number = parts.next().and_then(|part| part.parse::<u16>().ok());
        number.unwrap_or(0).into()
    };
    let (high, low) = (part() << 16 | part(), part() << 16);
    [
        SIGNATURE,
        STRUCTURE_VERSION,
        // The file's, the product's.
        high,
        low,
        high,
        low,
        FLAGS_MASK,
        FLAGS,
        SYSTEM,
        DRIVER,
        DRIVER_KIND,
        // No date: the same source makes the same file.
        0,
        0,
    ]
    .into_iter()
    .flat_map(u32::to_le_bytes)
    .collect()
}

/// What a block of the tree holds besides other blocks.
enum Value<'a> {
    None,
    Binary(&'a [u8]),
    Text(&'a str),
}

fn text(key: &str, value: &str) -> Vec<u8> {
    block(key, Value::Text(value), &[])
}

/// Blocks one after another, each on a dword.
fn children(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::new();
    for block in blocks {
        align(&mut all);
        all.extend(block);
    }
    all
}

/// A block: three words (length, length of the value, type), key, value and
/// blocks inside, the latter two each on a dword.
fn block(key: &str, value: Value<'_>, inside: &[u8]) -> Vec<u8> {
    // The length of a text is counted in characters, with its NUL.
    let (kind, count, value) = match value {
        Value::None => (1, 0, Vec::new()),
        Value::Binary(bytes) => (0, bytes.len(), bytes.to_vec()),
        Value::Text(text) => (1, text.encode_utf16().count() + 1, wide(text)),
    };
    let mut block = Vec::new();
    // The length comes last.
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
