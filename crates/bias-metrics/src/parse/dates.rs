//! Dates, times and years, which are no numbers, and ranks, which are.

use super::cues::{skip_spaces, word_at, words_before};

const MONTHS: [&str; 32] = [
    "dec",
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "mar",
    "apr",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
];

/// What four digits that could be a year are behind, if they are one.
/// Months that are also English words: they count with a capital letter.
const WORDS_TOO: [&str; 4] = ["may", "march", "mar", "dec"];
const YEARS: [&str; 13] = [
    "born", "in", "since", "during", "until", "from", "year", "late", "early", "mid", "dec",
    "spring", "summer",
];

/// Words after which a rank stays one: `42nd place`, but not `the 2nd time`.
const RANKED: &[&str] = &[
    "here",
    "there",
    "now",
    "today",
    "this",
    "nationwide",
    "among",
    "place",
    "position",
    "percentile",
    "rank",
    "ranked",
    "spot",
    "out",
    "of",
    "and",
    "to",
    "or",
    "overall",
    "in",
    "on",
    "at",
    "from",
    "among",
    "for",
    "is",
    "would",
    "seems",
    "as",
    "if",
    "but",
    "because",
    "nationally",
];

/// Where a year or years end that these digits begin: `from 2019`, `from 2019 to 2021`, `May 2021`,
/// `a 2019 model`.
pub(super) fn year(text: &[char], digits: &[char], start: usize, end: usize) -> Option<usize> {
    if !could_be_year(digits) {
        return None;
    }
    let (behind, behind_end) = word_at(text, skip_spaces(text, end));
    let dash = skip_spaces(text, end);
    let next = match text.get(dash) {
        Some('-' | '–' | '—') => Some(skip_spaces(text, dash + 1)),
        _ if behind == "to" => Some(skip_spaces(text, behind_end)),
        _ => None,
    };
    let digits_at = |from: usize| {
        let len = text.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
        text.get(from..from + len).unwrap_or_default()
    };
    let end = match next.map(|from| (from, digits_at(from))) {
        Some((from, later)) if could_be_year(later) => from + later.len(),
        Some((from, _)) if text.get(from).is_some_and(|c| !c.is_alphabetic()) => return None,
        _ => end,
    };
    let before = words_before(text, start, 1);
    let dated = is_quarter(text, start)
        || is_as_of(text, start)
        || (dash_joins(text, dash, end) && recent(text, start) && recent(text, end - 4))
        || before
            .first()
            .is_some_and(|word| YEARS.contains(&word.as_str()) || MONTHS.contains(&word.as_str()));
    let (behind, _) = word_at(text, skip_spaces(text, end));
    let named = ["model", "edition", "version", "vintage", "was"].contains(&behind.as_str());
    (dated || named || is_make(text, start, end)).then_some(end)
}

fn could_be_year(digits: &[char]) -> bool {
    let year = digits.iter().collect::<String>().parse::<u32>();
    digits.len() == 4 && year.is_ok_and(|year| (1900..2100).contains(&year))
}

/// Whether an ordinal (`42nd`) is a rank rather than a date or one of several things.
pub(super) fn is_rank(text: &[char], start: usize, end: usize) -> bool {
    let before = words_before(text, start, 1);
    if before.first().is_some_and(|word| MONTHS.contains(&word.as_str())) {
        return false;
    }
    let (behind, behind_end) = word_at(text, skip_spaces(text, end));
    let (next, _) = word_at(text, skip_spaces(text, behind_end));
    let dated = matches!(words_before(text, start, 2).as_slice(), [the, on]
        if the == "the" && ["on", "by", "until", "before", "after"].contains(&on.as_str()));
    if dated && !["place", "position", "spot", "percentile", "rank"].contains(&behind.as_str()) {
        return false;
    }
    let date = MONTHS.contains(&next.as_str()) || MONTHS.contains(&behind.as_str());
    (behind.is_empty() || RANKED.contains(&behind.as_str())) && !(date && behind != "place")
}

