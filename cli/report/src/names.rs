//! The names that identify a module. `tcpip.sys` and `tcpip6.sys` have the same structure, so the
//! names must distinguish them: the file name, the one in the version resource, and the one in
//! the export directory.

use alloc::string::String;

use scanner_core::{Image, Located, Module, export_name, likely_module, original_name};

use crate::text::{self, Translate, fill};

/// A name found inside a file, and the module that it names, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name as found.
    pub text: String,
    /// `None` for the name of anything else.
    pub module: Option<Module>,
}

impl Name {
    fn new(text: String) -> Name {
        // If a file's texts are in a separate .mui file, the resource names that file.
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

/// The names of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The module that the file name names. Files get renamed, so any other file name means
    /// nothing.
    pub file: Option<Module>,
    /// `OriginalFilename` of the version resource.
    pub original: Option<Name>,
    /// The name in the export directory.
    pub export: Option<Name>,
}

/// The names contradict each other; [`Names::describe`] lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

impl Names {
    /// Only the file name: `tcpip.sys`, or `TCPIP.SY_` as on setup discs, also with the ISO 9660
    /// version `;1`.
    #[must_use]
    pub fn of_file(name: &str) -> Names {
        let name = name.strip_suffix(";1").unwrap_or(name);
        let named = |module: &Module| {
            let plain = module.file_name();
            let packed = plain.strip_suffix('s').zip(name.strip_suffix('_'));
            packed.map_or(name.eq_ignore_ascii_case(plain), |(plain, name)| {
                name.eq_ignore_ascii_case(plain)
            })
        };
        Names {
            file: Module::ALL.into_iter().find(named),
            ..Names::default()
        }
    }

    /// Adds the names in the image.
    pub fn read(&mut self, image: &Image<'_>) {
        self.original = original_name(image).map(|text| Name::new(text.chars().collect()));
        let export = export_name(image);
        self.export = export.map(|name| Name::new(String::from_utf8_lossy(name).into_owned()));
    }

    /// The module that the names agree on; `None` if no name names a module.
    ///
    /// # Errors
    /// If one names a module and another something else.
    pub fn module(&self) -> Result<Option<Module>, Conflict> {
        let mut named = None;
        self.for_each_claim(&mut |_, _, module| named = named.or(module));
        match named {
            Some(module) if self.contradict(module) => Err(Conflict),
            named => Ok(named),
        }
    }

    /// Whether the located limit is that of the module which the names agree on. Only `tcpip.sys`
    /// has the code of event 4226. Its absence does not prove `tcpip6.sys`, and one name may be
    /// wrong: a second name or the number of atomic updates must confirm it.
    #[must_use]
    pub fn confirm(&self, located: &Located) -> bool {
        let module = located.module();
        let mut votes = 0;
        self.for_each_claim(&mut |_, _, _| votes += 1);
        module == Module::Tcpip || votes > 1 || likely_module(located.findings()) == module
    }

    /// All names with their sources.
    #[must_use]
    pub fn describe(&self, translate: Translate) -> String {
        let mut claims = String::new();
        self.for_each_claim(&mut |source, name, _| {
            if !claims.is_empty() {
                claims.push_str(", ");
            }
            let source = translate(source);
            claims.push_str(&fill(
                text::CLAIM,
                translate(text::CLAIM),
                &[&source, &name],
            ));
        });
        claims
    }

    /// Whether any name names a module.
    #[must_use]
    pub fn name_a_module(&self) -> bool {
        let mut named = false;
        self.for_each_claim(&mut |_, _, module| named |= module.is_some());
        named
    }

    /// Whether a name is not that of `module`.
    #[must_use]
    pub fn contradict(&self, module: Module) -> bool {
        let mut other = false;
        self.for_each_claim(&mut |_, _, vote| other |= vote != Some(module));
        other
    }

    /// Passes each source and name to `take`, in the order of a report.
    fn for_each_claim(&self, take: &mut dyn FnMut(&'static str, &str, Option<Module>)) {
        if let Some(module) = self.file {
            take(text::FILE_NAME, module.file_name(), Some(module));
        }
        for (source, name) in [
            (text::VERSION_RESOURCE, &self.original),
            (text::EXPORT_DIRECTORY, &self.export),
        ] {
            if let Some(Name { text, module }) = name {
                take(source, text, *module);
            }
        }
    }
}

/// Whether this file name is that of a module, compressed or not.
#[must_use]
pub fn is_module(path: &str) -> bool {
    Names::of_file(last_part(path)).file.is_some()
}

/// The last part of a path, after either slash.
pub(crate) fn last_part(path: &str) -> &str {
    // Not `rsplit`, which is recursive: verify checks that the program has no recursion.
    let slash = path.bytes().rposition(|byte| matches!(byte, b'/' | b'\\'));
    slash.map_or(path, |at| {
        path.get(at.saturating_add(1)..).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;

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
    fn contradicting_names_are_a_conflict_that_lists_them() {
        let conflict = names("tcpip.sys", Some("tcpip6.sys"), None);
        assert_eq!(conflict.module(), Err(Conflict));
        assert_eq!(
            conflict.describe(text::english),
            "the file's name says tcpip.sys, its version resource says tcpip6.sys"
        );
        assert!(names("tcpip.sys", Some("afd.sys"), None).module().is_err());
        assert!(
            names("x", Some("tcpip.sys"), Some("afd.sys"))
                .module()
                .is_err()
        );
    }

    #[test]
    fn a_module_other_than_the_named_one_is_a_contradiction() {
        assert!(names("x", Some("tcpip.sys"), None).contradict(Module::Tcpip6));
        assert!(!names("x", Some("tcpip.sys"), None).contradict(Module::Tcpip));
        assert!(!names("x", None, None).contradict(Module::Tcpip));
    }
}
