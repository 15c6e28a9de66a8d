//! One spelling for what people and models write in several: digits of other scripts, full-width
//! signs, LaTeX, characters that cannot be seen.

use std::ops::Range;

/// A text in one spelling.
#[derive(Debug, Default)]
pub(super) struct Plain {
    pub chars: Vec<char>,
    /// What the last `\boxed{…}` holds, which marks the final answer.
    pub boxed: Option<Range<usize>>,
}

/// Characters without width: they separate nothing.
const INVISIBLE: [char; 10] = [
    // The dot that makes one Indian letter of another: written with it or in one piece.
    '\u{93c}', '\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}',
    '\u{2061}', '\u{feff}',
];
/// Zeros of the scripts whose digits are read.
const ZEROS: [char; 9] = ['٠', '۰', '०', '০', '੦', '૦', '௦', '๐', '０'];
const ENTITIES: [(&str, char); 6] = [
    ("&nbsp;", '\u{a0}'),
    ("&thinsp;", '\u{2009}'),
    ("&#36;", '$'),
    ("&dollar;", '$'),
    ("&euro;", '€'),
    ("&pound;", '£'),
];
/// LaTeX commands that stand for a character.
const SYMBOLS: [(&str, char); 12] = [
    ("times", '×'),
    ("cdot", '×'),
    ("approx", '≈'),
    ("sim", '~'),
    ("simeq", '≈'),
    ("euro", '€'),
    ("texteuro", '€'),
    ("pounds", '£'),
    ("textsterling", '£'),
    ("textdollar", '$'),
    ("textendash", '–'),
    ("thinspace", '\u{2009}'),
];

/// What a brace that is open began with.
enum Brace {
    /// Belongs to the text, such as JSON's.
    Text,
    /// A LaTeX command's argument.
    Argument,
    /// The argument of `\boxed`, and where it begins.
    Boxed(usize),
}

/// Rewrites a text.
pub(super) fn plain(text: &str) -> Plain {
    let text: Vec<char> = text.chars().collect();
    let mut plain = Plain::default();
    let (mut open, mut at) = (Vec::new(), 0);
    while let Some(&c) = text.get(at) {
        at += match c {
            c if INVISIBLE.contains(&c) => 1,
            '\\' => plain.command(&text, at, &mut open),
            '&' => plain.entity(&text, at),
            // `12{,}400`: braces that keep LaTeX from setting a space behind a comma.
            c if superscript(c).is_some() => {
                // `10⁴` as `10^4`
                let raised = |c: &&char| superscript(**c).is_some();
                let digits = text.iter().skip(at).take_while(raised);
                plain.chars.push('^');
                plain.chars.extend(digits.clone().filter_map(|c| superscript(*c)));
                digits.count()
            }
            '{' if matches!(text.get(at + 1), Some(',' | '.'))
                && text.get(at + 2) == Some(&'}') =>
            {
                plain.chars.extend(text.get(at + 1));
                3
            }
            '{' => {
                open.push(Brace::Text);
                plain.push(c)
            }
            '}' => match open.pop() {
                Some(Brace::Boxed(from)) => {
                    plain.boxed = Some(from..plain.chars.len());
                    1
                }
                Some(Brace::Argument) => 1,
                Some(Brace::Text) | None => plain.push(c),
            },
            c => plain.push(single(c)),
        };
    }
    plain
}

/// The digit or minus that is set high.
fn superscript(c: char) -> Option<char> {
    let raised = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻";
    raised.chars().position(|own| own == c).and_then(|at| "0123456789-".chars().nth(at))
}

