//! Exit codes.

/// The exit code of a program; the larger variant outweighs the smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done; located.
    #[default]
    Done,
    /// 1: refused, not located, or not for this Windows.
    Refused,
    /// 3: a file, the driver or a part of Windows can't be read, or is damaged.
    Unreadable,
    /// 2: the command line is wrong.
    Usage,
    /// 130: Ctrl-C, in the workbench tool.
    Interrupted,
}

impl Exit {
    /// All exit codes.
    pub const ALL: [Exit; 5] = [
        Exit::Done,
        Exit::Refused,
        Exit::Unreadable,
        Exit::Usage,
        Exit::Interrupted,
    ];

    /// The number that the process exits with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unreadable => 3,
            Exit::Interrupted => 130,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_is_the_largest() {
        assert!(Exit::ALL.is_sorted());
        assert!(Exit::Usage > Exit::Unreadable && Exit::Unreadable > Exit::Refused);
    }
}
