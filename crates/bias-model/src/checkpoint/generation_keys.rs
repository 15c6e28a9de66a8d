//! The keys of `generation_config.json`: which are applied, and what switches the others off.

use strsim::levenshtein;

/// Keys that say how tokens are drawn, where they are drawn.
pub(super) const SAMPLING: [&str; 8] = [
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
    "top_h",
];

/// Other keys that decide how an answer is chosen, and are applied or told.
const COUNTED: [&str; 9] = [
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "num_beams",
    "penalty_alpha",
    "suppress_tokens",
    "bad_words_ids",
];

/// Whether a key decides how an answer is chosen.
pub(super) fn counts(key: &str) -> bool {
    let not_applied = || NOT_APPLIED.iter().any(|(own, ..)| *own == key);
    COUNTED.contains(&key) || not_applied()
}

/// How a setting says that it is off.
pub(super) enum Off {
    At(f64),
    /// At this number and below.
    UpTo(f64),
    /// At this number and above.
    From(f64),
    /// Outside (0, 1).
    OutsideOne,
    /// Absent, `false` or empty.
    Empty,
}

/// Settings that are not applied: what switches them off, and whether they change the most
/// probable answer too.
pub(super) const NOT_APPLIED: [(&str, Off, bool); 25] = [
    ("repetition_penalty", Off::At(1.0), true),
    ("encoder_repetition_penalty", Off::At(1.0), true),
    ("no_repeat_ngram_size", Off::UpTo(0.0), true),
    ("encoder_no_repeat_ngram_size", Off::UpTo(0.0), true),
    ("guidance_scale", Off::At(1.0), true),
    ("min_length", Off::UpTo(0.0), true),
    ("min_new_tokens", Off::UpTo(0.0), true),
    ("begin_suppress_tokens", Off::Empty, true),
    ("sequence_bias", Off::Empty, true),
    ("stop_strings", Off::Empty, true),
    ("forced_bos_token_id", Off::Empty, true),
    ("forced_eos_token_id", Off::Empty, true),
    ("force_bos_token_to_be_generated", Off::Empty, true),
    ("exponential_decay_length_penalty", Off::Empty, true),
    ("constraints", Off::Empty, true),
    ("force_words_ids", Off::Empty, true),
    ("dola_layers", Off::Empty, true),
    ("max_time", Off::Empty, true),
    ("token_healing", Off::Empty, true),
    ("watermarking_config", Off::Empty, true),
    ("assistant_ensemble_weight", Off::Empty, false),
    ("typical_p", Off::From(1.0), false),
    ("epsilon_cutoff", Off::OutsideOne, false),
    ("eta_cutoff", Off::OutsideOne, false),
    ("top_h", Off::Empty, false),
];

/// The key that is meant by a misspelt one, if one comes near.
pub(super) fn near<'k>(key: &str, among: &[&'k str]) -> Option<&'k str> {
    let known =
        |own: &&&str| own.starts_with(key) || levenshtein(key, own) <= (key.len() / 4).max(1);
    among.iter().filter(known).min_by_key(|own| levenshtein(key, own)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::known_keys::GENERATION;

    #[test]
    fn misspelt_keys_are_near_the_meant_one() {
        for (key, meant) in [
            ("tempreature", Some("temperature")),
            ("repetition", Some("repetition_penalty")),
            ("top-k", Some("top_k")),
            ("topk", Some("top_k")),
            ("ngram", None),
            ("x", None),
        ] {
            assert_eq!(near(key, GENERATION), meant, "{key}");
        }
    }
}
