//! Formats that may contain drivers but that other programs must open: images of discs and disks,
//! archives. They are recognized by content, not by name.

use scanner_core::Headers;
use tcplimit_report::is_cabinet;

use crate::cabinet::Cabinet;

/// A format that other programs open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// The kind of file: "a ZIP archive".
    pub(crate) name: &'static str,
    /// How to open it.
    pub(crate) open: &'static str,
    is: fn(&[u8]) -> bool,
}

/// Size in bytes of a sector of a disk, of a disc, and of a raw disc with sync, header and error
/// correction.
const SECTOR: usize = 512;
const DISC_SECTOR: usize = 2048;
const RAW_SECTOR: usize = 2352;
/// Sectors before this one are the system area (ECMA-119, 6.2.1).
const FIRST_DESCRIPTOR: usize = 16;
/// The first bytes of a raw sector (ECMA-130, 14.1).
const SYNC: &[u8] = b"\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00";

const UNPACK_DISC: &str =
    "mount it (mount -o loop FILE DIR) or unpack it (7z x FILE), and pass the folder with -r";
const READ_DISC: &str = "probe and patch read it; for anything else unpack it (7z x FILE)";
const UNPACK_RAW: &str = "convert it to an ISO image (iat FILE disc.iso), and mount or unpack that";
const UNPACK: &str = "unpack it (7z x FILE), and pass the folder with -r";
const MOUNT_DISK: &str =
    "mount it read-only (guestmount --ro -i -a FILE DIR), and pass the folder with --root or -r";

impl Format {
    /// The kind of file and how to open it.
    pub(crate) fn advice(&self) -> String {
        format!("it is {}: {}", self.name, self.open)
    }
}

/// All formats, the more specific first.
const FORMATS: &[Format] = &[
    Format {
        name: "an ISO 9660 image of a disc",
        open: READ_DISC,
        is: |file| descriptor(file, DISC_SECTOR, 0) == Some(b"CD001"),
    },
    Format {
        name: "a UDF image of a disc",
        open: UNPACK_DISC,
        is: |file| descriptor(file, DISC_SECTOR, 0) == Some(b"BEA01"),
    },
    Format {
        name: "an image of a disc in raw sectors (BIN, NRG, MDF)",
        open: UNPACK_RAW,
        is: |file| file.starts_with(SYNC) || is_nero(file),
    },
    Format {
        name: "a ZIP archive",
        open: "unpack it (unzip FILE), and pass the folder with -r",
        is: |file| file.starts_with(b"PK\x03\x04") || file.starts_with(b"PK\x05\x06"),
    },
    Format {
        name: "a 7z archive",
        open: UNPACK,
        is: |file| file.starts_with(b"7z\xBC\xAF\x27\x1C"),
    },
    Format {
        name: "a RAR archive",
        open: "unpack it (unrar x FILE), and pass the folder with -r",
        is: |file| file.starts_with(b"Rar!\x1A\x07"),
    },
    Format {
        name: "a WIM image of Windows",
        open: "unpack it (wimlib-imagex apply FILE 1 DIR, or 7z x FILE), and pass the folder with -r",
        is: |file| file.starts_with(b"MSWIM\0\0\0"),
    },
    Format {
        name: "a cabinet of InstallShield",
        open: "unpack it (unshield x FILE), and pass the folder with -r",
        is: |file| file.starts_with(b"ISc("),
    },
    Format {
        name: "an MSI package",
        open: "unpack it (msiextract FILE, or 7z x FILE), and pass the folder with -r",
        is: |file| file.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"),
    },
    Format {
        name: "a VHD image of a disk",
        open: MOUNT_DISK,
        is: |file| {
            let footer = file.len().checked_sub(SECTOR).and_then(|at| file.get(at..));
            let is_vhd = |part: &[u8]| part.starts_with(b"conectix");
            is_vhd(file) || file.starts_with(b"vhdxfile") || footer.is_some_and(is_vhd)
        },
    },
    Format {
        name: "a VMDK image of a disk",
        open: MOUNT_DISK,
        is: |file| {
            file.starts_with(b"KDMV")
                || file.starts_with(b"COWD")
                || file.starts_with(b"# Disk DescriptorFile")
        },
    },
    Format {
        name: "a VDI image of a disk",
        open: MOUNT_DISK,
        is: |file| at(file, 0x40, b"\x7F\x10\xDA\xBE"),
    },
    Format {
        name: "a qcow2 image of a disk",
        open: MOUNT_DISK,
        is: |file| file.starts_with(b"QFI\xFB"),
    },
    Format {
        name: "a volume of NTFS or FAT",
        open: "mount it read-only (mount -o loop,ro FILE DIR), and pass the folder with --root or -r",
        is: |file| {
            let kinds: [(usize, &[u8]); 3] = [(3, b"NTFS    "), (54, b"FAT1"), (82, b"FAT32   ")];
            has_boot_signature(file) && kinds.iter().any(|&(place, text)| at(file, place, text))
        },
    },
    Format {
        name: "a disk with a partition table",
        open: MOUNT_DISK,
        is: |file| {
            has_boot_signature(file) && (at(file, SECTOR, b"EFI PART") || has_partitions(file))
        },
    },
];

