//! Code out of its place: bytes inserted or deleted, sectors and clusters
//! doubled, lost, swapped and moved, and files made of two builds. All that
//! counts from the instruction stays consistent then, wherever it points.

use scanner_core::{Checksum, Headers, ImageError, Module};

use crate::memory;
use crate::property::{self, Verdict};
use specimen::{Arch, PlacedSection, Spec, Specimen};

/// A way in which the bytes of a file get out of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary)]
pub enum Kind {
    /// 4 to 64 Ki bytes too many.
    Inserted,
    /// 4 to 64 Ki bytes too few; zeros at the end instead.
    Deleted,
    /// A block is there twice.
    Doubled,
    /// A block is missing; zeros at the end instead.
    Lost,
    /// Two blocks stand in each other's place.
    Swapped,
    /// A block stands in front of a later one; those in between moved down.
    Rotated,
    /// The first part is of one build, the rest of another.
    FirstPart,
    /// Some clusters are of another build.
    Clusters,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] = [
        Kind::Inserted,
        Kind::Deleted,
        Kind::Doubled,
        Kind::Lost,
        Kind::Swapped,
        Kind::Rotated,
        Kind::FirstPart,
        Kind::Clusters,
    ];

    /// Whether a second build takes part.
    fn is_mixed(self) -> bool {
        matches!(self, Kind::FirstPart | Kind::Clusters)
    }
}

/// Bytes of a sector, and of clusters. Clusters of a second build have at least
/// 1000h bytes, as FAT and NTFS volumes of the time have by default.
const BLOCKS: [usize; 4] = [0x200, 0x1000, 0x4000, 0x1_0000];

/// One damage. Any numbers can be held; places and lengths are taken modulo
/// what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary)]
pub struct Move {
    /// What happens.
    pub kind: Kind,
    /// Which length of a block.
    pub block: u8,
    /// Where.
    pub at: u32,
    /// Where else.
    pub to: u32,
    /// How many bytes, or which clusters.
    pub amount: u64,
}

/// A specimen, and a second build of the same description with other filler
/// and its limit elsewhere.
#[derive(Debug)]
pub struct Builds {
    /// The one whose headers the file has.
    pub first: Specimen,
    /// The other.
    pub second: Specimen,
}

impl Builds {
    /// Both, of a description; `None` where its builds are all too much alike.
    pub fn of(spec: &Spec) -> Option<Builds> {
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
    /// The file after it; `None` where the file is too short for it.
    pub fn apply(&self, builds: &Builds) -> Option<Vec<u8>> {
        let file = &builds.first.file;
        let headers = builds.first.truth.headers.end;
        let block = BLOCKS[usize::from(self.block) % BLOCKS.len()];
        // The headers stay: that they are of this build is what makes its limit
        // the right one.
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
            Kind::Inserted => {
                let at = anywhere & !3;
                let new = vec![0x90; self.length()];
                [&file[..at], &new, &file[at..]].concat()
            }
            Kind::Deleted => {
                let at = anywhere & !3;
                let end = (at + self.length()).min(file.len());
                zeros([&file[..at], &file[end..]].concat())
            }
            Kind::Doubled => {
                let end = block_at(self.at)? + block;
                [&file[..end], &file[end - block..]].concat()
            }
            Kind::Lost => {
                let at = block_at(self.at)?;
                zeros([&file[..at], &file[at + block..]].concat())
            }
            Kind::Swapped => {
                let (one, other) = (block_at(self.at)?, block_at(self.to)?);
                let mut bytes = file.clone();
                bytes[one..one + block].copy_from_slice(&file[other..other + block]);
                bytes[other..other + block].copy_from_slice(&file[one..one + block]);
                bytes
            }
            Kind::Rotated => {
                let (one, other) = (block_at(self.at)?, block_at(self.to)?);
                let (from, to) = (one.min(other), one.max(other));
                let mut bytes = file.clone();
                bytes[from..to].rotate_left(block.min(to - from));
                bytes
            }
            Kind::FirstPart => {
                let rest = builds.second.file.get(anywhere..)?;
                [&file[..anywhere], rest].concat()
            }
            Kind::Clusters => {
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

    /// 4 bytes to 64 KiB, as often below a number as above it, and mostly a
    /// number that leaves instructions and tables aligned.
    fn length(&self) -> usize {
        let bits = 2 + self.amount % 14;
        let length = (1_u64 << bits) + (self.amount >> 8) % (1 << bits);
        let unit = [1, 4, 8, 16][(self.amount >> 32) as usize % 4];
        usize::try_from(length / unit * unit)
            .expect("64 KiB")
            .max(4)
    }
}

/// What the locator made of a moved file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The limit of the build whose headers it has.
    Right,
    /// No limit.
    Refused,
    /// Another place.
    Wrong(u32),
}

impl Builds {
    /// What a verdict on a file made of them is. Right is the limit of the build
    /// that headers and `.data` come from. The headers are always the first
    /// one's; they are the second one's as well where both have code and data at
    /// the same RVAs. Of a limit in the zero-filled tail of `.data` the file has
    /// no byte: then the headers alone decide.
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

/// What the locator makes of a moved file, and of it as loaded.
pub fn outcomes(builds: &Builds, moved: &Move, file: &[u8]) -> [Outcome; 2] {
    let spec = &builds.first.spec;
    let module = property::module(spec.module);
    let in_file = property::of_file(file, module);
    // Where the code of one build has the relocations of another, that is
    // damage which only the file shows, and Windows does not load it: "The
    // following are checked for validation at load time: all drivers" (the PE
    // format, "CheckSum").
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

/// **Moved code never moves the answer**, and where the limit is located the
/// oracle, which is slow, agrees.
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
        let verdict = property::of_file(&file, property::module(spec.module));
        let oracle = oracle::locate_file(&file, spec.module == specimen::Module::Tcpip6);
        // It looks at tables as a whole, so it may believe more of a torn one.
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
    property::of_memory(headers, mapped.base, mapped.size, &sections, module)
}
