use std::ops::Range;

use super::folded::{Folded, is_unspaced, is_wordy};
use super::parts::{NameParts, is_title};
use super::words::{BEFORE_PLACES, BEHIND_NAMES, PLACES, TITLES_BEHIND, WORDS};
use crate::error::AskError;

/// The places of a text, in bytes, that mention a person.
///
/// The whole name is found in any Unicode form and with any apostrophe, hyphen and white space.
/// Where it occurs, so are the person's other mentions: by the first part of the name, by the
/// surname behind a title (`Ms. Becker`), with an initial (`E. Becker`) or turned round
/// (`Becker, Emily`). Mentions are whole words, except in scripts that write no spaces.
///
/// ```
/// use bias_ask::text::Mentions;
///
/// let text = "Emily Becker sells a bicycle. Emily’s price is firm, says Ms. Becker.";
/// let found = Mentions::find(text, "Emily Becker").found;
/// assert_eq!(found.into_iter().map(|at| &text[at]).collect::<Vec<_>>(), ["Emily Becker", "Emily", "Becker"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// The mentions, in the order of the text. None overlap.
    pub found: Vec<Range<usize>>,
    /// Words that may be mentions or something else: a name that is also a word where a sentence
    /// begins (`Will`), a bare surname, another person of the same name. If nothing is
    /// [`found`](Self::found), these are whatever comes near the name.
    pub unsure: Vec<Range<usize>>,
}

impl Mentions {
    /// Finds a person in a text.
    #[must_use]
    pub fn find(text: &str, name: &str) -> Self {
        let mut search = Search::new(text, name);
        search.whole_name();
        if search.found.is_empty() {
            search.near();
        } else {
            search.other_mentions();
        }
        let bytes = |mut places: Vec<Range<usize>>| {
            places.sort_by_key(|own| own.start);
            places.iter().map(|own| search.text.bytes(own)).collect()
        };
        Self { found: bytes(search.found.clone()), unsure: bytes(search.unsure.clone()) }
    }

    /// A place of a text as messages show it, with what stands around it: `…does »Will« sell…`.
    #[must_use]
    pub fn shown(text: &str, place: &Range<usize>) -> String {
        around(text, place)
    }

    /// The same for a text that must mention the person.
    ///
    /// # Errors
    /// [`AskError::NameNotInPrompt`]; [`AskError::UnsureName`] for a name that is also a word, where
    /// none of several places is surely the person.
    pub fn expect(text: &str, name: &str) -> Result<Self, AskError> {
        let own = Self::find(text, name);
        if !own.found.is_empty() {
            return Ok(own);
        }
        let places = || own.unsure.iter().map(|at| format!("`{}`", Self::shown(text, at)));
        let whole = |at: &&Range<usize>| {
            text.get((*at).clone()).is_some_and(|word| word.chars().eq(name.trim().chars()))
        };
        if own.unsure.iter().filter(whole).count() > 1 {
            let places = places().collect::<Vec<_>>().join(", ");
            return Err(AskError::UnsureName { name: name.into(), places });
        }
        let near = match own.unsure.len() {
            0 => String::new(),
            _ => format!(
                ". Near it are {}: write the name as the prompt does",
                places().take(3).collect::<Vec<_>>().join(", ")
            ),
        };
        let prompt = text.chars().take(160).collect();
        Err(AskError::NameNotInPrompt { name: name.into(), prompt, near })
    }
}

/// A place with the text around it.
fn around(text: &str, at: &Range<usize>) -> String {
    const REACH: usize = 24;
    let before = text.get(..at.start).unwrap_or_default();
    let start = before.char_indices().rev().nth(REACH).map(|(i, c)| i + c.len_utf8());
    let rest = text.get(at.end..).unwrap_or_default();
    let end = rest.char_indices().nth(REACH).map(|(i, _)| i);
    format!(
        "{}{}»{}«{}{}",
        if start.is_some() { "…" } else { "" },
        before.get(start.unwrap_or(0)..).unwrap_or_default(),
        text.get(at.clone()).unwrap_or_default(),
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default(),
        if end.is_some() { "…" } else { "" },
    )
}

/// How a form stands among the words around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// As words of its own.
    Word,
    /// With an ending: `Emily Beckers`, `Becker-led`, `Emily'nin`.
    Ended,
    /// Within another word: `Al` in `Albert`, `Jean` in `Jean-Luc`.
    Part,
}

struct Search<'n> {
    text: Folded,
    name: Vec<char>,
    parts: NameParts<'n>,
    found: Vec<Range<usize>>,
    unsure: Vec<Range<usize>>,
}

fn exact(a: char, b: char) -> bool {
    a == b
}

fn caseless(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase())
}

fn chars(text: &str) -> Vec<char> {
    Folded::of(text).chars
}

impl<'n> Search<'n> {
    fn new(text: &str, name: &'n str) -> Self {
        Self {
            text: Folded::of(text),
            name: chars(name.trim()),
            parts: NameParts::of(name.trim()),
            found: Vec::new(),
            unsure: Vec::new(),
        }
    }

    fn several(&self) -> bool {
        self.parts.words().len() > 1
    }

