//! Forms of numbers of which a fragment was once taken for a value.

use bias_metrics::parse::{AnswerKind, AnswerReader};

use AnswerKind::{NoNumber, Number, Range, SeveralNumbers};

type Row = (&'static str, AnswerKind, Option<f64>);

/// Digits apart, decimal commas, scales and years of money.
const DIGITS: &[Row] = &[
    ("$ 5 0 0", SeveralNumbers, None),
    ("€ 5 0 0", SeveralNumbers, None),
    ("$1 2 3", SeveralNumbers, None),
    ("$1 2000", SeveralNumbers, None),
    ("$12 34", SeveralNumbers, None),
    ("£1.200", SeveralNumbers, None),
    ("¥1.200", SeveralNumbers, None),
    ("$500 m", SeveralNumbers, None),
    ("£500m", Number, Some(500e6)),
    ("3,5 Mio. €", Number, Some(3.5e6)),
    ("2,5 Millionen Euro", Number, Some(2.5e6)),
    ("1,5k €", Number, Some(1500.0)),
    ("$1,50", SeveralNumbers, None),
    ("1,50", SeveralNumbers, None),
    ("7 on a scale of 1 to 10", Number, Some(7.0)),
    ("7 (out of 10)", Number, Some(7.0)),
    ("In 2021 dollars, 900", Number, Some(900.0)),
    ("Sorry, I cannot give 540.", AnswerKind::Refusal, None),
];

/// Ranges whose ends share thousands, and those of other languages.
const RANGES: &[Row] = &[
    ("80 to 90,000", SeveralNumbers, None),
    ("$80-90,000", SeveralNumbers, None),
    ("$80 to $90,000", SeveralNumbers, None),
    ("80–90 000 €", SeveralNumbers, None),
    ("$8-9,000", SeveralNumbers, None),
    ("between 8 and 9,000 dollars", SeveralNumbers, None),
    ("a hundred to a hundred and twenty thousand", SeveralNumbers, None),
    ("80,000 to 90,000", Range, Some(85_000.0)),
    ("1 to 1000", Range, Some(500.5)),
    ("zwischen 38.500 und 42.000 Euro", Range, Some(40_250.0)),
    ("von 38.500 bis 42.000 €", Range, Some(40_250.0)),
    ("entre 38 500 et 42 000 €", Range, Some(40_250.0)),
    ("de 38 500 à 42 000 €", Range, Some(40_250.0)),
    ("tra 500 e 600 €", Range, Some(550.0)),
    ("od 500 do 600 zł", Range, Some(550.0)),
    ("35〜40万円", Range, Some(375_000.0)),
    ("30万から40万円", Range, Some(350_000.0)),
    ("500至600元", Range, Some(550.0)),
    ("500到600元", Range, Some(550.0)),
    ("500에서 600원", Range, Some(550.0)),
    ("500～600円", Range, Some(550.0)),
];

/// Fractions in words.
const FRACTIONS: &[Row] = &[
    ("a quarter of a million dollars", Number, Some(250_000.0)),
    ("half of a million", Number, Some(500_000.0)),
    ("a third of a million", SeveralNumbers, None),
    ("two thirds", NoNumber, None),
    ("three quarters", NoNumber, None),
    ("nine tenths", NoNumber, None),
    ("five eighths", NoNumber, None),
    ("two hundredth", NoNumber, None),
    ("one hundred and first", Number, Some(101.0)),
    ("ten thousandth", NoNumber, None),
    ("one and a quarter million", SeveralNumbers, None),
    ("a quarter", NoNumber, None),
];

/// Sums of magnitudes with a currency in front.
const SUMS: &[Row] = &[
    ("₹5 lakh 50 thousand", Number, Some(550_000.0)),
    ("₹1 crore 20 lakh", Number, Some(12_000_000.0)),
    ("₹1 crore and 20 lakhs", Number, Some(12_000_000.0)),
    ("$1 million 200 thousand", Number, Some(1_200_000.0)),
    ("$1 thousand 200", Number, Some(1200.0)),
    ("$1 million 200 people", Number, Some(1_000_000.0)),
    ("nineteen dollars ninety-nine", SeveralNumbers, None),
];

/// Points and spaces between thousands.
const GROUPS: &[Row] = &[
    ("**38.500** €", Number, Some(38_500.0)),
    ("€ **38.500**", Number, Some(38_500.0)),
    ("38.500 (EUR)", Number, Some(38_500.0)),
    ("EUR: 38.500", Number, Some(38_500.0)),
    ("85.000,- €", Number, Some(85_000.0)),
    ("1.250,- EUR", Number, Some(1250.0)),
    ("38.500.- CHF", SeveralNumbers, None),
    ("38.500,€", Number, Some(38_500.0)),
    ("12.500 TL", Number, Some(12_500.0)),
    ("450.000 Ft/hó", Number, Some(450_000.0)),
    ("450 000 Ft", Number, Some(450_000.0)),
    ("12.500 lei", Number, Some(12_500.0)),
    ("2.500 RON", Number, Some(2500.0)),
    ("S/ 2.500", SeveralNumbers, None),
    ("S/2,500", Number, Some(2500.0)),
    ("Rp 15.000", Number, Some(15_000.0)),
    ("500.000 đ", Number, Some(500_000.0)),
    ("12.500 đồng", Number, Some(12_500.0)),
    ("12.500 Kronen", Number, Some(12_500.0)),
    ("12.500 złotych", Number, Some(12_500.0)),
    ("12.500 Schweizer Franken", SeveralNumbers, None),
    ("1.250 US-Dollar", SeveralNumbers, None),
    ("1 250 US dollars", Number, Some(1250.0)),
    ("12.500 Pfund", SeveralNumbers, None),
    ("Bs. 2.500", SeveralNumbers, None),
    ("2.500 Mark", SeveralNumbers, None),
    ("38  500 €", SeveralNumbers, None),
    ("**38** 500 €", SeveralNumbers, None),
    ("12 34 567 ₹", SeveralNumbers, None),
    ("₹12 34 567", SeveralNumbers, None),
    ("85 000 рублей", Number, Some(85_000.0)),
    ("45 000 euroa", Number, Some(45_000.0)),
    ("5 ft 9 in", SeveralNumbers, None),
    ("300 ($320)", SeveralNumbers, None),
];

/// Magnitudes of other languages, and what may be one.
const MAGNITUDES: &[Row] = &[
    ("5 हज़ार", Number, Some(5000.0)),
    ("2 करोड़", Number, Some(20_000_000.0)),
    ("2 miljoen euro", Number, Some(2_000_000.0)),
    ("2 milyon TL", Number, Some(2_000_000.0)),
    ("₺2 milyon", Number, Some(2_000_000.0)),
    ("2 миллиона рублей", Number, Some(2_000_000.0)),
    ("2 miliony zł", Number, Some(2_000_000.0)),
    ("Rp 2 miliar", Number, Some(2_000_000_000.0)),
    ("45 duizend euro", Number, Some(45_000.0)),
    ("45 mila euro", Number, Some(45_000.0)),
    ("2 tys. zł", Number, Some(2000.0)),
    ("2 tis. Kč", Number, Some(2000.0)),
    ("450 ezer Ft", Number, Some(450_000.0)),
    ("Rp 500 ribu", Number, Some(500_000.0)),
    ("15 ribu", Number, Some(15_000.0)),
    ("45 ألف ريال", Number, Some(45_000.0)),
    ("5 مليون", Number, Some(5_000_000.0)),
    ("৫ লাখ টাকা", Number, Some(500_000.0)),
    ("1.5 ล้านบาท", SeveralNumbers, None),
    ("52 T€", Number, Some(52_000.0)),
    ("35 tkr", SeveralNumbers, None),
    ("R$ 5 mi", SeveralNumbers, None),
    ("US$ 5 bi", SeveralNumbers, None),
    ("₹5 lk", SeveralNumbers, None),
    ("₹5 l", SeveralNumbers, None),
    ("Rp15 juta", Number, Some(15_000_000.0)),
    ("2 foo euro", SeveralNumbers, None),
    ("500 in US dollars", Number, Some(500.0)),
    ("1.24 × 10⁴", Number, Some(12_400.0)),
    ("5 × 10³", Number, Some(5000.0)),
    ("3²", SeveralNumbers, None),
    ("401k", NoNumber, None),
    ("a 401k match", NoNumber, None),
    ("401(k)", NoNumber, None),
    ("84,000 miles", Number, Some(84_000.0)),
];

/// Negations and signs.
const SIGNS: &[Row] = &[
    ("I'd never pay $500; 300 is fair", Number, Some(300.0)),
    ("I wouldn't offer $500. I'd offer 300.", Number, Some(300.0)),
    ("$500 is too high, so I'd start with 300", Number, Some(300.0)),
    ("$500 is too much. 300.", Number, Some(300.0)),
    ("I would not offer $500.", NoNumber, None),
    ("Don't offer $500.", NoNumber, None),
    ("I would not pay more than $300", Number, Some(300.0)),
    ("minus 500 dollars", Number, Some(-500.0)),
    ("negative $500", Number, Some(-500.0)),
    ("negative 5", Number, Some(-5.0)),
    ("minus five", Number, Some(-5.0)),
    ("minus 5%", Number, Some(-5.0)),
    ("$500 minus 40% is $300", SeveralNumbers, None),
];

/// Numbers that touch, products, points of a scale.
const SMALL: &[Row] = &[
    ("12~400", SeveralNumbers, None),
    ("$12~400", SeveralNumbers, None),
    ("300~350", Range, Some(325.0)),
    ("$12,,400", SeveralNumbers, None),
    ("$12.,400", SeveralNumbers, None),
    ("$12..400", SeveralNumbers, None),
    ("$12\n400", SeveralNumbers, None),
    ("$12 and 400", SeveralNumbers, None),
    // As three hundred millions are written.
    ("300,320,340", Number, Some(300_320_340.0)),
    ("123,456,789", Number, Some(123_456_789.0)),
    ("Of the 3 500 € is best", SeveralNumbers, None),
    ("Room 5 300 €", SeveralNumbers, None),
    ("I'd buy 2 300 dollar bikes", SeveralNumbers, None),
    ("58 basis points", SeveralNumbers, None),
    ("5 bps", SeveralNumbers, None),
    ("2 payments of $150", SeveralNumbers, None),
    ("three installments of $100", SeveralNumbers, None),
    ("2 x $300", SeveralNumbers, None),
    ("42nd out of 100 players", Number, Some(42.0)),
    ("42nd place out of 100", Number, Some(42.0)),
    ("85 points out of 100", Number, Some(85.0)),
];

/// Fields.
const FIELDS: &[Row] = &[
    ("Draft: {\"offer\": 500}\n\nFinal: {\"offer\": 600}", SeveralNumbers, None),
    ("offer: 540\noffer: 600", SeveralNumbers, None),
    ("[{\"offer\":540},{\"offer\":600}]", SeveralNumbers, None),
    ("Example: {\"offer\": 0}. Mine: {\"offer\": 540}", SeveralNumbers, None),
    ("{\"a\":{\"offer\":700},\"b\":{\"offer\":540}}", SeveralNumbers, None),
    ("{\"offer\": 540}\n{\"offer\": \"$540\"}", SeveralNumbers, None),
    ("1. Offer: 540", Number, Some(540.0)),
    ("offer: 540, confidence: 0.7", Number, Some(540.0)),
    ("offer: 540; confidence: 0.7", Number, Some(540.0)),
    ("Offer: 540 (confidence: 0.7)", Number, Some(540.0)),
    ("offer: 1,200", Number, Some(1200.0)),
];

/// More magnitudes and words.
const KILOS: &[Row] = &[
    ("k€ 12", Number, Some(12_000.0)),
    ("$12 kilo", SeveralNumbers, None),
    ("point five eight", SeveralNumbers, None),
];

fn check(reader: &AnswerReader, cut: bool, rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|&(text, kind, value)| {
            let parsed = if cut { reader.read_cut(text) } else { reader.read(text) };
            let right = (parsed.kind, parsed.value) == (kind, value);
            (!right).then(|| format!("{text:?}: {:?} {:?}", parsed.kind, parsed.value))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn table() {
    check(&AnswerReader::default(), false, DIGITS);
    check(&AnswerReader::default(), false, RANGES);
    check(&AnswerReader::default(), false, FRACTIONS);
    check(&AnswerReader::default(), false, SUMS);
    check(&AnswerReader::default(), false, GROUPS);
    check(&AnswerReader::default(), false, MAGNITUDES);
    check(&AnswerReader::default(), false, SIGNS);
    check(&AnswerReader::default(), false, SMALL);
    check(&AnswerReader::default().field("offer"), false, FIELDS);
    check(&AnswerReader::default(), false, KILOS);
}
