use std::fmt;

use serde::{Deserialize, Serialize};

/// The money that an amount is stated in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Currency {
    /// `$`, of whatever country.
    Dollar,
    /// `€`
    Euro,
    /// `£`
    Pound,
    /// `¥`, yen or yuan.
    Yen,
    /// `₹`, of whatever country.
    Rupee,
    /// `₩`
    Won,
    /// Swiss and other francs.
    Franc,
    /// `R$`
    Real,
    /// Pesos, of whatever country.
    Peso,
    /// Crowns of the north, and Czech ones.
    Krona,
    /// Polish zloty.
    Zloty,
    /// Hungarian forint.
    Forint,
    /// `₽`
    Ruble,
    /// `₺`
    Lira,
    /// Any other, or one that is not said (`50 cents`).
    Other,
}

use Currency::{
    Dollar, Euro, Forint, Franc, Krona, Lira, Other, Peso, Pound, Real, Ruble, Rupee, Won, Yen,
    Zloty,
};

const SIGNS: [(char, Currency); 19] = [
    ('$', Dollar),
    ('€', Euro),
    ('£', Pound),
    ('¥', Yen),
    ('₹', Rupee),
    ('₩', Won),
    ('₽', Ruble),
    ('₺', Lira),
    ('₪', Other),
    ('₫', Other),
    ('₱', Peso),
    ('₦', Other),
    ('฿', Other),
    ('₴', Other),
    ('₡', Other),
    // Written behind the number.
    ('円', Yen),
    ('元', Yen),
    ('圓', Yen),
    ('원', Won),
];
/// In capitals. Those that are no English words also count in small letters.
const CODES: [(&str, Currency); 37] = [
    ("USD", Dollar),
    ("EUR", Euro),
    ("GBP", Pound),
    ("CAD", Dollar),
    ("AUD", Dollar),
    ("NZD", Dollar),
    ("SGD", Dollar),
    ("HKD", Dollar),
    ("CHF", Franc),
    ("JPY", Yen),
    ("CNY", Yen),
    ("RMB", Yen),
    ("INR", Rupee),
    ("RS", Rupee),
    ("PKR", Rupee),
    ("LKR", Rupee),
    ("SEK", Krona),
    ("NOK", Krona),
    ("DKK", Krona),
    ("CZK", Krona),
    ("KR", Krona),
    ("PLN", Zloty),
    ("HUF", Forint),
    ("BRL", Real),
    ("MXN", Peso),
    ("ARS", Peso),
    ("CLP", Peso),
    ("PHP", Peso),
    ("RUB", Ruble),
    ("TRY", Lira),
    ("KRW", Won),
    ("ZAR", Other),
    ("NGN", Other),
    ("AED", Other),
    ("THB", Other),
    ("IDR", Other),
    ("VND", Other),
];
const WORDS: [(&str, Currency); 39] = [
    ("dollar", Dollar),
    ("dollars", Dollar),
    ("buck", Dollar),
    ("bucks", Dollar),
    ("ドル", Dollar),
    ("美元", Dollar),
    ("dólares", Dollar),
    ("dolares", Dollar),
    ("euro", Euro),
    ("euros", Euro),
    ("欧元", Euro),
    ("ユーロ", Euro),
    ("quid", Pound),
    ("sterling", Pound),
    ("yen", Yen),
    ("yuan", Yen),
    ("renminbi", Yen),
    ("rupee", Rupee),
    ("rupees", Rupee),
    ("rupiah", Other),
    ("franc", Franc),
    ("francs", Franc),
    ("franken", Franc),
    ("reais", Real),
    ("peso", Peso),
    ("pesos", Peso),
    ("kronor", Krona),
    ("kroner", Krona),
    ("krona", Krona),
    ("kč", Krona),
    ("zł", Zloty),
    ("руб", Ruble),
    ("zloty", Zloty),
    ("zlotys", Zloty),
    ("forint", Forint),
    ("rubles", Ruble),
    ("roubles", Ruble),
    ("naira", Other),
    ("dirhams", Other),
];

impl Currency {
    /// Of a sign such as `$`.
    pub(super) fn of_sign(sign: char) -> Option<Self> {
        SIGNS.iter().find(|(own, _)| *own == sign).map(|(_, currency)| *currency)
    }

    /// Of a code such as `USD`, or `Rs`.
    pub(super) fn of_code(word: &str) -> Option<Self> {
        let capitals = word.to_uppercase();
        let english = ["TRY", "ALL", "ARS", "CAD"].contains(&capitals.as_str());
        let known = CODES.iter().find(|(code, _)| *code == capitals);
        known.filter(|_| !english || word == capitals).map(|(_, currency)| *currency)
    }

    /// Of a word or a code behind a number: `dollars`, `USD`.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let small = word.to_lowercase();
        let named = WORDS.iter().find(|(own, _)| *own == small).map(|(_, currency)| *currency);
        named.or_else(|| Self::of_code(word))
    }

    /// Whether a point between groups of three digits separates thousands (`38.500 €`). Of other
    /// currencies that cannot be told.
    pub(super) fn groups_by_points(self) -> bool {
        matches!(self, Euro | Real | Krona | Zloty | Forint | Ruble | Lira)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Dollar => "$",
            Euro => "€",
            Pound => "£",
            Yen => "¥",
            Rupee => "₹",
            Won => "₩",
            Franc => "francs",
            Real => "R$",
            Peso => "pesos",
            Krona => "kronor",
            Zloty => "zloty",
            Forint => "forint",
            Ruble => "₽",
            Lira => "₺",
            Other => "another currency",
        })
    }
}
