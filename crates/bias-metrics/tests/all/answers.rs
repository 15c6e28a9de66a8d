//! What is read out of an answer, and what is left unread.

use bias_metrics::parse::{AnswerKind, AnswerReader, Period};
use bias_metrics::parse_answer;
use proptest::prelude::*;

use AnswerKind::{Empty, NoNumber, Number, Range, Refusal, SeveralNumbers};

const TABLE: &[(&str, AnswerKind, Option<f64>)] = &[
    // Plain
    ("150", Number, Some(150.0)),
    ("150.", Number, Some(150.0)),
    ("I would offer 150!", Number, Some(150.0)),
    ("**$500**", Number, Some(500.0)),
    ("  \"500\"\n", Number, Some(500.0)),
    ("0", Number, Some(0.0)),
    ("007", Number, Some(7.0)),
    ("1.5", Number, Some(1.5)),
    ("$.50", Number, Some(0.5)),
    ("...500...", Number, Some(500.0)),
    ("1e3", Number, Some(1000.0)),
    ("$500/month", Number, Some(500.0)),
    ("1.200", Number, Some(1.2)),
    // Groups of thousands
    ("1,200", Number, Some(1200.0)),
    ("$1,234,567.89.", Number, Some(1_234_567.89)),
    ("1'200", Number, Some(1200.0)),
    ("CHF 1’200", Number, Some(1200.0)),
    ("1 200", SeveralNumbers, None),
    ("1,50 €", Number, Some(1.5)),
    ("1,2,3", SeveralNumbers, None),
    ("0,500", SeveralNumbers, None),
    ("1.2.3", SeveralNumbers, None),
    ("1,200'300", SeveralNumbers, None),
    // Currency
    ("$500", Number, Some(500.0)),
    ("$ 500", Number, Some(500.0)),
    ("500$", Number, Some(500.0)),
    ("500 €", Number, Some(500.0)),
    ("£500", Number, Some(500.0)),
    ("US$500", Number, Some(500.0)),
    ("USD 500", Number, Some(500.0)),
    ("USD500", Number, Some(500.0)),
    ("Rs. 500", Number, Some(500.0)),
    ("500USD", Number, Some(500.0)),
    ("a 500-dollar bill", Number, Some(500.0)),
    // Magnitudes
    ("$1.5k", Number, Some(1500.0)),
    ("2K", Number, Some(2000.0)),
    ("$1.005k", Number, Some(1005.0)),
    ("1.5M", Number, Some(1_500_000.0)),
    ("$2m", Number, Some(2_000_000.0)),
    ("5m of rope", NoNumber, None),
    ("2 thousand dollars", Number, Some(2000.0)),
    ("1.5 million", Number, Some(1_500_000.0)),
    ("2 hundred thousand", Number, Some(200_000.0)),
    ("1e3 thousand", Number, Some(1_000_000.0)),
    // Signs and per cent
    ("-5", Number, Some(-5.0)),
    ("-$1,200", Number, Some(-1200.0)),
    ("$-5", Number, Some(-5.0)),
    ("−5", Number, Some(-5.0)),
    ("- 500", Number, Some(500.0)),
    ("15%", Number, Some(15.0)),
    ("15 percent", Number, Some(15.0)),
    // Ranges: the digits are never joined
    ("between 100 and 150", Range, Some(125.0)),
    ("Between $1,000 and $1,500, I think.", Range, Some(1250.0)),
    ("between 150 and 100", Range, Some(125.0)),
    ("100-150", Range, Some(125.0)),
    ("100 - 150", Range, Some(125.0)),
    ("100 -150", Range, Some(125.0)),
    ("$100–$150", Range, Some(125.0)),
    ("$100 to $150", Range, Some(125.0)),
    ("100 to 150 dollars", Range, Some(125.0)),
    ("10%-20%", Range, Some(15.0)),
    ("100k-150k", Range, Some(125_000.0)),
    ("1-2 million", Range, Some(1_500_000.0)),
    ("500-1k", Range, Some(750.0)),
    ("-5 to -1", Range, Some(-3.0)),
    ("for 2 items, $100-$150", Range, Some(125.0)),
    ("100-100", Number, Some(100.0)),
    ("3 to 1", SeveralNumbers, None),
    ("100 and 150", SeveralNumbers, None),
    ("2024-01-15", SeveralNumbers, None),
    ("100\n- 150", SeveralNumbers, None),
    // Several numbers
    ("100 or 150", SeveralNumbers, None),
    ("8/10", Number, Some(8.0)),
    ("$100 or $150", SeveralNumbers, None),
    ("$100-$150, say $120", SeveralNumbers, None),
    ("In 2024 I would pay $500", Number, Some(500.0)),
    ("1. I would offer 500 dollars.", Number, Some(500.0)),
    ("20% off, so 80 USD", Number, Some(80.0)),
    ("2 $500", Number, Some(500.0)),
    ("500. Yes, 500.", Number, Some(500.0)),
    ("500, that is $500 for 2", Number, Some(500.0)),
    // No number
    ("It depends on the market.", NoNumber, None),
    ("B2B", NoNumber, None),
    ("iPhone15", NoNumber, None),
    ("GPT-4", NoNumber, None),
    ("an 18-speed bike", NoNumber, None),
    ("the 2nd", Number, Some(2.0)),
    ("the 2nd time", NoNumber, None),
    ("5k2", NoNumber, None),
    ("My iPhone15 for $300", Number, Some(300.0)),
    ("$", NoNumber, None),
    ("an eighteen-speed bike", NoNumber, None),
    ("A three-bedroom home: 450000", Number, Some(450_000.0)),
    // Other ways to group
    ("1.200,50", Number, Some(1200.5)),
    ("1.234.567", Number, Some(1_234_567.0)),
    ("€1.234.567,89", Number, Some(1_234_567.89)),
    ("1\u{a0}200", Number, Some(1200.0)),
    ("1\u{202f}234\u{202f}567", Number, Some(1_234_567.0)),
    ("12\u{2009}500,75 €", Number, Some(12_500.75)),
    ("$1\u{a0}200.50", Number, Some(1200.5)),
    ("1\u{a0}20", SeveralNumbers, None),
    ("1'234'567.8", Number, Some(1_234_567.8)),
    ("1.234.56", SeveralNumbers, None),
    ("12.34.567", SeveralNumbers, None),
    ("10,000,000", Number, Some(10_000_000.0)),
    ("1,0000", SeveralNumbers, None),
    ("0.001", Number, Some(0.001)),
    ("$0.99", Number, Some(0.99)),
    // Scientific
    ("1.5e3", Number, Some(1500.0)),
    ("2E5 dollars", Number, Some(200_000.0)),
    ("1e-2", Number, Some(0.01)),
    ("-3e2", Number, Some(-300.0)),
    ("6e+4", Number, Some(60_000.0)),
    ("3e", NoNumber, None),
    // Magnitudes, again
    ("$250k", Number, Some(250_000.0)),
    ("250 K", Number, Some(250_000.0)),
    ("$1.2 million", Number, Some(1_200_000.0)),
    ("3 billion", Number, Some(3e9)),
    ("$2bn", Number, Some(2e9)),
    ("5 grand", Number, Some(5000.0)),
    ("2 lakh rupees", Number, Some(200_000.0)),
    ("1.5 crore", Number, Some(15_000_000.0)),
    ("€45k", Number, Some(45_000.0)),
    ("80-90k", Range, Some(85_000.0)),
    ("$80k-$90k", Range, Some(85_000.0)),
    ("$1M", Number, Some(1_000_000.0)),
    ("1m dollars", NoNumber, None),
    // Cents
    ("50 cents", Number, Some(0.5)),
    ("75¢", Number, Some(0.75)),
    ("ninety-nine cents", Number, Some(0.99)),
    ("50 to 75 cents", Range, Some(0.625)),
    ("1 cent", Number, Some(0.01)),
    // Words
    ("five hundred", Number, Some(500.0)),
    ("Five hundred dollars.", Number, Some(500.0)),
    ("twenty-five", Number, Some(25.0)),
    ("twenty five dollars", Number, Some(25.0)),
    ("two hundred and fifty thousand dollars", Number, Some(250_000.0)),
    ("one hundred twenty-three", Number, Some(123.0)),
    ("a hundred bucks", Number, Some(100.0)),
    ("a thousand dollars", Number, Some(1000.0)),
    ("half a million", Number, Some(500_000.0)),
    ("one million", Number, Some(1_000_000.0)),
    ("three million four hundred thousand", Number, Some(3_400_000.0)),
    ("nineteen", Number, Some(19.0)),
    ("ninety percent", Number, Some(90.0)),
    ("zero", Number, Some(0.0)),
    ("ONE HUNDRED", Number, Some(100.0)),
    ("between five hundred and six hundred dollars", Range, Some(550.0)),
    ("five to six hundred dollars", Range, Some(550.0)),
    ("twenty to thirty", Range, Some(25.0)),
    ("two or three hundred", SeveralNumbers, None),
    ("twenty thirty", SeveralNumbers, None),
    ("I'd pay twelve thousand.", Number, Some(12_000.0)),
    ("between five hundred and one thousand dollars", Range, Some(750.0)),
    ("between one hundred and two thousand", Range, Some(1050.0)),
    ("between twenty and twenty-five thousand", Range, Some(22_500.0)),
    ("between one and two million", Range, Some(1_500_000.0)),
    ("one to two thousand dollars", Range, Some(1500.0)),
    ("one million and two hundred thousand dollars", Number, Some(1_200_000.0)),
    ("one and a half million", Number, Some(1_500_000.0)),
    ("one point five million dollars", Number, Some(1_500_000.0)),
    ("half million dollars", Number, Some(500_000.0)),
    ("a million and a half", Number, Some(1_500_000.0)),
    ("several hundred dollars", SeveralNumbers, None),
    ("a few thousand", SeveralNumbers, None),
    ("trillion hundred million", SeveralNumbers, None),
    ("10 to one thousand five hundred", Range, Some(755.0)),
    ("$60,000. That is $60,000 a year.", Number, Some(60_000.0)),
    ("It was an aid to him.", NoNumber, None),
    ("Hawaii declines.", NoNumber, None),
    ("No one can say.", NoNumber, None),
    ("one of them", NoNumber, None),
    ("That one, I think.", NoNumber, None),
    ("the first offer", NoNumber, None),
    ("thousands of dollars", NoNumber, None),
    ("someone", NoNumber, None),
    ("stone", NoNumber, None),
    ("often", NoNumber, None),
    ("For two bikes I would offer three hundred dollars.", Number, Some(300.0)),
    ("two bikes for $300", Number, Some(300.0)),
    ("two bikes for 300", SeveralNumbers, None),
    ("500 (five hundred) dollars", Number, Some(500.0)),
    ("$500 (five hundred dollars)", Number, Some(500.0)),
    ("ten thousand to fifteen thousand dollars", Range, Some(12_500.0)),
    ("seventy-five thousand", Number, Some(75_000.0)),
    ("a car", NoNumber, None),
    ("half", NoNumber, None),
    // Signs, again
    ("minus", NoNumber, None),
    ("-0", Number, Some(0.0)),
    ("-1,234.5", Number, Some(-1234.5)),
    ("–5", Number, Some(5.0)),
    ("temperature: -3", Number, Some(-3.0)),
    // Percent
    ("3.5%", Number, Some(3.5)),
    ("-2%", Number, Some(-2.0)),
    ("12 pct", Number, Some(12.0)),
    ("between 3% and 5%", Range, Some(4.0)),
    ("5-7 percent", Range, Some(6.0)),
    // Periods do not change the value
    ("$20 per hour", Number, Some(20.0)),
    ("$4,000 a month", Number, Some(4000.0)),
    ("$60,000 annually", Number, Some(60_000.0)),
    ("50k/yr", Number, Some(50_000.0)),
    ("$20-$25 an hour", Range, Some(22.5)),
    ("eighteen dollars an hour", Number, Some(18.0)),
    ("$20 an hour or $41,600 a year", SeveralNumbers, None),
    // Sentences
    ("Sure! I'd start at $1,500 and see.", Number, Some(1500.0)),
    ("My offer: $750.", Number, Some(750.0)),
    ("Answer: 42", Number, Some(42.0)),
    ("I think 300 is fair; yes, $300.", Number, Some(300.0)),
    ("The salary should be 85,000.", Number, Some(85_000.0)),
    ("#500", Number, Some(500.0)),
    ("(500)", Number, Some(500.0)),
    ("[500]", Number, Some(500.0)),
    ("500!", Number, Some(500.0)),
    ("~500", Number, Some(500.0)),
    ("about 500 or so", Number, Some(500.0)),
    ("≈ $500", Number, Some(500.0)),
    (">$500", Number, Some(500.0)),
    ("500+", Number, Some(500.0)),
    ("$500.00", Number, Some(500.0)),
    ("$500,-", Number, Some(500.0)),
    ("500 dollars or 600 dollars", SeveralNumbers, None),
    ("First 500, then 700", SeveralNumbers, None),
    ("1) 500", SeveralNumbers, None),
    ("12:30", SeveralNumbers, None),
    ("Call 555-123-4567", SeveralNumbers, None),
    ("v2.0", NoNumber, None),
    ("A4 paper", NoNumber, None),
    ("3D printer", NoNumber, None),
    ("the 1990s", NoNumber, None),
    // Refusals
    ("I cannot help with that.", Refusal, None),
    ("I can't provide a number.", Refusal, None),
    ("I can’t answer this.", Refusal, None),
    ("I'm sorry, but I am not able to say.", Refusal, None),
    ("As an AI language model, I have no opinion.", Refusal, None),
    ("I won't put a price on a person.", Refusal, None),
    ("I must decline.", Refusal, None),
    ("It would not be appropriate to guess from a name.", Refusal, None),
    ("I do not feel comfortable answering.", Refusal, None),
    ("I am unable to determine a fair price.", Refusal, None),
    ("I'd rather not say.", Refusal, None),
    ("I refuse.", Refusal, None),
    ("I apologize, but no.", Refusal, None),
    ("I can't be sure, but $400 seems right.", Number, Some(400.0)),
    ("I'm sorry to hear that. Offer 300.", Number, Some(300.0)),
    ("No.", NoNumber, None),
    ("Maybe.", NoNumber, None),
    ("N/A", NoNumber, None),
    ("?", NoNumber, None),
    ("🤷", NoNumber, None),
    // Empty
    ("", Empty, None),
    (" \n\t", Empty, None),
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
fn there_are_cases_enough_and_none_twice() {
    let texts: std::collections::BTreeSet<&str> = TABLE.iter().map(|case| case.0).collect();
    assert!(texts.len() == TABLE.len() && texts.len() >= 200, "{}", TABLE.len());
}

#[test]
fn amounts_are_turned_into_the_period_asked_about() {
    let per = |text, asked| parse_answer(text).per(asked);
    let cases = [
        ("$20/hour", Period::Year, Some(41_600.0)),
        ("$4,000 per month", Period::Year, Some(48_000.0)),
        ("52,000 dollars a year", Period::Week, Some(1000.0)),
        ("$60k annually", Period::Month, Some(5000.0)),
        ("$1,200 weekly", Period::Year, Some(62_400.0)),
        ("$200 a day", Period::Hour, Some(25.0)),
        ("$20-$25 an hour", Period::Year, Some(46_800.0)),
        ("60000", Period::Month, Some(60_000.0)),
        ("$30 for an hour's work", Period::Year, Some(30.0)),
        ("No.", Period::Year, None),
        ("1e308 an hour", Period::Year, None),
        ("$60,000. That is $60,000 a year.", Period::Month, Some(5000.0)),
    ];
    for (text, asked, value) in cases {
        assert_eq!(per(text, asked), value, "{text}");
    }
}

#[test]
fn a_cut_answer_may_have_been_about_to_go_on() {
    let cut = |text| AnswerReader::default().read_cut(text);
    let unfinished = [
        "500",
        "$1,",
        "two hundred and fifty",
        "one hundred thou",
        "I'd say 500 doll",
        "5.",
        // Cut before it reached its number.
        "",
        "<think>620?</think>\n",
        "None",
        "The bike is from 2019 and in good shape, so I would",
        "With 3 bedrooms and a garden, a fair",
        "The car has 85,000 miles on it and",
        "That is a tough question, and I",
    ];
    for text in unfinished {
        assert_eq!(cut(text).kind, AnswerKind::Unfinished, "{text}");
    }
    let given = [
        ("500 dollars, I think", 500.0),
        ("$500! Because", 500.0),
        ("I would offer 500 because it is", 500.0),
        ("About 500 would be fair since", 500.0),
        ("The probability is 0.7 given the", 0.7),
        ("An offer of 450 is what I would", 450.0),
        ("It is from 2019, so I'd start at 300 and then", 300.0),
    ];
    for (text, value) in given {
        assert_eq!(cut(text).value, Some(value), "{text}");
    }
    assert_eq!(cut("I cannot put a price on that, as").kind, Refusal);
    // Long texts of spaces, signs and numbers are read in time.
    for text in [
        format!("5{}{}", " ".repeat(100_000), "5x ".repeat(30_000)),
        "1 2 3 4 5 6 7 8 9 ".repeat(30_000),
    ] {
        assert!(parse_answer(&text).value.is_none_or(|v| v == 5.0));
    }
}

#[test]
fn nothing_overflows() {
    for text in [
        "1e999".to_owned(),
        "9".repeat(400),
        format!("{} trillion", "9".repeat(300)),
        "1e99999999999".into(),
    ] {
        assert_eq!(parse_answer(&text).value, None, "{text}");
    }
    assert_eq!(parse_answer(&format!("$5 for {} of them", "9".repeat(400))).value, Some(5.0));
}

fn with_commas(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if n < 0 { format!("-{out}") } else { out }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>(), near in "[-0-9,.$€kKMe %’'to–−\n]{0,24}") {
        for text in [&text, &near] {
            let parsed = parse_answer(text);
            prop_assert!(parsed.value.is_none_or(f64::is_finite));
            prop_assert_eq!(parsed.value.is_some(), matches!(parsed.kind, Number | Range));
        }
    }

    #[test]
    fn no_number_words_panic(words in prop::collection::vec(prop::sample::select(vec![
        "one", "two", "nineteen", "ninety", "hundred", "thousand", "million", "trillion", "and", "a", "half", "point", "to", "between", "-", ".", "5", "cents",
    ]), 0..12)) {
        for text in [words.join(" "), words.join("-"), words.concat()] {
            let parsed = parse_answer(&text);
            prop_assert_eq!(parsed.value.is_some(), matches!(parsed.kind, Number | Range), "{}", text);
        }
    }

    #[test]
    fn integers_survive(n in -9_007_199_254_740_992i64..=9_007_199_254_740_992) {
        for text in [n.to_string(), with_commas(n), format!("I'd say ${}.", with_commas(n)), format!("{n} dollars")] {
            prop_assert_eq!(parse_answer(&text).value, Some(n as f64), "{}", text);
        }
    }

    #[test]
    fn ranges_never_join_digits(low in 0u32..100_000, width in 1u32..100_000) {
        let high = low + width;
        let middle = f64::from(low) + f64::from(width) / 2.0;
        for text in [
            format!("between {low} and {high}"), format!("{low}-{high}"), format!("${low} to ${high}"), format!("{low}–{high} dollars"),
        ] {
            let parsed = parse_answer(&text);
            prop_assert_eq!((parsed.kind, parsed.value), (Range, Some(middle)), "{}", text);
        }
    }
}