/// The format of a file, if known. A PE file has none, whatever it contains.
pub(crate) fn of(file: &[u8]) -> Option<&'static Format> {
    if Headers::parse(file).is_ok() {
        return None;
    }
    FORMATS.iter().find(|format| (format.is)(file))
}

/// The format of a program with an embedded cabinet, such as a hotfix.
pub(crate) fn of_program(file: &[u8]) -> Option<&'static Format> {
    const CABINET: Format = Format {
        name: "a program with an embedded cabinet, such as a hotfix",
        open: "extract its files (cabextract FILE), and pass the folder with -r",
        is: |_| false,
    };
    const DELTAS: Format = Format {
        name: "a hotfix with deltas, from which Windows builds the files",
        open: "unpack it on Windows (FILE /x:FOLDER), and pass the folder with -r",
        is: |_| false,
    };
    let mut rest = file;
    while let Some(place) = memchr::memmem::find(rest, b"MSCF") {
        rest = rest.get(place..)?;
        // The stated length must fit, and the tables must be readable.
        let stated = u32::from_le_bytes(*rest.get(8..)?.first_chunk()?);
        let is_inside = usize::try_from(stated).is_ok_and(|length| length <= rest.len());
        if is_inside
            && is_cabinet(rest)
            && let Ok(tables) = Cabinet::new(&rest)
            && tables.len() > 0
        {
            let mut names = tables.names();
            let has_deltas = names.any(|name| name.eq_ignore_ascii_case("_sfx_manifest_"));
            return Some(if has_deltas { &DELTAS } else { &CABINET });
        }
        rest = rest.get(1..)?;
    }
    None
}

fn at(file: &[u8], place: usize, text: &[u8]) -> bool {
    file.get(place..).is_some_and(|rest| rest.starts_with(text))
}

/// The identifier in the first descriptor of a disc with sectors of `sector` bytes, whose data
/// begins at `data` in each.
fn descriptor(file: &[u8], sector: usize, data: usize) -> Option<&[u8; 5]> {
    // The type comes first.
    file.get(FIRST_DESCRIPTOR * sector + data + 1..)?
        .first_chunk()
}

/// Nero's images may begin with the data of the first track; they end with the position of their
/// tables.
fn is_nero(file: &[u8]) -> bool {
    let ends = |back: usize, text: &[u8]| {
        let place = file.len().checked_sub(back);
        place.is_some_and(|place| at(file, place, text))
    };
    file.len() > RAW_SECTOR && (ends(12, b"NER5") || ends(8, b"NERO"))
}

fn has_boot_signature(file: &[u8]) -> bool {
    at(file, SECTOR - 2, b"\x55\xAA") && file.len() > SECTOR
}

