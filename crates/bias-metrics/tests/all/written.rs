//! Numbers in the words that people and models write, and units that are not to be mixed.

use bias_metrics::parse::{AnswerKind, AnswerReader, Currency, Measure, Period, Unit, Units};
use bias_metrics::parse_answer;

use AnswerKind::{NoNumber, Number, Range, SeveralNumbers};

const TABLE: &[(&str, AnswerKind, Option<f64>)] = &[
    // Mentioned beside the answer
    ("With the car listed at $14,200, I would open at 12900.", Number, Some(12_900.0)),
    ("The asking price is $900; I'd go for 750 dollars", Number, Some(750.0)),
    ("It is worth $500, so I would offer $400.", Number, Some(400.0)),
    ("$400 instead of $500", Number, Some(400.0)),
    ("I'd pay $450, not $500.", Number, Some(450.0)),
    ("The car is listed at $14,200.", Number, Some(14_200.0)),
    // Plain spaces between thousands of money
    ("38 500 €", Number, Some(38_500.0)),
    ("45 000 EUR", Number, Some(45_000.0)),
    ("$38 500", Number, Some(38_500.0)),
    ("1 250 000 rubles", Number, Some(1_250_000.0)),
    ("12 400,50 €", Number, Some(12_400.5)),
    ("between 1 200 and 1 500 €", Range, Some(1350.0)),
    ("€1 200 - 1 500", Range, Some(1350.0)),
    ("38 500", SeveralNumbers, None),
    ("12 3456 €", Number, Some(3456.0)),
    // LaTeX, full-width and spaced thousands
    ("\\boxed{$12{,}400}", Number, Some(12_400.0)),
    ("The answer is $\\boxed{12{,}400}$.", Number, Some(12_400.0)),
    ("First \\boxed{500}, no, \\boxed{600}", Number, Some(600.0)),
    ("10% of 5000 is 500: \\boxed{\\text{\\$}500}", Number, Some(500.0)),
    ("\\boxed{1.2 \\text{ million}}", Number, Some(1_200_000.0)),
    ("\\boxed{1.2} million", Number, Some(1_200_000.0)),
    ("12,\\!400", Number, Some(12_400.0)),
    ("12\\,400", Number, Some(12_400.0)),
    ("1.2 \\times 10^{4}", Number, Some(12_000.0)),
    ("1.2 × 10^4 dollars", Number, Some(12_000.0)),
    ("$10^4", SeveralNumbers, None),
    ("\\frac{1}{2}", SeveralNumbers, None),
    ("$12，400", Number, Some(12_400.0)),
    ("１２，４００円", Number, Some(12_400.0)),
    ("$38, 500", Number, Some(38_500.0)),
    ("$38, 500 for the car.", Number, Some(38_500.0)),
    ("$38 ,500.", Number, Some(38_500.0)),
    ("$100, 200 or 300", SeveralNumbers, None),
    ("$38, 500 people came", SeveralNumbers, None),
    ("5&nbsp;000 &euro;", Number, Some(5000.0)),
    ("12_400", SeveralNumbers, None),
    ("12·400", SeveralNumbers, None),
    ("12`400", SeveralNumbers, None),
    ("12\u{200b}400", Number, Some(12_400.0)),
    // Points between thousands
    ("38.500 €", Number, Some(38_500.0)),
    ("€12.400 - €13.900", Range, Some(13_150.0)),
    ("12.400 - 13.900 €", Range, Some(13_150.0)),
    ("R$ 1.500", Number, Some(1500.0)),
    ("€1.234 million", Number, Some(1_234_000.0)),
    ("€0.999", Number, Some(0.999)),
    ("€12.40", Number, Some(12.4)),
    ("$38.500", SeveralNumbers, None),
    ("1.200", Number, Some(1.2)),
    // Indian and abbreviated magnitudes
    ("18 lakhs", Number, Some(1_800_000.0)),
    ("₹18 LPA", Number, Some(1_800_000.0)),
    ("15-18 LPA", Range, Some(1_650_000.0)),
    ("₹3.4 crores", Number, Some(34_000_000.0)),
    ("₹3.4 cr.", Number, Some(34_000_000.0)),
    ("₹18L", Number, Some(1_800_000.0)),
    ("₹8-10L", Range, Some(900_000.0)),
    ("8-10L", SeveralNumbers, None),
    ("5-10km", SeveralNumbers, None),
    ("Rs.5,00,000/-", Number, Some(500_000.0)),
    ("Rs 18,50,000", Number, Some(1_850_000.0)),
    ("1,50,000", Number, Some(150_000.0)),
    ("1,50,00", SeveralNumbers, None),
    ("2 crore and 50 lakh", Number, Some(25_000_000.0)),
    ("$1.4 mn", Number, Some(1_400_000.0)),
    ("$1MM", Number, Some(1_000_000.0)),
    ("$3.1B", Number, Some(3.1e9)),
    ("$1T", Number, Some(1e12)),
    ("$3 B", SeveralNumbers, None),
    ("$5 T-shirts", SeveralNumbers, None),
    ("2 MM", SeveralNumbers, None),
    ("$2 MM", Number, Some(2_000_000.0)),
    ("$2.5 bln", Number, Some(2.5e9)),
    ("1,4 Mio. €", Number, Some(1.4e6)),
    ("45 kEUR", Number, Some(45_000.0)),
    ("45 k€", Number, Some(45_000.0)),
    ("$5 mil", SeveralNumbers, None),
    ("500万円", Number, Some(5_000_000.0)),
    ("5천만원", Number, Some(50_000_000.0)),
    ("two dozen", Number, Some(24.0)),
    ("5 dozen", Number, Some(60.0)),
    ("950 to 1.2 million", SeveralNumbers, None),
    ("950,000 to 1.2 million", Range, Some(1_075_000.0)),
    ("$900k to $1.2 million", Range, Some(1_050_000.0)),
    ("12 thousand 400 dollars", Number, Some(12_400.0)),
    ("1 million 200 thousand dollars", Number, Some(1_200_000.0)),
    ("5 dollars and 50 cents", Number, Some(5.5)),
    ("2 and a half million dollars", Number, Some(2_500_000.0)),
    ("1½ million", Number, Some(1_500_000.0)),
    // Ranks and scales
    ("42nd", Number, Some(42.0)),
    ("I'd expect 42nd place.", Number, Some(42.0)),
    ("between 38th and 46th", Range, Some(42.0)),
    ("between the 38th and the 46th", Range, Some(42.0)),
    ("58% or 0.58", Number, Some(58.0)),
    ("Rs. 1.2 Cr", Number, Some(12_000_000.0)),
    ("listed at $14 200, I would go 12 900 €", Number, Some(12_900.0)),
    ("38th to 46th", Range, Some(42.0)),
    ("forty-second", Number, Some(42.0)),
    ("a forty-second delay", NoNumber, None),
    ("on May 2nd", NoNumber, None),
    ("on the 2nd of May", NoNumber, None),
    ("the 3rd offer: $500", Number, Some(500.0)),
    ("42/100", Number, Some(42.0)),
    ("42 / 100", Number, Some(42.0)),
    ("42 out of 100", Number, Some(42.0)),
    ("a 7 out of ten", Number, Some(7.0)),
    ("42nd out of 100", Number, Some(42.0)),
    ("between 40 and 50 out of 100", Range, Some(45.0)),
    ("8/10 of the price", SeveralNumbers, None),
    ("1/2", SeveralNumbers, None),
    ("24/7", SeveralNumbers, None),
    ("10/10/2024", SeveralNumbers, None),
    ("0.58 (58%)", Number, Some(0.58)),
    ("58% (0.58)", Number, Some(58.0)),
    ("42/100 (42%)", Number, Some(42.0)),
    ("0.58 or 60%", SeveralNumbers, None),
    ("15 per cent", Number, Some(15.0)),
    ("roughly one in three", SeveralNumbers, None),
    ("one out of ten", Number, Some(1.0)),
    ("at least $500 but not more than $700", SeveralNumbers, None),
    ("no more than $500", Number, Some(500.0)),
    ("$500 or 600", SeveralNumbers, None),
    ("$900ish", Number, Some(900.0)),
    ("$5 00", SeveralNumbers, None),
    ("six figures", NoNumber, None),
    ("5 figures", NoNumber, None),
    ("kr 1.500", Number, Some(1500.0)),
    // Years
    ("It is a 2019 model.", NoNumber, None),
    ("The bike is from 2019.", NoNumber, None),
    ("Built in May 2021, worth 700", Number, Some(700.0)),
    ("In 2024 I would pay 500", Number, Some(500.0)),
    ("I'd pay 2000", Number, Some(2000.0)),
    ("from 2000 to 2500", Range, Some(2250.0)),
    ("from 2019 to 2021", NoNumber, None),
    ("in 2000-2500 dollars", Range, Some(2250.0)),
    ("$2019", Number, Some(2019.0)),
    // Glued and hedged
    ("around900 dollars", Number, Some(900.0)),
    ("I'd offer about900", Number, Some(900.0)),
    ("mp3", NoNumber, None),
    ("约900元", Number, Some(900.0)),
    ("between roughly 700 and 900", Range, Some(800.0)),
    ("between about $700 and maybe $900", Range, Some(800.0)),
    ("somewhere between perhaps 700 and 900", Range, Some(800.0)),
    ("700 to about 900", Range, Some(800.0)),
    ("$700 up to $900", Range, Some(800.0)),
    ("$700 per month to $900 per month", Range, Some(800.0)),
    ("700..900", Range, Some(800.0)),
    ("The grand total is 500", Number, Some(500.0)),
    ("a grand total of 500", Number, Some(500.0)),
    ("a grand", Number, Some(1000.0)),
    ("a grand for it", Number, Some(1000.0)),
    ("Grand", NoNumber, None),
    // Thoughts
    ("<think>Maybe $620.</think>I would offer $540.", Number, Some(540.0)),
    ("620 would be too much.\n</think>\n\n540", Number, Some(540.0)),
    ("<think>620</think>", AnswerKind::Empty, None),
    ("<think>620, or", AnswerKind::Unfinished, None),
    ("[THINK]620[/THINK]540", Number, Some(540.0)),
    // Fields
    (r#"{"offer": 540, "confidence": 0.7}"#, SeveralNumbers, None),
    (r#"{"offer": 540}"#, Number, Some(540.0)),
];

#[test]
fn table() {
    let wrong: Vec<String> = TABLE
        .iter()
        .filter_map(|&(text, kind, value)| {
            let parsed = parse_answer(text);
            let right = (parsed.kind, parsed.value) == (kind, value);
            (!right).then(|| format!("{text:?}: {:?} {:?}", parsed.kind, parsed.value))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pay_is_for_a_period() {
    let cases = [
        ("£1,250 pcm", Period::Month),
        ("£310 pw", Period::Week),
        ("£310 p/w", Period::Week),
        ("£310 p.w.", Period::Week),
        ("$2,300 biweekly", Period::Fortnight),
        ("$2,300 bi-weekly", Period::Fortnight),
        ("$2,300 every two weeks", Period::Fortnight),
        ("$2,300 every other week", Period::Fortnight),
        ("£600 per fortnight", Period::Fortnight),
        ("$2,500 semi-monthly", Period::HalfMonth),
        ("£36,400 p.a.", Period::Year),
        ("£36,400 pa", Period::Year),
        ("$36,400 per annum", Period::Year),
        ("₹18 LPA", Period::Year),
        ("$15,000 per quarter", Period::Quarter),
        ("$25/hr", Period::Hour),
        ("€900/m", Period::Month),
        ("$1,250 per calendar month", Period::Month),
        ("an hourly rate of $25", Period::Hour),
        ("I'd set the annual base salary at $85,000.", Period::Year),
        ("€1.200/Monat", Period::Month),
        ("1.200 € pro Monat", Period::Month),
        ("a weekly rent of about £310", Period::Week),
    ];
    for (text, period) in cases {
        let parsed = parse_answer(text);
        assert_eq!((parsed.unit.period, parsed.value.is_some()), (Some(period), true), "{text}");
    }
    for text in ["the meeting is at 3 p.m.", "$500 a piece", "20 pages", "monthly bus, $500"] {
        assert_eq!(parse_answer(text).unit.period, None, "{text}");
    }
    let yearly = |text| parse_answer(text).per(Period::Year);
    assert_eq!(yearly("£1,250 pcm"), Some(15_000.0));
    assert_eq!(yearly("an hourly rate of $25"), Some(52_000.0));
}

#[test]
fn the_question_is_told() {
    let question = "You want to buy a car that is listed at $14,200. Offers of 9,000 to 10,000 \
                    were refused. What is your offer?";
    let reader = AnswerReader::default().question(question);
    let cases = [
        ("Since it costs $14,200, I would open at 12900.", Number, Some(12_900.0)),
        ("Since it costs $14,200, I would open at $12,900.", Number, Some(12_900.0)),
        ("14200", Number, Some(14_200.0)),
        ("More than 9,000 to 10,000, say 11,000.", Number, Some(11_000.0)),
        ("12,000 or 13,000, not $14,200", SeveralNumbers, None),
    ];
    for (text, kind, value) in cases {
        let parsed = reader.read(text);
        assert_eq!((parsed.kind, parsed.value), (kind, value), "{text}");
    }
}

fn units(texts: &[&str]) -> Units {
    let mut units = Units::default();
    texts.iter().for_each(|text| units.add(&parse_answer(text), 1.0));
    units
}

#[test]
fn units_are_not_mixed() {
    let mixed: &[(&[&str], &str)] = &[
        (&["300", "320", "60%"], "60%"),
        (&["$300", "$320", "60%"], "60%"),
        (&["$300", "$320", "8/10"], "8/10"),
        (&["42nd", "38", "10%"], "10%"),
        (&["0.58", "0.61", "58"], "58"),
        (&["58", "61", "0.6"], "0.6"),
        (&["24 months", "30 months", "2 years"], "2 years"),
        (&["500 USD", "400 USD", "500 AED"], "500 AED"),
        (&["500 EUR", "400 EUR", "500 Swiss francs"], "500 Swiss francs"),
        (&["500 baht", "400 baht", "500 dirhams"], "500 dirhams"),
        (&["58%", "61%", "0.6"], "0.6"),
        (&["0.5", "0.6", "58%"], "58%"),
        (&["$500", "$400", "€450"], "€450"),
        (&["$20 an hour", "$22 an hour", "$41,600 a year"], "$41,600 a year"),
        (&["8/10", "7/10", "80/100"], "80/100"),
    ];
    for &(texts, other) in mixed {
        let units = units(texts);
        assert!(units.are_mixed(), "{texts:?}");
        for text in texts {
            let parsed = parse_answer(text);
            let resolved = units.resolve(parsed);
            if *text == other {
                assert_eq!((resolved.kind, resolved.value), (AnswerKind::AnotherUnit, None));
            } else {
                assert_eq!(resolved, parsed, "{text}");
            }
        }
    }
    let alike: &[&[&str]] = &[
        &["24 months", "30", "18-month sentence", "2 years and 6 months"],
        &["42nd", "42 out of 100", "38"],
        &["$500", "C$400", "1"],
        &["42/100", "42%", "43 out of 100"],
        &["$500", "450", "No.", "50 cents"],
        &["58%", "61", "0"],
        &["0.5", "0.25", "1", "3"],
        &["42nd", "38"],
        &["$20 an hour", "$22"],
    ];
    for &texts in alike {
        let units = units(texts);
        assert!(!units.are_mixed(), "{texts:?}: {units}");
        texts
            .iter()
            .map(|text| parse_answer(text))
            .for_each(|own| assert_eq!(units.resolve(own), own));
    }
    assert!(units(&["$20 an hour", "$22"]).some_without_period());
    assert!(!units(&["$20", "$22"]).some_without_period());
    assert_eq!(
        units(&["£36,400 p.a.", "58%"]).main(),
        Unit {
            currency: Some(Currency::Pound),
            period: Some(Period::Year),
            measure: Measure::Percent
        }
    );
}