    /// Where the whole name stands.
    fn whole_name(&mut self) {
        let standing = |own: &Self, place: &Range<usize>| own.standing(place);
        let all = self.text.all(&self.name, exact);
        if self.several() {
            let stands = |place: &Range<usize>| standing(self, place) != Standing::Part;
            self.found = all.into_iter().filter(stands).collect();
        } else {
            let words = all.into_iter().filter(|place| standing(self, place) == Standing::Word);
            let (mut unsure, rest): (Vec<_>, Vec<_>) = words.partition(|place| self.is_word(place));
            let (others, mut sure): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|place| self.is_part_of_another(place));
            if sure.is_empty() {
                sure = others;
            } else {
                unsure.extend(others);
            }
            // One of them must be the person, and there is one.
            let only = sure.is_empty() && unsure.len() == 1;
            (self.found, self.unsure) = if only { (unsure, sure) } else { (sure, unsure) };
        }
        if !self.found.is_empty() || !self.unsure.is_empty() {
            return;
        }
        // Some templates write everything in capital letters.
        let all = self.text.all(&self.name, caseless);
        let words = all.into_iter().filter(|place| standing(self, place) == Standing::Word);
        let words: Vec<_> = words.collect();
        let shouted = !self.text.chars.iter().any(|c| c.is_lowercase());
        if self.several() || shouted {
            self.found = words;
        } else {
            self.unsure = words;
        }
    }

    /// What comes near a name that is not there.
    fn near(&mut self) {
        if !self.unsure.is_empty() {
            return;
        }
        self.unsure = self.text.all(&self.name, caseless);
        let parts = [self.parts.first(), self.parts.last()];
        for part in parts.into_iter().flatten().map(chars).filter(|part| part.len() > 1) {
            for place in self.text.all(&part, caseless) {
                if self.standing(&place) == Standing::Word && self.is_free(&place) {
                    self.unsure.push(place);
                }
            }
        }
    }

    /// The same person again, by another form of the name.
    fn other_mentions(&mut self) {
        let words = self.parts.words().to_vec();
        let [Some(first), last] = [words.first(), words.last()] else { return };
        let last = last.copied().filter(|_| words.len() > 1);
        if let Some(last) = last {
            let initial = first.chars().next().filter(|_| !self.parts.is_unspaced());
            let forms = [
                Some(words.join(" ")),
                Some(format!("{first} {last}")),
                Some(format!("{last}, {first}")),
                initial.map(|initial| format!("{initial}. {last}")),
            ];
            for form in forms.into_iter().flatten() {
                for place in self.words_of(&form) {
                    self.found.push(place);
                }
            }
            self.surname(&words);
        }
        if self.parts.is_unspaced() {
            self.unspaced_surname();
        }
        if last.is_some() && chars(first).len() > 1 {
            for place in self.text.all(&chars(first), exact) {
                let standing = self.standing(&place);
                let glued =
                    standing == Standing::Ended && self.text.at(place.end).is_some_and(is_wordy);
                if standing == Standing::Part || glued || !self.is_free(&place) {
                    continue;
                }
                let unsure = standing == Standing::Ended
                    || self.is_word(&place)
                    || self.is_somebody_else(&place, &words);
                if unsure { &mut self.unsure } else { &mut self.found }.push(place);
            }
        }
    }

    /// The surname behind a title. Without one it may be anything: `Washington`.
    fn surname(&mut self, words: &[&str]) {
        for from in 1..words.len() {
            for place in self.words_of(&words[from..].join(" ")) {
                let before = self.text.word_before(place.start);
                let titled = before.as_ref().is_some_and(|own| is_title(&self.text.text(own)));
                if titled || self.has_title_behind(&place) {
                    self.found.push(place);
                } else if from + 1 == words.len() {
                    // `Todd Becker` is somebody else.
                    let named = before.is_some_and(|own| {
                        self.text.at(own.start).is_some_and(char::is_uppercase)
                            && (self.text.at(own.end) != Some('.') || own.len() == 1)
                            && !self.begins_sentence(own.start)
                    });
                    if !named && self.text.at(place.start).is_some_and(|c| !is_unspaced(c)) {
                        self.unsure.push(place);
                    }
                }
            }
        }
    }

    /// `王先生`: the first one or two characters of a name, before a title.
    fn unspaced_surname(&mut self) {
        let whole: String = self.parts.words().concat();
        let mut own: Vec<String> = vec![self.parts.words()[0].into()];
        own.extend([2, 1].map(|length| whole.chars().take(length).collect()));
        for form in own.iter().filter(|form| form.chars().count() < whole.chars().count()) {
            for place in self.words_of(form) {
                if self.has_title_behind(&place) {
                    self.found.push(place);
                }
            }
        }
    }

    fn has_title_behind(&self, place: &Range<usize>) -> bool {
        let rest = self.text.chars.get(place.end..).unwrap_or_default();
        let rest = if rest.first() == Some(&' ') { &rest[1..] } else { rest };
        TITLES_BEHIND.iter().any(|title| rest.starts_with(&chars(title)))
    }

    /// Whole words that are not part of another mention.
    fn words_of(&self, form: &str) -> Vec<Range<usize>> {
        let all = self.text.all(&chars(form), exact).into_iter();
        all.filter(|place| self.standing(place) == Standing::Word && self.is_free(place)).collect()
    }

    fn is_free(&self, place: &Range<usize>) -> bool {
        let meets = |own: &Range<usize>| own.start < place.end && place.start < own.end;
        !self.found.iter().chain(&self.unsure).any(meets)
    }

    fn standing(&self, place: &Range<usize>) -> Standing {
        let text = &self.text;
        let (Some(first), Some(last)) = (text.at(place.start), text.before(place.end)) else {
            return Standing::Part;
        };
        let joined =
            |a: char, b: char| is_wordy(a) && is_wordy(b) && !is_unspaced(a) && !is_unspaced(b);
        let letter = |at: Option<char>| at.is_some_and(|c| is_wordy(c) && !is_unspaced(c));
        let before = text.before(place.start);
        let second = place.start.checked_sub(1).and_then(|at| text.before(at));
        // `D'Angelo` and `Ja'Marr`, but not `d'Emily` and `dell'Emily`.
        let mut begin = place.start.saturating_sub(1);
        while letter(text.before(begin)) {
            begin -= 1;
        }
        let capital = text.at(begin).is_some_and(char::is_uppercase);
        let within = match before {
            Some('-') => letter(second),
            Some('\'') => letter(second) && capital,
            Some(c) => joined(c, first),
            None => false,
        };
        if within {
            return Standing::Part;
        }
        let next = text.at(place.end + 1);
        let ending = text.word_from(place.end + 1);
        match text.at(place.end) {
            Some('-') if letter(next) => {
                if next.is_some_and(char::is_lowercase) {
                    Standing::Ended
                } else {
                    Standing::Part
                }
            }
            Some('\'') if letter(next) => {
                let english = ["s", "S", "d", "ll", "re", "ve", "m"].contains(&ending.as_str());
                match next.is_some_and(char::is_lowercase) {
                    _ if english => Standing::Word,
                    true => Standing::Ended,
                    false => Standing::Part,
                }
            }
            Some(c) if joined(last, c) => {
                // The genitive of German and others.
                if text.word_from(place.end) == "s" { Standing::Ended } else { Standing::Part }
            }
            _ => Standing::Word,
        }
    }

    /// Whether a name may be an ordinary word here: `Will` where a sentence begins, `in May`.
    fn is_word(&self, place: &Range<usize>) -> bool {
        let own = self.text.text(place).to_lowercase();
        if WORDS.contains(&own.as_str()) {
            return self.begins_sentence(place.start);
        }
        if !PLACES.contains(&own.as_str()) {
            return false;
        }
        let before = self.text.word_before(place.start).map(|own| self.text.text(&own));
        let before = before.is_some_and(|own| BEFORE_PLACES.contains(&own.to_lowercase().as_str()));
        before || own == "may" && self.begins_sentence(place.start)
    }

    /// Whether a name of one word is part of another name: `Robert E. Lee`, `Lee County`.
    fn is_part_of_another(&self, place: &Range<usize>) -> bool {
        let next = self.text.word_from(place.end + 1).to_lowercase();
        let follows = self.text.at(place.end) == Some(' ')
            && !self.text.begins_line(place.end + 1)
            && self.text.at(place.end + 1).is_some_and(char::is_uppercase)
            && BEHIND_NAMES.contains(&next.as_str());
        let before =
            self.text.word_before(place.start).filter(|_| !self.text.begins_line(place.start));
        let before = before.is_some_and(|before| {
            let full_stop = self.text.at(before.end) == Some('.');
            let joined = before.end + 1 + usize::from(full_stop) == place.start
                && self.text.before(place.start) == Some(' ');
            joined
                && (!full_stop || before.len() == 1)
                && self.text.at(before.start).is_some_and(char::is_uppercase)
                && !is_title(&self.text.text(&before))
                && !self.begins_sentence(before.start)
        });
        follows || before
    }

    /// Whether another surname follows: `Emily Smith` is not Emily Becker.
    fn is_somebody_else(&self, place: &Range<usize>, words: &[&str]) -> bool {
        if self.text.at(place.end) != Some(' ') {
            return false;
        }
        let next = self.text.word_from(place.end + 1);
        next.chars().next().is_some_and(char::is_uppercase)
            && next != "I"
            && !words.iter().any(|own| chars(own).into_iter().eq(next.chars()))
    }

    fn begins_sentence(&self, place: usize) -> bool {
        let mut at = place;
        loop {
            if self.text.begins_line(at) {
                break;
            }
            match self.text.before(at) {
                None | Some('.' | '!' | '?' | ':' | '…' | '。' | '！' | '？' | '-' | '*' | '>') =>
                {
                    break;
                }
                Some(c) if !is_wordy(c) && !matches!(c, ',' | ';' | '\'' | ')' | ']') => at -= 1,
                Some(_) => return false,
            }
        }
        // `Dr. Will` goes on.
        let before = self.text.word_before(place);
        !before.is_some_and(|own| is_title(&self.text.text(&own)))
    }
}
