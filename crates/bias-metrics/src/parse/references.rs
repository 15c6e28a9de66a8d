//! Words by which a text mentions a number beside its answer: `listed at $14,200`.

use super::cues::{HEDGES, skip_marks, skip_spaces, word_at, words_before};
use super::offers::labelled;

/// What a number is that the answer does not give but mentions: `listed at`, `instead of`.
const REFERENCES: &[&str] = &[
    "listed at",
    "listed for",
    "list price of",
    "list price is",
    "listing price of",
    "asking",
    "asking for",
    "asking price of",
    "asking price is",
    "asking price at",
    "priced at",
    "sticker price of",
    "msrp of",
    "msrp is",
    "retails for",
    "retails at",
    "retail price of",
    "originally",
    "originally paid",
    "advertised at",
    "advertised for",
    "marked at",
    "valued at",
    "appraised at",
    "market value of",
    "market value is",
    "market price is",
    "market rate is",
    "value of",
    "worth",
    "your budget of",
    "your price of",
    "your offer of",
    "down from",
    "instead of",
    "rather than",
    "not",
    "less than",
    "more than",
    "compared to",
    "cost",
    "costs",
    "cost him",
    "cost her",
    "cost them",
    "bought for",
    "bought it for",
    "he paid",
    "she paid",
    "they paid",
    "i paid",
    "seller paid",
    "owner paid",
    "sold for",
    "sells for",
    "sell for",
    "selling for",
    "says",
    "median is",
    "median of",
    "median was",
    "average is",
    "average of",
    "average was",
    "average price is",
    "mean of",
    "budget is",
    "budget of",
    "max is",
    "max of",
    "maximum is",
    "maximum of",
    "ceiling is",
    "ceiling of",
    "limit is",
    "limit of",
    "range is",
    "counters at",
    "they counter at",
    "he counter at",
    "they ask for",
    "rates it at",
    "values it at",
    "compared with",
    "original price of",
    "original price was",
    "purchase price of",
    "market value",
    "market median",
];

/// What is saved, added or taken away, and so is no answer: `knock $150 off`.
pub(super) const CHANGES: &[&str] = &[
    "save",
    "saves",
    "saving",
    "save you",
    "saves you",
    "saving you",
    "save him",
    "discount of",
    "reduction of",
    "subtract",
    "subtracting",
    "deduct",
    "deducting",
    "knock",
    "knocking",
    "add",
    "adding",
    "top",
    "knock off",
    "take off",
    "less",
    "half of",
    "third of",
    "quarter of",
    "reduce it by",
    "reduce the price by",
    "reduced by",
    "lower it by",
    "lower the price by",
    "drop it by",
    "down by",
    "up by",
    "increase it by",
    "raise it by",
    "negotiate down by",
    "discounted by",
];

/// The words before a number, the first one first, without hedges next to it.
fn phrase(text: &[char], start: usize) -> String {
    let mut words = words_before(text, start, 6);
    let hedged = words.iter().take_while(|word| HEDGES.contains(&word.as_str())).count();
    words.drain(..hedged);
    words.reverse();
    words.join(" ")
}

/// Whether one of these cues stands before a number; "no more than" says the most that the answer
/// can be, and is none.
pub(super) fn before(text: &[char], start: usize, cues: &[&str]) -> bool {
    let before = phrase(text, start);
    cues.iter().any(|cue| {
        before.strip_suffix(cue).is_some_and(|rest| {
            let limit = ["no ", "not ", "n't pay ", "n't go "].iter().any(|no| rest.ends_with(no));
            rest.is_empty() || (rest.ends_with(' ') && !limit)
        })
    })
}

/// Whether a number is mentioned as something else than the answer: `listed at $14,200`.
pub(super) fn is_reference(text: &[char], start: usize) -> bool {
    if before(text, start, REFERENCES) {
        return true;
    }
    let words = words_before(text, start, 3);
    let goes = |word: &str| ["go", "going", "goes", "went"].contains(&word);
    let own = ["i", "i'd", "i’d", "would", "to", "could", "should", "i'll", "we", "we'd"];
    // "Similar bikes go for"
    let sold = matches!(words.as_slice(), [at, go, who]
        if ["for", "at"].contains(&at.as_str()) && goes(go) && !own.contains(&who.as_str()));
    sold || is_whole(text, start) || labelled(text, start) == Some(true)
}

/// Whether a share is taken of it: `60% of $500`.
fn is_whole(text: &[char], start: usize) -> bool {
    let before: String = text.iter().take(start).skip(start.saturating_sub(16)).collect();
    let share = before.trim_end().strip_suffix("of").map(str::trim_end);
    share.is_some_and(|share| share.ends_with(['%']) || share.ends_with("percent"))
}

/// Whether the words behind call it something else: `the $14,200 asking price`.
pub(super) fn is_called(text: &[char], end: usize) -> bool {
    let (behind, next) = word_at(text, skip_marks(text, end));
    let (second, _) = word_at(text, skip_spaces(text, next));
    let price = ["price", "value", "budget"].contains(&second.as_str());
    let kind = ["asking", "list", "listing", "sticker", "original", "retail", "market", "purchase"];
    (kind.contains(&behind.as_str()) && price)
        || ["msrp", "new"].contains(&behind.as_str())
        || (behind == "in" && ["repairs", "damages"].contains(&second.as_str()))
}
