//! A cabinet with one folder that has one member, up to its data blocks.
//!
//! Source of the layout: [MS-CAB], "Structure".

/// The flag for reserved fields (CFHEADER, flags).
pub(super) const HAS_RESERVE: u16 = 4;

/// The table entries of a cabinet with a single member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SingleMember<'a> {
    /// Its name, ASCII.
    pub(crate) name: &'a str,
    /// Date, time and attributes, as in the table.
    pub(crate) stamp: [u8; 6],
    /// Its compression (CFFOLDER, typeCompress).
    pub(crate) compression: u16,
    /// Reserved bytes in each data block.
    pub(crate) reserve: u8,
    /// Number of data blocks.
    pub(crate) count: u16,
    /// Their decompressed size in bytes.
    pub(crate) size: u32,
}

impl SingleMember<'_> {
    /// The bytes before its data blocks, which have `length` bytes.
    pub(crate) fn header_bytes(&self, length: u64) -> Vec<u8> {
        let reserved: &[u8] = match self.reserve {
            0 => &[],
            bytes => &[0, 0, 0, bytes],
        };
        let flags = match self.reserve {
            0 => 0,
            _ => HAS_RESERVE,
        };
        // The header, its reserved fields, one entry of each table.
        let dword = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let members = dword(36 + reserved.len() + 8);
        let start = members.saturating_add(dword(16 + self.name.len() + 1));
        let total = length.saturating_add(start.into());
        let mut cabinet = b"MSCF\0\0\0\0".to_vec();
        cabinet.extend(u32::try_from(total).unwrap_or(u32::MAX).to_le_bytes());
        cabinet.extend([0; 4]);
        cabinet.extend(members.to_le_bytes());
        cabinet.extend([0; 4]);
        cabinet.extend([3, 1]);
        for field in [1, 1, flags, 0, 0] {
            cabinet.extend(u16::to_le_bytes(field));
        }
        cabinet.extend(reserved);
        cabinet.extend(start.to_le_bytes());
        cabinet.extend(self.count.to_le_bytes());
        cabinet.extend(self.compression.to_le_bytes());
        cabinet.extend(self.size.to_le_bytes());
        cabinet.extend([0; 6]);
        cabinet.extend(self.stamp);
        cabinet.extend(self.name.bytes());
        cabinet.push(0);
        cabinet
    }
}
