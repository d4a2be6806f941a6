//! NT's structures from mingw-w64's headers, under the names of Microsoft's
//! wdk-sys.

#![no_std]
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    missing_debug_implementations,
    unsafe_op_in_unsafe_fn
)]

include!(concat!(env!("OUT_DIR"), "/types.rs"));