/// Whether the first sector has a partition table: four entries of 16 bytes, all with a valid
/// state, at least one in use.
fn has_partitions(file: &[u8]) -> bool {
    let Some(table) = file.get(446..510) else {
        return false;
    };
    let entries = table.as_chunks::<16>().0;
    let sound = entries.iter().all(|entry| matches!(entry[0], 0 | 0x80));
    let used = |entry: &&[u8; 16]| entry[4] != 0 && entry[8..16] != [0; 8];
    sound && entries.iter().any(|entry| used(&entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of zeros with these texts.
    fn file(length: usize, texts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; length];
        for (place, text) in texts {
            file[*place..*place + text.len()].copy_from_slice(text);
        }
        file
    }

    fn is(format: &str, file: &[u8]) {
        let found = of(file).map_or("nothing", |format| format.name);
        assert!(found.contains(format), "{found}, not {format}");
        let open = of(file).unwrap().open;
        assert!(open.contains("FILE"), "{open}");
    }

    #[test]
    fn iso_9660() {
        is("ISO 9660", &file(0x9000, &[(0x8001, b"CD001")]));
        // A bootable one has a partition table as well.
        let hybrid = [
            (446, &b"\x80\0\0\0\x17\0\0\0\0\0\0\0\0\x10\0\0"[..]),
            (510, b"\x55\xAA"),
            (0x8001, b"CD001"),
        ];
        is("ISO 9660", &file(0x9000, &hybrid));
    }

    #[test]
    fn udf() {
        is("UDF", &file(0x9000, &[(0x8001, b"BEA01")]));
    }

    #[test]
    fn raw_sectors() {
        is("raw sectors", &file(RAW_SECTOR * 20, &[(0, SYNC)]));
        let end = 0x9000;
        is("NRG", &file(end, &[(end - 12, b"NER5")]));
        is("NRG", &file(end, &[(end - 8, b"NERO")]));
    }

    #[test]
    fn zip() {
        is("ZIP", b"PK\x03\x04\x14\0");
        is("ZIP", b"PK\x05\x06\0\0");
    }

    #[test]
    fn seven_zip() {
        is("7z", b"7z\xBC\xAF\x27\x1C\0\x04");
    }

    #[test]
    fn rar() {
        is("RAR", b"Rar!\x1A\x07\0");
        is("RAR", b"Rar!\x1A\x07\x01\0");
    }

    #[test]
    fn wim() {
        is("WIM", b"MSWIM\0\0\0\xD0\0\0\0");
    }

    #[test]
    fn installshield() {
        is("InstallShield", b"ISc(\x9F\0\0\x01");
    }

    #[test]
    fn msi() {
        is("MSI", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0");
    }

    #[test]
    fn vhd() {
        is("VHD", &file(0x1000, &[(0, b"conectix")]));
        is("VHD", &file(0x1000, &[(0x1000 - SECTOR, b"conectix")]));
        is("VHD", b"vhdxfile");
    }

    #[test]
    fn vmdk() {
        is("VMDK", b"KDMV\x01\0\0\0");
        is("VMDK", b"COWD\x01\0\0\0");
        is("VMDK", b"# Disk DescriptorFile\nversion=1\n");
    }

    #[test]
    fn vdi() {
        let text = b"<<< Oracle VM VirtualBox Disk Image >>>\n";
        let vdi = file(0x200, &[(0, text), (0x40, b"\x7F\x10\xDA\xBE")]);
        is("VDI", &vdi);
    }

    #[test]
    fn qcow2() {
        is("qcow2", b"QFI\xFB\0\0\0\x03");
    }

    #[test]
    fn volumes() {
        let end = (510, &b"\x55\xAA"[..]);
        is("NTFS", &file(0x1000, &[(3, b"NTFS    "), end]));
        is("FAT", &file(0x1000, &[(54, b"FAT16   "), end]));
        is("FAT", &file(0x1000, &[(82, b"FAT32   "), end]));
    }

    #[test]
    fn partition_tables() {
        let end = (510, &b"\x55\xAA"[..]);
        let entry = b"\x80\x01\x01\0\x07\xFE\xFF\xFF\x3F\0\0\0\0\0\x10\0";
        is("partition table", &file(0x1000, &[(446, entry), end]));
        let protective = b"\0\0\x02\0\xEE\xFF\xFF\xFF\x01\0\0\0\xFF\xFF\xFF\xFF";
        let gpt = [(446, &protective[..]), end, (512, b"EFI PART")];
        is("partition table", &file(0x1000, &gpt));
    }

    #[test]
    fn a_boot_signature_alone_is_no_disk() {
        let end = (510, &b"\x55\xAA"[..]);
        assert!(of(&file(0x1000, &[end])).is_none());
        assert!(of(&file(0x1000, &[(446, b"\x41\x42\x43\x44\x45"), end])).is_none());
        for short in [&b""[..], b"P", b"conectix"] {
            let found = of(short).map(|format| format.name);
            assert!(found.is_none() || short == b"conectix", "{found:?}");
        }
        assert!(of(b"hello, this is text\n").is_none());
        let mut driver = crate::default_inputs::SPECIMEN.to_vec();
        driver.resize(0x9000, 0);
        driver[0x8001..0x8006].copy_from_slice(b"CD001");
        assert!(of(&driver).is_none());
    }

    /// The tables of a cabinet with one member, without data.
    fn cabinet(member: &str) -> Vec<u8> {
        let mut cabinet = file(36 + 8 + 16, &[(0, b"MSCF")]);
        cabinet[16] = 36 + 8;
        (cabinet[26], cabinet[28]) = (1, 1);
        cabinet.extend_from_slice(member.as_bytes());
        cabinet.push(0);
        let length = u32::try_from(cabinet.len()).unwrap();
        cabinet[8..12].copy_from_slice(&length.to_le_bytes());
        cabinet
    }

    #[test]
    fn hotfixes() {
        let program = |member: &str| {
            // The signature alone is no cabinet.
            let mut program = b"MZ... MSCF ...".to_vec();
            program.extend(cabinet(member));
            of_program(&program).map(|format| format.name)
        };
        let with = program("tcpip.sys").unwrap();
        assert!(with.contains("embedded cabinet"), "{with}");
        let deltas = program("_sfx_manifest_").unwrap();
        assert!(deltas.contains("deltas"), "{deltas}");
        assert!(of_program(b"MZ... MSCF ...").is_none());
    }
}
