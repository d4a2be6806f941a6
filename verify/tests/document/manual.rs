//! docs/manual.md against the protocol.
