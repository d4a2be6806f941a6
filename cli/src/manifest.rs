//! The manifest of known builds: the expected results by the hash of the file. It tests the
//! locator; the locator never uses it.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use scanner_core::policy::PRISTINE_LIMIT;
use scanner_core::{Arch, Module, Rva, StartUpStore};
use serde::Deserialize;
use tcplimit_report::{Exit, Report};

use crate::terminal::{os_error_text, print_error};

/// The built-in manifest, corpus/builds.toml.
const BUILT_IN: &str = include_str!("../../corpus/builds.toml");

/// Known builds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    #[serde(default, rename = "build")]
    pub(crate) builds: Vec<Build>,
}

/// One known build. Addresses are RVAs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    /// For people.
    pub(crate) name: String,
    /// 64 lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// `tcpip.sys` or `tcpip6.sys`.
    pub(crate) module: String,
    /// `5.1.2600.5512`
    pub(crate) version: String,
    /// `x86` or `x64`.
    pub(crate) arch: String,
    /// Link time: seconds since 1970, from its header.
    pub(crate) time_date_stamp: Option<u32>,
    /// Its PE checksum.
    pub(crate) checksum: Option<u32>,
    pub(crate) threshold: u32,
    pub(crate) count: u32,
    pub(crate) queue: u32,
    /// In the order of their addresses.
    pub(crate) gates: Vec<u32>,
    /// RVA of the store of the limit's initial value, if there is exactly one.
    pub(crate) start_up_store: Option<u32>,
    pub(crate) start_up_value: Option<u32>,
}

impl Manifest {
    /// The built-in manifest.
    pub(crate) fn built_in() -> &'static Manifest {
        static MANIFEST: LazyLock<Manifest> =
            LazyLock::new(|| Manifest::parse(BUILT_IN).unwrap_or_default());
        &MANIFEST
    }

    /// Reads the manifest in a file.
    ///
    /// # Errors
    /// The exit code and a description of the error.
    fn read(path: &Path) -> Result<Manifest, (Exit, String)> {
        let text =
            fs::read_to_string(path).map_err(|error| (Exit::Unreadable, os_error_text(&error)))?;
        Manifest::parse(&text).map_err(|error| (Exit::Usage, error))
    }

    /// Reads the manifest in a file of the command line, or else returns the built-in one.
    ///
    /// # Errors
    /// The exit code; the error is printed.
    pub(crate) fn read_or_built_in(path: Option<&Path>) -> Result<Manifest, Exit> {
        let Some(path) = path else {
            return Ok(Manifest::built_in().clone());
        };
        Manifest::read(path).map_err(|(exit, reason)| {
            print_error(&format!("{}: {reason}", path.display()));
            exit
        })
    }

    /// Parses a manifest and checks that it is consistent.
    ///
    /// # Errors
    /// A description of the error with its place.
    pub(crate) fn parse(text: &str) -> Result<Manifest, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut seen: Vec<&str> = Vec::new();
        for build in &manifest.builds {
            build
                .check()
                .map_err(|error| format!("build \"{}\": {error}", build.name))?;
            if seen.contains(&build.sha256.as_str()) {
                return Err(format!(
                    "build \"{}\" has the same hash as another",
                    build.name
                ));
            }
            seen.push(&build.sha256);
        }
        Ok(manifest)
    }

    /// The build whose file has this hash.
    pub(crate) fn find(&self, sha256: &str) -> Option<&Build> {
        self.builds.iter().find(|build| build.sha256 == sha256)
    }

    /// The name of the build with this hash, if the build is as shipped.
    pub(crate) fn as_shipped(&self, sha256: &str) -> Option<&str> {
        let build = self.find(sha256)?;
        (build.start_up_value == Some(PRISTINE_LIMIT)).then_some(build.name.as_str())
    }
}

impl Build {
    /// The entry for a report, without checksum; `None` if the limit is not located.
    pub(crate) fn of(report: &Report, sha256: &str, name: Option<&str>) -> Option<Build> {
        let located = report.located()?;
        let image = report.image?;
        let (start_up_store, start_up_value) = match report.start_up {
            Some(StartUpStore::Unique { rva, value, .. }) => (Some(rva.0), Some(value)),
            _ => (None, None),
        };
        let module = located.module().to_string();
        let version = image
            .version
            .map(|version| version.to_string())
            .unwrap_or_default();
        let arch = image.arch.to_string();
        Some(Build {
            name: name.map_or_else(|| format!("{module} {version} {arch}"), str::to_owned),
            sha256: sha256.to_owned(),
            module,
            version,
            arch,
            time_date_stamp: Some(image.time_date_stamp),
            checksum: None,
            threshold: located.threshold().0,
            count: located.count().0,
            queue: located.queue().0,
            gates: located.findings().gates().map(|gate| gate.at().0).collect(),
            start_up_store,
            start_up_value,
        })
    }

    /// The module, as the locator names it.
    pub(crate) fn module(&self) -> Option<Module> {
        Module::named(&self.module)
    }

