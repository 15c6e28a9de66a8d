use std::ops::Range;

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use super::find::Mentions;
use super::parts::NameParts;
use crate::error::AskError;

/// The mentions, each with what stands there, and what was unsure.
fn found(text: &str, name: &str) -> (Vec<String>, Vec<String>) {
    let Mentions { found, unsure } = Mentions::find(text, name);
    let words = |places: Vec<Range<usize>>| -> Vec<String> {
        places.into_iter().map(|at| text[at].to_owned()).collect()
    };
    (words(found), words(unsure))
}

/// Text, name, mentions, unsure ones. `[x]` are marks around mentions and `{x}` around unsure ones;
/// they are not part of the text.
fn marked(name: &str, marked: &str) {
    let mut text = String::new();
    let (mut open, mut expected) = (0, (Vec::new(), Vec::new()));
    for c in marked.chars() {
        match c {
            '[' | '{' => open = text.len(),
            ']' => expected.0.push(open..text.len()),
            '}' => expected.1.push(open..text.len()),
            other => text.push(other),
        }
    }
    let Mentions { found, unsure } = Mentions::find(&text, name);
    assert_eq!((found, unsure), expected, "{name} in {marked}");
}

#[test]
fn a_person_is_found_again_by_the_first_name_or_a_title() {
    for text in [
        "Sell to [Emily Becker]. [Emily] pays, and [Emily]'s bank knows.",
        "[Emily Becker] is here. Ms. [Becker] waits, Dr [Becker] too; Prof. [Becker]!",
        "[Becker, Emily] or [E. Becker]: the buyer is [Emily Becker].",
        "(\"[Emily Becker]\")\n[Emily]: hi",
        "[Emily Becker]s Rad, d'[Emily Becker], Emilys Rad", // German, French
        "l'offre d'[Emily Becker] et celle d'[Emily]",
        "[Emily Becker] and Todd Becker and Emilya Becker and Jean-Emily",
        "[Emily Becker] sees {Becker} in {Becker}. {Becker}!",
        "[Emily Becker] met {Emily} Smith, and [Emily] I know",
        "[Emily\u{a0}Becker] [Emily \n Becker] [Emily] ",
    ] {
        marked("Emily Becker", text);
    }
    marked(
        "Dr. Emily Anne Becker Jr.",
        "[Dr. Emily Anne Becker Jr.] is [Emily Becker], [Emily], Mrs. [Becker]",
    );
    marked("Maria van der Berg", "[Maria van der Berg], Frau [van der Berg]. [Maria]");
    marked("Jamal Washington", "[Jamal Washington] lives in {Washington}. [Jamal] sells.");
    marked("Becker, Emily", "[Becker, Emily]: [Emily] and [Emily Becker]");
    // A first name of one letter, or none: nothing more is looked for.
    marked("J Becker", "[J Becker] has a J");
    marked("Emily", "[Emily] Becker, [Emily]'s");
}

#[test]
fn unicode_forms_apostrophes_and_hyphens_are_alike() {
    let forms = |text: &str| [text.nfc().collect::<String>(), text.nfd().collect::<String>()];
    for name in forms("Zoë Müller-Éluard") {
        for text in forms("x Zoë Müller-Éluard. Zoë’s") {
            let (found, unsure) = found(&text, &name);
            let found: Vec<String> = found.iter().map(|own| own.nfc().collect()).collect();
            assert_eq!((found, unsure), (vec!["Zoë Müller-Éluard".into(), "Zoë".into()], vec![]));
        }
    }
    for text in
        ["Seán O'Brien", "Seán O’Brien", "Seán O‘Brien", "Seán OʼBrien", "Seán\u{202f}O＇Brien"]
    {
        assert_eq!(found(&format!("to {text}, he"), "Seán O'Brien").0, [text]);
        assert_eq!(found("to Seán O'Brien, he", text).0, ["Seán O'Brien"]);
    }
    assert_eq!(found("Anne‑Marie Roux", "Anne-Marie Roux").0, ["Anne‑Marie Roux"]);
    // A letter is not cut from its mark: `Jose` is not in `José` written in parts.
    assert_eq!(found("Jose\u{301}", "Jose").0, Vec::<String>::new());
    assert_eq!(found("Em\u{ad}ily Becker", "Emily Becker").0, ["Em\u{ad}ily Becker"]);
}

#[test]
fn parts_of_longer_words_are_no_mentions() {
    for (name, text) in [
        ("Jean", "Jean-Luc sells"),
        ("Luc", "Jean-Luc sells"),
        ("Al", "Albert sells"),
        ("Angelo", "D'Angelo sells"),
        ("Marr", "Ja'Marr sells"),
        ("Ja", "Ja'Marr sells"),
        ("Ann", "Anna sells"),
        ("Al Green", "Al Greene sells"),
        ("Al Green", "Al Greenfield sells"),
        ("Will", "will you sell?"),
        ("Mark", "MARK the Price"),
    ] {
        assert_eq!(found(text, name).0, Vec::<String>::new(), "{name}: {text}");
        let error = Mentions::expect(text, name).unwrap_err().to_string();
        assert!(
            error.contains(&format!("`{name}` does not occur")) && error.contains('»'),
            "{error}"
        );
    }
    marked("Jean", "Jean-Luc and [Jean]");
    marked("Ann", "Anna and [Ann]");
}

