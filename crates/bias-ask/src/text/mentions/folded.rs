use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A text in which equal names are equal characters, with the bytes that each came from.
///
/// Characters are decomposed (NFD). All apostrophes, hyphens, middle dots and runs of white space
/// are one character each. Invisible characters are left out, as are spaces within scripts that
/// write none.
pub(super) struct Folded {
    pub chars: Vec<char>,
    /// The bytes of the letter with all its marks.
    bytes: Vec<Range<usize>>,
    /// Whether white space ends a line.
    breaks: Vec<bool>,
}

impl Folded {
    pub fn of(text: &str) -> Self {
        let mut own = Self { chars: Vec::new(), bytes: Vec::new(), breaks: Vec::new() };
        let mut letters = text.char_indices().peekable();
        while let Some((start, first)) = letters.next() {
            let mut end = start + first.len_utf8();
            while let Some((at, next)) = letters
                .next_if(|(_, c)| continues(*c) || first.is_whitespace() && c.is_whitespace())
            {
                end = at + next.len_utf8();
            }
            let letter = text.get(start..end).unwrap_or_default();
            if first.is_whitespace() {
                own.push(' ', start..end, letter.contains(['\n', '\r']));
                continue;
            }
            for c in letter.nfd().filter(|c| !is_invisible(*c)) {
                own.push(folded(c), start..end, false);
            }
        }
        own.without_inner_spaces()
    }

    fn push(&mut self, c: char, bytes: Range<usize>, ends_line: bool) {
        self.chars.push(c);
        self.bytes.push(bytes);
        self.breaks.push(ends_line);
    }

    /// Some people write spaces between Chinese or Japanese words of a name, and others do not.
    fn without_inner_spaces(self) -> Self {
        let chars = &self.chars;
        let inner = |i: usize| {
            let around = [i.checked_sub(1), Some(i + 1)];
            chars.get(i) == Some(&' ')
                && around
                    .iter()
                    .all(|at| at.and_then(|at| chars.get(at)).is_some_and(|c| is_unspaced(*c)))
        };
        let kept: Vec<usize> = (0..chars.len()).filter(|i| !inner(*i)).collect();
        Self {
            chars: kept.iter().filter_map(|i| self.chars.get(*i)).copied().collect(),
            bytes: kept.iter().filter_map(|i| self.bytes.get(*i)).cloned().collect(),
            breaks: kept.iter().filter_map(|i| self.breaks.get(*i)).copied().collect(),
        }
    }

    /// The bytes of some characters.
    pub fn bytes(&self, place: &Range<usize>) -> Range<usize> {
        let start = self.bytes.get(place.start).map_or(0, |own| own.start);
        let end = place.end.checked_sub(1).and_then(|last| self.bytes.get(last));
        start..end.map_or(start, |own| own.end)
    }

    pub fn at(&self, place: usize) -> Option<char> {
        self.chars.get(place).copied()
    }

    /// Whether a line ends just before a place.
    pub fn begins_line(&self, place: usize) -> bool {
        place.checked_sub(1).and_then(|at| self.breaks.get(at)).copied().unwrap_or(true)
    }

    /// The character before a place.
    pub fn before(&self, place: usize) -> Option<char> {
        place.checked_sub(1).and_then(|at| self.at(at))
    }

    /// Whether a letter begins here, and not one of its marks.
    fn is_edge(&self, place: usize) -> bool {
        let start = |at: usize| self.bytes.get(at).map(|own| own.start);
        place.checked_sub(1).is_none_or(|before| start(before) != start(place))
    }

    /// All places of a form. Letters are not cut.
    pub fn all(&self, form: &[char], same: impl Fn(char, char) -> bool) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut at = 0;
        while at + form.len() <= self.chars.len() && !form.is_empty() {
            let place = at..at + form.len();
            let equal = self.chars[place.clone()].iter().zip(form).all(|(a, b)| same(*a, *b));
            if equal && self.is_edge(place.start) && self.is_edge(place.end) {
                at = place.end;
                found.push(place);
            } else {
                at += 1;
            }
        }
        found
    }

    /// The letters from a place on, up to the end of the word.
    pub fn word_from(&self, place: usize) -> String {
        let rest = self.chars.get(place..).unwrap_or_default();
        rest.iter().take_while(|c| is_wordy(**c)).collect()
    }

    /// The place of the word before a place: behind it stand only a space, a full stop, or both.
    pub fn word_before(&self, place: usize) -> Option<Range<usize>> {
        let mut end = place;
        for gap in [' ', '.'] {
            if self.before(end) == Some(gap) {
                end -= 1;
            }
        }
        let mut start = end;
        while self.before(start).is_some_and(is_wordy) {
            start -= 1;
        }
        (end < place && start < end).then_some(start..end)
    }

    pub fn text(&self, place: &Range<usize>) -> String {
        self.chars.get(place.clone()).unwrap_or_default().iter().collect()
    }
}

/// Whether a character belongs to the letter before it.
fn continues(c: char) -> bool {
    // Hangul vowels and finals of a syllable that is written in parts.
    is_combining_mark(c) || is_invisible(c) || ('\u{1160}'..='\u{11ff}').contains(&c)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

fn folded(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2bb}' | '\u{2bc}' | '\u{2032}' | '\u{ff07}'
        | '`' | '\u{b4}' => '\'',
        '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{ff0d}' => '-',
        '\u{30fb}' | '\u{2027}' | '\u{2022}' => '\u{b7}',
        other => other,
    }
}

/// Whether a character is part of a word.
pub(super) fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Letters of scripts that write no spaces between words, or, as Korean does, none between a name
/// and what is added to it.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7ff}' // Hangul
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' // kana
        | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}') // Han
}
