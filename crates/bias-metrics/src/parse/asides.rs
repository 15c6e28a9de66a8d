//! Numbers that count or name something beside the answer: names, list marks, ages, counts,
//! times of day, telephone numbers.

use super::cues::{digit, is, skip_spaces, word_at, words_before};

/// What a number directly behind is the name of: `Section 3`, `iPhone 15`.
const NAMES: &[&str] = &[
    "model",
    "section",
    "sections",
    "article",
    "chapter",
    "paragraph",
    "page",
    "line",
    "figure",
    "table",
    "iphone",
    "ipad",
    "galaxy",
    "pixel",
    "windows",
    "python",
    "gpt",
    "version",
    "step",
    "option",
    "phase",
    "room",
    "part",
    "question",
    "reason",
    "factor",
    "tip",
    "route",
    "highway",
    "gate",
    "boeing",
    "airbus",
    "playstation",
    "xbox",
    "flight",
    "team",
    "appendix",
    "exhibit",
    "rule",
    "clause",
    "item",
    "method",
    "scenario",
    "stage",
    "apartment",
    "unit",
    "§",
    "sec",
    "art",
    "case",
];
/// What an answer considers, of which it may say how many: `There are 2 factors`.
const COUNTED: &[&str] = &[
    "factor",
    "factors",
    "question",
    "questions",
    "reason",
    "reasons",
    "thing",
    "things",
    "step",
    "steps",
    "point",
    "options",
    "ways",
    "consideration",
    "considerations",
    "aspects",
    "issues",
    "concerns",
    "experts",
    "sources",
    "examples",
    "tips",
    "criteria",
    "scenarios",
    "assumptions",
    "similar",
    "comparable",
    "listings",
    "main",
    "key",
    "important",
    "most",
    "choices",
    "approaches",
    "different",
    "strategies",
    "priors",
    "prior",
    "conditions",
    "gears",
    "speeds",
    "photos",
    "pictures",
    "quotes",
    "references",
];
/// Characters in which the first line of a list is looked for.
const LONGEST_LIST: usize = 4000;
/// The largest number that is an hour of the day.
const LATEST_HOUR: u32 = 12;

/// Whether a number is no answer but the name or the count of something, or marks a line of a list.
/// Returns where to read on.
pub(super) fn aside(text: &[char], start: usize, end: usize) -> Option<usize> {
    is_list_mark(text, start, end)
        .or_else(|| is_named(text, start).then_some(end))
        .or_else(|| is_counted(text, start, end).then_some(end))
        .or_else(|| time_of_day(text, start, end))
        .or_else(|| telephone(text, start, end))
        .or_else(|| pension_plan(text, start, end))
}

/// `1. Research the market`: the first number of a line, with a point or a bracket and words
/// behind; all but the first only in a list that begins with 1.
fn is_list_mark(text: &[char], start: usize, end: usize) -> Option<usize> {
    let value: u32 = text.get(start..end)?.iter().collect::<String>().parse().ok()?;
    let begins = |at: usize| {
        let blank = |c: char| " \t*#>_-|".contains(c);
        let line = (0..at).rev().find(|i| !is(text, *i, blank));
        line.is_none_or(|i| is(text, i, |c| c == '\n'))
    };
    let mark = |c: char| ".)".contains(c);
    let next = skip_spaces(text, end + 1);
    let spaced = next > end + 1 || is(text, next, |c| c == '*');
    let words = is(text, next, |c| c.is_alphabetic() || "*_$€£\"'(“[`".contains(c));
    let listed = value > 1;
    let earlier = || {
        (start.saturating_sub(LONGEST_LIST)..start).any(|i| {
            is(text, i, |c| c == '1') && is(text, i + 1, mark) && !digit(text, i + 2) && begins(i)
        })
    };
    let ends = next >= text.len() && listed;
    (value <= 30
        && is(text, end, mark)
        && begins(start)
        && ((spaced && words) || ends)
        && (value == 1 || (listed && earlier())))
    .then_some(end + 1)
}

fn is_named(text: &[char], start: usize) -> bool {
    let mut end = start;
    while end > 0 && is(text, end - 1, |c| c == ' ' || c == '\u{a0}') {
        end -= 1;
    }
    if end == start {
        return false;
    }
    end -= usize::from(end > 0 && is(text, end - 1, |c| c == '.'));
    let mut first = end;
    while first > 0 && is(text, first - 1, |c| c.is_alphabetic() || c == '§') {
        first -= 1;
    }
    let name: String = text.get(first..end).unwrap_or_default().iter().collect();
    NAMES.contains(&name.to_lowercase().as_str())
}

