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
    /// Dirhams, of whatever country.
    Dirham,
    /// Riyals, of whatever country.
    Riyal,
    /// South African rand.
    Rand,
    /// `₦`
    Naira,
    /// `฿`
    Baht,
    /// Indonesian rupiah.
    Rupiah,
    /// `₫`
    Dong,
    /// `₪`
    Shekel,
    /// `₴`
    Hryvnia,
    /// Romanian lei.
    Leu,
    /// Bulgarian leva.
    Lev,
    /// Peruvian soles.
    Sol,
    /// Bangladeshi taka.
    Taka,
    /// Any other.
    Other,
    /// One that is not said: `50 cents`.
    Unsaid,
}

use Currency::{
    Baht, Dirham, Dollar, Dong, Euro, Forint, Franc, Hryvnia, Krona, Leu, Lev, Lira, Naira, Other,
    Peso, Pound, Rand, Real, Riyal, Ruble, Rupee, Rupiah, Shekel, Sol, Taka, Unsaid, Won, Yen,
    Zloty,
};

const SIGNS: &[(char, Currency)] = &[
    ('$', Dollar),
    ('€', Euro),
    ('£', Pound),
    ('¥', Yen),
    ('₹', Rupee),
    ('₩', Won),
    ('₽', Ruble),
    ('₺', Lira),
    ('₪', Shekel),
    ('₫', Dong),
    ('₱', Peso),
    ('₦', Naira),
    ('฿', Baht),
    ('₴', Hryvnia),
    ('₡', Other),
    // Written behind the number.
    ('円', Yen),
    ('元', Yen),
    ('圓', Yen),
    ('원', Won),
];
/// In capitals. Those that are no English words also count in small letters.
const CODES: &[(&str, Currency)] = &[
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
    ("ZAR", Rand),
    ("NGN", Naira),
    ("AED", Dirham),
    ("THB", Baht),
    ("IDR", Rupiah),
    ("VND", Dong),
    ("RP", Rupiah),
    ("TL", Lira),
    ("RON", Leu),
    ("BGN", Lev),
    ("SAR", Riyal),
    ("QAR", Riyal),
    ("MAD", Dirham),
    ("ILS", Shekel),
    ("UAH", Hryvnia),
    ("PEN", Sol),
    ("BDT", Taka),
    ("COP", Peso),
    ("UYU", Peso),
    ("TWD", Dollar),
    ("ISK", Krona),
    ("MYR", Other),
    ("EGP", Other),
    ("KES", Other),
    ("GHS", Other),
    ("PYG", Other),
    ("CRC", Other),
    ("RSD", Other),
];
const WORDS: &[(&str, Currency)] = &[
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
    ("rupiah", Rupiah),
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
    ("naira", Naira),
    ("dirhams", Dirham),
    ("dirham", Dirham),
    ("riyal", Riyal),
    ("riyals", Riyal),
    ("ريال", Riyal),
    ("دولار", Dollar),
    ("dólar", Dollar),
    ("dollari", Dollar),
    ("dollaria", Dollar),
    ("euroa", Euro),
    ("ευρώ", Euro),
    ("eura", Euro),
    ("евро", Euro),
    ("pfund", Pound),
    ("रुपये", Rupee),
    ("रुपए", Rupee),
    ("روپے", Rupee),
    ("টাকা", Taka),
    ("taka", Taka),
    ("kronen", Krona),
    ("korun", Krona),
    ("zlotych", Zloty),
    ("złotych", Zloty),
    ("złote", Zloty),
    ("рублей", Ruble),
    ("рубля", Ruble),
    ("рубль", Ruble),
    ("грн", Hryvnia),
    ("гривень", Hryvnia),
    ("hryvnia", Hryvnia),
    ("đồng", Dong),
    ("đ", Dong),
    ("dong", Dong),
    ("baht", Baht),
    ("บาท", Baht),
    ("rand", Rand),
    ("shekel", Shekel),
    ("shekels", Shekel),
    ("lei", Leu),
    ("лв", Lev),
    ("leva", Lev),
    ("soles", Sol),
    ("lira", Lira),
    ("liras", Lira),
    ("ringgit", Other),
    ("din", Other),
    ("dinars", Other),
    ("kn", Other),
    ("ден", Other),
];

const COUNTRIES: &[&str] = &[
    "us",
    "u",
    "american",
    "canadian",
    "australian",
    "singapore",
    "swiss",
    "british",
    "indian",
    "japanese",
    "chinese",
    "mexican",
    "brazilian",
    "czech",
    "swedish",
    "norwegian",
    "danish",
    "polish",
    "russian",
    "turkish",
    "taiwan",
    "emirati",
    "uae",
    "saudi",
    "schweizer",
    "tschechische",
    "tschechischen",
    "schwedische",
    "norwegische",
    "dänische",
    "argentine",
    "colombian",
    "chilean",
    "philippine",
    "pakistani",
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
        // Feet are `ft`.
        if word == "Ft" {
            return Some(Forint);
        }
        let small = word.to_lowercase();
        let named = WORDS.iter().find(|(own, _)| *own == small).map(|(_, currency)| *currency);
        named.or_else(|| Self::of_code(word))
    }

    /// Whether a word says of which country the money named behind it is: `Swiss francs`.
    pub(super) fn is_country(word: &str) -> bool {
        COUNTRIES.contains(&word.to_lowercase().as_str())
    }

    /// Whether a point between groups of three digits separates thousands (`38.500 €`). Of other
    /// currencies that cannot be told.
    pub(super) fn groups_by_points(self) -> bool {
        matches!(
            self,
            Euro | Real | Krona | Zloty | Forint | Ruble | Lira | Rupiah | Dong | Leu | Lev
        )
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
            Dirham => "dirhams",
            Riyal => "riyals",
            Rand => "rand",
            Naira => "₦",
            Baht => "฿",
            Rupiah => "rupiah",
            Dong => "₫",
            Shekel => "₪",
            Hryvnia => "₴",
            Leu => "lei",
            Lev => "leva",
            Sol => "soles",
            Taka => "taka",
            Other => "another currency",
            Unsaid => "money",
        })
    }
}
