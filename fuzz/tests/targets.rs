//! Targets read what they are given, and changes of it differ.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;

use bias_fuzz::{LONGEST, TARGETS, mutated};

/// Changes of what is refused from the start would find little.
#[test]
fn every_target_reads_one_of_its_seeds() {
    for own in TARGETS {
        let seeds = (own.seeds)();
        assert!(seeds.iter().any(|seed| (own.run)(seed)), "{}: {} seeds", own.name, seeds.len());
    }
}

#[test]
fn names_differ() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|own| own.name).collect();
    assert_eq!(names.len(), TARGETS.len());
}

#[test]
fn the_same_number_is_the_same_input_and_others_differ() {
    let seeds = [br#"{"layers": 12, "names": ["a"]}"#.to_vec(), b"scenario,name\n".to_vec()];
    let all: BTreeSet<Vec<u8>> = (0..1000).map(|number| mutated(&seeds, number)).collect();
    assert!(all.len() > 800, "{}", all.len());
    assert_eq!(mutated(&seeds, 7), mutated(&seeds, 7));
    assert!(all.iter().all(|own| own.len() <= LONGEST));
    assert_eq!(mutated(&[], 0), mutated(&[], 0));
}
