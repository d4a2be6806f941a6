//! The resources that Explorer and Event Viewer read.

use object::pe;
use object::read::pe::{ResourceDirectory, ResourceDirectoryEntryData, ResourceNameOrId};
use scanner_core::Rva;

use super::image::Image;
use super::{Kind, Violation};

/// The signature of VS_FIXEDFILEINFO and its offset: behind three words and the
/// zero-terminated key "VS_VERSION_INFO", at a multiple of four bytes.
const FIXED: u32 = 0xFEEF_04BD;
const FIXED_AT: usize = 40;

pub(super) fn check(image: &Image<'_>, kind: Kind) -> Vec<Violation> {
    let has = |id: u16, is_right: fn(&[u8]) -> bool| {
        find(image, id).map(|found| found.is_some_and(is_right))
    };
    let mut violations = Vec::new();
    let mut require = |has: object::Result<bool>, lacks: Violation| match has {
        Ok(true) => {}
        Ok(false) => violations.push(lacks),
        Err(error) => violations.push(Violation::Resources(error.to_string())),
    };
    require(has(pe::RT_VERSION, is_version), Violation::NoVersion);
    if kind == Kind::Driver {
        require(has(pe::RT_MESSAGETABLE, is_table), Violation::NoMessages);
    }
    if kind == Kind::Window {
        require(has(pe::RT_MANIFEST, is_manifest), Violation::NoManifest);
        require(has(pe::RT_GROUP_ICON, is_icon), Violation::NoIcon);
    }
    violations.dedup();
    violations
}

fn is_version(bytes: &[u8]) -> bool {
    bytes.get(FIXED_AT..FIXED_AT + 4) == Some(&FIXED.to_le_bytes())
}

/// Whether the manifest requests visual styles and only the user's rights.
fn is_manifest(bytes: &[u8]) -> bool {
    let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    has(b"Microsoft.Windows.Common-Controls") && has(b"asInvoker")
}

/// GRPICONDIR: type 1, and an entry of 14 bytes for each picture.
fn is_icon(bytes: &[u8]) -> bool {
    match bytes.first_chunk() {
        Some(&[_, _, 1, 0, count, 0]) => count > 0 && bytes.len() == 6 + usize::from(count) * 14,
        _ => false,
    }
}

/// Whether there is at least one block of messages, with its messages behind
/// the blocks.
fn is_table(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(|blocks| {
        let blocks = u32::from_le_bytes(*blocks) as usize;
        blocks > 0 && blocks < bytes.len() && bytes.len() > 4 + blocks * 12
    })
}

/// The bytes of the first resource of that type, of any name and language.
fn find<'file>(image: &Image<'file>, id: u16) -> object::Result<Option<&'file [u8]>> {
    let Some((at, size)) = image.directory(pe::IMAGE_DIRECTORY_ENTRY_RESOURCE) else {
        return Ok(None);
    };
    // A directory outside the file is read as an empty one, which `object` refuses.
    let directory = ResourceDirectory::new(image.bytes(at, size).unwrap_or_default());
    let root = directory.root()?;
    let kind = root
        .entries
        .iter()
        .find(|entry| matches!(entry.name_or_id(), ResourceNameOrId::Id(found) if found == id));
    let mut entry = kind;
    // Type, name, language.
    for _ in 0..3 {
        let Some(found) = entry else { break };
        match found.data(directory)? {
            ResourceDirectoryEntryData::Table(table) => entry = table.entries.first(),
            ResourceDirectoryEntryData::Data(data) => {
                let at = Rva(data.offset_to_data.get(object::LittleEndian));
                return Ok(image.bytes(at, data.size.get(object::LittleEndian)));
            }
        }
    }
    Ok(None)
}
