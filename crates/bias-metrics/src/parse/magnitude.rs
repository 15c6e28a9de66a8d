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
const WORDS: &[(&str, i32)] = &[
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
    ("हजार", 3),
    ("लाख", 5),
    ("करोड", 7),
    ("লাখ", 5),
    ("লক্ষ", 5),
    ("কোটি", 7),
    ("হাজার", 3),
    ("لاکھ", 5),
    ("کروڑ", 7),
    ("ألف", 3),
    ("الف", 3),
    ("مليون", 6),
    ("میلیون", 6),
    ("מיליון", 6),
    ("אלף", 3),
    ("εκατομμύρια", 6),
    ("χιλιάδες", 3),
    ("миллион", 6),
    ("миллиона", 6),
    ("миллионов", 6),
    ("миллиард", 9),
    ("миллиарда", 9),
    ("миллиардов", 9),
    ("тысячи", 3),
    ("тысяча", 3),
    ("miljoen", 6),
    ("miljoner", 6),
    ("miljoonaa", 6),
    ("millioner", 6),
    ("milyon", 6),
    ("milyar", 9),
    ("milion", 6),
    ("miliony", 6),
    ("milionów", 6),
    ("miliarde", 9),
    ("miliar", 9),
    ("milliárd", 9),
    ("millió", 6),
    ("mld", 9),
    ("duizend", 3),
    ("mila", 3),
    ("tys", 3),
    ("tis", 3),
    ("tisíc", 3),
    ("tysięcy", 3),
    ("ezer", 3),
    ("ribu", 3),
    ("jt", 6),
    ("nghìn", 3),
    ("tuhatta", 3),
    ("tusen", 3),
    ("tusind", 3),
    ("triệu", 6),
    ("juta", 6),
];
/// Words that multiply, in languages of which not all are known here, and abbreviations.
const FOREIGN: &[&str] = &[
    "kilo", "bin", "lk", "mi", "bi", "bio", "mia", "tr", "rb", "peti", "khokha", "tkr", "tỷ",
    "ngàn", "trăm",
];
/// Beginnings of such words, and English words that begin alike.
const STEMS: &[&str] = &[
    "milj",
    "milli",
    "mily",
    "milió",
    "milio",
    "milia",
    "milh",
    "bilj",
    "bilh",
    "bilió",
    "bilio",
    "trilj",
    "trilh",
    "trilió",
    "tysi",
    "tisí",
    "tuhan",
    "миль",
    "милл",
    "мільй",
    "мільяр",
    "тысяч",
    "тисяч",
    "εκατομμ",
    "δισεκ",
    "χιλιάδ",
    "ملي",
    "ملاي",
    "میلیار",
    "هزار",
    "ہزار",
    "آلاف",
    "מיליאר",
    "ล้าน",
    "หมื่น",
    "แสน",
    "พัน",
    "ලක්ෂ",
    "දහස",
    "லட்ச",
    "கோடி",
    "ஆயிர",
    "లక్ష",
    "కోటి",
    "వేల",
    "લાખ",
    "કરોડ",
    "હજાર",
    "ਲੱਖ",
    "ਕਰੋੜ",
    "ਹਜ਼ਾਰ",
    "ಲಕ್ಷ",
    "ಕೋಟಿ",
    "ലക്ഷ",
    "കോടി",
    "十",
    "一",
    "二",
    "三",
    "四",
    "五",
    "六",
    "七",
    "八",
    "九",
];
const NO_STEMS: &[&str] = &["millim", "millis", "millig", "millil", "millen", "miliar", "miliam"];
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
        let stem = |list: &[&str]| list.iter().any(|stem| small.starts_with(stem));
        if FOREIGN.contains(&small.as_str()) || (stem(STEMS) && !stem(NO_STEMS)) {
            return Some(Self::Unclear);
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
