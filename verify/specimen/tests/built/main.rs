//! The builder's output matches its description.

mod corpus;
mod specimen;
