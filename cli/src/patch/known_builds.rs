//! Comparison with known builds. A file with the header or hash of a known build
//! must agree with everything that the manifest states of that build, except for
//! the limit, which another tool may have set, and the checksum.

use scanner_core::{Checksum, Image, Located, Rva};
use tcplimit_report::sha256;

use super::change::{changes, put};
use super::refusal::Refusal;
use crate::manifest::{Build, Manifest};

/// A file with a located limit, and the store that sets it.
pub(super) struct Candidate<'a> {
    pub(super) image: &'a [u8],
    pub(super) parsed: &'a Image<'a>,
    pub(super) located: &'a Located,
    pub(super) store: Rva,
    pub(super) value_offset: usize,
}

/// Compares a file with each build that it claims to be.
///
/// # Errors
/// The build, and the first difference.
pub(super) fn check(manifest: &Manifest, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    let hash = sha256(candidate.image);
    for build in &manifest.builds {
        if build.sha256 != hash && !candidate.claims(build) {
            continue;
        }
        let difference = candidate
            .address_difference(build)
            .or_else(|| candidate.content_difference(build));
        if let Some(difference) = difference {
            return Err(Refusal::DiffersFromKnownBuild {
                build: build.name.clone(),
                difference,
            });
        }
    }
    Ok(())
}

impl Candidate<'_> {
    /// Whether the header is that of a build. Every build has its own time stamp;
    /// translations of a build differ only in texts and share the stamp.
    fn claims(&self, build: &Build) -> bool {
        let headers = self.parsed.headers();
        build.time_date_stamp == Some(headers.time_date_stamp())
            && build.arch == headers.arch().to_string()
            && build.module() == Some(self.located.module())
    }

    fn address_difference(&self, build: &Build) -> Option<String> {
        let located = self.located;
        let gates: Vec<u32> = located.findings().gates().map(|gate| gate.at().0).collect();
        let addresses = [
            ("limit", located.threshold().0, build.threshold),
            ("count", located.count().0, build.count),
            ("queue", located.queue().0, build.queue),
            (
                "start-up store",
                self.store.0,
                build.start_up_store.unwrap_or(self.store.0),
            ),
        ];
        let place = addresses.iter().find(|(_, here, there)| here != there);
        match place {
            Some((name, here, there)) => Some(format!("{name} at RVA {here:X}, not {there:X}")),
            None if gates != build.gates => Some("other gates".to_owned()),
            None => None,
        }
    }

    /// A file that has the checksum of the build when its limit is that of the build
    /// must also have its hash. Reordered blocks have the same checksum; a
    /// translation has another.
    fn content_difference(&self, build: &Build) -> Option<String> {
        let (limit, sum) = (build.start_up_value?, build.checksum?);
        let headers = self.parsed.headers();
        let mut original = self.image.to_vec();
        for change in &changes(self.image, headers, self.value_offset, limit)? {
            put(&mut original, change)?;
        }
        let same_sum = Checksum::compute(headers, &original).computed == sum;
        let differs = same_sum && sha256(&original) != build.sha256;
        differs.then(|| "same checksum, other bytes".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use scanner_core::Module;

    use super::*;
    use crate::default_inputs::SPECIMEN;
    use crate::image_probe::{self, Options};
    use crate::patch::{apply, plan};
    use tcplimit_report::Origin;

    const NAME: &str = "tcpip.sys";

    /// A manifest that knows the specimen.
    fn manifest() -> Manifest {
        let report = image_probe::image(Origin::file(NAME), SPECIMEN, &Options::default());
        let mut build = Build::of(&report, &sha256(SPECIMEN), Some("mine")).expect("located");
        let image = Image::from_file(SPECIMEN).expect("an image");
        build.checksum = Some(Checksum::compute(image.headers(), SPECIMEN).computed);
        Manifest {
            builds: vec![build],
        }
    }

    fn difference(manifest: &Manifest, file: &[u8]) -> Option<String> {
        let parsed = Image::from_file(file).expect("an image");
        let located = scanner_core::locate(&parsed, Module::Tcpip).expect("located");
        let scanner_core::StartUpStore::Unique {
            rva, value_offset, ..
        } = scanner_core::StartUpStore::find(&parsed, &located)
        else {
            panic!("one store")
        };
        let candidate = Candidate {
            image: file,
            parsed: &parsed,
            located: &located,
            store: rva,
            value_offset: usize::try_from(value_offset).expect("small"),
        };
        match check(manifest, &candidate) {
            Ok(()) => None,
            Err(Refusal::DiffersFromKnownBuild { build, difference }) => {
                assert_eq!(build, "mine");
                Some(difference)
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn patched(limit: u32) -> Vec<u8> {
        let plan = plan(NAME, SPECIMEN, None, limit).expect("a plan");
        apply(NAME, &plan, SPECIMEN).expect("patched")
    }

    #[test]
    fn a_known_build_is_accepted_with_any_limit() {
        assert_eq!(difference(&manifest(), SPECIMEN), None);
        for limit in [11, 50, 0xFF_FFFF] {
            assert_eq!(difference(&manifest(), &patched(limit)), None, "{limit}");
        }
    }

    #[test]
    fn a_known_build_with_words_in_another_order_is_damaged() {
        for file in [SPECIMEN.to_vec(), patched(50)] {
            let mut moved = file;
            let image = Image::from_file(SPECIMEN).expect("an image");
            let resources = image.headers().sections().find(|it| it.name() == b".rsrc");
            // Text of the version resource: no address, no relocation.
            let at = usize::try_from(resources.expect(".rsrc").file_offset()).expect("small");
            let other = (at + 2..at + 0x200)
                .step_by(2)
                .find(|&other| moved[other..other + 2] != moved[at..at + 2])
                .expect("another word");
            let (left, right) = moved.split_at_mut(other);
            left[at..at + 2].swap_with_slice(&mut right[..2]);
            assert_eq!(
                difference(&manifest(), &moved).as_deref(),
                Some("same checksum, other bytes")
            );
        }
    }

    #[test]
    fn a_translation_of_a_known_build_is_accepted() {
        let mut manifest = manifest();
        let build = manifest.builds.first_mut().expect("a build");
        build.sha256 = "0".repeat(64);
        build.checksum = build.checksum.map(|sum| sum ^ 0x10);
        assert_eq!(difference(&manifest, SPECIMEN), None);
    }

    #[test]
    fn an_address_that_differs_from_the_known_build_is_refused_by_stamp_and_by_hash() {
        type Change = fn(&mut Build);
        let changes: [(Change, &str); 4] = [
            (|build| build.threshold += 4, "limit at"),
            (|build| build.queue -= 4, "queue at"),
            (|build| build.gates[0] += 1, "other gates"),
            (
                |build| build.start_up_store = build.start_up_store.map(|at| at + 1),
                "start-up store at",
            ),
        ];
        for (change, expected) in changes {
            for by_hash in [true, false] {
                let mut manifest = manifest();
                let build = manifest.builds.first_mut().expect("a build");
                change(build);
                match by_hash {
                    true => build.time_date_stamp = None,
                    false => build.sha256 = "0".repeat(64),
                }
                let difference = difference(&manifest, SPECIMEN).expect("a difference");
                assert!(difference.starts_with(expected), "{difference}");
                // A file that does not claim to be the build is not compared.
                let build = manifest.builds.first_mut().expect("a build");
                build.time_date_stamp = None;
                build.sha256 = "0".repeat(64);
                assert_eq!(self::difference(&manifest, SPECIMEN), None);
            }
        }
    }
}
