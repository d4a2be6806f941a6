//! Runs without failures: the requests of usual programs, and races with another
//! program that sets the limit at every possible moment.

use scanner_core::{Image, Module, Rva};
use specimen::{Arch, Spec};
use tcplimit_driver::Device;
use verify::property::Verdict;

use crate::change::Change;
use crate::image::LoadedImage;
use crate::irp::{CLEANUP, CLOSE, CREATE, Request};
use crate::module_file::ModuleFile;
use crate::requests;
use crate::run::{Outcome, run};
use crate::scenario::{Action, Scenario};
use crate::system::System;
use crate::target::{Paged, Target};
use crate::violation::Violation;
use crate::world::{World, module_index};

/// The limit that is set in these runs.
pub const LIMIT: u32 = 100;

impl Scenario {
    /// A world with one module, and the requests of usual programs.
    #[must_use]
    pub fn happy_path(target: Target, file: Option<Vec<u8>>, arch: Arch) -> Scenario {
        let (module, base) = (target.module, target.base);
        let mut world = World::new(arch);
        let sound = target.threshold.is_some();
        world.modules[module_index(module)] = Some(target);
        let mut scenario = Scenario {
            seed: 0,
            world,
            files: [None, None],
            sound: [false; 2],
            damaged: [false; 2],
            actions: Vec::new(),
            without_reference: false,
        };
        scenario.sound[module_index(module)] = sound;
        scenario.files[module_index(module)] = file.map(|bytes| ModuleFile { bytes, base });
        let requests = [
            Request::without_parameters(Device::Ours, CREATE),
            requests::query(module),
            requests::set(module, LIMIT, 0),
            requests::query(module),
            // Already in force: succeeds without a write.
            requests::set(module, LIMIT, 0),
            requests::set(module, 0x0100_0000, 0),
            requests::set(module, 50, LIMIT),
            requests::reset(module, 0),
            Request::without_parameters(Device::Legacy, CREATE),
            requests::legacy_get(),
            requests::legacy_set(LIMIT),
            requests::legacy_get(),
            Request::without_parameters(Device::Legacy, CLEANUP),
            Request::without_parameters(Device::Legacy, CLOSE),
            Request::without_parameters(Device::Ours, CLEANUP),
            Request::without_parameters(Device::Ours, CLOSE),
        ];
        scenario.actions = requests.into_iter().map(Action::Send).collect();
        scenario
    }

    /// The same with a specimen as the module.
    #[must_use]
    pub fn from_specimen(spec: &Spec) -> Scenario {
        let specimen = spec.build();
        let base = spec.arch.bases()[0];
        let target = Target::from_specimen(&specimen, base, Paged::Out);
        Scenario::happy_path(target, Some(specimen.file), spec.arch)
    }
}

/// Sets a limit once per call of the system that the request makes; each time
/// another program sets it too, right before a different call. The second writer
/// must notice.
///
/// # Errors
/// As [`run`].
pub fn races(system: &mut System, spec: &Spec) -> Result<Vec<Outcome>, Violation> {
    let mut scenario = Scenario::from_specimen(spec);
    let module = verify::property::module(spec.module);
    let set = Action::Send(requests::set(module, LIMIT, 0));
    scenario.actions = vec![set.clone()];
    run(system, &scenario)?;
    let calls = u32::try_from(system.max_cost.calls).unwrap_or(u32::MAX);
    let race = |call| {
        let module = verify::property::module(spec.module);
        let mut scenario = Scenario::from_specimen(spec);
        let threshold = scenario
            .world
            .module(module)
            .and_then(|target| target.threshold);
        let other = Change::Bytes(module, threshold.unwrap_or(0), vec![77, 0, 0, 0]);
        scenario.actions = vec![Action::ChangeDuringCalls(call, other), set.clone()];
        run(system, &scenario)
    };
    (0..calls).map(race).collect()
}

/// The processor of a file.
///
/// # Errors
/// The file can't be loaded.
pub fn file_arch(bytes: &[u8]) -> Result<Arch, String> {
    let base = Arch::X86.bases()[0];
    LoadedImage::load(bytes, base).map(|image| image.arch)
}

/// The scenario of a module's file; its name selects the module.
///
/// # Errors
/// The file can't be loaded.
pub fn load_scenario(name: &str, bytes: &[u8], arch: Arch) -> Result<Scenario, String> {
    let base = arch.bases()[0];
    let target = Target::from_file(bytes, module_by_name(name), arch, base, Paged::Out)?;
    Ok(Scenario::happy_path(target, Some(bytes.to_vec()), arch))
}

/// The module that a file counts as, and the RVA of its limit.
///
/// # Errors
/// The module, and why the locator refuses it.
pub fn locate_file(name: &str, bytes: &[u8]) -> Result<(Module, Rva), (Module, String)> {
    let module = module_by_name(name);
    let image = Image::from_file(bytes).map_err(|error| (module, error.to_string()))?;
    match scanner_core::locate(&image, module) {
        Ok(located) => Ok((module, located.threshold())),
        Err(refused) => Err((module, refused.to_string())),
    }
}

/// The verdicts of locator and oracle on a file.
pub fn search_with_both(
    name: &str,
    bytes: &[u8],
) -> (Verdict, Result<oracle::Answer, oracle::NoAnswer>) {
    let module = module_by_name(name);
    let verdict = verify::property::file_verdict(bytes, module);
    (
        verdict,
        oracle::locate_file(bytes, module == Module::Tcpip6),
    )
}

/// Locator and oracle must find the same variables, or both none.
///
/// # Errors
/// Both verdicts, in words.
pub fn compare_with_oracle(
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
            "the locator found {verdict:X?}, the oracle {oracle:X?}"
        )),
    }
}

fn module_by_name(name: &str) -> Module {
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
    fn locator_and_oracle_disagree_if_any_part_of_the_answer_differs() {
        let found = search_with_both("tcpip.sys", &Spec::xp_sp3().with_text_kib(4).build().file);
        let (Verdict::Located(place), Ok(truth)) = &found else {
            panic!("{found:X?}")
        };
        let missing = || Err(oracle::NoAnswer::NoCandidate);
        let refused = Verdict::Refused(scanner_core::NotLocatedReason::NoGate);
        assert_eq!(compare_with_oracle(&found.0, &found.1), Ok(()));
        assert_eq!(compare_with_oracle(&refused, &missing()), Ok(()));
        assert!(compare_with_oracle(&refused, &found.1).is_err());
        assert!(compare_with_oracle(&found.0, &missing()).is_err());
        let mut others = vec![truth.clone(), truth.clone(), truth.clone(), truth.clone()];
        others[0].threshold += 4;
        others[1].count += 4;
        others[2].queue += 4;
        others[3].gates.pop();
        for other in others {
            assert!(compare_with_oracle(&found.0, &Ok(other.clone())).is_err());
            assert_ne!(&other, place);
        }
    }
}
