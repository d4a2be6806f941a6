//! Displaced code: bytes inserted or deleted, sectors and clusters duplicated,
//! lost, swapped and moved, and files mixed from two builds. Relative operands
//! stay consistent then, wherever they point.

use scanner_core::{Checksum, Headers, ImageError, Module};

use crate::memory;
use crate::property::{self, Verdict};
use specimen::{Arch, PlacedSection, Spec, Specimen};

/// A way in which the bytes of a file are displaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary)]
pub enum MoveKind {
    /// 4 to 65,536 bytes are inserted.
    Inserted,
    /// 4 to 65,536 bytes are missing; zeros at the end instead.
    Deleted,
    /// A block is duplicated.
    Doubled,
    /// A block is missing; zeros at the end instead.
    Lost,
    /// Two blocks are swapped.
    Swapped,
    /// A block moved to a later position; those in between moved down.
    Rotated,
    /// The first part is from one build, the rest from another.
    FirstPart,
    /// Some clusters are from another build.
    Clusters,
}

impl MoveKind {
    /// All kinds.
    pub const ALL: [MoveKind; 8] = [
        MoveKind::Inserted,
        MoveKind::Deleted,
        MoveKind::Doubled,
        MoveKind::Lost,
        MoveKind::Swapped,
        MoveKind::Rotated,
        MoveKind::FirstPart,
        MoveKind::Clusters,
    ];

    /// Whether a second build is involved.
    fn is_mixed(self) -> bool {
        matches!(self, MoveKind::FirstPart | MoveKind::Clusters)
    }
}

/// The sizes of a sector and of clusters, in bytes. Clusters of a second build
/// have at least 1000h bytes, as FAT and NTFS volumes of the time have by
/// default.
const BLOCKS: [usize; 4] = [0x200, 0x1000, 0x4000, 0x1_0000];

/// One displacement. Any numbers are allowed; positions and lengths are taken
/// modulo the available range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary)]
pub struct Move {
    /// The kind of displacement.
    pub kind: MoveKind,
    /// The index of the block size.
    pub block: u8,
    /// Where.
    pub at: u32,
    /// The second position.
    pub to: u32,
    /// The number of bytes, or the selection of clusters.
    pub amount: u64,
}

/// A specimen, and a second build of the same description with other filler and
/// its limit at another RVA.
#[derive(Debug)]
pub struct Builds {
    /// The build whose headers the file has.
    pub first: Specimen,
    /// The other build.
    pub second: Specimen,
}

impl Builds {
    /// Builds both; `None` if the builds of this description are too similar.
    pub fn from_spec(spec: &Spec) -> Option<Builds> {
        let first = spec.build();
        let second = (1..=64)
            .map(|step| {
                let seed = spec.seed.wrapping_add(step << 32);
                Spec {
                    seed,
                    ..spec.clone()
                }
                .build()
            })
            .find(|second| {
                second.truth.threshold != first.truth.threshold && second.sections != first.sections
            })?;
        Some(Builds { first, second })
    }
}

impl Move {
    /// The displaced file; `None` if the file is too short.
    pub fn apply(&self, builds: &Builds) -> Option<Vec<u8>> {
        let file = &builds.first.file;
        let headers = builds.first.truth.headers.end;
        let block = BLOCKS[usize::from(self.block) % BLOCKS.len()];
        // The headers stay: they decide which build's limit is right.
        let first_block = headers.div_ceil(block);
        let blocks = (file.len() / block).checked_sub(first_block)?;
        let nth = |number: u32, of: usize| Some(number as usize).filter(|_| of > 0).map(|n| n % of);
        let block_at = |number: u32| Some((first_block + nth(number, blocks)?) * block);
        let anywhere = headers + nth(self.at, file.len() - headers)?;
        let zeros = |mut bytes: Vec<u8>| {
            bytes.resize(file.len(), 0);
            bytes
        };
        Some(match self.kind {
            MoveKind::Inserted => {
                let at = anywhere & !3;
                let new = vec![0x90; self.length()];
                [&file[..at], &new, &file[at..]].concat()
            }
            MoveKind::Deleted => {
                let at = anywhere & !3;
                let end = (at + self.length()).min(file.len());
                zeros([&file[..at], &file[end..]].concat())
            }
            MoveKind::Doubled => {
                let end = block_at(self.at)? + block;
                [&file[..end], &file[end - block..]].concat()
            }
            MoveKind::Lost => {
                let at = block_at(self.at)?;
                zeros([&file[..at], &file[at + block..]].concat())
            }
            MoveKind::Swapped => {
                let (one, other) = (block_at(self.at)?, block_at(self.to)?);
                let mut bytes = file.clone();
                bytes[one..one + block].copy_from_slice(&file[other..other + block]);
                bytes[other..other + block].copy_from_slice(&file[one..one + block]);
                bytes
            }
            MoveKind::Rotated => {
                let (one, other) = (block_at(self.at)?, block_at(self.to)?);
                let (from, to) = (one.min(other), one.max(other));
                let mut bytes = file.clone();
                bytes[from..to].rotate_left(block.min(to - from));
                bytes
            }
            MoveKind::FirstPart => {
                let rest = builds.second.file.get(anywhere..)?;
                [&file[..anywhere], rest].concat()
            }
            MoveKind::Clusters => {
                let block = block.max(0x1000);
                let second = &builds.second.file;
                let share = [1, 2, 4, 8, 12][self.to as usize % 5];
                let mut numbers = property::numbers(self.amount);
                let mut bytes = file.clone();
                for at in (0..bytes.len()).step_by(block) {
                    let random = numbers.next().expect("they never end");
                    let end = (at + block).min(bytes.len()).min(second.len());
                    if at >= headers.min(block) && random >> 60 < share && at < end {
                        bytes[at..end].copy_from_slice(&second[at..end]);
                    }
                }
                bytes
            }
        })
    }

