use super::folded::is_unspaced;
use super::words::{SUFFIXES, TITLES};

/// The words of a person's name, without titles and what follows names (`Dr.`, `Jr.`).
///
/// ```
/// use bias_ask::text::NameParts;
///
/// let name = NameParts::of("Dr. Emily Anne Becker Jr.");
/// assert_eq!((name.first(), name.last()), (Some("Emily"), Some("Becker")));
/// assert_eq!(NameParts::of("Becker, Emily").first(), Some("Emily"));
/// assert_eq!(NameParts::of("Emily").last(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameParts<'n>(Vec<&'n str>);

impl<'n> NameParts<'n> {
    /// Takes a name apart at spaces, at the middle dots of Chinese and Japanese, and at the comma
    /// of `Becker, Emily`.
    #[must_use]
    pub fn of(name: &'n str) -> Self {
        let is_suffix = |part: &str| SUFFIXES.contains(&plain(part).as_str());
        let (name, first) = match name.split_once([',', '，']) {
            Some((last, first)) if !first.trim().is_empty() && !is_suffix(first) => (last, first),
            Some((name, _)) => (name, ""),
            None => (name, ""),
        };
        let cut = |text: &'n str| {
            text.split(|c: char| {
                c.is_whitespace() || matches!(c, '\u{b7}' | '\u{30fb}' | '\u{2027}')
            })
            .filter(|part| !part.is_empty())
        };
        let mut parts: Vec<&str> = cut(first).chain(cut(name)).collect();
        while parts.len() > 1 && parts.last().is_some_and(|part| is_suffix(part)) {
            parts.pop();
        }
        while parts.len() > 1 && parts.first().is_some_and(|part| is_title(part)) {
            parts.remove(0);
        }
        Self(parts)
    }

    /// All words.
    #[must_use]
    pub fn words(&self) -> &[&'n str] {
        &self.0
    }

    /// The first word.
    #[must_use]
    pub fn first(&self) -> Option<&'n str> {
        self.0.first().copied()
    }

    /// The last of several words: the surname in most languages. A name without spaces has none.
    #[must_use]
    pub fn last(&self) -> Option<&'n str> {
        self.0.last().copied().filter(|_| self.0.len() > 1)
    }

    /// Whether it is written in a script without spaces.
    pub(super) fn is_unspaced(&self) -> bool {
        self.0.iter().all(|part| part.chars().all(is_unspaced))
    }
}

fn plain(part: &str) -> String {
    part.trim().trim_end_matches('.').replace('.', "").to_lowercase()
}

pub(super) fn is_title(part: &str) -> bool {
    TITLES.contains(&plain(part).as_str())
}
