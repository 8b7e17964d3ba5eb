//! Persistent stores on disk: `<state.dir>/<application.id>/<task>/state.rows`.

mod directory;
mod engine;
mod page_cache;
mod sync;
#[cfg(test)]
mod tests;

pub use directory::StateDirectory;
