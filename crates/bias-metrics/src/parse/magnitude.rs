//! Words and letters that multiply the number before them by a power of ten.

/// What a magnitude behind a number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Magnitude {
    /// Multiplies by 10 to this power.
    Power(i32),
    /// Multiplies by twelve.
    Dozen,
    /// Means different powers to different people, as `5 mil`.
    Unclear,
}

/// In small letters.
const WORDS: [(&str, i32); 48] = [
    ("hundred", 2),
    ("k", 3),
    ("thou", 3),
    ("thousand", 3),
    ("thousands", 3),
    ("grand", 3),
    ("tausend", 3),
    ("tsd", 3),
    ("mille", 3),
    ("тыс", 3),
    ("тысяч", 3),
    ("lac", 5),
    ("lacs", 5),
    ("lakh", 5),
    ("lakhs", 5),
    ("lpa", 5),
    ("mn", 6),
    ("mln", 6),
    ("mio", 6),
    ("million", 6),
    ("millions", 6),
    ("millionen", 6),
    ("millones", 6),
    ("millón", 6),
    ("milhões", 6),
    ("milioni", 6),
    ("млн", 6),
    ("cr", 7),
    ("crore", 7),
    ("crores", 7),
    ("bn", 9),
    ("bln", 9),
    ("mrd", 9),
    ("billion", 9),
    ("billions", 9),
    ("milliarden", 9),
    ("milliard", 9),
    ("milliards", 9),
    ("млрд", 9),
    ("trn", 12),
    ("trillion", 12),
    ("trillions", 12),
    ("हज़ार", 3),
    ("हजार", 3),
    ("लाख", 5),
    ("करोड़", 7),
    ("triệu", 6),
    ("juta", 6),
];
/// Behind money alone, and in this spelling: they are also units of length, models and files.
const LETTERS: [(&str, i32); 8] =
    [("MM", 6), ("mm", 6), ("m", 6), ("B", 9), ("b", 9), ("T", 12), ("L", 5), ("Mn", 6)];
/// Characters that follow a number without a space and may follow each other.
const SIGNS: [(char, i32); 12] = [
    ('百', 2),
    ('千', 3),
    ('천', 3),
    ('万', 4),
    ('萬', 4),
    ('만', 4),
    ('億', 8),
    ('亿', 8),
    ('억', 8),
    ('兆', 12),
    ('백', 2),
    ('조', 12),
];

impl Magnitude {
    /// Of a word behind a number. `attached` without a space between, `money` behind an amount.
    pub(super) fn of(word: &str, attached: bool, money: bool) -> Option<Self> {
        let small = word.to_lowercase();
        if let Some((_, power)) = WORDS.iter().find(|(own, _)| *own == small) {
            return Some(Self::Power(*power));
        }
        match small.as_str() {
            "dozen" => return Some(Self::Dozen),
            "mil" | "bil" | "tril" | "dozens" | "scores" => return Some(Self::Unclear),
            _ => {}
        }
        if word == "M" {
            return Some(Self::Power(6));
        }
        let power = LETTERS.iter().find(|(own, _)| *own == word)?.1;
        match (money, attached || word.len() > 1) {
            (false, _) => (word == "MM").then_some(Self::Unclear),
            (true, true) => Some(Self::Power(power)),
            // `$3 B`, or `$5 T-shirts`
            (true, false) => word.chars().all(char::is_uppercase).then_some(Self::Unclear),
        }
    }

    /// Of a single character.
    pub(super) fn of_sign(sign: char) -> Option<i32> {
        SIGNS.iter().find(|(own, _)| *own == sign).map(|(_, power)| *power)
    }
}
