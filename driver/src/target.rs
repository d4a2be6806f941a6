//! A module in memory with its limit located, looked at anew each time.

use scanner_core::{
    EvidenceSet, Headers, Image, MappedSection, Module, Rva, Section, SectionFlags, Workspace,
};
use tcplimit_protocol::{Identity, Reason, State, Status};

use crate::cause::Cause;
use crate::kernel::{Held, Kernel};
use crate::known::Known;
use crate::listing;

/// The headers lie in the module's first page, which the system keeps.
const PAGE: u32 = 0x1000;
/// Genuine drivers have one section of code that is neither paged nor
/// discarded.
const MAX_CODE_SECTIONS: usize = 4;

/// What was seen of a module, however far the search got.
pub(crate) struct Sight {
    pub(crate) state: State,
    pub(crate) identity: Identity,
    pub(crate) evidence: EvidenceSet,
    pub(crate) missing: EvidenceSet,
    pub(crate) unlisted: bool,
}

impl Sight {
    pub(crate) const NOTHING: Sight = Sight {
        state: State::Absent,
        identity: Identity::NONE,
        evidence: EvidenceSet::EMPTY,
        missing: EvidenceSet::EMPTY,
        unlisted: false,
    };
}

/// Finds a module, locates its limit, and compares that with what is known; the
/// module, and the flags of the section that holds the limit.
pub(crate) fn look<K: Kernel>(
    kernel: &K,
    module: Module,
    known: &mut Known,
    workspace: &mut Workspace,
    sight: &mut Sight,
) -> Result<(K::Held, SectionFlags), Cause> {
    let held = kernel.hold(module).map_err(|status| match status {
        Status::OBJECT_NAME_NOT_FOUND => Reason::NotLoaded.into(),
        status => Cause::status(Reason::Unusable, status),
    })?;
    sight.unlisted = !listing::confirms(kernel, module, held.base(), held.size())?;
    sight.state = State::NotLocated;
    let section = search::<K>(&held, module, workspace, sight)?;
    let located = workspace.located().ok_or(Reason::NoGate)?;
    known.meet(kernel, sight.identity, located)?;
    sight.state = State::Located;
    Ok((held, section))
}

/// Locates the limit of a held module. Only headers, live code and the exception
/// table are read.
// Apart from its caller for the stack's sake: what is here is gone when the
// limit is changed.
#[inline(never)]
fn search<K: Kernel>(
    held: &K::Held,
    module: Module,
    workspace: &mut Workspace,
    sight: &mut Sight,
) -> Result<SectionFlags, Cause> {
    let headers = held
        .bytes(Rva(0), held.size().min(PAGE))
        .ok_or(Reason::HeadersUnreadable)?;
    let nothing = MappedSection {
        rva: Rva(0),
        bytes: &[],
    };
    let mut code = [nothing; MAX_CODE_SECTIONS + 1];
    map::<K>(held, headers, &mut code, sight)?;
    // By reference, for the stack's sake: no second copy.
    let image = &Image::from_memory(headers, held.base(), held.size(), &code);
    let image = image.as_ref().map_err(|&error| Cause::from(error))?;
    match workspace.locate(image, module) {
        Ok(located) => {
            sight.evidence = located.findings().held();
            let section = image.section_at(located.threshold(), 4);
            Ok(section.ok_or(Reason::SectionRights)?.flags())
        }
        Err(refusal) => {
            if let Some(best) = refusal.best() {
                sight.evidence = best.held();
                sight.missing = best.missing();
            }
            Err(Cause::from(refusal))
        }
    }
}

/// Reads the headers, and makes slices of the code that stays in memory and of
/// the exception table.
#[inline(never)]
fn map<'a, K: Kernel>(
    held: &'a K::Held,
    headers: &'a [u8],
    code: &mut [MappedSection<'a>; MAX_CODE_SECTIONS + 1],
    sight: &mut Sight,
) -> Result<(), Cause> {
    let headers = Headers::parse_loaded(headers, held.base(), held.size())?;
    sight.identity = Identity {
        time_date_stamp: headers.time_date_stamp().into(),
        checksum: headers.checksum().into(),
        size_of_image: headers.size_of_image().into(),
    };
    if headers.arch() != K::ARCH {
        return Err(Reason::WrongMachine.into());
    }
    let [code @ .., table] = code;
    let mut places = code.iter_mut();
    for section in headers.sections().filter(Section::is_live_code) {
        let place = places.next().ok_or(Reason::TooManySections)?;
        let index = u32::from(section.index());
        let bytes = held.bytes(section.rva(), section.extent());
        *place = MappedSection {
            rva: section.rva(),
            bytes: bytes.ok_or(Cause::with(Reason::CodeUnreadable, index))?,
        };
    }
    if let Some(found) = headers.exception_table() {
        let unreadable = Cause::with(Reason::CodeUnreadable, found.section.into());
        *table = MappedSection {
            rva: found.rva,
            bytes: held.bytes(found.rva, found.size).ok_or(unreadable)?,
        };
    }
    Ok(())
}
