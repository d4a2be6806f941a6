//! The window's model: drawings, layout and history, for any samples, sizes and fonts.

mod drawing;
mod golden;
mod layout;
mod made;

pub(crate) use made::{USUAL_FONTS, said_in};
