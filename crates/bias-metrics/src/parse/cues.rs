//! Words around a number that tell what it is for.

use super::digits::NARROW_SPACES;
use super::period::Period;

/// Words that may stand before a number without changing it.
const HEDGES: [&str; 23] = [
    "the",
    "about",
    "around",
    "roughly",
    "approximately",
    "approx",
    "circa",
    "ca",
    "maybe",
    "perhaps",
    "nearly",
    "almost",
    "say",
    "probably",
    "likely",
    "somewhere",
    "anywhere",
    "up",
    "only",
    "just",
    "an",
    "estimated",
    "possibly",
];
/// Words that a number is sometimes written onto: `around900`.
const GLUED: [&str; 30] = [
    "about",
    "around",
    "roughly",
    "approximately",
    "approx",
    "circa",
    "maybe",
    "perhaps",
    "nearly",
    "almost",
    "say",
    "only",
    "just",
    "offer",
    "offering",
    "pay",
    "paying",
    "bid",
    "be",
    "is",
    "at",
    "for",
    "of",
    "between",
    "from",
    "to",
    "and",
    "or",
    "under",
    "over",
];
/// What a number is that the answer does not give but mentions: `listed at`, `instead of`.
const REFERENCES: [&str; 34] = [
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
    "retails for",
    "retails at",
    "retail price of",
    "originally",
    "advertised at",
    "advertised for",
    "marked at",
    "valued at",
    "appraised at",
    "market value of",
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
];
/// What an answer's number follows when it is given: `I would offer`.
const OFFERS: [&str; 40] = [
    "offer",
    "offering",
    "pay",
    "paying",
    "bid",
    "bidding",
    "say",
    "ask",
    "asking",
    "charge",
    "suggest",
    "recommend",
    "propose",
    "proposing",
    "start",
    "starting",
    "open",
    "opening",
    "price",
    "answer",
    "estimate",
    "guess",
    "expect",
    "predict",
    "amount",
    "value",
    "total",
    "salary",
    "rate",
    "rank",
    "ranked",
    "score",
    "probability",
    "chance",
    "go",
    "set",
    "counter",
    "be",
    "give",
    "sum",
];
/// Links between such a word and its number: `an offer of`, `start at`.
const LINKS: [&str; 24] = [
    "of", "at", "with", "for", "is", "be", "would", "the", "a", "an", "to", "it", "you", "him",
    "her", "them", "from", "in", "range", "between", "price", "salary", "offer", "low",
];
const MONTHS: [&str; 23] = [
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
const YEARS: [&str; 12] = [
    "in", "since", "during", "until", "from", "year", "late", "early", "mid", "dec", "spring",
    "summer",
];
/// Words after which a rank stays one: `42nd place`, but not `the 2nd time`.
const RANKED: [&str; 26] = [
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
/// Amounts that an adjective may say the period of: `a monthly rent of $900`.
const AMOUNTS: [&str; 22] = [
    "salary",
    "wage",
    "wages",
    "pay",
    "rate",
    "rent",
    "income",
    "fee",
    "payment",
    "compensation",
    "stipend",
    "budget",
    "price",
    "cost",
    "amount",
    "offer",
    "allowance",
    "earnings",
    "base",
    "gross",
    "starting",
    "net",
];

/// The words before a place, nearest first, in small letters, back to the last number or to where
/// the sentence begins.
pub(super) fn words_before(text: &[char], place: usize, most: usize) -> Vec<String> {
    let (mut words, mut at) = (Vec::new(), place);
    while words.len() < most && at > 0 {
        let Some(c) = text.get(at - 1) else { break };
        if c.is_ascii_digit() || ".!?;\n".contains(*c) {
            break;
        }
        let end = at;
        while at > 0 && text.get(at - 1).is_some_and(|c| c.is_alphabetic() || "'’".contains(*c)) {
            at -= 1;
        }
        if at == end {
            at -= 1;
        } else {
            words.push(small(text, at, end));
        }
    }
    words
}

/// The word at a place, in small letters, and where it ends.
pub(super) fn word_at(text: &[char], start: usize) -> (String, usize) {
    let length = text.iter().skip(start).take_while(|c| c.is_alphanumeric()).count();
    (small(text, start, start + length), start + length)
}

fn small(text: &[char], start: usize, end: usize) -> String {
    text.get(start..end).unwrap_or_default().iter().flat_map(|c| c.to_lowercase()).collect()
}

/// Whether "between" stands before, with nothing but hedges behind it.
pub(super) fn opens_between(text: &[char], start: usize) -> bool {
    let words = words_before(text, start, 5);
    words.iter().find(|word| !HEDGES.contains(&word.as_str())).is_some_and(|word| word == "between")
}

/// Whether the text between two numbers makes them a range.
pub(super) fn connects(between: &[char], after_between: bool) -> bool {
    if between.contains(&'\n') {
        return false;
    }
    let text: String = between.iter().flat_map(|c| c.to_lowercase()).collect();
    let mut words = text.split_whitespace().map(|word| word.trim_matches(['*', '.', ',', '(']));
    let plain = text.trim().trim_matches('*').trim();
    if ["-", "–", "—", "−", "‑", "~", "..", "...", "…"].contains(&plain) {
        return true;
    }
    let mut dash = text.trim().chars();
    let dashed = dash.next().is_some_and(|c| "-–—−~".contains(c));
    let first = if dashed { words.next() } else { words.find(|word| *word != "up") };
    let joins = match first {
        Some("to" | "through" | "till") => true,
        Some("and" | "&") => after_between,
        Some(word) => dashed && word.chars().all(|c| "-–—−~".contains(c)),
        None => false,
    };
    joins && words.all(|word| HEDGES.contains(&word) || word == "~" || word == "≈")
}

/// Whether the text between two numbers offers the second instead of the first: `$500 or 600`.
pub(super) fn is_alternative(between: &[char]) -> bool {
    let text: String = between.iter().flat_map(|c| c.to_lowercase()).collect();
    let mut words = text.split_whitespace().map(|word| word.trim_matches(','));
    words.next() == Some("or") && words.all(|word| HEDGES.contains(&word))
}

/// Whether the word behind a number makes it a count of digits: `six figures`.
pub(super) fn counts_digits(text: &[char], end: usize) -> bool {
    let (behind, _) = word_at(text, skip_spaces(text, end));
    ["figure", "figures", "digit", "digits"].contains(&behind.as_str())
}

/// Whether a number may be written onto this word.
pub(super) fn takes_glued(text: &[char], end: usize) -> bool {
    let mut start = end;
    while start > 0 && text.get(start - 1).is_some_and(|c| c.is_alphabetic()) {
        start -= 1;
    }
    let whole = start == 0 || text.get(start - 1).is_some_and(|c| !c.is_alphanumeric());
    whole && GLUED.contains(&small(text, start, end).as_str())
}

/// Whether a number is mentioned as something else than the answer: `listed at $14,200`.
pub(super) fn is_reference(text: &[char], start: usize) -> bool {
    let mut words = words_before(text, start, 6);
    let hedged = words.iter().take_while(|word| HEDGES.contains(&word.as_str())).count();
    words.drain(..hedged);
    words.reverse();
    let before = words.join(" ");
    REFERENCES.iter().any(|cue| {
        before.strip_suffix(cue).is_some_and(|rest| {
            // "no more than" says the most that the answer can be.
            let limit = rest.ends_with("no ") || rest.ends_with("not ");
            rest.is_empty() || (rest.ends_with(' ') && !limit)
        })
    })
}

/// Whether a number is given rather than mentioned on the way: it opens the text, or follows what
/// it is given by.
pub(super) fn is_given(text: &[char], start: usize) -> bool {
    let words = words_before(text, start, 6);
    let opens = words.iter().all(|word| HEDGES.contains(&word.as_str()))
        && text.iter().take(start).all(|c| !c.is_ascii_digit() && !".!?;\n".contains(*c));
    let skipped = |word: &&String| {
        HEDGES.contains(&word.as_str()) || (LINKS.contains(&word.as_str()) && *word != "be")
    };
    opens
        || words.iter().take_while(skipped).any(|word| OFFERS.contains(&word.as_str()))
        || words.iter().find(|word| !skipped(word)).is_some_and(|w| OFFERS.contains(&w.as_str()))
}

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
    let dated = before
        .first()
        .is_some_and(|word| YEARS.contains(&word.as_str()) || MONTHS.contains(&word.as_str()));
    let (behind, _) = word_at(text, skip_spaces(text, end));
    let named = ["model", "edition", "version", "vintage"].contains(&behind.as_str());
    (dated || named).then_some(end)
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
    let date = MONTHS.contains(&next.as_str()) || MONTHS.contains(&behind.as_str());
    (behind.is_empty() || RANKED.contains(&behind.as_str())) && !(date && behind != "place")
}

/// The period that an adjective before an amount says: `a monthly rent of $900`.
pub(super) fn period_before(text: &[char], start: usize) -> Option<Period> {
    let words = words_before(text, start, 6);
    let amount = |word: &str| AMOUNTS.contains(&word);
    words.windows(2).enumerate().find_map(|(i, pair)| {
        let [noun, adjective] = pair else { return None };
        let period = Period::of_adverb(adjective).filter(|_| amount(noun))?;
        Some(period.with_prefix(words.get(i + 2).map_or("", String::as_str)))
    })
}

/// The first character that is no space of the same line.
pub(super) fn skip_spaces(text: &[char], start: usize) -> usize {
    start + text.iter().skip(start).take_while(|c| is_space(**c)).count()
}

pub(super) fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\n') || NARROW_SPACES.contains(c)
}

/// Whether the script of a character sets no spaces between words.
pub(super) fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}
