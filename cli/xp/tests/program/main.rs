//! The program over a Windows that is made up.

mod fault;
mod help;
mod install;
mod json;
mod language;
mod limit;
mod machine;
mod picture;
mod probe;
mod shortcut;
mod status;
mod watch;
mod who;
mod window;
