//! Modules of the campaign: specimens, intact or damaged.

use scanner_core::Module;
use simulation::kernel::{AddressLayout, Site};
use specimen::{Arch, Defect, Spec, Specimen};
use verify::property;

use crate::change::Change;
use crate::module_file::ModuleFile;
use crate::random::Random;
use crate::requests::LIMITS;
use crate::target::{Paged, Target};
use crate::world::{World, module_index};

/// A specimen, loaded.
pub(crate) struct ModuleUnderTest {
    pub(crate) target: Target,
    pub(crate) file: Option<ModuleFile>,
    pub(crate) sound: bool,
    /// Whether bytes of resident sections were changed.
    pub(crate) damaged: bool,
}

impl ModuleUnderTest {
    /// A random module; always a sound one if `sound_only`.
    pub(crate) fn random(
        random: &mut Random,
        arch: Arch,
        module: Module,
        sound_only: bool,
    ) -> ModuleUnderTest {
        let mut spec: Spec = random.any();
        spec.arch = arch;
        spec.module = specimen_module(module);
        // Little code, for many runs.
        spec.text_kib = u16::from(random.pick(&[1_u8, 2, 3, 4, 4, 5, 8]));
        if sound_only {
            spec.start_up = 10;
            return ModuleUnderTest::loaded(random, &spec.build(), arch, module);
        }
        let mut sound = true;
        if random.chance(3) {
            spec.module = specimen_module(random.pick(&Module::ALL));
            sound = spec.module == specimen_module(module);
        }
        if random.chance(15) {
            spec.defect = Some(random.pick(&Defect::ALL));
            sound = false;
        }
        // With a second candidate, damage could leave only the wrong one.
        let damaged = spec.defect != Some(Defect::SecondCandidate) && random.chance(15);
        let headers_damaged = random.chance(8);
        if damaged || headers_damaged {
            // Damage could complete a decoy that lacks one piece of evidence.
            spec = property::damageable(&spec, 2);
        }
        let mut specimen = spec.build();
        if damaged {
            sound = false;
            for _ in 0..=random.below(6) {
                mutate(&mut specimen, random);
            }
        }
        let ModuleUnderTest {
            mut target,
            mut file,
            ..
        } = ModuleUnderTest::loaded(random, &specimen, arch, module);
        if random.chance(10) {
            // A value other than the one after start.
            let value = random.pick(&LIMITS).to_le_bytes();
            target.write(specimen.truth.threshold, &value);
        }
        if headers_damaged {
            for _ in 0..=random.below(3) {
                let header = random.below(0x300);
                let byte = target.memory[usize::try_from(header).expect("u32 fits usize")];
                target.write(header, &[byte ^ 1 << random.below(8)]);
            }
            (sound, file) = (false, None);
        }
        if random.chance(8) {
            let page = random.below(u32::try_from(target.pages.len()).expect("a small module"));
            let of_limit = specimen.truth.threshold / 0x1000;
            let page = random.pick(&[page, of_limit, of_limit, 0]);
            let fault = match random.below(2) {
                0 => Change::ReadOnly(module, page * 0x1000),
                _ => {
                    (sound, file) = (false, None);
                    Change::Absent(module, page * 0x1000)
                }
            };
            let mut world = World::new(arch);
            world.modules[module_index(module)] = Some(target);
            fault.apply(&mut world);
            target = world.modules[module_index(module)]
                .take()
                .expect("it was put there");
        }
        if random.chance(3) {
            let sizes = [0, 1, 0x1000, target.size - 0x1000, target.size + 0x1000];
            target.size = random.pick(&sizes);
            (sound, file) = (false, None);
        }
        ModuleUnderTest {
            target,
            file,
            sound,
            damaged,
        }
    }

    /// A specimen at one of the modules' usual bases.
    fn loaded(
        random: &mut Random,
        specimen: &Specimen,
        arch: Arch,
        module: Module,
    ) -> ModuleUnderTest {
        let site = Site {
            layout: random.pick(&[AddressLayout::First, AddressLayout::Second]),
            module: specimen_module(module),
            moved: random.chance(50),
        };
        let paged = match random.below(4) {
            0 => Paged::In,
            1 => Paged::Some(random.word()),
            _ => Paged::Out,
        };
        let base = site.base(arch);
        let mut target = Target::from_specimen(specimen, base, paged);
        target.module = module;
        let bytes = specimen.file.clone();
        ModuleUnderTest {
            target,
            file: Some(ModuleFile { bytes, base }),
            sound: true,
            damaged: false,
        }
    }
}

fn specimen_module(module: Module) -> specimen::Module {
    match module {
        Module::Tcpip => specimen::Module::Tcpip,
        Module::Tcpip6 => specimen::Module::Tcpip6,
    }
}

/// Changes a byte of a resident section, mostly one of the limit's evidence.
fn mutate(specimen: &mut Specimen, random: &mut Random) {
    let evidence = &specimen.truth.evidence;
    let offset = if !evidence.is_empty() && random.chance(60) {
        let range = random.pick(evidence);
        let length = u32::try_from(range.len()).expect("a few bytes");
        range.start + usize::try_from(random.below(length)).expect("u32 fits usize")
    } else {
        let sections = specimen.sections.iter();
        let live: Vec<_> = sections
            .filter(|section| section.flags & 0x0200_0000 == 0)
            .collect();
        let section = random.pick(&live);
        let inside = section.offset + random.below(section.raw_size);
        usize::try_from(inside).expect("u32 fits usize")
    };
    if let Some(byte) = specimen.file.get_mut(offset) {
        *byte = match random.below(3) {
            0 => *byte ^ 1 << random.below(8),
            1 => 0x90,
            _ => random.bytes(1)[0],
        };
    }
}
