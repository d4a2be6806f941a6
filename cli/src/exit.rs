//! What the program says to the shell.

use std::process::ExitCode;

use crate::report::State;

/// Exit codes, in the order in which one outweighs another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// 0: located; done.
    #[default]
    Done,
    /// 1: not located; a check failed.
    NotLocated,
    /// 3: something named could not be read, or is damaged.
    Input,
    /// 2: the command line asks for something that can't be.
    Usage,
    /// 130: Ctrl-C.
    Interrupted,
}

/// For the help of the program.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    located: in every file named, in at least one of each folder or cabinet named
  1    not located
  2    the command line is wrong
  3    something named can't be read, or is damaged
  130  interrupted by Ctrl-C";

/// For the help of the verbs that write.
pub(crate) const WRITING: &str = "\
Exit codes:
  0    every file is as asked for, or was shown
  1    a file was refused, and is as it was; or there is none
  2    the command line is wrong
  3    a file or the output can't be read or written, a file is damaged, or
       another run is at work
  130  interrupted by Ctrl-C";

impl Exit {
    /// Its number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::NotLocated => 1,
            Exit::Usage => 2,
            Exit::Input => 3,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// What became of one path on the command line: a file, a cabinet, a folder.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    located: bool,
    unfit: bool,
    bad: bool,
}

impl Outcome {
    /// Takes note of a report. In a folder, what can't be read or is damaged
    /// is skipped; only when the path itself can't be read does it count.
    pub(crate) fn note(&mut self, state: State, within_folder: bool) {
        self.located |= state.is_located();
        self.unfit |= state == State::UnfitBase;
        self.bad |= state.is_bad_input() && !within_folder;
    }

    /// One hit in a folder or a cabinet is enough.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Outcome { located: true, .. } => Exit::Done,
            Outcome { unfit: true, .. } => Exit::Usage,
            Outcome { bad: true, .. } => Exit::Input,
            _ => Exit::NotLocated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(states: &[State], within_folder: bool) -> Exit {
        let mut outcome = Outcome::default();
        for &state in states {
            outcome.note(state, within_folder);
        }
        outcome.exit()
    }

    #[test]
    fn one_hit_is_enough_for_a_folder_or_a_cabinet() {
        assert_eq!(
            exit(&[State::NotPe, State::Unpatched, State::Damaged], true),
            Exit::Done
        );
        assert_eq!(
            exit(&[State::Unreadable, State::Patched(50)], false),
            Exit::Done
        );
    }

    #[test]
    fn damage_counts_only_where_it_was_named() {
        assert_eq!(exit(&[State::Damaged], false), Exit::Input);
        assert_eq!(
            exit(&[State::Damaged, State::Unreadable], true),
            Exit::NotLocated
        );
        assert_eq!(exit(&[State::UnfitBase], false), Exit::Usage);
        assert_eq!(exit(&[State::TooOld], false), Exit::NotLocated);
        assert_eq!(exit(&[State::UnconfirmedName], false), Exit::NotLocated);
        assert_eq!(exit(&[], true), Exit::NotLocated);
    }

    #[test]
    fn the_worst_of_several_paths_is_the_largest() {
        let order = [
            Exit::Done,
            Exit::NotLocated,
            Exit::Input,
            Exit::Usage,
            Exit::Interrupted,
        ];
        assert!(order.is_sorted());
    }
}
