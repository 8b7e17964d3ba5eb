//! The `eddyline` command.
fn main() {}
