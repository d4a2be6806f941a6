//! Tests of the records and their numbers.

mod record;
