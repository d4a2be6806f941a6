//! A resource file (`.res`), which linkers accept like an object.
//!
//! Source: "Resource file formats" in Microsoft's documentation of Win32.

/// The type of a message table.
pub(crate) const RT_MESSAGETABLE: u16 = 11;
/// The type of a version resource.
pub(crate) const RT_VERSION: u16 = 16;

/// The type of a manifest.
#[allow(dead_code, reason = "for the program's build")]
pub(crate) const RT_MANIFEST: u16 = 24;
/// The types of an icon's picture, and of the list of its pictures.
#[allow(dead_code, reason = "for the program's build")]
pub(crate) const RT_ICON: u16 = 3;
#[allow(dead_code, reason = "for the program's build")]
pub(crate) const RT_GROUP_ICON: u16 = 14;

/// English (United States), as resource compilers write it.
pub(crate) const LANGUAGE: u16 = 0x0409;

/// Bytes of a header whose type and name are numbers.
const HEADER: u32 = 32;
/// MOVEABLE and PURE: unused since Windows 3.1, written by all tools.
const MEMORY_FLAGS: u16 = 0x30;

/// Encodes these resources, each of a type and with the name 1.
pub(crate) fn encode(resources: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let one = |(kind, data): &(u16, Vec<u8>)| (*kind, 1, data.clone());
    let named: Vec<(u16, u16, Vec<u8>)> = resources.iter().map(one).collect();
    encode_named(&named)
}

/// Encodes these resources, each of a type and with a number as its name.
pub(crate) fn encode_named(resources: &[(u16, u16, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    // An empty resource of type 0 distinguishes the file from those of 16-bit
    // Windows.
    entry(&mut file, 0, 0, 0, &[]);
    for (kind, name, data) in resources {
        entry(&mut file, *kind, *name, LANGUAGE, data);
    }
    file
}

fn entry(file: &mut Vec<u8>, kind: u16, name: u16, language: u16, data: &[u8]) {
    let length = u32::try_from(data.len()).expect("resources are small");
    file.extend(length.to_le_bytes());
    file.extend(HEADER.to_le_bytes());
    for number in [kind, name] {
        file.extend([0xFF, 0xFF]);
        file.extend(number.to_le_bytes());
    }
    let flags = if kind == 0 { 0 } else { MEMORY_FLAGS };
    // Version of the data; flags; language; version; characteristics.
    file.extend(0_u32.to_le_bytes());
    file.extend(flags.to_le_bytes());
    file.extend(language.to_le_bytes());
    file.extend([0; 8]);
    file.extend(data);
    align(file);
}

/// Pads with zeros to the next dword.
pub(crate) fn align(data: &mut Vec<u8>) {
    data.resize(data.len().next_multiple_of(4), 0);
}

/// UTF-16, with a NUL.
pub(crate) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}
