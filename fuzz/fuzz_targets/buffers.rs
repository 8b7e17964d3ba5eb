#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    eddyline_core::state::fuzzing::buffer_changelogs(data);
    eddyline_core::state::fuzzing::change_buffer(data);
    eddyline_core::state::fuzzing::join_buffer(data);
});
