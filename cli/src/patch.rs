//! Changes the limit in files: `tcplimit patch`, `restore`, `status` and `clean`.
//!
//! First [`plan`] makes a [`Plan`], which only reads. It names at most eight bytes:
//! the value in the one store of start-up code, and the checksum of the file. Any
//! doubt is a [`Refusal`].
//!
//! Read in this order:
//!
//! 1. decisions: [`change`], [`plan`](mod@plan), [`known_builds`], [`Refusal`],
//!    [`Failure`](failure::Failure);
//! 2. files: [`container`] (compressed files), [`drivers`] (all drivers in a file),
//!    [`filesystem`], [`file_names`];
//! 3. safety: [`lock`] (one run at a time), [`replace`] (one file), [`journal`] (many
//!    files as one transaction);
//! 4. work: [`job`] (one file from plan to verification), [`restore`],
//!    [`windows_folders`], [`windows_install`] and [`offline_windows`] (a Windows on a
//!    disk), [`disc`] (disc images), [`leftover`];
//! 5. reports: [`outcome`] and [`summary`] (the data), [`text`] and [`json`] (the
//!    formats), [`reporter`];
//! 6. commands: [`run`], [`status`](mod@status), [`clean`](mod@clean).

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
