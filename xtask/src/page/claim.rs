//! What is claimed of tcplimit, and what must show it in each run.
//!
//! The titles are those of the README's table, and some that go into detail. A
//! test holds the two together.

/// A claim. It holds when all of its evidence does.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) title: &'static str,
    /// How it is tested.
    pub(super) how: &'static str,
    pub(super) evidence: &'static [Evidence],
}

/// Part of a run that must have passed, and the numbers that it must have said.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) source: Source,
    pub(super) figures: &'static [&'static str],
}

/// Which part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// A crate's own tests, or `PROGRAM::MODULE` of integration tests.
    Suite(&'static str),
    /// A step of `cargo xtask test`, by its name.
    Step(&'static str),
}

/// Claims of a kind.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) claims: &'static [Claim],
}

const fn suite(name: &'static str) -> Evidence {
    Evidence {
        source: Source::Suite(name),
        figures: &[],
    }
}

const fn step(name: &'static str, figures: &'static [&'static str]) -> Evidence {
    Evidence {
        source: Source::Step(name),
        figures,
    }
}

/// All of them.
pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Finding the limit",
        claims: FINDING,
    },
    Group {
        title: "Writing it, and nothing else",
        claims: WRITING,
    },
    Group {
        title: "The files that are loaded",
        claims: FILES,
    },
    Group {
        title: "The proof itself",
        claims: PROOF,
    },
];

const FINDING: &[Claim] = &[
    Claim {
        title: "found where it is",
        how: "Drivers built from a description, both architectures, five kinds, every layout and \
              idiom that was measured on genuine ones, as files and as loaded.",
        evidence: &[
            suite("proof::locator"),
            suite("proof::specimen"),
            suite("proof::disk"),
            suite("proof::corpus"),
        ],
    },
    Claim {
        title: "refused when any one required fact is missing",
        how: "Each fact is removed, one at a time: the refusal must name it. Every rule is tried \
              just inside and just outside.",
        evidence: &[suite("proof::locator"), suite("proof::edge")],
    },
    Claim {
        title: "damage never moves the answer",
        how: "1, 2 and 16 random bytes anywhere; every value of every byte of headers and \
              evidence; headers that lie.",
        evidence: &[suite("proof::damage"), suite("proof::hostile")],
    },
    Claim {
        title: "instructions are read rightly",
        how: "Gates are compared with iced-x86 at every offset of random and real code; all else \
              that code may do with the variables with an independent locator.",
        evidence: &[
            suite("proof::reading"),
            suite("verify"),
            step(
                "real input",
                &["offsets of real code where gates are compared"],
            ),
        ],
    },
    Claim {
        title: "genuine files give no false alarm",
        how: "Windows files from package registries, none of which has the limit: probed as either \
              module, as files and as loaded, and searched harder than the tool would.",
        evidence: &[step(
            "real input",
            &[
                "files",
                "megabytes",
                "searches of each file",
                "images searched like drivers",
                "located by mistake",
            ],
        )],
    },
    Claim {
        title: "any input ends, with a reason",
        how: "Fuzzing, from the committed seeds. A finding is kept as a regression.",
        evidence: &[step(
            "fuzzing",
            &[
                "seed",
                "seconds for each target",
                "disc: inputs",
                "ioctl: inputs",
                "locate: inputs",
                "patch: inputs",
                "probe: inputs",
                "specimen: inputs",
            ],
        )],
    },
    Claim {
        title: "the locator can't panic",
        how: "A program that calls all of scanner-core links only if no panic can be reached, and \
              one with a panic put in does not link. It builds without a standard library, in the \
              driver.",
        evidence: &[step("no panic", &[]), step("driver", &[])],
    },
];

