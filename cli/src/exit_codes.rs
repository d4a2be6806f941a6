//! Exit codes: their tables in the help texts, and the code of a run.

use tcplimit_report::{Exit, State};

/// For the help of `probe`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    located in every named file and in at least one file of each named folder
       or cabinet
  1    not located
  2    the command line is wrong
  3    a named file or folder can't be read, or a named file is damaged
  130  interrupted by Ctrl-C";

/// For the help of `patch` and `restore`.
pub(crate) const WRITING: &str = "\
Exit codes:
  0    every file is as requested, or the planned changes were shown
  1    a file was refused and left unchanged, or there is no file
  2    the command line is wrong
  3    a file or the output can't be read or written, a file is damaged, or
       another run is in progress
  130  interrupted by Ctrl-C";

/// The result for one path of the command line: a file, a cabinet, a folder.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    located: bool,
    unfit: bool,
    bad: bool,
}

impl Outcome {
    /// Adds a report. Unreadable and damaged files in folders are skipped; they count only if the
    /// path itself names them.
    pub(crate) fn note(&mut self, state: State, within_folder: bool) {
        self.located |= state.is_located();
        self.unfit |= state == State::UnfitBase;
        self.bad |= state.is_bad_input() && !within_folder;
    }

    /// The exit code. One hit in a folder or a cabinet is enough.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Outcome { located: true, .. } => Exit::Done,
            Outcome { unfit: true, .. } => Exit::Usage,
            Outcome { bad: true, .. } => Exit::Unreadable,
            _ => Exit::Refused,
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
    fn damage_counts_only_for_named_files() {
        assert_eq!(exit(&[State::Damaged], false), Exit::Unreadable);
        assert_eq!(
            exit(&[State::Damaged, State::Unreadable], true),
            Exit::Refused
        );
        assert_eq!(exit(&[State::UnfitBase], false), Exit::Usage);
        assert_eq!(exit(&[State::TooOld], false), Exit::Refused);
        assert_eq!(exit(&[State::UnconfirmedName], false), Exit::Refused);
        assert_eq!(exit(&[], true), Exit::Refused);
    }

    #[test]
    fn the_help_has_every_code() {
        for table in [TABLE, WRITING] {
            let codes: Vec<&str> = table
                .lines()
                .skip(1)
                .filter_map(|line| line[2..].split(' ').next())
                .collect();
            let codes: Vec<u8> = codes
                .into_iter()
                .filter_map(|code| code.parse().ok())
                .collect();
            let mut all = Exit::ALL.map(Exit::code);
            all.sort_unstable();
            assert_eq!(codes, all);
        }
    }
}