    fn check(&self) -> Result<(), String> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.sha256.len() != 64 || !self.sha256.bytes().all(hex) {
            return Err("sha256 is not 64 lower-case hexadecimal digits".to_owned());
        }
        if self.module().is_none() {
            return Err("module is neither tcpip.sys nor tcpip6.sys".to_owned());
        }
        if ![Arch::X86, Arch::X64]
            .iter()
            .any(|arch| arch.to_string() == self.arch)
        {
            return Err("arch is neither x86 nor x64".to_owned());
        }
        let adjacent = self.threshold.checked_add(4) == Some(self.count)
            && self.threshold.checked_sub(4) == Some(self.queue);
        if !adjacent {
            return Err("queue, threshold and count are not adjacent".to_owned());
        }
        Ok(())
    }

    /// Each field in which another entry for the same file differs, as "field: this, not that".
    pub(crate) fn differences(&self, other: &Build) -> Vec<String> {
        let fields: [(&str, String, String); 9] = [
            ("module", self.module.clone(), other.module.clone()),
            ("version", self.version.clone(), other.version.clone()),
            ("arch", self.arch.clone(), other.arch.clone()),
            ("threshold", hex(self.threshold), hex(other.threshold)),
            ("count", hex(self.count), hex(other.count)),
            ("queue", hex(self.queue), hex(other.queue)),
            ("gates", list(&self.gates), list(&other.gates)),
            (
                "start_up_store",
                optional(self.start_up_store, hex),
                optional(other.start_up_store, hex),
            ),
            (
                "start_up_value",
                optional(self.start_up_value, |value| value.to_string()),
                optional(other.start_up_value, |value| value.to_string()),
            ),
        ];
        let differ = fields.iter().filter(|(_, this, that)| this != that);
        differ
            .map(|(field, this, that)| format!("{field}: {this}, not {that}"))
            .collect()
    }

    /// The entry as text for a manifest, after an empty line.
    pub(crate) fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = String::from("\n[[build]]\n");
        let fields = [
            ("name", quoted(&self.name)),
            ("sha256", quoted(&self.sha256)),
            ("module", quoted(&self.module)),
            ("version", quoted(&self.version)),
            ("arch", quoted(&self.arch)),
            ("threshold", format!("0x{:X}", self.threshold)),
            ("count", format!("0x{:X}", self.count)),
            ("queue", format!("0x{:X}", self.queue)),
        ];
        for (field, value) in fields {
            let _ = writeln!(text, "{field} = {value}");
        }
        for (field, value) in [
            ("time_date_stamp", self.time_date_stamp),
            ("checksum", self.checksum),
        ] {
            if let Some(value) = value {
                let _ = writeln!(text, "{field} = 0x{value:X}");
            }
        }
        let gates: Vec<String> = self
            .gates
            .iter()
            .map(|gate| format!("0x{gate:X}"))
            .collect();
        let _ = writeln!(text, "gates = [{}]", gates.join(", "));
        if let Some(store) = self.start_up_store {
            let _ = writeln!(text, "start_up_store = 0x{store:X}");
        }
        if let Some(value) = self.start_up_value {
            let _ = writeln!(text, "start_up_value = {value}");
        }
        text
    }
}

fn hex(rva: u32) -> String {
    Rva(rva).to_string()
}

fn list(rvas: &[u32]) -> String {
    let texts: Vec<String> = rvas.iter().copied().map(hex).collect();
    texts.join(" ")
}

fn optional(value: Option<u32>, text: impl Fn(u32) -> String) -> String {
    value.map_or_else(|| "none".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_is_consistent() {
        let manifest = Manifest::parse(BUILT_IN).unwrap();
        assert!(manifest.builds.len() >= 3);
        assert_eq!(Manifest::built_in().builds, manifest.builds);
    }

    #[test]
    fn an_entry_written_is_the_entry_read() {
        for build in &Manifest::built_in().builds {
            let mut build = build.clone();
            build.name = "a \"quoted\"\nname \\".to_owned();
            let manifest = Manifest::parse(&build.to_toml()).unwrap();
            assert_eq!(manifest.builds, [build]);
        }
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused() {
        let build = Manifest::built_in().builds.first().unwrap();
        let twice = build.to_toml() + &build.to_toml();
        assert!(Manifest::parse(&twice).unwrap_err().contains("same hash"));
        let apart = Build {
            count: build.count + 4,
            ..build.clone()
        };
        assert!(
            Manifest::parse(&apart.to_toml())
                .unwrap_err()
                .contains("adjacent")
        );
        assert!(Manifest::parse("[[build]]\nname = 1").is_err());
    }

    #[test]
    fn differences_name_the_field_and_both_values() {
        let build = Manifest::built_in().builds.first().unwrap();
        let other = Build {
            queue: 0x10,
            start_up_value: None,
            ..build.clone()
        };
        assert_eq!(
            build.differences(&other),
            ["queue: 40498, not 10", "start_up_value: 10, not none"]
        );
    }
}
