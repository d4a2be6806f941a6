//! The pages in docs/ and the source agree.

mod documented;
mod generated;
mod interface;
mod link;
mod manual;
mod script;
mod table;
