//! The headers, which NT's loader reads before it maps sections.

use object::pe;

use super::image::Image;
use super::{Arch, Kind, Violation};

/// 56 KiB: slightly more than the driver needs (its sections are whole pages),
/// so that growth is noticed.
pub const LARGEST_DRIVER: usize = 56 * 1024;

/// 256 KiB: the program is downloaded by modem and kept beside the driver.
pub const LARGEST_PROGRAM: usize = 256 * 1024;

pub(super) fn check(image: &Image<'_>, kind: Kind) -> Vec<Violation> {
    let header = &image.header;
    let mut violations = Vec::new();

    let executable = header.characteristics & pe::IMAGE_FILE_EXECUTABLE_IMAGE.0 != 0;
    if !executable || header.characteristics & pe::IMAGE_FILE_DLL.0 != 0 {
        violations.push(Violation::Characteristics(header.characteristics));
    }
    let subsystem = match kind {
        Kind::Driver => pe::IMAGE_SUBSYSTEM_NATIVE.0,
        Kind::Program => pe::IMAGE_SUBSYSTEM_WINDOWS_CUI.0,
        Kind::Window => pe::IMAGE_SUBSYSTEM_WINDOWS_GUI.0,
    };
    if header.subsystem != subsystem {
        violations.push(Violation::Subsystem {
            found: header.subsystem,
            wanted: subsystem,
        });
    }
    // Windows XP is 5.1; Windows XP x64 and Server 2003 are 5.2.
    let system = match image.arch {
        Arch::X86 => (5, 1),
        Arch::X64 => (5, 2),
    };
    if header.subsystem_version != system {
        violations.push(Violation::SubsystemVersion {
            found: header.subsystem_version,
            wanted: system,
        });
    }
    if header.system_version > system {
        violations.push(Violation::SystemVersion {
            found: header.system_version,
            most: system,
        });
    }
    let right = checksum(image.file, header.checksum_at);
    if header.checksum != right {
        violations.push(Violation::Checksum {
            found: header.checksum,
            right,
        });
    }
    let largest = match kind {
        Kind::Driver => LARGEST_DRIVER,
        Kind::Program | Kind::Window => LARGEST_PROGRAM,
    };
    if image.file.len() >= largest {
        violations.push(Violation::TooLarge {
            bytes: image.file.len(),
            most: largest - 1,
        });
    }
    violations.extend(directories(image));
    violations
}

/// An unexpected directory may make the loader run or patch something that
/// these checks don't cover.
fn directories(image: &Image<'_>) -> impl Iterator<Item = Violation> {
    image.directories().filter_map(|index| {
        let known = [
            pe::IMAGE_DIRECTORY_ENTRY_IMPORT,
            pe::IMAGE_DIRECTORY_ENTRY_RESOURCE,
            pe::IMAGE_DIRECTORY_ENTRY_SECURITY,
            pe::IMAGE_DIRECTORY_ENTRY_BASERELOC,
            pe::IMAGE_DIRECTORY_ENTRY_DEBUG,
            pe::IMAGE_DIRECTORY_ENTRY_IAT,
        ];
        let unwinding = index == pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION && image.arch == Arch::X64;
        (!known.contains(&index) && !unwinding).then_some(Violation::Directory(index))
    })
}

/// The sum of the file's 16-bit words with every carry added back, without the checksum's own four
/// bytes at `at`, plus the file's size: what ImageHlp's CheckSumMappedFile computes.
fn checksum(file: &[u8], at: usize) -> u32 {
    let mut sum: u32 = 0;
    for (index, word) in file.chunks(2).enumerate() {
        if (at..at + 4).contains(&(index * 2)) {
            continue;
        }
        let high = word.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_le_bytes([word[0], high]));
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    // A file of 4 GiB has no such sum; it is too large anyway.
    sum.wrapping_add(u32::try_from(file.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_folds_carries_and_adds_the_length() {
        // FFFFh + 0002h = 10001h, folded 0002h; the odd last byte is a low byte.
        assert_eq!(checksum(&[0xFF, 0xFF, 2, 0, 5], 0x40), 2 + 5 + 5);
        // The checksum's own bytes don't count.
        assert_eq!(checksum(&[1, 0, 9, 9, 9, 9, 1, 0], 2), 2 + 8);
    }
}
