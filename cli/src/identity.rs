//! Which module a file is, and which build of it. By structure alone `tcpip.sys` and `tcpip6.sys`
//! can't be told apart, so the names must say it: that of the file, that in
//! its version resource, that in its export directory.

use std::fmt::Write;

use scanner_core::{Image, Located, Module, export_name, module_by_updates, original_name};
use sha2::{Digest, Sha256};

/// A name found inside a file, and the module that it names, if it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it stands there.
    pub text: String,
    /// `None` for the name of anything else.
    pub module: Option<Module>,
}

impl Name {
    fn new(text: String) -> Name {
        // Where texts are kept in a file of their own, the resource names that.
        let plain = match text
            .len()
            .checked_sub(4)
            .and_then(|at| text.split_at_checked(at))
        {
            Some((plain, end)) if end.eq_ignore_ascii_case(".mui") => plain,
            _ => &text,
        };
        let module = Module::named(plain);
        Name { text, module }
    }
}

/// What the names say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The module that the file's own name names. Files get renamed, so any
    /// other name says nothing.
    pub file: Option<Module>,
    /// `OriginalFilename` of the version resource.
    pub original: Option<Name>,
    /// The name in the export directory.
    pub export: Option<Name>,
}

/// The names contradict each other; the text says how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict(pub String);

impl Names {
    /// Only that of the file: `tcpip.sys`, or `TCPIP.SY_` as on setup discs, with
    /// the version `;1` behind it where a disc was copied to the letter.
    #[must_use]
    pub fn of_file(name: &str) -> Names {
        let name = name.strip_suffix(";1").unwrap_or(name);
        let compressed = name.strip_suffix('_').map(|stem| format!("{stem}s"));
        Names {
            file: Module::named(compressed.as_deref().unwrap_or(name)),
            ..Names::default()
        }
    }

    /// Those in the image as well.
    #[must_use]
    pub fn with_image(self, image: &Image<'_>) -> Names {
        let original = original_name(image).map(|text| text.chars().collect());
        let export = export_name(image).map(|name| String::from_utf8_lossy(name).into_owned());
        Names {
            original: original.map(Name::new),
            export: export.map(Name::new),
            ..self
        }
    }

    /// The module that they agree on; `None` when none of them names either.
    ///
    /// # Errors
    /// When one names a module and another something else.
    pub fn module(&self) -> Result<Option<Module>, Conflict> {
        let votes = self.votes();
        let Some(&(_, _, Some(module))) = votes.iter().find(|(_, _, module)| module.is_some())
        else {
            return Ok(None);
        };
        if votes.iter().all(|&(_, _, vote)| vote == Some(module)) {
            return Ok(Some(module));
        }
        Err(Conflict(self.said()))
    }

    /// Whether a limit that was located in the file is that of the module which
    /// they agree on. The code of event 4226 is `tcpip.sys`'s own. Its absence
    /// is no witness for `tcpip6.sys`, and one name may be wrong: a second must
    /// say the same, or the number of updates.
    #[must_use]
    pub fn confirm(&self, located: &Located) -> bool {
        let module = located.module();
        module == Module::Tcpip
            || self.votes().len() > 1
            || module_by_updates(located.findings()) == module
    }

    /// Who says what.
    #[must_use]
    pub fn said(&self) -> String {
        let votes = self.votes().into_iter();
        let said = votes.map(|(source, text, _)| format!("{source} says {text}"));
        said.collect::<Vec<String>>().join(", ")
    }

    /// Whether any of them is that of a module.
    #[must_use]
    pub fn name_a_module(&self) -> bool {
        self.votes().iter().any(|(_, _, module)| module.is_some())
    }

    /// Whether a name says that it is another module than `module`.
    #[must_use]
    pub fn contradict(&self, module: Module) -> bool {
        self.votes()
            .iter()
            .any(|&(_, _, vote)| vote != Some(module))
    }

    /// Who says what, in the order of a report.
    fn votes(&self) -> Vec<(&'static str, &str, Option<Module>)> {
        let file = self.file.map(|module| {
            let source = "the file's name";
            (source, module.file_name(), Some(module))
        });
        let original = self
            .original
            .as_ref()
            .map(|name| ("its version resource", name.text.as_str(), name.module));
        let export = self
            .export
            .as_ref()
            .map(|name| ("its export directory", name.text.as_str(), name.module));
        [file, original, export].into_iter().flatten().collect()
    }
}

/// Whether a file of this name is one of the modules, compressed or not.
pub(crate) fn is_module(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    Names::of_file(last).file.is_some()
}

/// 64 lower-case hexadecimal digits.
pub(crate) fn sha256(data: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(data) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str, original: Option<&str>, export: Option<&str>) -> Names {
        Names {
            original: original.map(|text| Name::new(text.to_owned())),
            export: export.map(|text| Name::new(text.to_owned())),
            ..Names::of_file(file)
        }
    }

    #[test]
    fn names_that_agree_identify_a_module() {
        for (file, original, export) in [
            ("TCPIP.SYS", None, None),
            ("TCPIP.SY_", None, None),
            ("TCPIP.SY_;1", None, None),
            ("TCPIP.SYS;1", None, None),
            ("renamed.bin", Some("tcpip.sys"), None),
            ("renamed.bin", None, Some("TCPIP.SYS")),
            ("tcpip.sys", Some("tcpip.sys.mui"), Some("tcpip.sys")),
        ] {
            let module = names(file, original, export).module();
            assert_eq!(module, Ok(Some(Module::Tcpip)), "{file}");
        }
        assert_eq!(
            names("Tcpip6.Sy_", None, None).module(),
            Ok(Some(Module::Tcpip6))
        );
    }

    #[test]
    fn names_that_name_neither_module_identify_nothing() {
        assert_eq!(
            names("afd.sys", Some("afd.sys"), Some("AFD.SYS")).module(),
            Ok(None)
        );
        assert_eq!(names("tcpip.sys.bak", None, None).module(), Ok(None));
        assert_eq!(names("é.mui", Some("é.mui"), None).module(), Ok(None));
    }

    #[test]
    fn names_that_contradict_each_other_are_a_conflict_that_says_how() {
        let conflict = names("tcpip.sys", Some("tcpip6.sys"), None).module();
        let text = "the file's name says tcpip.sys, its version resource says tcpip6.sys";
        assert_eq!(conflict, Err(Conflict(text.to_owned())));
        assert!(names("tcpip.sys", Some("afd.sys"), None).module().is_err());
        assert!(
            names("x", Some("tcpip.sys"), Some("afd.sys"))
                .module()
                .is_err()
        );
    }

    #[test]
    fn another_module_than_the_names_say_is_a_contradiction() {
        assert!(names("x", Some("tcpip.sys"), None).contradict(Module::Tcpip6));
        assert!(!names("x", Some("tcpip.sys"), None).contradict(Module::Tcpip));
        assert!(!names("x", None, None).contradict(Module::Tcpip));
    }
}