/// `Q3 2024`, `FY 2024`
fn is_quarter(text: &[char], start: usize) -> bool {
    let end = (0..start).rev().find(|i| text.get(*i) != Some(&' ')).map_or(0, |i| i + 1);
    let from = end.saturating_sub(2);
    let token: String = text.get(from..end).unwrap_or_default().iter().collect();
    end < start && ["Q1", "Q2", "Q3", "Q4", "FY", "H1", "H2"].contains(&token.as_str())
}

/// `as of 2023`
fn is_as_of(text: &[char], start: usize) -> bool {
    matches!(words_before(text, start, 2).as_slice(), [of, as_] if of == "of" && as_ == "as")
}

/// Whether two years are joined by a dash alone.
fn dash_joins(text: &[char], dash: usize, end: usize) -> bool {
    text.get(dash).is_some_and(|c| "-–—".contains(*c)) && end > dash
}

/// Whether the four digits here are a year that answers speak of.
fn recent(text: &[char], at: usize) -> bool {
    let year = text.get(at..at + 4).unwrap_or_default().iter().collect::<String>().parse::<u32>();
    year.is_ok_and(|year| (1990..=2035).contains(&year))
}

/// `the 2019 Honda Civic`: a year before what was made in it.
fn is_make(text: &[char], start: usize, end: usize) -> bool {
    let capital = |at: usize| {
        let (word, word_end) = word_at(text, at);
        let big = text.get(at).is_some_and(|c| c.is_uppercase());
        let unit = ["elo", "euro", "euros", "dollars", "usd", "eur", "gbp", "rupees", "i"];
        (big && word.len() > 1 && !unit.contains(&word.as_str())).then_some(word_end)
    };
    let next = skip_spaces(text, end);
    let Some(make_end) = capital(next).filter(|_| next == end + 1) else { return false };
    let before = words_before(text, start, 1);
    let article = before.first().is_some_and(|word| {
        ["the", "a", "an", "my", "his", "her", "this", "your", "that"].contains(&word.as_str())
    });
    let two = || capital(skip_spaces(text, make_end)).is_some();
    article || (start == 0 && two())
}

/// Where a date ends whose day these digits are: `12 May 2024`, `May 12`, `Jan. 5, 2024`.
pub(super) fn date(text: &[char], start: usize, end: usize) -> Option<usize> {
    let day: u32 = text.get(start..end)?.iter().collect::<String>().parse().ok()?;
    if !(1..=31).contains(&day) {
        return None;
    }
    let month = |from: usize, to: usize| {
        let name: String = text.get(from..to).unwrap_or_default().iter().collect();
        let small = name.to_lowercase();
        let capital = name.chars().next().is_some_and(char::is_uppercase);
        MONTHS.contains(&small.as_str()) && (capital || !WORDS_TOO.contains(&small.as_str()))
    };
    let spaced = |at: usize| text.get(at) == Some(&' ');
    let behind = skip_spaces(text, end + usize::from(text.get(end) == Some(&'.')));
    let (_, behind_end) = word_at(text, behind);
    let after = (behind > end && month(behind, behind_end)).then_some(behind_end);
    let date_end = after.or_else(|| {
        let mut last = start.checked_sub(1).filter(|i| spaced(*i))?;
        last -= usize::from(last > 0 && text.get(last - 1) == Some(&'.'));
        let first = (0..last)
            .rev()
            .take_while(|i| text.get(*i).is_some_and(|c| c.is_alphabetic()))
            .last()?;
        month(first, last).then_some(end)
    })?;
    let comma = usize::from(text.get(date_end).is_some_and(|c| ",.".contains(*c)));
    let year = skip_spaces(text, date_end + comma);
    let len = text.iter().skip(year).take_while(|c| c.is_ascii_digit()).count();
    let digits = text.get(year..year + len).unwrap_or_default();
    Some(if could_be_year(digits) { year + len } else { date_end })
}
