//! The pages in docs/ agree with the source.

mod documented;
mod generated;
mod interface;
mod link;
mod manual;
mod script;
mod table;
