//! Replays the committed fuzz corpora: what a fuzzer once found stays fixed without a fuzzer.

use std::fs;
use std::path::Path;

use eddyline_core::{group, net, state, wire};

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&folder).expect("a corpus for every target");
    let mut seeds = 0;
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        body(&fs::read(&path).expect("a readable seed"));
        seeds += 1;
    }
    assert!(seeds > 0, "{target} has no seeds");
}

#[test]
fn frames() {
    replay("frames", wire::fuzzing::frames);
}

#[test]
fn record_batches() {
    replay("record_batches", wire::fuzzing::record_batches);
}

#[test]
fn streams_group() {
    replay("streams_group", wire::fuzzing::streams_group);
}

#[test]
fn cache() {
    replay("cache", state::fuzzing::cache);
}

#[test]
fn heartbeat_responses() {
    replay("heartbeat_responses", group::fuzzing::heartbeat_responses);
}

#[test]
fn logins() {
    replay("logins", net::fuzzing::logins);
}

#[test]
fn windows() {
    replay("windows", state::fuzzing::windows);
}

#[test]
fn tree() {
    replay("tree", state::fuzzing::tree);
}

#[test]
fn versions() {
    replay("versions", |data| {
        state::fuzzing::version_rows(data);
        state::fuzzing::versions(data);
    });
}

#[test]
fn buffers() {
    replay("buffers", |data| {
        state::fuzzing::buffer_changelogs(data);
        state::fuzzing::change_buffer(data);
        state::fuzzing::join_buffer(data);
    });
}
