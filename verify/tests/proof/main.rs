//! The properties of locator, driver and patcher, and checks of what proves them.

mod brittle;
mod cabinet;
mod clean;
mod damage;
mod disc;
mod disk;
mod document;
mod edge;
mod hostile;
mod locator;
mod moved;
mod naive;
mod patch;
mod place;
mod policy;
mod reading;
mod regressions;
mod runs;
mod session;
mod shipped;
mod workspace;
