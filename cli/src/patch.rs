//! Changes the limit in a file: `tcplimit patch`, `restore`, `status` and
//! `clean`.
//!
//! A [`Plan`] is decided first, by [`plan`], which only looks. It names at most
//! eight bytes, the value in the one store of start-up code and the checksum of
//! the file. Whatever is in doubt is a [`Refusal`].
//!
//! Read in this order:
//!
//! 1. decisions: [`change`], [`plan`](mod@plan), [`known`], [`Refusal`], [`Failure`](failure::Failure);
//! 2. files: [`form`] (as on setup discs), [`drivers`] (all in one file),
//!    [`fs`] (the file system), [`names`] (what a run may leave behind);
//! 3. safety: [`lock`] (one run at a time), [`replace`] (one file in the place of
//!    another), [`journal`] (many files as one transaction);
//! 4. the work: [`job`] (one file from plan to proof), [`restore`] (the way back),
//!    [`installation`], [`windows_install`] and [`offline_windows`] (the Windows on
//!    a disk), [`disc`] (disc images), [`leftover`];
//! 5. reports: [`outcome`] and [`summary`] (the data), [`text`] and [`json`] (what
//!    is written of them), [`reporter`];
//! 6. verbs: [`run`], [`status`](mod@status), [`clean`](mod@clean).

mod change;
mod clean;
pub mod container;
mod disc;
mod drivers;
mod failure;
mod file_names;
pub mod filesystem;
pub mod job;
pub mod journal;
mod json;
mod known_builds;
pub mod leftover;
pub mod lock;
mod lock_owner;
pub mod mount;
mod offline_windows;
mod outcome;
mod plan;
mod refusal;
pub mod replace;
mod reporter;
pub mod restore;
mod run;
mod status;
mod summary;
mod text;
pub mod windows_folders;
pub mod windows_install;

pub use change::{Change, Field};
pub(crate) use clean::run as clean;
pub use disc::{DiscResult, ImageProgress, patch_disc};
pub use plan::{DEFAULT_LIMIT, Plan, apply, plan};
pub use refusal::{DiscRefusal, Refusal};
pub(crate) use run::{patch, restore};
pub(crate) use status::run as status;
