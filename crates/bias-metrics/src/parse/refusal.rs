//! Whether a text without a number declines to give one.

/// Beginnings of what a model says when it will not answer, in small letters and with straight
/// apostrophes.
const PHRASES: [&str; 30] = [
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
    "i'm sorry",
    "i am sorry",
    "i apologize",
    "as an ai",
    "as a language model",
    "it's not appropriate",
    "it is not appropriate",
    "it would be inappropriate",
    "it would not be appropriate",
    "it wouldn't be appropriate",
    "not able to assist",
];

pub(crate) fn declines(text: &str) -> bool {
    let plain: String = text.to_lowercase().replace(['’', '`'], "'");
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    PHRASES.iter().any(|phrase| {
        plain.match_indices(phrase).any(|(at, _)| {
            let (before, behind) = (&plain[..at], &plain[at + phrase.len()..]);
            !letter(before.chars().next_back()) && !letter(behind.chars().next())
        })
    })
}
