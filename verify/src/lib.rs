#![allow(missing_docs)]

pub mod memory;
pub mod naive;
pub mod oracle;
pub mod planted;
pub mod property;
pub mod specimen;
