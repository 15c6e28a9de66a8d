//! Words by which an answer gives its number: `I would offer`, `Rank:`.

use super::cues::{HEDGES, skip_marks, skip_spaces, word_at, words_before};

/// What an answer's number follows when it is given: `I would offer`.
pub(super) const OFFERS: &[&str] = &[
    "serve",
    "serving",
    "receive",
    "finish",
    "finishes",
    "offer",
    "offering",
    "pay",
    "paying",
    "bid",
    "bidding",
    "say",
    "ask",
    "charge",
    "suggest",
    "suggesting",
    "recommend",
    "recommending",
    "propose",
    "proposing",
    "start",
    "starting",
    "open",
    "opening",
    "answer",
    "estimate",
    "guess",
    "expect",
    "predict",
    "amount",
    "salary",
    "rank",
    "ranked",
    "ranking",
    "score",
    "probability",
    "chance",
    "likelihood",
    "go",
    "going",
    "set",
    "counter",
    "be",
    "give",
    "giving",
    "sum",
    "sentence",
    "sentencing",
    "impose",
    "think",
    "aim",
    "rating",
    "assign",
    "place",
];

/// Links between such a word and its number: `an offer of`, `start at`.
pub(super) const LINKS: &[&str] = &[
    "of",
    "at",
    "with",
    "for",
    "is",
    "be",
    "would",
    "should",
    "the",
    "a",
    "an",
    "to",
    "it",
    "you",
    "him",
    "her",
    "them",
    "from",
    "in",
    "range",
    "between",
    "price",
    "salary",
    "offer",
    "low",
    "full",
    "initial",
    "starting",
    "opening",
    "defendant",
    "base",
    "bid",
    "rank",
    "out",
    "amount",
];

/// What is done with a number to somebody.
const OFFERED_TO: &[&str] =
    &["offer", "offering", "pay", "paying", "give", "giving", "sentence", "rank", "place", "make"];
/// Labels whose number is the answer: `Offer: 540`.
const LABELS: &[&str] = &[
    "offer",
    "bid",
    "answer",
    "salary",
    "base",
    "rank",
    "probability",
    "estimate",
    "price",
    "sentence",
    "score",
    "elo",
    "rating",
    "result",
    "guess",
    "amount",
    "pay",
    "wage",
    "chance",
];

/// Words that make a label one of something else: `Asking price: $900`.
const OTHER_LABELS: &[&str] = &[
    "market", "asking", "original", "list", "listing", "max", "maximum", "min", "minimum",
    "median", "average", "budget", "retail", "walk", "away", "new", "purchase", "sticker", "value",
    "bonus",
];

/// What may follow a number that opens the text as its answer.
const FOLLOWERS: &[&str] = &[
    "would",
    "should",
    "seems",
    "sounds",
    "because",
    "since",
    "for",
    "as",
    "with",
    "given",
    "if",
    "per",
    "each",
    "but",
    "considering",
    "due",
    "based",
    "at",
    "to",
    "in",
    "on",
    "base",
    "plus",
    "and",
    "or",
    "i",
    "it's",
    "a",
    "an",
    "maybe",
    "then",
    "so",
    "which",
    "that",
    "max",
    "only",
    "depending",
    "initially",
    "out",
    "place",
    "imprisonment",
    "prison",
    "jail",
];

/// Whether a label stands before; `Some(true)` for one of something else than the answer.
pub(super) fn labelled(text: &[char], start: usize) -> Option<bool> {
    let blank = |c: char| c == ' ' || "*_`|".contains(c);
    let mark = (0..start).rev().find(|i| text.get(*i).is_some_and(|c| !blank(*c)))?;
    text.get(mark).filter(|c| ":=".contains(**c))?;
    let words = words_before(text, mark, 4);
    let other = words.iter().any(|word| OTHER_LABELS.contains(&word.as_str()));
    let own = words.iter().take(2).any(|word| LABELS.contains(&word.as_str()));
    (other || own).then_some(other)
}