#[test]
fn a_name_that_is_also_a_word_is_found_or_said_to_be_unsure() {
    marked("Will", "{Will} [Will] sell a bike to me?");
    marked("Mark", "{Mark} my words, [Mark] sells. \"{Mark}\" the price!");
    marked("Grace", "Ask [Grace]. For grace, she says:\n{Grace} is all.");
    // The only place is the person.
    marked("Will", "[Will] is selling a bike. I will buy.");
    marked("Will Smith", "[Will Smith] sells. {Will} you buy? Ask [Will] or Mr. [Smith].");
    marked("April Jones", "[April Jones] sells in {April}; ask [April].");
    marked("Charlotte King", "[Charlotte King] lives in {Charlotte}. [Charlotte] sells.");
    // Many names are no words.
    marked("Emily Becker", "[Emily Becker] sells. [Emily] is here.");
    let error = Mentions::expect("Will you sell? Will it last?", "Will").unwrap_err();
    assert!(matches!(error, AskError::UnsureName { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("»Will« you sell") && error.contains("»Will« it last"), "{error}");
}

#[test]
fn case_counts_unless_a_template_writes_everything_alike() {
    marked("Emily Becker", "I BUY FROM [EMILY BECKER]. WHAT?");
    marked("Emily Becker", "i buy from [emily becker]. what?");
    marked("Will", "I BUY FROM [WILL]. WHAT?");
    marked("Mark Price", "[Mark Price] knows the mark price");
}

#[test]
fn words_that_begin_a_sentence_and_parts_of_other_names_are_unsure() {
    marked("An Nguyen", "[An Nguyen] sells a car. {An} offer is due. Ask [An].");
    marked("An", "{An} offer from [An] is due.");
    marked("Lee", "[Lee] sells a car in {Lee} County, as Robert E. {Lee} did. Is [Lee] in?");
    marked("Lee", "Mr. [Lee] sells to [Lee].\nWhat of [Lee]\nNow?");
    // Somebody must be meant.
    marked("Lee", "Robert E. [Lee] sells a car.");
    marked("Jordan", "Ask [Jordan] about Michael {Jordan}.");
}

#[test]
fn scripts_without_spaces_have_no_word_boundaries() {
    marked("王伟", "我想从[王伟]那里买一辆自行车。[王伟]要多少钱？[王]先生呢？国王");
    marked("田中 太郎", "[田中太郎]さんから買います。[田中]さんは");
    marked("田中太郎", "[田中 太郎]から買います");
    marked("สมชาย ใจดี", "ซื้อจาก[สมชาย ใจดี]เท่าไร");
    marked("สมชาย", "ซื้อจาก[สมชาย]เท่าไร");
    marked("김민준", "[김민준]은 자전거를 팝니다. [김민준]의 가격, [김]씨");
    marked("玛丽·贝克尔", "[玛丽・贝克尔]卖车。[玛丽]说");
    marked("Emily", "从[Emily]那里买");
    let parts: String = "김민준은".nfd().collect();
    assert_eq!(found(&parts, "김민준").0.len(), 1);
    // A syllable is not cut.
    assert_eq!(found("김민준", "김미").0, Vec::<String>::new());
}

#[test]
fn names_that_are_not_there_say_what_comes_near() {
    let error =
        Mentions::expect("Buy from Emily. How much?", "Emily Becker").unwrap_err().to_string();
    assert!(
        error.contains("`Emily Becker` does not occur") && error.contains("»Emily«"),
        "{error}"
    );
    let error = Mentions::expect("Buy a bike.", "Emily Becker").unwrap_err().to_string();
    assert!(error.contains("`Buy a bike.`") && !error.contains("Near"), "{error}");
    assert_eq!(Mentions::find("x", ""), Mentions::default());
    assert_eq!(Mentions::find("", "x"), Mentions::default());
}

#[test]
fn names_are_taken_apart() {
    let parts = |name| NameParts::of(name).words().to_vec();
    assert_eq!(parts("Dr. Emily  Becker, PhD"), ["Emily", "Becker"]);
    assert_eq!(parts("Becker, Emily"), ["Emily", "Becker"]);
    assert_eq!(parts("Mr."), ["Mr."]);
    assert_eq!(parts("  "), [""; 0]);
    assert_eq!(parts("玛丽·贝克尔"), ["玛丽", "贝克尔"]);
}

proptest! {
    /// Whatever stands around it: places are whole characters, in order, apart, and hold the name.
    #[test]
    fn places_are_of_the_text(before in "\\PC{0,12}", after in "\\PC{0,12}", name in "[A-Z][a-zé]{2,5}( [A-Z][a-zö]{2,6})?") {
        let text = format!("{before} {name}, {after}");
        let Mentions { found, unsure } = Mentions::find(&text, &name);
        let mut all: Vec<_> = found.iter().chain(&unsure).cloned().collect();
        all.sort_by_key(|own| own.start);
        for own in &all {
            prop_assert!(text.get(own.clone()).is_some_and(|own| !own.is_empty()), "{text}: {own:?}");
        }
        prop_assert!(all.windows(2).all(|two| two[0].end <= two[1].start), "{text}: {all:?}");
        let at = before.len() + 1;
        prop_assert!(all.contains(&(at..at + name.len())), "{text}: {all:?}");
    }

    /// Any text and any name: no panic, and NFC and NFD give as many mentions.
    #[test]
    fn unicode_forms_agree(text in "[ a-cA-Cé\u{301}’'\\-.가각王]{0,24}", name in "[ A-Cé'\\-가王]{0,6}") {
        let nfc = Mentions::find(&text.nfc().collect::<String>(), &name.nfc().collect::<String>());
        let nfd = Mentions::find(&text.nfd().collect::<String>(), &name.nfd().collect::<String>());
        prop_assert_eq!(nfc.found.len(), nfd.found.len());
        prop_assert_eq!(nfc.unsure.len(), nfd.unsure.len());
    }
}
