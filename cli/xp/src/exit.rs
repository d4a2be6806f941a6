//! What the program says to the shell.

use crate::language::Text;

/// Exit codes, as those of the workbench's tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; located.
    #[default]
    Done,
    /// 1: not done: refused, not located, not for this Windows.
    Refused,
    /// 2: the command line asks for something that can't be.
    Usage,
    /// 3: a file, the driver or a part of Windows can't be read or reached.
    Unreachable,
}

/// For the help.
pub(crate) const TABLE: Text = Text::new(
    "\
Exit codes:
  0  done
  1  not done: refused, not located, or not for this Windows
  2  the command line is wrong
  3  a file, the driver or a part of Windows can't be read or reached
",
);

impl Exit {
    /// Its number.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
        }
    }
}
