//! Runs in which nothing is wrong: the ways that every user goes, and the same
//! with another program that sets the limit at each single moment.

use scanner_core::{Image, Module, Rva};
use specimen::{Arch, Spec};
use tcplimit_driver::Device;
use verify::property::Verdict;

use crate::change::Change;
use crate::file::File;
use crate::image::Laid;
use crate::irp::{CLEANUP, CLOSE, CREATE, Request};
use crate::question;
use crate::run::{Outcome, run};
use crate::scenario::{Act, Scenario};
use crate::system::System;
use crate::target::{Paged, Target};
use crate::violation::Violation;
use crate::world::{World, slot};

/// The limit that is set in these runs.
pub const LIMIT: u32 = 100;

impl Scenario {
    /// A world with one module, and all that programs usually ask.
    #[must_use]
    pub fn plain(target: Target, file: Option<Vec<u8>>, arch: Arch) -> Scenario {
        let (module, base) = (target.module, target.base);
        let mut world = World::new(arch);
        let sound = target.threshold.is_some();
        world.modules[slot(module)] = Some(target);
        let mut scenario = Scenario {
            seed: 0,
            world,
            files: [None, None],
            sound: [false; 2],
            damaged: [false; 2],
            acts: Vec::new(),
            alone: false,
        };
        scenario.sound[slot(module)] = sound;
        scenario.files[slot(module)] = file.map(|bytes| File { bytes, base });
        let requests = [
            Request::plain(Device::Ours, CREATE),
            question::query(module),
            question::set(module, LIMIT, 0),
            question::query(module),
            // In force already: done, and nothing is written.
            question::set(module, LIMIT, 0),
            question::set(module, 0x0100_0000, 0),
            question::set(module, 50, LIMIT),
            question::reset(module, 0),
            Request::plain(Device::Legacy, CREATE),
            question::legacy_get(),
            question::legacy_set(LIMIT),
            question::legacy_get(),
            Request::plain(Device::Legacy, CLEANUP),
            Request::plain(Device::Legacy, CLOSE),
            Request::plain(Device::Ours, CLEANUP),
            Request::plain(Device::Ours, CLOSE),
        ];
        scenario.acts = requests.into_iter().map(Act::Send).collect();
        scenario
    }

    /// The same with a specimen.
    #[must_use]
    pub fn of_specimen(spec: &Spec) -> Scenario {
        let specimen = spec.build();
        let base = spec.arch.bases()[0];
        let target = Target::of_specimen(&specimen, base, Paged::Out);
        Scenario::plain(target, Some(specimen.file), spec.arch)
    }
}

/// Sets a limit as often as the request makes calls of the system, and each
/// time another program sets it too, right before another call: the one that
/// comes second must notice.
///
/// # Errors
/// As [`run`].
pub fn races(system: &mut System, spec: &Spec) -> Result<Vec<Outcome>, Violation> {
    let mut scenario = Scenario::of_specimen(spec);
    let module = verify::property::module(spec.module);
    let set = Act::Send(question::set(module, LIMIT, 0));
    scenario.acts = vec![set.clone()];
    run(system, &scenario)?;
    let calls = u32::try_from(system.most.calls).unwrap_or(u32::MAX);
    let race = |call| {
        let module = verify::property::module(spec.module);
        let mut scenario = Scenario::of_specimen(spec);
        let threshold = scenario
            .world
            .module(module)
            .and_then(|target| target.threshold);
        let other = Change::Bytes(module, threshold.unwrap_or(0), vec![77, 0, 0, 0]);
        scenario.acts = vec![Act::Meanwhile(call, other), set.clone()];
        run(system, &scenario)
    };
    (0..calls).map(race).collect()
}

/// Which processor a file is for.
///
/// # Errors
/// When it can't be loaded.
pub fn arch_of(bytes: &[u8]) -> Result<Arch, String> {
    let base = Arch::X86.bases()[0];
    Laid::at(bytes, base).map(|laid| laid.arch)
}

/// A module's file, given by its path: which module it is, by its name.
///
/// # Errors
/// When it can't be loaded.
pub fn of_file(name: &str, bytes: &[u8], arch: Arch) -> Result<Scenario, String> {
    let base = arch.bases()[0];
    let target = Target::of_file(bytes, by_name(name), arch, base, Paged::Out)?;
    Ok(Scenario::plain(target, Some(bytes.to_vec()), arch))
}

/// Which module it is taken for, and where the locator finds the limit in the
/// file, or why it does not.
///
/// # Errors
/// The module, and why.
pub fn module_of(name: &str, bytes: &[u8]) -> Result<(Module, Rva), (Module, String)> {
    let module = by_name(name);
    let image = Image::from_file(bytes).map_err(|error| (module, error.to_string()))?;
    match scanner_core::locate(&image, module) {
        Ok(located) => Ok((module, located.threshold())),
        Err(refused) => Err((module, refused.to_string())),
    }
}

/// What the locator and the oracle find in a file.
pub fn searched(name: &str, bytes: &[u8]) -> (Verdict, Result<oracle::Answer, oracle::NoAnswer>) {
    let module = by_name(name);
    let verdict = verify::property::of_file(bytes, module);
    (
        verdict,
        oracle::locate_file(bytes, module == Module::Tcpip6),
    )
}

/// Locator and oracle must find the same, or both nothing.
///
/// # Errors
/// What each of them says.
pub fn of_one_mind(
    verdict: &Verdict,
    oracle: &Result<oracle::Answer, oracle::NoAnswer>,
) -> Result<(), String> {
    let agree = match (verdict, oracle) {
        (Verdict::Located(place), Ok(truth)) => place == truth,
        (Verdict::Located(_), Err(_)) | (_, Ok(_)) => false,
        (_, Err(_)) => true,
    };
    match agree {
        true => Ok(()),
        false => Err(format!(
            "the locator says {verdict:X?}, the oracle {oracle:X?}"
        )),
    }
}

fn by_name(name: &str) -> Module {
    if name.to_ascii_lowercase().contains("tcpip6") {
        Module::Tcpip6
    } else {
        Module::Tcpip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locator_and_oracle_differ_where_any_of_what_they_find_does() {
        let found = searched("tcpip.sys", &Spec::xp_sp3().with_text_kib(4).build().file);
        let (Verdict::Located(place), Ok(truth)) = &found else {
            panic!("{found:X?}")
        };
        let missing = || Err(oracle::NoAnswer::NoCandidate);
        let refused = Verdict::Refused(scanner_core::Reason::NoGate);
        assert_eq!(of_one_mind(&found.0, &found.1), Ok(()));
        assert_eq!(of_one_mind(&refused, &missing()), Ok(()));
        assert!(of_one_mind(&refused, &found.1).is_err());
        assert!(of_one_mind(&found.0, &missing()).is_err());
        let mut others = vec![truth.clone(), truth.clone(), truth.clone(), truth.clone()];
        others[0].threshold += 4;
        others[1].count += 4;
        others[2].queue += 4;
        others[3].gates.pop();
        for other in others {
            assert!(of_one_mind(&found.0, &Ok(other.clone())).is_err());
            assert_ne!(&other, place);
        }
    }
}
