//! Runs a fuzz target over its corpus and over seeded mutations of it: what `.ci/fuzz` does for minutes, in moments.
//! Included by the tests of each crate that has targets.

use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// Mutations of each run, of fixed seed so that a run can be repeated.
const MUTATIONS: usize = 3_000;
const SEED: u64 = 20_261_130;
const MAX_BYTES: usize = 8 * 1024;
/// What parsers of text and numbers treat specially.
const TOKENS: [&[u8]; 16] = [
    b"\0",
    b"\xff\xff\xff\xff\x0f",
    b"\x80",
    b"9223372036854775807",
    b"18446744073709551615",
    b"-1",
    b"\n",
    b"\r\n",
    b"{",
    b"[",
    b"\"",
    b",",
    b".",
    b"@@ -1 +1 @@\n",
    "\u{202e}".as_bytes(),
    "\u{10ffff}".as_bytes(),
];

/// Calls the target; a panic of it fails the test, with the bytes that lead to it.
pub(crate) fn replay(name: &str, target: fn(&[u8])) {
    let corpus = read_corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let mut random = StdRng::seed_from_u64(SEED);
    let mutations = (0..MUTATIONS).map(|_| mutate(&mut random, &corpus));
    for bytes in corpus.iter().cloned().chain(mutations.collect::<Vec<_>>()) {
        let outcome = std::panic::catch_unwind(|| target(&bytes));
        assert!(outcome.is_ok(), "{name} fails for {:?}", bytes.escape_ascii().to_string());
    }
}

fn read_corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = corpus_directory().join(name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn corpus_directory() -> PathBuf {
    let ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut candidates = ancestors.map(|directory| directory.join("services/fuzz/corpus"));
    candidates.find(|path| path.is_dir()).unwrap()
}

/// A few changes of one file of the corpus.
fn mutate(random: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus.choose(random).unwrap().clone();
    for _ in 0..random.random_range(1..6) {
        let (one, other) = (random.random_range(0..=bytes.len()), random.random_range(0..=bytes.len()));
        let range = one.min(other)..one.max(other);
        match random.random_range(0..6) {
            0 if !bytes.is_empty() => {
                let index = one.min(bytes.len() - 1);
                bytes[index] ^= 1 << random.random_range(0..8);
            }
            1 if !bytes.is_empty() => {
                let index = one.min(bytes.len() - 1);
                bytes[index] = random.random();
            }
            2 => drop(bytes.drain(range)),
            3 => {
                let copy = bytes[range].to_vec();
                bytes.splice(other..other, copy);
            }
            4 => {
                let donor = corpus.choose(random).unwrap();
                let start = random.random_range(0..=donor.len());
                bytes.splice(range, donor[start..].iter().copied());
            }
            _ => drop(bytes.splice(one..one, TOKENS.choose(random).unwrap().iter().copied())),
        }
        bytes.truncate(MAX_BYTES);
    }
    bytes
}