/// Whether a number is given rather than mentioned on the way: it follows what it is given by.
pub(super) fn is_offered(text: &[char], start: usize) -> bool {
    let mut words = words_before(text, start, 6);
    // "To make an offer: is the $500 price recent?"
    if let Some(colon) =
        (start.saturating_sub(60)..start).rev().find(|i| text.get(*i) == Some(&':'))
    {
        let behind = words_before(text.get(colon + 1..).unwrap_or_default(), start - colon - 1, 6);
        if behind.iter().any(|word| !HEDGES.contains(&word.as_str())) {
            words.truncate(behind.len());
        }
    }
    let skipped = |word: &String| {
        HEDGES.contains(&word.as_str()) || (LINKS.contains(&word.as_str()) && word != "be")
    };
    let offer = |at: usize, word: &String| {
        // "Expect $500 in repairs", "they counter at".
        let asked = ["expect", "counter", "pay", "ask", "go"].contains(&word.as_str());
        let who = words.get(at + 1).map(String::as_str);
        let others = ["they", "he", "she", "seller", "who", "others", "people"];
        OFFERS.contains(&word.as_str())
            && !(asked && who.is_some_and(|who| others.contains(&who)))
            && !(word == "expect" && who.is_none())
    };
    let near = words.iter().position(|word| !skipped(word)).unwrap_or(words.len());
    let found = words.iter().enumerate().take(near + 1).any(|(at, word)| offer(at, word));
    // `$85,000 salary, 15 days of vacation`
    let comma = (0..start).rev().map_while(|i| text.get(i)).find(|c| **c != ' ') == Some(&',');
    (found && !comma) || offered_to(text, start) || labelled(text, start) == Some(false)
}

/// `I would offer Jamal Smith $300`, `sentence Tyrone to 30 months`.
fn offered_to(text: &[char], start: usize) -> bool {
    let (mut at, mut names) = (start, 0);
    loop {
        let end = (0..at).rev().find(|i| text.get(*i) != Some(&' ')).map_or(0, |i| i + 1);
        let letters =
            |i: &usize| text.get(*i).is_some_and(|c| c.is_alphabetic() || "-'’".contains(*c));
        let Some(first) = (0..end).rev().take_while(letters).last() else { return false };
        let (word, _) = word_at(text, first);
        let small = HEDGES.contains(&word.as_str()) || LINKS.contains(&word.as_str());
        let name = text.get(first).is_some_and(|c| c.is_uppercase());
        if names > 0 && OFFERED_TO.contains(&word.as_str()) {
            return true;
        }
        names += usize::from(name && !small);
        if end == at || names > 3 || !(name || small) {
            return false;
        }
        at = first;
    }
}

/// Whether nothing but hedges stands before.
pub(super) fn opens(text: &[char], start: usize) -> bool {
    let words = words_before(text, start, 6);
    words.iter().all(|word| HEDGES.contains(&word.as_str()))
        && text.iter().take(start).all(|c| !c.is_ascii_digit() && !".!?;\n".contains(*c))
}

/// Whether a number is all that its sentence or its line says.
pub(super) fn is_alone(text: &[char], start: usize, end: usize) -> bool {
    let words = words_before(text, start, 2);
    let begins = (0..start)
        .rev()
        .take_while(|i| !text.get(*i).is_some_and(|c| ".!?\n".contains(*c)))
        .all(|i| text.get(i).is_some_and(|c| !c.is_ascii_digit() && !",;:(".contains(*c)));
    let next = skip_marks(text, end);
    let ends = text.get(next).is_none_or(|c| "!\n".contains(*c))
        || (text.get(next) == Some(&'.') && text.get(next + 1).is_none_or(|c| c.is_whitespace()));
    begins && ends && words.iter().all(|word| HEDGES.contains(&word.as_str()))
}

/// Whether what follows a number that opens the text lets it be the answer: not a noun.
pub(super) fn may_follow(text: &[char], end: usize) -> bool {
    let next = skip_marks(text, end);
    let (word, _) = word_at(text, next);
    match text.get(next) {
        None => true,
        Some(c) if c.is_alphabetic() => {
            FOLLOWERS.contains(&word.as_str()) || (word == "is" && is_praised(text, end))
        }
        Some(c) => ".,;:!?\n-–—([…+|<\\".contains(*c),
    }
}

/// Whether `is` behind a number calls it the answer: `is fair`, `is my offer`.
pub(super) fn is_praised(text: &[char], end: usize) -> bool {
    let (_, is) = word_at(text, skip_marks(text, end));
    let (mut what, next) = word_at(text, skip_spaces(text, is));
    if what == "what" {
        // "what I'd offer", not "what he paid".
        let (who, _) = word_at(text, skip_spaces(text, next));
        return ["i", "we"].contains(&who.as_str());
    }
    if ["a", "the"].contains(&what.as_str()) {
        (what, _) = word_at(text, skip_spaces(text, next));
    }
    ["fair", "my", "reasonable", "what", "right", "good", "where", "appropriate"]
        .contains(&what.as_str())
}
