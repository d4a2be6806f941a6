//! The hash that texts are indexed by: 32-bit FNV-1a. The build script refuses collisions.
//!
//! Source: "The FNV Non-Cryptographic Hash Algorithm" (RFC 9923).

const OFFSET_BASIS: u32 = 0x811C_9DC5;
const PRIME: u32 = 0x0100_0193;

pub(crate) const fn hash(text: &str) -> u32 {
    let mut hash = OFFSET_BASIS;
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        // (`u32::from` is not const.)
        hash = (hash ^ *byte as u32).wrapping_mul(PRIME);
        rest = behind;
    }
    hash
}
