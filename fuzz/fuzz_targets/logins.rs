//! Logins with brokers that say anything: no panic, no hang, no way round the proof of SCRAM.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| eddyline_core::net::fuzzing::logins(data));
