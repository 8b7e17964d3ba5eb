//! Seeds of the simulation as WebAssembly exports them.

#![deny(unsafe_code, missing_docs)]

/// Runs a seed and gives the hash of its trace; 0 if it breaks a rule.
#[allow(unsafe_code)] // A name for the host to call; nothing unsafe is done.
#[unsafe(no_mangle)]
pub extern "C" fn trace_hash(seed: u64) -> u64 {
    let outcome = eddyline_sim::run_seed(seed);
    if outcome.violations.is_empty() {
        outcome.trace_hash
    } else {
        0
    }
}
