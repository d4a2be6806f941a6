//! The drivers in a file: usually one, perhaps several in a large cabinet.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use scanner_core::Module;
use tcplimit_report::{State, is_cabinet, is_module, sha256};

use super::container::Container;
use super::outcome::DriverFacts;
use super::plan::{Plan, apply, plan};
use super::refusal::Refusal;
use crate::cabinet::Cabinet;
use crate::cabinet::rewrite::{ParsedCabinet, RewriteError};
use crate::input::Input;

/// A parsed file.
pub(crate) struct Drivers<'a> {
    packaging: Packaging<'a>,
    /// The name of the member, if any, and the image.
    images: Vec<(Option<String>, Cow<'a, [u8]>)>,
}

/// The packaging of the drivers.
enum Packaging<'a> {
    /// A plain file, or a cabinet with only this member.
    Single(Container),
    /// A cabinet whose other members stay.
    Cabinet(ParsedCabinet<'a>),
}

/// A driver with its plan.
pub(crate) struct PlannedDriver {
    pub(crate) member: Option<String>,
    pub(crate) plan: Plan,
    /// The new image.
    pub(crate) changed: Vec<u8>,
    /// SHA-256 of the present image.
    pub(crate) before: String,
}

impl PlannedDriver {
    /// The facts, and the new image.
    pub(crate) fn into_parts(self) -> (DriverFacts, Vec<u8>) {
        let facts = DriverFacts {
            member: self.member,
            plan: self.plan,
            source: None,
            damage: None,
            before: self.before,
            after: sha256(&self.changed),
        };
        (facts, self.changed)
    }
}

impl<'a> Drivers<'a> {
    /// Parses the content of a file; cabinets of several files only with `cabinets`.
    ///
    /// # Errors
    /// When it can't be read, or could not be rewritten.
    pub(crate) fn parse(file: &'a [u8], cabinets: bool) -> Result<Drivers<'a>, Refusal> {
        if cabinets && has_several_members(file) {
            let whole = ParsedCabinet::of(file, is_module)?;
            let wanted = whole.wanted().iter();
            let images: Vec<_> = wanted
                .map(|wanted| (Some(wanted.name.clone()), wanted.content.clone().into()))
                .collect();
            return match images.is_empty() {
                true => Err(Refusal::SeveralMembers {
                    drivers: Vec::new(),
                }),
                false => Ok(Drivers {
                    packaging: Packaging::Cabinet(whole),
                    images,
                }),
            };
        }
        let (container, image) = Container::open(file)?;
        Ok(Drivers {
            images: vec![(container.member().map(str::to_owned), image)],
            packaging: Packaging::Single(container),
        })
    }

    /// The images.
    pub(crate) fn images(&self) -> impl Iterator<Item = &[u8]> {
        self.images.iter().map(|(_, image)| &**image)
    }

    /// The hash of everything but the drivers; `None` for a plain file.
    pub(crate) fn remainder_hash(&self) -> Option<[u8; 32]> {
        match &self.packaging {
            Packaging::Single(_) => None,
            Packaging::Cabinet(whole) => Some(whole.remainder_hash()),
        }
    }

    /// Plans the change of each driver to this limit. Without `module`, the name of
    /// the file at `path`, or of the member in a cabinet, determines the module.
    ///
    /// # Errors
    /// Why a driver can't be changed; in a cabinet, for each driver.
    pub(crate) fn plan(
        &self,
        path: &str,
        module: Option<Module>,
        limit: u32,
    ) -> Result<Vec<PlannedDriver>, Refusal> {
        self.plan_each(path, module, &|_| limit)
    }

    /// As [`Drivers::plan`], with a limit for each driver, by its index.
    ///
    /// # Errors
    /// As for [`Drivers::plan`].
    pub(crate) fn plan_each(
        &self,
        path: &str,
        module: Option<Module>,
        limit: &dyn Fn(usize) -> u32,
    ) -> Result<Vec<PlannedDriver>, Refusal> {
        let planned = self
            .images
            .iter()
            .enumerate()
            .map(|(number, (member, image))| {
                let limit = limit(number);
                let name = match (&self.packaging, member) {
                    (Packaging::Cabinet(_), Some(member)) => format!("{path}/{member}"),
                    _ => path.to_owned(),
                };
                let plan = plan(&name, image, module, limit)?;
                Ok(PlannedDriver {
                    member: member.clone(),
                    changed: apply(&name, &plan, image)?,
                    plan,
                    before: sha256(image),
                })
            });
        match self.packaging {
            Packaging::Single(_) => planned.collect(),
            Packaging::Cabinet(_) => {
                let planned: Vec<Result<PlannedDriver, Refusal>> = planned.collect();
                if planned.iter().all(Result::is_ok) {
                    return planned.into_iter().collect();
                }
                let each = self.images.iter().zip(planned);
                let refused = each.map(|((member, _), planned)| {
                    (member.clone().unwrap_or_default(), planned.err())
                });
                Err(Refusal::InCabinet(refused.collect()))
            }
        }
    }

    /// Packs these images into the file, and verifies the result by parsing it.
    ///
    /// # Errors
    /// When the verification fails.
    pub(crate) fn pack(&self, images: Vec<Vec<u8>>) -> Result<Vec<u8>, Refusal> {
        match &self.packaging {
            Packaging::Single(container) => match images.as_slice() {
                [image] => container.pack(image),
                _ => Err(Refusal::VerificationFailed),
            },
            Packaging::Cabinet(whole) => {
                let packed = whole.with(&images)?;
                let again = ParsedCabinet::of(&packed, is_module)?;
                let contents = again.wanted().iter().map(|wanted| &wanted.content);
                match again.remainder_hash() == whole.remainder_hash() && contents.eq(&images) {
                    true => Ok(packed),
                    false => Err(Refusal::VerificationFailed),
                }
            }
        }
    }
}

/// The signature of InstallShield's cabinets, which Windows itself does not use.
const INSTALLSHIELD: &[u8] = b"ISc(";

/// The members of a cabinet named like one of the modules.
///
/// # Errors
/// When it can't be read, or is not a cabinet.
pub(crate) fn drivers_in(path: &Path) -> io::Result<Vec<String>> {
    let content = Input::open(path).and_then(Input::content)?;
    if content.starts_with(INSTALLSHIELD) {
        return Ok(Vec::new());
    }
    if !is_cabinet(&content) {
        return Err(io::Error::other("not a cabinet"));
    }
    let bytes: &[u8] = &content;
    let tables = Cabinet::new(&bytes).map_err(io::Error::other)?;
    let drivers = tables.names().filter(|name| is_module(name));
    Ok(drivers.map(str::to_owned).collect())
}

/// Whether a file is a cabinet with other content than one member.
fn has_several_members(file: &[u8]) -> bool {
    is_cabinet(file)
        && Cabinet::new(&file).is_ok_and(|cabinet| cabinet.len() != 1 || cabinet.has_extensions())
}

impl From<RewriteError> for Refusal {
    fn from(flaw: RewriteError) -> Refusal {
        match flaw {
            RewriteError::Unsupported(why) => Refusal::UnsupportedCabinet(why),
            RewriteError::Damaged(reason) => Refusal::Unusable {
                state: State::Damaged,
                reason: format!("{reason}: take a fresh copy of the file"),
            },
        }
    }
}
