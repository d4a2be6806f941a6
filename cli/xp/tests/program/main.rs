//! The program over a Windows that is made up.

mod fault;
mod help;
mod install;
mod json;
mod limit;
mod machine;
mod picture;
mod probe;
mod status;
mod watch;
mod who;
mod window;
