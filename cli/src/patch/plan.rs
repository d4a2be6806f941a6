//! Plans the changes of an image before anything is changed: locates the limit in
//! the file and in the image as loaded, and finds the one store that sets it.

use scanner_core::policy::{MAX_LIMIT, MIN_LIMIT};
use scanner_core::{Arch, Checksum, FileVersion, Headers, Image, Module};
use scanner_core::{RelocationCoverage, RelocationKind, Relocations, Rva, StartUpStore};
use tcplimit_report::{Names, Origin, Report, State};

use super::change::{Change, changes, put};
use super::known_builds;
use super::refusal::Refusal;
use crate::image_probe::{self, Members, Options};
use crate::manifest::Manifest;
use crate::simulated_load::LoadBase;

/// The default limit. Programs of that time suggested 50 to 100 to their users.
pub const DEFAULT_LIMIT: u32 = 100;

/// The planned changes of an image, and facts about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which of the two drivers it is.
    pub module: Module,
    /// x86 or x64.
    pub arch: Arch,
    /// From the version resource.
    pub version: Option<FileVersion>,
    /// The RVA of the limit.
    pub threshold: Rva,
    /// The RVA of the instruction that stores the limit.
    pub store: Rva,
    /// The stored value.
    pub before: u32,
    /// The new value.
    pub after: u32,
    /// The changes of value and checksum; empty if the value is already stored.
    pub changes: Vec<Change>,
}

/// Plans the changes that make start-up code set the limit to `limit`. Without
/// `module`, the file name in `path` determines the module; `path` is not read.
///
/// # Errors
/// Whenever anything is missing, ambiguous or unusual.
pub fn plan(path: &str, image: &[u8], module: Option<Module>, limit: u32) -> Result<Plan, Refusal> {
    if !(MIN_LIMIT..=MAX_LIMIT).contains(&limit) {
        return Err(Refusal::LimitOutOfRange(limit));
    }
    let origin = Origin::file(path);
    if module.is_none() && is_in_syswow64(path) {
        return Err(Refusal::SysWow64);
    }
    let probe_as = |as_loaded| {
        let options = Options {
            module,
            as_loaded,
            members: Members::All,
        };
        image_probe::image(origin.clone(), image, &options)
    };
    let report = probe_as(None);
    let Some(located) = report.located() else {
        return Err(not_located(report));
    };
    let claimed = located.module();
    if module.is_none() && report.names.file != Some(claimed) {
        return Err(Refusal::Renamed(claimed));
    }
    let loaded = probe_as(Some(LoadBase::Typical));
    match loaded.located() {
        Some(loaded) if addresses(loaded) == addresses(located) => {}
        Some(_) => {
            return Err(Refusal::LoadedDiffers(
                "its address is another one".to_owned(),
            ));
        }
        None => {
            let reason = loaded.reason.unwrap_or_default();
            return Err(Refusal::LoadedDiffers(reason));
        }
    }

    let parsed = Image::from_file(image).map_err(|error| Refusal::Unusable {
        state: State::Damaged,
        reason: error.to_string(),
    })?;
    let headers = parsed.headers();
    if is_signed(image, headers) != Some(false) {
        return Err(Refusal::Signed);
    }
    let checksum = Checksum::compute(headers, image);
    match checksum {
        Checksum { stated: 0, .. } => return Err(Refusal::NoChecksum),
        _ if !checksum.is_right() => return Err(Refusal::WrongChecksum(checksum)),
        _ => {}
    }
    let (store, offset, before) = match StartUpStore::find(&parsed, located) {
        StartUpStore::Unique {
            rva,
            value_offset,
            value,
        } => (rva, value_offset, value),
        StartUpStore::None => return Err(Refusal::NoStore),
        StartUpStore::Several => return Err(Refusal::SeveralStores),
    };
    let section = parsed.section_at(store, STORE_LENGTH);
    if section.is_none_or(|section| section.name() != b"INIT") {
        return Err(Refusal::StoreOutsideInit(store));
    }
    if let Some(coverage) = RelocationCoverage::measure(&parsed, located)
        && !coverage.is_full()
    {
        return Err(Refusal::NotRelocated(coverage));
    }
    check_relocations(&parsed)?;
    let candidate = known_builds::Candidate {
        image,
        parsed: &parsed,
        located,
        store,
        value_offset: to_usize(offset),
    };
    known_builds::check(Manifest::built_in(), &candidate)?;
    if !(MIN_LIMIT..=MAX_LIMIT).contains(&before) {
        return Err(Refusal::ImplausibleValue(before));
    }

    Ok(Plan {
        module: claimed,
        arch: parsed.arch(),
        version: report.image.and_then(|image| image.version),
        threshold: located.threshold(),
        store,
        before,
        after: limit,
        changes: match before == limit {
            true => Vec::new(),
            false => changes(image, headers, to_usize(offset), limit)
                .ok_or(Refusal::VerificationFailed)?,
        },
    })
}