const WRITING: &[Claim] = &[
    Claim {
        title: "only a permit can be written",
        how: "The policy is a pure function: limits, flags of the section, rights of the page, the \
              present value, the expected one. Each reason to refuse is tried alone.",
        evidence: &[suite("proof::policy")],
    },
    Claim {
        title: "the driver writes the limit and nothing else",
        how: "Sessions of any requests over a kernel that injects a fault at any call; and the \
              built files in an emulated processor that watches every write.",
        evidence: &[
            suite("proof::session"),
            step(
                "emulator",
                &[
                    "first run's number",
                    "runs",
                    "requests",
                    "times located",
                    "limits changed",
                    "exchanges in vain",
                    "agreements of the three searches",
                ],
            ),
        ],
    },
    Claim {
        title: "it reads only what is there and its business",
        how: "In the emulator, pages that were freed or paged out are not there, and those that the \
              driver has no business with can't be read. Driver, locator and probe agree.",
        evidence: &[step(
            "emulator",
            &["plain runs, one for each kind and place", "instructions"],
        )],
    },
    Claim {
        title: "whoever writes at the same time is not overwritten",
        how: "In the emulator another program sets the limit before each single call of the \
              system.",
        evidence: &[step("emulator", &["races for the limit"])],
    },
    Claim {
        title: "one thread at a time",
        how: "loom tries the orders in which threads may meet at the lock that ships.",
        evidence: &[suite("driver::lock")],
    },
    Claim {
        title: "a file is patched whole or not at all",
        how: "A disk that fails or stops at each single step; then the file is the old one or the \
              new one, and the next run succeeds. Two runs on it, in every order of their steps. \
              At most eight bytes change, and going back gives the same bytes. What is refused is \
              left as it was.",
        evidence: &[
            suite("proof::patch"),
            suite("proof::brittle"),
            suite("proof::runs"),
        ],
    },
    Claim {
        title: "no build is lost to clean",
        how: "Removing what runs have left, on the same disk: stopped at each step, beside a run \
              that patches, and over what a run left that was killed at each of its steps.",
        evidence: &[suite("proof::clean")],
    },
    Claim {
        title: "of a disc image only the driver changes",
        how: "Patched and restored it is the same to the byte. With any sector lost or damaged, \
              cut anywhere, or stopped at any step: the right image or none, and the old one \
              unchanged.",
        evidence: &[suite("proof::disc")],
    },
];

const FILES: &[Claim] = &[
    Claim {
        title: "the files load and can't panic",
        how: "Imports against lists of real exports, every reachable instruction, sections, \
              relocations and checksum of the built files; a panic within reach would not link. \
              Each check has a file that violates it.",
        evidence: &[
            suite("proof::shipped"),
            step(
                "driver",
                &[
                    "compiler of the driver",
                    "x86: bytes",
                    "x64: bytes",
                    "x86: imports",
                    "x64: imports",
                    "x86: instructions",
                    "x64: instructions",
                ],
            ),
        ],
    },
    Claim {
        title: "one instruction writes to another driver",
        how: "A second lock cmpxchg in the disassembly of a file is an error; and whatever else \
              writes would be seen by the emulator, which watches every write.",
        evidence: &[
            step("driver", &["x86: lock cmpxchg", "x64: lock cmpxchg"]),
            step("emulator", &["runs", "limits changed"]),
        ],
    },
    Claim {
        title: "the stack suffices",
        how: "The deepest chain of calls by the disassembly, of 2,048 bytes that are allowed, and \
              the most that any emulated run took.",
        evidence: &[
            step(
                "driver",
                &["x86: deepest stack, bytes", "x64: deepest stack, bytes"],
            ),
            step("emulator", &["most stack, bytes"]),
        ],
    },
    Claim {
        title: "NT's structures are right",
        how: "Every offset against mingw-w64's headers, both architectures.",
        evidence: &[step("offsets", &["sizes and offsets"])],
    },
    Claim {
        title: "a loaded driver serves programs of both interfaces",
        how: "Loaded by Wine beside a driver with a limiter, and driven by clients in C; the value \
              on the target is right after every set and reset, as the target sees it.",
        evidence: &[step(
            "wine",
            &[
                "x64: checks that hold",
                "x86: checks that hold",
                "x64: requests at once",
                "x86: requests at once",
                "x64: looks at a target after a change",
                "x86: looks at a target after a change",
            ],
        )],
    },
    Claim {
        title: "what is released is what was tested",
        how: "Archives are made twice and compared, unpacked into an empty folder and run from \
              there; their drivers are checked once more, their programs for XP run in Wine.",
        evidence: &[step("dist", &[])],
    },
    Claim {
        title: "the documentation is right",
        how: "Tables of interface and manual are compared with the sources; the example in C is \
              compiled and run in Wine.",
        evidence: &[suite("proof::document"), step("wine", &[])],
    },
    Claim {
        title: "what a query costs",
        how: "Instructions for a byte of .text, on specimens as large as genuine drivers; it must \
              not get worse by over 5 %.",
        evidence: &[step(
            "emulator",
            &[
                "costs compared with the table",
                "tcpip-2003-sp2-x86: instructions a byte",
                "tcpip-xp-sp3-x86: instructions a byte",
                "tcpip-xp-x64: instructions a byte",
                "tcpip6-x64: instructions a byte",
                "tcpip6-x86: instructions a byte",
            ],
        )],
    },
];