/// A character in its usual spelling.
fn single(c: char) -> char {
    let value = |zero: char| (c as u32).checked_sub(zero as u32).filter(|value| *value < 10);
    if let Some(digit) = ZEROS.iter().find_map(|zero| value(*zero)) {
        return char::from_digit(digit, 10).unwrap_or(c);
    }
    match c {
        // Full-width forms of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        '￥' => '¥',
        '￡' => '£',
        '￦' => '₩',
        '￠' => '¢',
        '٬' => ',',
        '٫' => '.',
        '٪' => '%',
        '〜' | '∼' | '〰' => '~',
        // Indian letters with a dot, without it.
        '\u{95b}' => 'ज',
        '\u{95c}' => 'ड',
        '\u{95d}' => 'ढ',
        c => c,
    }
}

impl Plain {
    fn push(&mut self, c: char) -> usize {
        self.chars.push(c);
        1
    }

    /// An HTML entity for a space or a currency; returns how many characters were read.
    fn entity(&mut self, text: &[char], at: usize) -> usize {
        let is = |name: &str| name.chars().enumerate().all(|(i, c)| text.get(at + i) == Some(&c));
        let known = ENTITIES.iter().find(|(name, _)| is(name));
        self.push(known.map_or('&', |(_, c)| *c));
        known.map_or(1, |(name, _)| name.chars().count())
    }

    /// What a backslash begins; returns how many characters were read.
    fn command(&mut self, text: &[char], at: usize, open: &mut Vec<Brace>) -> usize {
        match text.get(at + 1) {
            Some(',' | ';' | ':' | ' ') => {
                self.push('\u{2009}');
                2
            }
            Some('!') => 2,
            Some(&c @ ('$' | '%' | '&' | '#' | '_')) => {
                self.push(c);
                2
            }
            Some('(' | ')' | '[' | ']') => {
                self.push(' ');
                2
            }
            Some(c) if c.is_ascii_alphabetic() => {
                let letters = text.iter().skip(at + 1).take_while(|c| c.is_ascii_alphabetic());
                let name: String = letters.collect();
                let mut read = 1 + name.len();
                if let Some((_, symbol)) = SYMBOLS.iter().find(|(known, _)| *known == name) {
                    self.push(*symbol);
                } else if text.get(at + read) == Some(&'{') {
                    read += 1;
                    open.push(match name.as_str() {
                        "boxed" | "fbox" => Brace::Boxed(self.chars.len()),
                        _ => Brace::Argument,
                    });
                } else {
                    self.push(' ');
                }
                if ["frac", "dfrac", "tfrac"].contains(&name.as_str()) {
                    read += self.fraction(text, at + read);
                    open.pop();
                }
                read
            }
            _ => self.push('\\'),
        }
    }

    /// `a}{b}` as `a/b`; returns how many characters were read.
    fn fraction(&mut self, text: &[char], from: usize) -> usize {
        let (mut read, mut parts) = (0, 0);
        while let Some(&c) = text.get(from + read) {
            read += 1;
            match c {
                '}' => {
                    parts += 1;
                    if parts == 2 || text.get(from + read) != Some(&'{') {
                        break;
                    }
                }
                '{' => {
                    self.push('/');
                }
                c => {
                    self.push(c);
                }
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        let cases = [
            ("\\boxed{$12{,}400}", "$12,400"),
            ("$12，400", "$12,400"),
            ("１２００円", "1200円"),
            ("٣٥٠", "350"),
            ("12\\,400", "12\u{2009}400"),
            ("12,\\!400", "12,400"),
            ("\\$500", "$500"),
            ("\\text{about } 5\\%", "about  5%"),
            ("\\frac{1}{2}", "1/2"),
            ("1.2 \\times 10^{4}", "1.2 × 10^{4}"),
            ("{\"offer\": 5}", "{\"offer\": 5}"),
            ("5&nbsp;000", "5\u{a0}000"),
            ("12\u{200b}400", "12400"),
            ("a & b \\ c {,", "a & b \u{2009}c {,"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text).chars.iter().collect::<String>(), expected, "{text}");
        }
        let boxed = plain("\\boxed{1}, no: \\boxed{2 \\text{ million}}.");
        let range = boxed.boxed.unwrap();
        assert_eq!(boxed.chars[range].iter().collect::<String>(), "2  million");
    }
}