/// Whether an image has an embedded signature: the fifth data directory, which the
/// locator does not need and does not read (the PE format, "The Attribute
/// Certificate Table"). `None` if the headers are too short.
fn is_signed(image: &[u8], headers: &Headers<'_>) -> Option<bool> {
    /// Bytes of an optional header before the checksum, and before the number
    /// of directories.
    const CHECKSUM: usize = 64;
    const COUNT: [usize; 2] = [92, 108];
    const CERTIFICATES: u32 = 4;
    let optional = headers.checksum_offset().checked_sub(CHECKSUM)?;
    let count = match headers.arch() {
        Arch::X86 => COUNT[0],
        Arch::X64 => COUNT[1],
    };
    let at = optional.checked_add(count)?;
    let dword = |at: usize| Some(u32::from_le_bytes(*image.get(at..)?.first_chunk()?));
    // Each entry has eight bytes: location and size.
    let size = at.checked_add(4 + 8 * to_usize(CERTIFICATES) + 4)?;
    Some(dword(at)? > CERTIFICATES && dword(size)? != 0)
}

/// Checks that the relocation table can be read to its end, and that every RVA in it
/// holds an address inside the image. In a file combined from two, or with moved
/// parts, some RVA does not.
fn check_relocations(image: &Image<'_>) -> Result<(), Refusal> {
    let mut entries = Relocations::new(image);
    for (at, kind) in entries.by_ref() {
        let address = match kind {
            RelocationKind::HighLow => dword(image, at).map(u64::from),
            RelocationKind::Dir64 => {
                let halves = dword(image, at).zip(at.plus(4).and_then(|at| dword(image, at)));
                halves.map(|(low, high)| u64::from(high) << 32 | u64::from(low))
            }
            RelocationKind::Other => continue,
        };
        let offset = address.and_then(|address| address.checked_sub(image.base()));
        if offset.is_none_or(|offset| offset > image.headers().size_of_image().into()) {
            return Err(Refusal::DamagedRelocations(Some(at)));
        }
    }
    match entries.is_truncated() {
        true => Err(Refusal::DamagedRelocations(None)),
        false => Ok(()),
    }
}

fn dword(image: &Image<'_>, at: Rva) -> Option<u32> {
    Some(u32::from_le_bytes(*image.read(at, 4)?.first_chunk()?))
}

/// `C7 05`, an operand and a value, in bytes.
const STORE_LENGTH: u32 = 10;

/// Applies a plan to its image, and plans again for the result: the limit must be
/// located at the same address, and the new value be stored.
///
/// # Errors
/// When the plan is not for this image.
pub fn apply(path: &str, plan: &Plan, image: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut changed = image.to_vec();
    for change in &plan.changes {
        put(&mut changed, change).ok_or(Refusal::VerificationFailed)?;
    }
    let replanned = self::plan(path, &changed, Some(plan.module), plan.after)?;
    let same = replanned.changes.is_empty()
        && replanned.before == plan.after
        && (replanned.threshold, replanned.store) == (plan.threshold, plan.store);
    match same {
        true => Ok(changed),
        false => Err(Refusal::VerificationFailed),
    }
}

/// The addresses that must agree in the file and in the image as loaded.
fn addresses(located: &scanner_core::Located) -> (Rva, Rva, Rva, Vec<Rva>) {
    let gates = located.findings().gates().map(|gate| gate.at());
    (
        located.threshold(),
        located.count(),
        located.queue(),
        gates.collect(),
    )
}

/// The refusal for a report that locates nothing.
fn not_located(report: Report) -> Refusal {
    match report.state {
        State::OtherModule if report.names == Names::default() => Refusal::Unidentified,
        state => Refusal::Unusable {
            state,
            reason: report.reason.unwrap_or_default(),
        },
    }
}

/// Whether a file lies in the folder of 64-bit Windows for 32-bit programs, from
/// which no driver is loaded.
fn is_in_syswow64(path: &str) -> bool {
    path.split(['/', '\\'])
        .any(|part| part.eq_ignore_ascii_case("SysWOW64"))
}

fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use specimen::Spec;

    use super::*;

    #[test]
    fn another_address_of_a_variable_or_a_gate_is_noticed() {
        let of = |seed| {
            let spec = Spec {
                seed,
                ..Spec::xp_sp3()
            };
            let built = spec.build();
            let image = Image::from_file(&built.file).unwrap();
            addresses(&scanner_core::locate(&image, Module::Tcpip).unwrap())
        };
        let (one, other) = (of(1), of(2));
        assert_eq!(one, of(1));
        assert!(one.0 != other.0 || one.3 != other.3, "{one:?}");
        assert_eq!(one.3.len(), 2, "{one:?}");
        assert_ne!(one.0, Rva::default());
        assert_ne!(one.1, one.0);
        assert_ne!(one.2, one.0);
    }
}