/// `There are 2 factors`, `3 questions`.
fn is_counted(text: &[char], start: usize, end: usize) -> bool {
    let (noun, next) = word_at(text, skip_spaces(text, end));
    let before = words_before(text, start, 2);
    let exists = matches!(before.as_slice(), [are, there]
        if ["are", "is", "re"].contains(&are.as_str())
            && ["there", "here"].contains(&there.as_str()));
    let connects = ["to", "or", "and", "out", "of", "in", "percent", "for"];
    let whole = noun == "point" && word_at(text, skip_spaces(text, next)).0 == "out";
    (COUNTED.contains(&noun.as_str()) && !whole)
        || (exists && !noun.is_empty() && !connects.contains(&noun.as_str()))
}

/// `5 pm`, `3 p.m.`, `5 o'clock`
fn time_of_day(text: &[char], start: usize, end: usize) -> Option<usize> {
    let hour: u32 = text.get(start..end)?.iter().collect::<String>().parse().ok()?;
    let at = skip_spaces(text, end);
    let letters: String = text
        .iter()
        .skip(at)
        .take(6)
        .filter(|c| **c != '.')
        .take(2)
        .flat_map(|c| c.to_lowercase())
        .collect();
    let (word, word_end) = word_at(text, at);
    let pointed = ["a", "p"].contains(&word.as_str()) && is(text, word_end, |c| c == '.');
    let named = ["am", "pm", "o"].contains(&word.as_str());
    let clock = word != "o" || is(text, word_end, |c| "'’".contains(c));
    let told = (named && clock) || (pointed && ["am", "pm"].contains(&letters.as_str()));
    (hour <= LATEST_HOUR && told).then_some(word_end)
}

/// `Call me at 555-1234`
fn telephone(text: &[char], start: usize, end: usize) -> Option<usize> {
    let digits = |from: usize| (from..).take_while(|i| digit(text, *i)).count();
    let number = end == start + 3 && is(text, end, |c| "-‑".contains(c)) && digits(end + 1) == 4;
    let calls = ["call", "phone", "text", "tel", "dial", "contact", "reach", "ring"];
    let called = || words_before(text, start, 5).iter().any(|w| calls.contains(&w.as_str()));
    (number && called()).then_some(end + 5)
}

/// `401(k)`, `a 401k match`
fn pension_plan(text: &[char], start: usize, end: usize) -> Option<usize> {
    let number: String = text.get(start..end)?.iter().collect();
    let bracket = usize::from(is(text, end, |c| c == '('));
    let (word, next) = word_at(text, end + bracket);
    (number == "401" && word == "k").then_some(next + bracket)
}

/// Whether a number of years or days that ends here says how old or how long ago something is, or
/// what somebody brings along: `35 years old`, `5 years ago`, `2 years of experience`.
pub(super) fn is_age(text: &[char], start: usize, end: usize) -> bool {
    let hyphen = usize::from(is(text, end, |c| "-‑".contains(c)));
    let (first, next) = word_at(text, skip_spaces(text, end + hyphen));
    let (second, third_at) = word_at(text, skip_spaces(text, next));
    let (third, _) = word_at(text, skip_spaces(text, third_at));
    let before = words_before(text, start, 1);
    let aged = before.first().is_some_and(|word| word == "aged");
    let kept = ["experience", "use", "age", "wear", "riding", "work", "ownership"];
    ["old", "ago", "experience"].contains(&first.as_str())
        || (first == "of" && (kept.contains(&second.as_str()) || kept.contains(&third.as_str())))
        || (first == "to" && ["think", "decide", "consider", "respond"].contains(&second.as_str()))
        || aged
}

/// `35 y/o`, `35 yo`
pub(super) fn abbreviated_age(text: &[char], end: usize) -> Option<usize> {
    let at = skip_spaces(text, end);
    let letters: String = text.iter().skip(at).take(3).collect();
    let (word, next) = word_at(text, at);
    if letters == "y/o" {
        return Some(at + 3);
    }
    (word == "yo").then_some(next)
}
