//! A part of the embedded model's audit that is asked in seconds.

use std::path::{Path, PathBuf};

use bias_study::PromptSet;
use bias_study::results::{Attribute, Split};

pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

/// Two contexts that share a mechanism, so many variations to attribute on and one held out, so
/// many names of each side seen and others tested.
pub fn prompts(attributed: usize, [seen, tested]: [usize; 2]) -> PromptSet {
    let mut set = PromptSet::from_csv(
        &fixture("emergent/prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )
    .unwrap();
    set.contexts.truncate(2);
    for context in &mut set.contexts {
        let (own, held_out): (Vec<_>, Vec<_>) =
            context.variations.drain(..).partition(|v| v.split == Split::Attribution);
        context.variations =
            own.into_iter().take(attributed).chain(held_out.into_iter().take(1)).collect();
    }
    set.thin(seen, tested);
    set
}
