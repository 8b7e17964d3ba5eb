//! Which instance has what.
