//! Tests of the program over a simulated Windows.

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
