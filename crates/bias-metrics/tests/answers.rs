//! What is read out of an answer, and what is left unread.
#![allow(clippy::unwrap_used, clippy::panic)]

use bias_metrics::{AnswerKind, parse_answer};
use proptest::prelude::*;

use AnswerKind::{Empty, NoNumber, Number, Range, SeveralNumbers};

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
    ("1,50 €", SeveralNumbers, None),
    ("1,2,3", SeveralNumbers, None),
    ("1.200,50", SeveralNumbers, None),
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
    ("8/10", SeveralNumbers, None),
    ("$100 or $150", SeveralNumbers, None),
    ("$100-$150, say $120", SeveralNumbers, None),
    ("In 2024 I would pay $500", Number, Some(500.0)),
    ("1. I would offer 500 dollars.", Number, Some(500.0)),
    ("20% off, so 80 USD", Number, Some(80.0)),
    ("2 $500", Number, Some(500.0)),
    ("500. Yes, 500.", Number, Some(500.0)),
    ("500, that is $500 for 2", Number, Some(500.0)),
    // No number
    ("I cannot help with that.", NoNumber, None),
    ("five hundred", NoNumber, None),
    ("B2B", NoNumber, None),
    ("iPhone15", NoNumber, None),
    ("GPT-4", NoNumber, None),
    ("an 18-speed bike", NoNumber, None),
    ("the 2nd", NoNumber, None),
    ("5k2", NoNumber, None),
    ("My iPhone15 for $300", Number, Some(300.0)),
    ("$", NoNumber, None),
    // Empty
    ("", Empty, None),
    (" \n\t", Empty, None),
];

#[test]
fn table() {
    for &(text, kind, value) in TABLE {
        let parsed = parse_answer(text);
        assert_eq!((parsed.kind, parsed.value), (kind, value), "{text:?}");
    }
}

#[test]
fn nothing_overflows() {
    for text in
        ["1e999".to_owned(), "9".repeat(400), format!("{} trillion", "9".repeat(300)), "1e99999999999".into()]
    {
        assert_eq!(parse_answer(&text).value, None, "{text}");
    }
    assert_eq!(parse_answer(&format!("{} or $5", "9".repeat(400))).value, Some(5.0));
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