const PROOF: &[Claim] = &[
    Claim {
        title: "the tests can fail",
        how: "The sources are broken on purpose, in a copy, and each breakage must be caught by \
              the test that is there for it.",
        evidence: &[step(
            "broken",
            &[
                "breakages tried",
                "breakages caught",
                "breakages in the table",
            ],
        )],
    },
    Claim {
        title: "what ships needs nothing that must not ship",
        how: "The arrows between crates, licences, duplicates and sources of all dependencies.",
        evidence: &[step("dependencies", &[])],
    },
];

/// What no run on this machine can show.
pub(super) const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "It has not run on Microsoft’s Windows",
        "Neither Windows XP, nor XP x64, nor Server 2003. docs/on-real-xp.md says how a person \
         tests it there in ten minutes.",
    ),
    (
        "Paging as NT does it",
        "The emulator takes pages away by a model of the memory manager. Wine never pages anything \
         out, and has no page tables.",
    ),
    (
        "PatchGuard on x64",
        "It watches code and tables of the kernel, not the data of tcpip.sys, as far as is known; \
         nothing here has it.",
    ),
    (
        "The timing of real drivers",
        "Wine serves the requests of a driver in one thread; the emulator has one processor.",
    ),
    (
        "Genuine tcpip.sys",
        "They are Microsoft’s and not in the repository. Specimens imitate what was measured on \
         them; `tcplimit corpus check` judges your own files.",
    ),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::plan::STEPS;
    use crate::workspace::Workspace;

    fn claims() -> impl Iterator<Item = &'static Claim> {
        GROUPS.iter().flat_map(|group| group.claims)
    }

    fn evidence() -> impl Iterator<Item = &'static Evidence> {
        claims().flat_map(|claim| claim.evidence)
    }

    /// The first column of a table of the README's, below its heading.
    fn readme(heading: &str) -> Vec<String> {
        let readme = fs::read_to_string(Workspace::of_this_crate().path("README.md")).unwrap();
        let (_, section) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows = section
            .lines()
            .filter_map(|line| line.strip_prefix("| "))
            .filter_map(|row| row.split_once(" |"));
        rows.map(|(first, _)| first.to_owned()).skip(1).collect()
    }

    #[test]
    fn every_claim_of_the_readme_is_here() {
        let promised = readme("Why believe it");
        assert!(promised.len() > 5, "{promised:?}");
        for title in promised {
            assert!(claims().any(|claim| claim.title == title), "{title}");
        }
    }

    #[test]
    fn no_claim_is_without_evidence_and_none_is_made_twice() {
        let titles: Vec<&str> = claims().map(|claim| claim.title).collect();
        for (at, claim) in claims().enumerate() {
            assert!(!claim.evidence.is_empty(), "{}", claim.title);
            assert!(!titles[at + 1..].contains(&claim.title), "{}", claim.title);
        }
    }

    #[test]
    fn every_program_of_tests_that_is_named_exists() {
        let workspace = Workspace::of_this_crate();
        for evidence in evidence() {
            let Source::Suite(name) = evidence.source else {
                continue;
            };
            let places = match name.split_once("::") {
                Some((program, module)) => ["verify", "driver"]
                    .map(|package| format!("{package}/tests/{program}/{module}.rs"))
                    .to_vec(),
                None => vec![format!("{name}/src/lib.rs")],
            };
            let exists = places.iter().any(|place| workspace.path(place).is_file());
            assert!(exists, "{name}");
        }
    }

    #[test]
    fn every_step_that_is_named_is_one_of_the_tests() {
        for evidence in evidence() {
            if let Source::Step(name) = evidence.source {
                assert!(STEPS.iter().any(|step| step.name == name), "{name}");
            }
        }
    }

    #[test]
    fn every_figure_that_is_named_is_said_somewhere() {
        fn sources(folder: &Path, text: &mut String) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() && !path.ends_with("page") {
                    sources(&path, text);
                } else if path.extension().is_some_and(|it| it == "rs") {
                    *text += &fs::read_to_string(path).unwrap();
                }
            }
        }
        let mut text = String::new();
        for folder in ["xtask/src", "verify/examples", "verify/emulator/src"] {
            sources(&Workspace::of_this_crate().path(folder), &mut text);
        }
        for name in evidence().flat_map(|evidence| evidence.figures) {
            // What is before the colon differs from file to file.
            let said = name.rsplit(": ").next().unwrap_or(name);
            let literals = [
                format!("\"{said}\""),
                format!(": {said}\""),
                format!(": {said} = "),
            ];
            assert!(literals.iter().any(|it| text.contains(it)), "{name}");
        }
    }
}
