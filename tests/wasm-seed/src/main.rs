//! Prints a line for each seed from 0 below the number given: the seed and the hash of its trace.

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok());
    for seed in 0..count.unwrap_or(1) {
        println!("{seed} {:016x}", wasm_seed::trace_hash(seed));
    }
}
