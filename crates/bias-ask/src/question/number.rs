use std::collections::{BTreeMap, HashMap};

use bias_types::prompt::TokenSet;

/// The tokens that continue a number, for any tokenizer: one digit per token, up to three digits,
/// digits behind a space, or single bytes.
///
/// A number consists of digits, with or without commas between groups of three. It may have a
/// decimal part, a magnitude (`k`, `K`, `M`, `MM`, `mn`, `B`, `bn`, `T`, *hundred*, *thousand*,
/// *lakh*, *million*, *crore*, *billion*, *trillion*) and a currency sign in front: `50,000`,
/// ` $1.5 million`, `85k`. `B` and `T` are magnitudes only right behind the digits: behind a space
/// they more often begin a word. A number is *begun* with its first digit. A token continues it if
/// it can lead to such a text. Any other token ends it, and the text so far counts: `85.` is 85,
/// and so is `85 m` before *onths*.
#[derive(Debug)]
pub struct NumberGrammar {
    texts: HashMap<u32, Box<str>>,
    sets: HashMap<State, TokenSet>,
}

/// A currency sign that may stand before the digits.
const CURRENCIES: [char; 3] = ['$', '€', '£'];
const MAGNITUDES: [&str; 15] = [
    "k", "K", "M", "bn", "hundred", "thousand", "million", "billion", "trillion", "MM", "mn", "B",
    "T", "lakh", "crore",
];
/// The most digits before the decimal point. No amount of anything needs more.
const DIGITS: u8 = 15;
/// The most groups of three behind commas: as many as those digits have room for.
const GROUPS: u8 = 4;

/// The state of a number that is being spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing yet.
    Start,
    /// A space before it.
    Space,
    /// A currency sign.
    Currency,
    /// A space that must be followed by a digit.
    LastSpace,
    /// Digits without a comma, and how many.
    Digits(u8),
    /// A comma: its ordinal number, and the digits behind it.
    Group(u8, u8),
    /// A decimal point, and perhaps digits behind it.
    Point(bool),
    /// A space behind the digits.
    Gap,
    /// The beginning of magnitude `.0` up to byte `.1`; of several with the same beginning, the
    /// first.
    Magnitude(u8, u8),
}

impl State {
    /// Whether it contains a digit.
    pub(crate) fn begun(self) -> bool {
        !matches!(self, Self::Start | Self::Space | Self::Currency | Self::LastSpace)
    }

    fn step(self, c: char) -> Option<Self> {
        let digit = c.is_ascii_digit();
        let whole = matches!(self, Self::Digits(_) | Self::Group(_, 3));
        match (self, c) {
            (Self::Start | Self::Space | Self::Currency | Self::LastSpace, _) if digit => {
                Some(Self::Digits(1))
            }
            (Self::Start, ' ') => Some(Self::Space),
            (Self::Start | Self::Space, _) if CURRENCIES.contains(&c) => Some(Self::Currency),
            (Self::Space | Self::Currency, ' ') => Some(Self::LastSpace),
            (Self::Digits(n), _) if digit => (n < DIGITS).then_some(Self::Digits(n + 1)),
            (Self::Digits(n), ',') => (n <= 3).then_some(Self::Group(1, 0)),
            (Self::Group(g, n), _) if digit => (n < 3).then_some(Self::Group(g, n + 1)),
            (Self::Group(g, 3), ',') => (g < GROUPS).then_some(Self::Group(g + 1, 0)),
            (_, '.') if whole => Some(Self::Point(false)),
            (Self::Point(_), _) if digit => Some(Self::Point(true)),
            (_, ' ') if whole || self == Self::Point(true) => Some(Self::Gap),
            (Self::Magnitude(m, at), _) => magnitude(Some((m, at)), c),
            // Behind a space, a capital more often begins a word.
            (Self::Gap, 'B' | 'T') => None,
            _ if whole || matches!(self, Self::Point(true) | Self::Gap) => magnitude(None, c),
            _ => None,
        }
    }

    fn follow(self, text: &str) -> Option<Self> {
        text.chars().try_fold(self, Self::step)
    }
}

/// The beginning of a magnitude with one more letter.
fn magnitude(before: Option<(u8, u8)>, c: char) -> Option<State> {
    let (word, at) = before.unwrap_or((0, 0));
    let known = MAGNITUDES.get(usize::from(word))?.get(..usize::from(at))?;
    let longer = format!("{known}{c}");
    let found = MAGNITUDES.iter().position(|word| word.starts_with(&longer))?;
    Some(State::Magnitude(found as u8, at + 1))
}

