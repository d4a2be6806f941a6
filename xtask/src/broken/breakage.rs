//! A deliberate mistake, and the test that must notice it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::command::Failure;

/// A file of tests in `verify/tests/proof`, or one test of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    file: &'static str,
    /// The test's name; `None` for all tests of the file.
    test: Option<&'static str>,
    /// Whether it compares scanner-core with the oracle or with iced-x86.
    is_oracle: bool,
}

impl Witness {
    pub(super) const fn file(file: &'static str) -> Self {
        Self {
            file,
            test: None,
            is_oracle: false,
        }
    }

    pub(super) const fn test(file: &'static str, test: &'static str) -> Self {
        Self {
            file,
            test: Some(test),
            is_oracle: false,
        }
    }

    pub(super) const fn oracle(file: &'static str, test: &'static str) -> Self {
        Self {
            file,
            test: Some(test),
            is_oracle: true,
        }
    }

    /// Its tests, for the test runner.
    pub(super) fn filter(self) -> String {
        format!("{}::{}", self.file, self.test.unwrap_or_default())
    }

    /// How it says so.
    pub(super) fn noticed(self) -> &'static str {
        if self.is_oracle {
            "the oracle disagrees"
        } else {
            "a test fails"
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.filter())
    }
}

/// One deliberate mistake.
#[derive(Debug)]
pub(super) struct Breakage {
    /// The folder of `file`, from the repository's root.
    folder: &'static str,
    file: &'static str,
    /// Stands in it just once.
    find: &'static str,
    replace: &'static str,
    /// What is then wrong.
    pub(super) what: &'static str,
    /// What must notice.
    pub(super) witness: Witness,
    /// Whether it is tried each time.
    pub(super) sample: bool,
}

impl Breakage {
    /// Of a file that is named from the repository's root.
    pub(super) const fn at(
        file: &'static str,
        what: &'static str,
        find: &'static str,
        replace: &'static str,
        witness: Witness,
    ) -> Self {
        Self {
            folder: "",
            ..Self::of_file(file, what, find, replace, witness)
        }
    }

    /// Of a file of scanner-core.
    pub(super) const fn of_file(
        file: &'static str,
        what: &'static str,
        find: &'static str,
        replace: &'static str,
        witness: Witness,
    ) -> Self {
        Self {
            folder: "scanner-core/src",
            file,
            find,
            replace,
            what,
            witness,
            sample: false,
        }
    }

    pub(super) const fn sampled(self) -> Self {
        Self {
            sample: true,
            ..self
        }
    }

    /// The file, from the repository's root.
    pub(super) fn path(&self) -> PathBuf {
        Path::new(self.folder).join(self.file)
    }

    /// The file's text with the mistake in it.
    pub(super) fn of(&self, text: &str) -> Result<String, Failure> {
        match text.matches(self.find).count() {
            1 => Ok(text.replacen(self.find, self.replace, 1)),
            count => Err(Failure(format!(
                "{}: `{}` stands there {count} times, not once",
                self.file, self.find
            ))),
        }
    }
}
