//! Inspection of a module in memory, done anew for each command.

use scanner_core::{
    EvidenceSet, Headers, Image, MappedSection, Module, Rva, Section, SectionFlags, Workspace,
};
use tcplimit_protocol::{Identity, Reason, State, Status};

use crate::kernel::{Kernel, ModuleRef};
use crate::module_history::ModuleHistory;
use crate::module_list_check;
use crate::outcome::Outcome;

/// The headers lie in the module's first page, which the system keeps.
const PAGE: u32 = 0x1000;
/// Genuine drivers have one section of code that is neither paged nor
/// discarded.
const MAX_CODE_SECTIONS: usize = 4;

/// The result of an inspection, however far the search got.
pub(crate) struct Inspection {
    pub(crate) state: State,
    pub(crate) identity: Identity,
    pub(crate) evidence: EvidenceSet,
    pub(crate) missing: EvidenceSet,
    pub(crate) unlisted: bool,
}

impl Inspection {
    pub(crate) const NOTHING: Inspection = Inspection {
        state: State::Absent,
        identity: Identity::NONE,
        evidence: EvidenceSet::EMPTY,
        missing: EvidenceSet::EMPTY,
        unlisted: false,
    };
}

/// Finds a module, locates its limit, and compares both with the module's history.
/// Returns the module and the flags of the section that holds the limit.
pub(crate) fn inspect<K: Kernel>(
    kernel: &K,
    module: Module,
    history: &mut ModuleHistory,
    workspace: &mut Workspace,
    inspection: &mut Inspection,
) -> Result<(K::ModuleRef, SectionFlags), Outcome> {
    let held = kernel
        .reference_module(module)
        .map_err(|status| match status {
            Status::OBJECT_NAME_NOT_FOUND => Reason::NotLoaded.into(),
            status => Outcome::status(Reason::Unusable, status),
        })?;
    inspection.unlisted = !module_list_check::is_listed(kernel, module, held.base(), held.size())?;
    inspection.state = State::NotLocated;
    let section = search::<K>(&held, module, workspace, inspection)?;
    let located = workspace.located().ok_or(Reason::NoGate)?;
    history.compare(kernel, inspection.identity, located)?;
    inspection.state = State::Located;
    Ok((held, section))
}

/// Locates the limit of a held module. Only headers, live code and the exception
/// table are read.
// Not inlined, so that its stack is free again when the limit is changed.
#[inline(never)]
fn search<K: Kernel>(
    held: &K::ModuleRef,
    module: Module,
    workspace: &mut Workspace,
    inspection: &mut Inspection,
) -> Result<SectionFlags, Outcome> {
    let headers = held
        .bytes(Rva(0), held.size().min(PAGE))
        .ok_or(Reason::HeadersUnreadable)?;
    let nothing = MappedSection {
        rva: Rva(0),
        bytes: &[],
    };
    let mut code = [nothing; MAX_CODE_SECTIONS + 1];
    map::<K>(held, headers, &mut code, inspection)?;
    // By reference: a second copy would take stack.
    let image = &Image::from_memory(headers, held.base(), held.size(), &code);
    let image = image.as_ref().map_err(|&error| Outcome::from(error))?;
    match workspace.locate(image, module) {
        Ok(located) => {
            inspection.evidence = located.findings().held();
            let section = image.section_at(located.threshold(), 4);
            Ok(section.ok_or(Reason::SectionRights)?.flags())
        }
        Err(refusal) => {
            if let Some(best) = refusal.best() {
                inspection.evidence = best.held();
                inspection.missing = best.missing();
            }
            Err(Outcome::from(refusal))
        }
    }
}

/// Reads the headers and borrows the live code and the exception table.
#[inline(never)]
fn map<'a, K: Kernel>(
    held: &'a K::ModuleRef,
    headers: &'a [u8],
    code: &mut [MappedSection<'a>; MAX_CODE_SECTIONS + 1],
    inspection: &mut Inspection,
) -> Result<(), Outcome> {
    let headers = Headers::parse_loaded(headers, held.base(), held.size())?;
    inspection.identity = Identity {
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
            bytes: bytes.ok_or(Outcome::with(Reason::CodeUnreadable, index))?,
        };
    }
    if let Some(found) = headers.exception_table() {
        let unreadable = Outcome::with(Reason::CodeUnreadable, found.section.into());
        *table = MappedSection {
            rva: found.rva,
            bytes: held.bytes(found.rva, found.size).ok_or(unreadable)?,
        };
    }
    Ok(())
}
