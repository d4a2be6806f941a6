//! The simulation notices what it must.

mod system;
