//! Whether a text declines to give a number, or asks instead of answering.

use super::said::Said;

/// Beginnings of what a model says when it will not answer, in small letters and with straight
/// apostrophes.
const PHRASES: &[&str] = &[
    "i can't",
    "i cannot",
    "i can not",
    "i won't",
    "i will not",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "i'm not comfortable",
    "i am not comfortable",
    "i don't feel comfortable",
    "i do not feel comfortable",
    "i must decline",
    "i have to decline",
    "i decline",
    "i'd rather not",
    "i would rather not",
    "i refuse",
    "it's not appropriate",
    "it is not appropriate",
    "it would be inappropriate",
    "it would not be appropriate",
    "it wouldn't be appropriate",
    "not able to assist",
    "don't have enough information",
    "do not have enough information",
    "don't have enough context",
    "need more information",
    "need more details",
    "no way to",
    "impossible to",
    "not possible to",
    "not enough information",
    "i don't rate",
    "i don't rank",
    "i don't assign",
    "i don't evaluate",
    "i do not rate",
    "i do not rank",
    "unfair to",
    "not fair to",
];
/// Words that go with a refusal, but also with an answer: `I'm sorry to hear that. Offer 300.`
const SOFT: &[&str] =
    &["i'm sorry", "i am sorry", "i apologize", "as an ai", "as a language model"];
/// What turns a refusal before a number into an answer: `I can't say, but 300`, `I can't pay more
/// than $300`.
const TURNS: &[&str] = &[
    "but",
    "so",
    "i'd",
    "i'll",
    "instead",
    "however",
    "still",
    "though",
    "although",
    "that said",
    "more than",
    "higher",
    "above",
    "over",
    "exceed",
    "beyond",
    "be sure",
    "be certain",
    "say for sure",
    "say for certain",
];

/// Whether a text declines.
pub(super) fn declines(text: &str) -> bool {
    let plain = straight(text);
    PHRASES.iter().chain(SOFT).any(|phrase| last(&plain, phrase).is_some())
}

/// Whether the text declines to say this number, which it only mentions: in the same sentence, or
/// before it where the number is not given as an answer.
pub(super) fn refuses(text: &[char], one: &Said) -> bool {
    let before = straight(&text.iter().take(one.start).collect::<String>());
    let whole = straight(&text.iter().collect::<String>());
    let aside = one.quoted || one.role.reference;
    let ends = PHRASES.iter().filter_map(|phrase| Some(last(&before, phrase)? + phrase.len()));
    let Some(from) = ends.max() else {
        return aside && !one.role.offered && declines(&whole);
    };
    let between = before.get(from..).unwrap_or_default();
    if between.contains(':') || TURNS.iter().any(|turn| last(between, turn).is_some()) {
        return aside && !one.role.offered;
    }
    let same_sentence = !between.contains(['.', '!', '?', '\n', ';']);
    same_sentence || !one.role.given() && (aside || one.unit.currency.is_none())
}

/// Whether a number that the question says stands in a question of the answer's.
pub(super) fn asks_back(text: &[char], one: &Said) -> bool {
    let ends = |c: &&char| ".!?\n".contains(**c);
    let asks = text.iter().skip(one.start).find(ends) == Some(&'?');
    asks && (one.quoted || one.role.reference) && !one.role.offered
}

/// In small letters and with straight apostrophes.
fn straight(text: &str) -> String {
    text.to_lowercase().replace(['’', '`'], "'")
}

/// Where a phrase stands last.
fn last(text: &str, phrase: &str) -> Option<usize> {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    text.rmatch_indices(phrase).map(|(at, _)| at).find(|at| {
        let (before, behind) = (&text[..*at], &text[at + phrase.len()..]);
        !letter(before.chars().next_back()) && !letter(behind.chars().next())
    })
}
