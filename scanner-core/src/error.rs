//! Errors of images that can't be searched.

use core::fmt;

/// Why an [`Image`](crate::Image) could not be made. Every variant is final: an
/// inconsistent image is not searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes don't begin with `MZ`, or no `PE` signature follows where
    /// the DOS header points.
    NotPe,
    /// The bytes end before their headers or sections do.
    Truncated,
    /// A machine other than x86 (14Ch) or x64 (8664h); its number is given.
    UnsupportedMachine(u16),
    /// The optional header does not fit the machine, or is too short.
    BadOptionalHeader,
    /// No section, or more than the 96 that Windows allows.
    BadSectionCount(u16),
    /// Section or file alignment is no power of two, or the two don't fit
    /// each other.
    BadAlignment,
    /// The image base is no multiple of 64 KiB in a file, or of a page in
    /// memory, or the image would end past the address space.
    BadBase,
    /// The section at this index (from 0) leaves a gap that may not be there,
    /// overlaps another, or ends outside the image: sections must tile, in
    /// memory and in the file, and code must be as long in the one as in the
    /// other.
    SectionsDontTile(u16),
    /// No section states its size in memory, as in the drivers of Windows NT
    /// 3.1: the file is complete, but older than the limit.
    NoVirtualSizes,
    /// The size in the headers does not match the end of the last section, or
    /// the caller's size.
    BadImageSize,
    /// The caller of [`Image::from_memory`](crate::Image::from_memory) did not
    /// provide a code section, or the exception table in the section, in full;
    /// the section's index (from 0) is given.
    SectionNotMapped(u16),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::NotPe => f.write_str("not a PE image"),
            ImageError::Truncated => f.write_str("the file ends before its headers or sections do"),
            ImageError::UnsupportedMachine(machine) => {
                write!(f, "machine {machine:04X}h is neither x86 nor x64")
            }
            ImageError::BadOptionalHeader => {
                f.write_str("the optional header is too short or of the wrong kind")
            }
            ImageError::BadSectionCount(count) => write!(f, "{count} sections (1 to 96 allowed)"),
            ImageError::BadAlignment => f.write_str("section and file alignment are invalid"),
            ImageError::BadBase => f.write_str("the image base is invalid"),
            ImageError::SectionsDontTile(index) => {
                write!(f, "section {index} leaves a gap, overlaps or ends outside")
            }
            ImageError::NoVirtualSizes => f.write_str(
                "no section states its size in memory, as in the drivers of Windows NT 3.1",
            ),
            ImageError::BadImageSize => {
                f.write_str("the image size does not match the end of the last section")
            }
            ImageError::SectionNotMapped(index) => {
                write!(f, "section {index} was not provided")
            }
        }
    }
}

impl core::error::Error for ImageError {}