    /// 4 bytes to 64 KiB, logarithmically distributed, and mostly a multiple
    /// that keeps instructions and tables aligned.
    fn length(&self) -> usize {
        let bits = 2 + self.amount % 14;
        let length = (1_u64 << bits) + (self.amount >> 8) % (1 << bits);
        let unit = [1, 4, 8, 16][(self.amount >> 32) as usize % 4];
        usize::try_from(length / unit * unit)
            .expect("64 KiB")
            .max(4)
    }
}

/// The locator's outcome on a displaced file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The limit of the build whose headers the file has.
    Right,
    /// No limit.
    Refused,
    /// Another address.
    Wrong(u32),
}

impl Builds {
    /// Classifies a verdict on a file mixed from both builds. Right is the
    /// limit of the build that headers and `.data` come from. The headers are
    /// always the first build's; they fit the second as well if both have code
    /// and data at the same RVAs. A limit in the zero-filled tail of `.data`
    /// has no bytes in the file: then the headers alone decide.
    fn outcome(&self, file: &[u8], verdict: &Verdict) -> Outcome {
        match verdict.threshold() {
            None => Outcome::Refused,
            Some(found) if found == self.first.truth.threshold => Outcome::Right,
            Some(found) if found == self.second.truth.threshold && self.is_second(file) => {
                Outcome::Right
            }
            Some(found) => Outcome::Wrong(found),
        }
    }

    fn is_second(&self, file: &[u8]) -> bool {
        let is_one_of = |section: &&PlacedSection| {
            let mut names = [".text", ".rdata", ".data", ".pdata"].iter();
            names.any(|name| section.name.starts_with(name.as_bytes()))
        };
        let rvas = |build: &Specimen| -> Vec<u32> {
            let sections = build.sections.iter().filter(is_one_of);
            sections.map(|section| section.rva).collect()
        };
        let mut sections = self.first.sections.iter();
        let data = sections.find(|section| section.name.starts_with(b".data"));
        let data = data.map(|data| data.offset as usize..(data.offset + data.raw_size) as usize);
        let comes_from_second = data.is_some_and(|data| {
            let bytes = file.get(data.clone());
            bytes.is_some() && bytes == self.second.file.get(data)
        });
        let in_tail = |data: &&PlacedSection| {
            data.name.starts_with(b".data")
                && self.second.truth.threshold - data.rva >= data.raw_size
        };
        let in_tail = self.second.sections.iter().any(|data| in_tail(&data));
        (in_tail || comes_from_second) && rvas(&self.first) == rvas(&self.second)
    }
}

/// The outcomes on a displaced file, as a file and as loaded.
pub fn outcomes(builds: &Builds, moved: &Move, file: &[u8]) -> [Outcome; 2] {
    let spec = &builds.first.spec;
    let module = property::module(spec.module);
    let in_file = property::file_verdict(file, module);
    // Code of one build with the relocations of another is visible only in the
    // file, and Windows does not load it: "The following are checked for
    // validation at load time: all drivers" (the PE format, "CheckSum").
    let loads = spec.arch == Arch::X64 || !moved.kind.is_mixed() || is_checked(file);
    let as_loaded = match loads {
        true => as_loaded(file, spec.arch, module),
        false => Verdict::NoImage(ImageError::Truncated),
    };
    [in_file, as_loaded].map(|verdict| builds.outcome(file, &verdict))
}

fn is_checked(file: &[u8]) -> bool {
    Headers::parse(file).is_ok_and(|headers| Checksum::compute(&headers, file).is_right())
}

/// **Displaced code never moves the answer**, and if the limit is located, the
/// (slow) oracle agrees.
pub fn right_or_refused(builds: &Builds, moved: &Move, with_oracle: bool) -> Option<[Outcome; 2]> {
    let file = moved.apply(builds)?;
    let outcomes = outcomes(builds, moved, &file);
    for outcome in outcomes {
        assert!(
            !matches!(outcome, Outcome::Wrong(_)),
            "{outcome:X?} after {moved:X?}"
        );
    }
    if with_oracle {
        let spec = &builds.first.spec;
        let verdict = property::file_verdict(&file, property::module(spec.module));
        let oracle = oracle::locate_file(&file, spec.module == specimen::Module::Tcpip6);
        // The oracle reads tables as a whole, so it may accept more of a torn
        // one.
        let agrees = match (&verdict, &oracle) {
            (Verdict::Located(found), Ok(answer)) => found == answer,
            (Verdict::Located(_), Err(_)) => false,
            (_, Ok(answer)) => {
                let verdict = Verdict::Located(answer.clone());
                builds.outcome(&file, &verdict) == Outcome::Right
            }
            (_, Err(_)) => true,
        };
        assert!(
            agrees,
            "locator: {verdict:?}, oracle: {oracle:?}, {moved:X?}"
        );
    }
    Some(outcomes)
}

fn as_loaded(file: &[u8], arch: Arch, module: Module) -> Verdict {
    let base = arch.bases()[0];
    let mapped = match memory::load(file, base) {
        Ok(mapped) => mapped,
        Err(error) => return Verdict::NoImage(error),
    };
    let headers = &file[..mapped.headers.min(file.len())];
    let sections = mapped.sections();
    property::memory_verdict(headers, mapped.base, mapped.size, &sections, module)
}
