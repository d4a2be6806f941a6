//! What docs/interface.md and docs/manual.md say, held against the source.

mod interface;
mod link;
mod manual;
mod script;
mod table;
