//! Choices, numbers and begun answers against PyTorch, transformers and brute force
//! (`fixtures/questions`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bias_metrics::parse_answer;
use bias_model::chat::{ChatTemplate, Message, SpecialTokens};
use bias_model::generate::Sampling;
use bias_model::question::{Choices, QuestionKind};
use bias_model::text::Asked;
use bias_model::{Answers, Decoding, LanguageModel, Question};
use burn::backend::Flex;
use serde::Deserialize;
use serde::de::DeserializeOwned;

type Model = LanguageModel<Flex>;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn cases<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = fixtures().join("questions").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn load(models: &mut BTreeMap<String, Model>, name: &str) -> String {
    let folder = [fixtures(), fixtures().join("questions")].map(|own| own.join(name));
    let folder = folder.iter().find(|own| own.is_dir()).unwrap();
    models.entry(name.into()).or_insert_with(|| Model::load(folder, &Default::default()).unwrap());
    name.into()
}

fn begun(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[derive(Deserialize)]
struct Choice {
    model: String,
    prompt: String,
    answer_prefix: String,
    choices: String,
    better: String,
    raw: bool,
    ids: Vec<u32>,
    words: Vec<ChoiceWord>,
    log_odds: f64,
    log_odds_per_token: f64,
    mass: f64,
}

#[derive(Deserialize)]
struct ChoiceWord {
    word: String,
    option: usize,
    ids: Vec<u32>,
    log_prob: f64,
}

/// The name is nothing that these cases are about: any word of the prompt.
fn a_word(prompt: &str) -> &str {
    prompt.split_whitespace().next().unwrap()
}

#[test]
fn choices_are_as_probable_as_pytorch_says() {
    let mut models = BTreeMap::new();
    let (mut seen, mut refused, mut worst) = (0, 0, 0f64);
    for case in cases::<Choice>("choice.json") {
        let name = load(&mut models, &case.model);
        let model = &models[&name];
        let asked = Asked {
            message: &case.prompt,
            name: a_word(&case.prompt),
            prefix: begun(&case.answer_prefix),
            raw: case.raw,
        };
        let choices = Choices::parse(&case.choices, &case.better).unwrap();
        let found = model.text().choice(&asked, &choices);
        // Where one word begins with another of the other option, the reference counts both; here
        // that is refused.
        let overlaps =
            |a: &ChoiceWord, b: &ChoiceWord| a.option != b.option && b.ids.starts_with(&a.ids);
        if case.words.iter().any(|a| case.words.iter().any(|b| overlaps(a, b))) {
            assert!(found.unwrap_err().to_string().contains("cannot tell"));
            refused += 1;
            continue;
        }
        let (prompt, words) = found.unwrap();
        assert_eq!(prompt.tokens(), case.ids, "{}", case.prompt);
        for word in &words {
            let own = case.words.iter().find(|own| own.word == word.text).unwrap();
            assert_eq!(
                (&word.tokens, word.option),
                (&own.ids, own.option),
                "{}: {}",
                case.prompt,
                word.text
            );
        }
        let question =
            Question { prompt, kind: QuestionKind::Choice(words.clone().into()), stream: 0 };
        let answers = model.ask(&[question], Decoding::Greedy).unwrap().remove(0);
        let (other, chosen) = answers.answers.split_last().unwrap();
        for (word, answer) in words.iter().zip(chosen) {
            let own = case.words.iter().find(|own| own.word == word.text).unwrap();
            worst = worst.max((answer.weight.ln() - own.log_prob).abs());
        }
        if words.len() < case.words.len() {
            // A word that goes on with another of its own option is counted with it.
            continue;
        }
        let side = |better: bool, power: &dyn Fn(usize) -> f64| -> f64 {
            let own = words
                .iter()
                .zip(chosen)
                .filter(|(word, _)| (word.option == choices.better()) == better);
            own.map(|(word, answer)| answer.weight.powf(power(word.tokens.len()))).sum()
        };
        let odds = |power: &dyn Fn(usize) -> f64| (side(true, power) / side(false, power)).ln();
        assert!((odds(&|_| 1.0) - case.log_odds).abs() < 2e-5, "{}", case.prompt);
        assert!(
            (odds(&|n| 1.0 / n as f64) - case.log_odds_per_token).abs() < 2e-5,
            "{}",
            case.prompt
        );
        assert!((1.0 - other.weight - case.mass).abs() < 2e-5, "{}", case.prompt);
        seen += 1;
    }
    println!("{seen} choices, {refused} refused; log-probabilities off by {worst:.1e} at most");
    assert!(seen > 5 && worst < 2e-5, "{seen} cases, off by {worst}");
}

#[derive(Deserialize)]
struct Number {
    model: String,
    prompt: String,
    answer_prefix: String,
    raw: bool,
    ids: Vec<u32>,
    new_tokens: usize,
    temperature: f64,
    number: f64,
    mean_log10: f64,
    texts: Vec<(String, f64, f64, Option<f64>)>,
    sampled: Sampled,
}

#[derive(Deserialize)]
struct Sampled {
    mean_log10: f64,
    error_log10: f64,
}

/// As the reference reads a text: by its longest beginning that is a number. Half a group of
/// thousands (`5,0`), which it takes for 5, is unreadable to `parse_answer` or a decimal comma
/// (`€5,25`), and thousands that begin with 0 (`0,120`) are none to it: the commas go.
fn read(text: &str) -> Option<f64> {
    let half = |own: &str| {
        own.rsplit_once(',')
            .is_some_and(|(_, group)| group.len() < 3 && group.bytes().all(|b| b.is_ascii_digit()))
    };
    let whole = |end: &usize| {
        text.get(..*end).is_some_and(|own| own.ends_with(char::is_alphanumeric) && !half(own))
    };
    (1..=text.len())
        .rev()
        .filter(whole)
        .find_map(|end| parse_answer(&with_four_decimals(&without_commas(&text[..end]))).value)
}

/// Three decimals behind a currency sign could be thousands (`$12.345`), which `parse_answer` does
/// not tell: a fourth leaves no doubt.
fn with_four_decimals(text: &str) -> String {
    let Some((whole, behind)) = text.split_once('.') else { return text.into() };
    let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    let (decimals, rest) = behind.split_at(end);
    format!("{whole}.{decimals}{}{rest}", if decimals.len() == 3 { "0" } else { "" })
}

fn without_commas(text: &str) -> String {
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (before, number) = text.split_at(start);
    let end = number.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(number.len());
    let (digits, behind) = number.split_at(end);
    match digits.starts_with('0') && digits.split(',').skip(1).all(|group| group.len() == 3) {
        true => format!("{before}{}{behind}", digits.replace(',', "")),
        false => text.into(),
    }
}

#[test]
fn numbers_are_distributed_as_brute_force_says() {
    let mut models = BTreeMap::new();
    let (mut seen, mut worst) = (0, 0f64);
    for case in cases::<Number>("number.json") {
        let name = load(&mut models, &case.model);
        let model = models.get_mut(&name).unwrap();
        model.options_mut().max_new_tokens = case.new_tokens;
        model.options_mut().sampling =
            Sampling::default().with_temperature(case.temperature).unwrap();
        let asked = Asked {
            message: &case.prompt,
            name: a_word(&case.prompt),
            prefix: begun(&case.answer_prefix),
            raw: case.raw,
        };
        let prompt = model.text().question(&asked).unwrap();
        assert_eq!(prompt.tokens(), case.ids, "{}", case.prompt);
        let grammar = Arc::new(model.text().number_grammar().unwrap());
        let question = |stream| Question {
            prompt: prompt.clone(),
            kind: QuestionKind::Number(grammar.clone()),
            stream,
        };
        let ask = |decoding| model.ask(&[question(3)], decoding).unwrap().remove(0);
        let found = ask(Decoding::Exact { unexplored: 1e-7, tokens: usize::MAX, seed: 0 });
        let mut texts: BTreeMap<String, [f64; 2]> = BTreeMap::new();
        let mut number = 0.0;
        for answer in &found.answers {
            let own = texts.entry(answer.text.trim_start().to_owned()).or_default();
            own[usize::from(!answer.finished)] += answer.weight;
            number += if read(&answer.text).is_some() { answer.weight } else { 0.0 };
            // What would go on is what the reference would have followed.
            assert!(
                !answer.finished || grammar.until(&answer.tokens).is_some(),
                "{:?}",
                answer.text
            );
        }
        let mut expected: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
        for (text, ended, cut, value) in &case.texts {
            let own = expected.entry(text.trim_start()).or_default();
            (own[0], own[1]) = (own[0] + ended, own[1] + cut);
            // The file has eleven digits of each value.
            let alike = match (read(text), *value) {
                (Some(own), Some(value)) => (own - value).abs() <= 1e-10 * value.abs(),
                (own, value) => own == value,
            };
            assert!(alike, "{text:?}: {:?} and {value:?}", read(text));
        }
        for (text, [ended, cut]) in expected {
            let own = texts.get(text).copied().unwrap_or_default();
            // Texts that differ in their first space are one here, and the reference lists the
            // likeliest alone: there may be more.
            worst = worst.max(ended - own[0]).max(cut - own[1]);
            assert!(worst < 1e-6, "{} {text:?}: {own:?} and {ended}, {cut}", case.model);
        }
        // 1.3e-6 seen on `spaced`.
        assert!(
            (number - case.number).abs() < 5e-6,
            "{}: {number} and {}",
            case.model,
            case.number
        );
        // 10,000 samples of PyTorch's, and as many of ours. Means have tails too heavy to compare:
        // their logarithms have not.
        let log = |value: f64| value.max(1.0).log10();
        let logs = |of: &Answers| -> f64 {
            let own = of.answers.iter().filter_map(|a| Some((read(&a.text)?, a.weight)));
            let (sum, all) = own.fold((0.0, 0.0), |(sum, all), (v, w)| (sum + w * log(v), all + w));
            sum / all
        };
        let off = (logs(&found) - case.mean_log10).abs();
        assert!(off < 1e-5 * case.mean_log10.abs().max(1.0), "{}: off by {off}", case.model);
        let (mean, error) = (case.sampled.mean_log10, case.sampled.error_log10);
        assert!((logs(&found) - mean).abs() < 5.0 * error, "{}: {mean}", case.model);
        let own = ask(Decoding::Sampled { samples: 10_000, seed: 1 });
        let drawn: f64 =
            own.answers.iter().filter(|a| read(&a.text).is_some()).map(|a| a.weight).sum();
        let error = (number * (1.0 - number) / 10_000.0).sqrt();
        assert!(
            (drawn / 10_000.0 - number).abs() < 5.0 * error + 1e-9,
            "{}: {drawn} of {number}",
            case.model
        );
        seen += 1;
    }
    println!("{seen} distributions; probabilities off by {worst:.1e} at most");
    assert!(seen > 5);
}

#[derive(Deserialize)]
struct Rendering {
    template: String,
    bos_token: Option<String>,
    eos_token: Option<String>,
    messages: Vec<Written>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    role: String,
    content: String,
}

#[test]
fn answers_are_begun_as_transformers_begins_them() {
    let (mut seen, mut refused) = (0, 0);
    for case in cases::<Rendering>("rendering.json") {
        let file = fixtures().join("chat/templates").join(&case.template);
        let source = if Path::new(&file).is_file() {
            std::fs::read_to_string(file).unwrap()
        } else {
            case.template.clone()
        };
        let mut tokens = SpecialTokens::default();
        if let Some(bos) = &case.bos_token {
            tokens = tokens.bos(bos.clone());
        }
        if let Some(eos) = &case.eos_token {
            tokens = tokens.eos(eos.clone());
        }
        let template = ChatTemplate::new(&source, tokens).unwrap().on(1, 1, 1).unwrap();
        let messages: Vec<Message> =
            case.messages.iter().map(|m| Message::new(m.role.clone(), m.content.clone())).collect();
        match (template.continued(&messages), case.rendered) {
            (Ok(own), Some(expected)) => assert_eq!(own, expected, "{}", case.template),
            (Err(_), None) => refused += 1,
            (own, expected) => panic!("{}: {own:?} and {expected:?}", case.template),
        }
        seen += 1;
    }
    println!("{seen} begun answers, {refused} refused by both");
    assert!(seen > 5);
}

#[test]
fn a_tokenizer_without_digits_cannot_be_asked_for_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let from = fixtures().join("golden/gqa_sharded");
    for file in std::fs::read_dir(&from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let path = folder.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vocab = json["model"]["vocab"].as_object_mut().unwrap();
    let digits: Vec<String> =
        vocab.keys().filter(|token| token.chars().any(|c| c.is_ascii_digit())).cloned().collect();
    for (i, token) in digits.iter().enumerate() {
        let id = vocab.remove(token).unwrap();
        vocab.insert(format!("word{}", char::from(b'a' + i as u8)), id);
    }
    std::fs::write(&path, json.to_string()).unwrap();
    let text = bias_model::TextCodec::from_folder(folder.path()).unwrap();
    let error = text.number_grammar().unwrap_err().to_string();
    assert!(error.contains("no token is a digit"), "{error}");
}

/// Two people may be asked about in the same words. Options of several tokens branch behind the
/// prompt, and no branch may be run as part of a common beginning.
#[test]
fn the_same_choice_twice_is_answered_as_once() {
    let model = Model::load(&fixtures().join("emergent"), &Default::default()).unwrap();
    let options = "walked in the park before dinner|walked in the garden before dinner";
    let choices = Choices::parse(options, "walked in the park before dinner").unwrap();
    let asked = Asked {
        message: "Yesterday the old man went out. Say what he did.",
        name: "man",
        prefix: None,
        raw: true,
    };
    let (prompt, words) = model.text().choice(&asked, &choices).unwrap();
    assert!(words.iter().all(|word| word.tokens.len() > 3));
    let kind = QuestionKind::Choice(words.into());
    let question = Question { prompt, kind, stream: 0 };
    let weights = |questions: &[Question]| -> Vec<Vec<f64>> {
        let found = model.ask(questions, Decoding::Greedy).unwrap();
        found.iter().map(|own| own.answers.iter().map(|a| a.weight).collect()).collect()
    };
    let alone = weights(std::slice::from_ref(&question)).remove(0);
    for own in weights(&[question.clone(), question]) {
        for (a, b) in own.iter().zip(&alone) {
            assert!((a - b).abs() <= 1e-5 * b, "{own:?} {alone:?}");
        }
    }
}
