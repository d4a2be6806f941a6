//! The window's model: drawings, layout and history, for any samples, sizes and fonts.

mod drawing;
mod golden;
mod layout;
mod samples;

pub(crate) use samples::{USUAL_FONTS, with_language};
