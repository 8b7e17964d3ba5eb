//! The conformance suite: what Kafka Streams computed, family by family. `scenarios` is the suite of
//! the project, `more` is what was found with other seeds and by hand, filled by the same oracle.

use std::collections::BTreeSet;

use eddyline_tests::conformance::{Families, KnownDifferences, Outcome, folder, scenario_files};

/// Runs a family, all of which passes or is a known difference.
fn run(family: &str) {
    let mut folders = vec![folder().join("scenarios").join(family)];
    folders.push(folder().join("more").join(family));
    folders.retain(|folder| folder.is_dir());
    let files = scenario_files(&folders).expect("readable folders");
    assert!(!files.is_empty(), "no scenarios of {family}");
    let known = KnownDifferences::read().expect("a list");
    let mut wrong = String::new();
    for (name, outcome) in &Families::run(&files, &known).total().0 {
        if let Outcome::Failed(how) | Outcome::Unsupported(how) = outcome {
            wrong.push_str(&format!("\n{name}: {how}"));
        }
    }
    assert!(wrong.is_empty(), "{family}:{wrong}");
}

macro_rules! families {
    ($($family:ident)*) => {
        $(
            #[test]
            fn $family() {
                run(stringify!($family));
            }
        )*

        #[test]
        fn every_family_has_a_test() {
            let tests = BTreeSet::from([$(stringify!($family).to_owned()),*]);
            let folders = std::fs::read_dir(folder().join("scenarios")).expect("a folder");
            let name = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.expect("a readable folder").file_name().into_string().expect("text")
            };
            assert_eq!(folders.map(name).collect::<BTreeSet<_>>(), tests);
        }
    };
}

families! {
    aggregate basic cogroup describe edge errors fk_join headers join_stream_global
    join_stream_stream join_stream_table join_table_table kv_cache kv_store papi punctuate
    restore session_store stateless suppress table topology versioned_store window_store
    windowed_hopping windowed_session windowed_sliding windowed_tumbling
}