impl NumberGrammar {
    /// The grammar of a tokenizer with these tokens, each with the text that it adds behind others.
    /// `None` if no token begins a number.
    #[must_use]
    pub fn of_tokens(tokens: Vec<(u32, String)>) -> Option<Self> {
        let spells = |own: &str| {
            let letter = |c: char| MAGNITUDES.iter().any(|word| word.contains(c));
            let known = |c: char| {
                c.is_ascii_digit() || " .,".contains(c) || CURRENCIES.contains(&c) || letter(c)
            };
            !own.is_empty() && own.chars().all(known)
        };
        let texts: BTreeMap<u32, Box<str>> = tokens
            .into_iter()
            .filter(|(_, own)| spells(own))
            .map(|(id, own)| (id, own.into()))
            .collect();
        let (mut sets, mut open) = (HashMap::new(), vec![State::Start]);
        while let Some(state) = open.pop() {
            if sets.contains_key(&state) {
                continue;
            }
            let next = texts.iter().filter_map(|(id, own)| Some((*id, state.follow(own)?)));
            let next: Vec<(u32, State)> = next.collect();
            sets.insert(state, next.iter().map(|(id, _)| *id).collect());
            open.extend(next.into_iter().map(|(_, state)| state));
        }
        let begins = sets.keys().any(|state| state.begun());
        begins.then(|| Self { texts: texts.into_iter().collect(), sets })
    }

    /// The state after a token, if the token continues the number.
    pub(crate) fn step(&self, state: State, token: u32) -> Option<State> {
        state.follow(self.texts.get(&token)?)
    }

    pub(crate) fn going_on(&self, state: State) -> &TokenSet {
        // Every state that can be reached has been.
        &self.sets[&state]
    }

    /// The tokens that continue the given ones, which must spell the beginning of a number
    /// themselves. None if they do not.
    #[must_use]
    pub fn until(&self, tokens: &[u32]) -> Option<TokenSet> {
        let state =
            tokens.iter().try_fold(State::Start, |state, token| self.step(state, *token))?;
        self.sets.get(&state).cloned()
    }

    /// Whether a text is a number, or the beginning of one, such as ` $`.
    #[must_use]
    pub fn spells(text: &str) -> bool {
        State::Start.follow(text).is_some()
    }

    /// The currency sign at the end of a text. A number behind it is an amount: `2m` behind `$` is
    /// two million, and not two metres.
    #[must_use]
    pub fn currency(text: &str) -> Option<char> {
        text.trim_end().chars().next_back().filter(|last| CURRENCIES.contains(last))
    }

    /// Whether a text contains a digit, and so already a number.
    #[must_use]
    pub fn is_begun_by(text: &str) -> bool {
        text.chars().any(char::is_numeric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viable(text: &str) -> bool {
        NumberGrammar::spells(text)
    }

    #[test]
    fn numbers_are_spelt_from_left_to_right() {
        for whole in [
            "5",
            "  5",
            " 50,000",
            "$1.5 million",
            " $ 1,234,567.89",
            "85k",
            "85K",
            "2 M",
            "3bn",
            "$3.1B",
            "$1MM",
            "1.4 mn",
            "$1T",
            "18 lakh",
            "3.4 crore",
            "12 thousand",
            "007",
            "€20",
            "100000000000000",
            "1,000,000,000,000 trillion",
            "2 hundred",
        ] {
            for (end, _) in whole.char_indices() {
                assert!(viable(&whole[..end]), "{whole} up to {end}");
            }
            assert!(viable(whole), "{whole}");
            assert!(State::Start.follow(whole).unwrap().begun());
        }
        for broken in [
            "a",
            "$$",
            "   5",
            "  $5",
            "1,5,",
            "1234,",
            "1,2345",
            "1..",
            "1.,",
            "1. 5",
            "5  k",
            "5kk",
            "5 to",
            "5-",
            "%",
            "1.k",
            "$k",
            "$3 B",
            "$3 T",
            "5 millions",
            "1,00 ",
            "1234567890123456",
            ",5",
            ".5",
            "\n5",
            "5\n",
        ] {
            assert!(!viable(broken), "{broken}");
        }
        assert!(!State::Start.follow("$ ").unwrap().begun());
    }

    #[test]
    fn a_beginning_says_what_the_number_is_of() {
        assert_eq!(NumberGrammar::currency("I would offer $ "), Some('$'));
        assert_eq!(NumberGrammar::currency("£ or so "), None);
        assert_eq!(NumberGrammar::currency(""), None);
    }

    #[test]
    fn magnitudes_that_begin_alike_are_followed_together() {
        for word in MAGNITUDES {
            assert!(viable(&format!("1{word}")), "{word}");
            assert_eq!(viable(&format!("1 {word}")), word != "B" && word != "T", "{word}");
        }
        assert!(
            viable("1 b") && viable("1 bi") && viable("1 bn") && viable("1 t") && viable("1 tr")
        );
        assert!(!viable("1 bin") && !viable("1 tho u") && !viable("1 killion"));
    }
}
