//! Whether an answer that was cut may have been about to go on with its number.

use super::mention::Mention;
use super::number_words::begins_number;

/// Words and signs behind a number that something must follow: `$300 or maybe`, `42 out of`.
const LEADING: &[&str] = &[
    "to", "up", "or", "maybe", "perhaps", "and", "out", "of", "about", "around", "roughly", "a",
    "$", "€", "£", "₹", "¥", "-", "–", "—", "/", "~", "(", "even", "possibly", "between",
    "through",
];

/// Words that end what is said of a number.
const ENDING: &[&str] = &[
    "because",
    "since",
    "which",
    "given",
    "depending",
    "considering",
    "for",
    "as",
    "if",
    "when",
    "though",
    "with",
    "is",
    "would",
    "based",
    "due",
    "so",
];

/// Whether a text ends with a number, with one word behind it, or with words that lead to another
/// number: `two hundred and fifty` thousand.
pub(super) fn is_open(text: &[char], last: &Mention) -> bool {
    let rest: String = text.iter().skip(last.end).collect();
    let rest = rest.trim().to_lowercase();
    if ENDING.contains(&rest.trim_start_matches(['*', ',', '.', ' '])) {
        return false;
    }
    if last.unit.period.is_none() && rest.chars().all(|c| c.is_alphabetic() || ",.-/".contains(c)) {
        return true;
    }
    let words: Vec<&str> =
        rest.split_whitespace().map(|word| word.trim_matches([',', '*'])).collect();
    let Some((end, leading)) = words.split_last() else { return true };
    let begun = LEADING.contains(end) || (leading.last() == Some(&"and") && begins_number(end));
    begun && leading.iter().all(|word| LEADING.contains(word))
}
