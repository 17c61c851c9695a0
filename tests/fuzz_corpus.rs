//! Every input in the corpora of the fuzz targets, on a stable compiler and without libFuzzer: what a campaign has
//! found once stays found. The laws are the targets' own; see `fuzz/README.md`.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

// Not all of it is used by each of the two crates that it is part of.
#[allow(dead_code)]
#[path = "../fuzz/src/lib.rs"]
mod laws;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The names in a directory, in order. A directory that is not there has none.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("a readable directory").file_name())
        .map(|name| name.into_string().expect("a UTF-8 name"))
        .collect();
    names.sort();
    names
}

#[test]
fn every_input_of_the_corpora_keeps_its_law() {
    let mut broken = Vec::new();
    for (target, law) in laws::LAWS {
        let corpus = corpora().join(target);
        let files = names(&corpus);
        assert!(!files.is_empty(), "{target} has no corpus");
        for file in files {
            let input = fs::read(corpus.join(&file)).expect("a readable file");
            if catch_unwind(|| law(&input)).is_err() {
                broken.push(format!("{target}/{file}"));
            }
        }
    }
    assert!(broken.is_empty(), "laws are broken by {broken:?}");
}

// Some targets are about what is off by default.
#[cfg(feature = "tls")]
#[test]
fn every_corpus_belongs_to_a_target_and_every_target_to_a_law() {
    let mut laws: Vec<&str> = laws::LAWS.iter().map(|(target, _)| *target).collect();
    if cfg!(not(feature = "deflate")) {
        laws.push("ws_deflate");
    }
    if cfg!(not(feature = "lens")) {
        laws.push("lens");
    }
    if cfg!(not(feature = "webhook")) {
        laws.extend(["webhook_answer", "webhook_verifier"]);
    }
    laws.sort_unstable();
    assert_eq!(names(&corpora()), laws);
    let targets = names(&corpora().join("../fuzz_targets"));
    let targets: Vec<&str> = targets
        .iter()
        .filter_map(|name| name.strip_suffix(".rs"))
        .collect();
    assert_eq!(targets, laws);
}
