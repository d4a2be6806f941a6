//! What the builder makes is what it says.

mod corpus;
mod specimen;
