#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| eddyline_core::state::fuzzing::tree(data));
