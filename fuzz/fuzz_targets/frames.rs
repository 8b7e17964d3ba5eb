//! Frames, requests and answers: no panic, and no memory out of proportion to the input.
#![no_main]

use std::alloc::System;

use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fuzz_target!(|data: &[u8]| {
    let region = Region::new(ALLOCATOR);
    eddyline_core::wire::fuzzing::frames(data);
    let allocated = region.change().bytes_allocated;
    // Every byte is decoded up to three times, most of it into structs of empty strings.
    let most = 64 * 1024 + 256 * data.len();
    assert!(
        allocated <= most,
        "{allocated} bytes for an input of {}",
        data.len()
    );
});
