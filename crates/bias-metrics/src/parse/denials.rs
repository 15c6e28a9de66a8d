//! Numbers that a text refuses, and differences and shares, which are no answers: `I would not pay
//! $500`, `$150 off`, `60% of the price`.

use super::cues::{HEDGES, skip_marks, skip_spaces, word_at, words_before};
use super::offers::{LINKS, OFFERS};

/// Words that deny what follows.
const DENIALS: &[&str] = &["not", "never", "cannot"];

/// Words that may stand between a denial and the number it denies.
const DENIED: &[&str] = &[
    "worth", "do", "pay", "ever", "even", "think", "rank", "give", "to", "believe", "consider",
    "feel", "agree", "that", "i", "i'd", "i’d", "we",
];

/// What makes a number before it a difference or a share: `$150 off`, `10% below asking`.
const DIFFERENCES: &[&str] = &[
    "off",
    "less",
    "below",
    "under",
    "lower",
    "cheaper",
    "discount",
    "reduction",
    "decrease",
    "deduction",
    "markdown",
    "short",
];

/// Likewise of a share alone.
const SHARES: &[&str] =
    &["above", "over", "more", "higher", "increase", "greater", "markup", "raise"];

/// What a share is of, when it is no answer: `60% of the price`.
const WHOLES: &[&str] = &[
    "price", "it", "that", "this", "retail", "asking", "original", "list", "msrp", "value", "cost",
    "purchase", "market", "what", "listing", "listed", "sticker", "new",
];

/// `$150 off`, `10% below`, `60% of the price`, `a $150 discount`.
pub(super) fn is_difference(text: &[char], end: usize, share: bool) -> bool {
    let (word, next) = word_at(text, skip_spaces(text, end));
    let (second, second_end) = word_at(text, skip_spaces(text, next));
    let (third, third_end) = word_at(text, skip_spaces(text, second_end));
    let condition = word == "under"
        && [second.as_str(), third.as_str()].iter().any(|own| ["condition", "these"].contains(own));
    if DIFFERENCES.contains(&word.as_str()) {
        return !condition;
    }
    if !share {
        return false;
    }
    let fourth = word_at(text, skip_spaces(text, third_end)).0;
    let of = skip_spaces(text, next);
    let of_amount = text.get(of).is_some_and(|c| c.is_ascii_digit() || "$€£¥₹".contains(*c));
    SHARES.contains(&word.as_str())
        || (word == "of"
            && (of_amount
                || [&second, &third, &fourth].iter().any(|own| WHOLES.contains(&own.as_str()))))
}

/// `I would never pay $500`, `don't offer`. A limit (`not more than`) denies nothing.
pub(super) fn is_denied(text: &[char], start: usize) -> bool {
    let words = words_before(text, start, 6);
    if matches!(words.as_slice(), [but, any, ..] if but == "but"
        && ["anything", "everything"].contains(&any.as_str()))
    {
        return true;
    }
    for (at, word) in words.iter().enumerate() {
        let word = word.as_str();
        if word == "way" && words.get(at + 1).is_some_and(|word| word == "no") {
            return true;
        }
        if word == "not" && words.get(at + 1).is_some_and(|word| word == "why") {
            return false;
        }
        if DENIALS.contains(&word) || word.ends_with("n't") || word.ends_with("n’t") {
            // "$450, not $500" and "not $300 but $350" mention it.
            return true;
        }
        let between = HEDGES.contains(&word)
            || LINKS.contains(&word)
            || OFFERS.contains(&word)
            || DENIED.contains(&word);
        if !between {
            return false;
        }
    }
    false
}

/// `$500 is too much`, `$500 seems high`.
pub(super) fn is_refused(text: &[char], end: usize) -> bool {
    let (verb, next) = word_at(text, skip_marks(text, end));
    if !["is", "was", "seems", "sounds", "would", "isn", "feels", "looks", "may", "might"]
        .contains(&verb.as_str())
    {
        return false;
    }
    let negative = verb == "isn";
    let mut at = next;
    for _ in 0..3 {
        let (word, word_end) = word_at(text, skip_spaces(text, at));
        match word.as_str() {
            "too" | "high" | "steep" | "expensive" | "excessive" | "not" | "insulting" | "dear" => {
                return true;
            }
            "an" if word_at(text, skip_spaces(text, word_end)).0 == "insult" => return true,
            "be" | "a" | "bit" | "way" | "quite" | "rather" | "far" | "still" => at = word_end,
            _ => break,
        }
    }
    negative
}
