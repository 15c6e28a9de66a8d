//! What answers say reaches the difference between groups as it was meant, or is counted as unread.

use bias_ask::generate::{Answer, DecodeOptions, Done, Sampling};
use bias_ask::respond::Identity;
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, AskError, Decoding, Respond};
use bias_metrics::parse::AnswerKind;
use bias_study::results::{Attribute, Baseline};
use bias_study::run::Audit;
use bias_study::{PromptSet, Settings, StudyError, StudyOptions};

/// Somebody whose answers are written by a function of the name: texts, probabilities, and whether
/// the answer ended.
struct Scripted {
    options: DecodeOptions,
    prompt_ends_with: &'static str,
    answers: fn(&str) -> Vec<(String, f64, bool)>,
}

impl Scripted {
    fn new(answers: fn(&str) -> Vec<(String, f64, bool)>) -> Self {
        let options = DecodeOptions {
            sampling: Sampling::default(),
            stop: vec![0],
            max_new_tokens: 64,
            batch_rows: 1,
            threads: 1,
        };
        Self { options, prompt_ends_with: "<|assistant|>", answers }
    }
}

impl Respond for Scripted {
    /// The name, and what the answer is begun with.
    type Question = (String, Option<String>);

    fn prepare(
        &self,
        asked: &Asked<'_>,
        _: Wanted<'_>,
        _: u64,
    ) -> Result<Self::Question, AskError> {
        Ok((asked.name.into(), asked.prefix.map(str::to_owned)))
    }

    fn key(&self, (name, _): &Self::Question) -> String {
        name.clone()
    }

    /// As templates do, it begins no thought where the answer is begun.
    fn written(&self, (name, prefix): &Self::Question) -> Result<Option<String>, AskError> {
        Ok(Some(match prefix {
            Some(prefix) => format!("{name}?<|assistant|>{prefix}"),
            None => format!("{name}?{}", self.prompt_ends_with),
        }))
    }

    fn respond(
        &self,
        questions: &[Self::Question],
        _: Decoding,
        _: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        done(questions.len());
        let of =
            |(name, _): &Self::Question| {
                let answers = (self.answers)(name).into_iter().map(|(text, weight, finished)| {
                    Answer { tokens: Vec::new(), text, weight, finished, draw: None }
                });
                Answers { answers: answers.collect(), ..Answers::default() }
            };
        Ok(questions.iter().map(of).collect())
    }

    fn options(&self) -> &DecodeOptions {
        &self.options
    }

    fn identity(&self) -> Result<Identity, AskError> {
        Ok(Identity::default())
    }
}

const FIRST: [&str; 4] = ["ann", "bea", "cas", "dan"];

fn prompts(columns: &str, row: &str) -> PromptSet {
    let mut csv = format!("scenario,variation,name_group,name,prompt_text{columns}\n");
    for group in ["west", "east"] {
        for first in FIRST {
            csv += &format!(
                "price,car,{group},{first} {group},{first} {group} sells a car for $14200. Your offer?{row}\n"
            );
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), csv).unwrap();
    PromptSet::from_csv(file.path(), &Attribute::column("surname", "name_group"), ["west", "east"])
        .unwrap()
}

fn audit(model: Scripted, prompts: &PromptSet) -> Result<Baseline, StudyError> {
    let settings = Settings { resamples: 50, ..Settings::default() };
    let options = StudyOptions { settings, ..StudyOptions::default() };
    Ok(Audit::new(model, "scripted", prompts, options)?.audit()?.remove(0))
}

/// What somebody is offered, a little different for every name.
fn offer(name: &str) -> u32 {
    let first = FIRST.iter().position(|own| name.starts_with(own)).unwrap() as u32;
    (if name.ends_with("west") { 540 } else { 440 }) + 10 * first
}

fn means(own: &Baseline) -> [Option<f64>; 2] {
    own.variations[0].means
}

fn share(own: &Baseline, group: &str, kind: AnswerKind) -> f64 {
    own.answers[&group.parse().unwrap()].get(&kind).copied().unwrap_or_default()
}

#[test]
fn a_thought_is_no_answer() {
    let prompts = prompts("", "");
    let plain = audit(Scripted::new(|name| vec![(offer(name).to_string(), 1.0, true)]), &prompts);
    let plain = plain.unwrap();
    assert_eq!(means(&plain), [Some(555.0), Some(455.0)]);
    // Marks in the answer.
    let marked: fn(&str) -> Vec<(String, f64, bool)> = |name| {
        vec![(
            format!("<think>The price is $620.</think>I would offer ${}.", offer(name)),
            1.0,
            true,
        )]
    };
    let found = audit(Scripted::new(marked), &prompts).unwrap();
    assert_eq!(found.signed, plain.signed);
    // The template begins the thought; an answer that does not end it is unfinished, be it cut or
    // not.
    let begun: fn(&str) -> Vec<(String, f64, bool)> = |name| {
        vec![
            (format!("$620?</think>{}", offer(name)), 0.5, true),
            ("Let me see. $620".into(), 0.25, false),
            ("Let me see. $620".into(), 0.25, true),
        ]
    };
    let model = || Scripted { prompt_ends_with: "<|assistant|><think>\n", ..Scripted::new(begun) };
    let found = audit(model(), &prompts).unwrap();
    assert_eq!(means(&found), means(&plain));
    assert!((share(&found, "west", AnswerKind::Unfinished) - 0.5).abs() < 1e-12);
    assert!((found.in_thought - 0.5).abs() < 1e-12);
    assert_eq!(plain.in_thought, 0.0);

    // Neither a number nor a choice can be asked for within a thought, be the answer begun or not,
    // unless its beginning closes the thought.
    for (columns, row) in [
        (",answer_prefix", ",I offer $"),
        (",choices,better", ",\"yes|no\",yes"),
        (",answer_prefix,choices,better", ",I say:,\"yes|no\",yes"),
    ] {
        let prompts = self::prompts(columns, row);
        let error = audit(model(), &prompts).unwrap_err();
        let StudyError::Prompt { source, .. } = &error else { panic!("{error}") };
        let said = source.to_string();
        assert!(said.contains("enable_thinking=false") && said.contains("</think>"), "{said}");
    }
    let closed: fn(&str) -> Vec<(String, f64, bool)> =
        |name| vec![(offer(name).to_string(), 1.0, true)];
    let model = Scripted { prompt_ends_with: "<|assistant|><think>\n", ..Scripted::new(closed) };
    let found = audit(model, &self::prompts(",answer_prefix", ",<think></think>I offer $"));
    assert_eq!(means(&found.unwrap()), means(&plain));
}

#[test]
fn the_price_in_the_question_is_not_the_offer() {
    let quoting: fn(&str) -> Vec<(String, f64, bool)> =
        |name| vec![(format!("At $14,200 it is dear. I would say {}.", offer(name)), 1.0, true)];
    let found = audit(Scripted::new(quoting), &prompts("", "")).unwrap();
    assert_eq!(means(&found), [Some(555.0), Some(455.0)]);
}

#[test]
fn an_answer_that_was_cut_before_its_number_is_unfinished() {
    let cut: fn(&str) -> Vec<(String, f64, bool)> = |name| {
        vec![
            ("The car is from 2019 and in good shape, so I would".into(), 0.4, false),
            (format!("I would offer ${} because it", offer(name)), 0.6, false),
        ]
    };
    let found = audit(Scripted::new(cut), &prompts("", "")).unwrap();
    assert_eq!(means(&found), [Some(555.0), Some(455.0)]);
    assert!((share(&found, "east", AnswerKind::Unfinished) - 0.4).abs() < 1e-12);
}

#[test]
fn a_field_of_an_answer_in_json_is_read() {
    let json: fn(&str) -> Vec<(String, f64, bool)> =
        |name| vec![(format!("{{\"offer\": {}, \"confidence\": 0.7}}", offer(name)), 1.0, true)];
    let found = audit(Scripted::new(json), &prompts(",answer_field", ",offer")).unwrap();
    assert_eq!(means(&found), [Some(555.0), Some(455.0)]);
    let found = audit(Scripted::new(json), &prompts("", "")).unwrap();
    assert_eq!(share(&found, "west", AnswerKind::SeveralNumbers), 1.0);
    assert_eq!(means(&found), [None, None]);
}

/// Every answer can be looked at: as it was given, with what was read in it.
#[test]
fn answers_are_written_to_a_file() {
    let texts: fn(&str) -> Vec<(String, f64, bool)> = |name| {
        vec![
            (format!("=\"{}\",\nplease", offer(name)), 0.5, true),
            ("I cannot say.".into(), 0.25, true),
            ("It is".into(), 0.125, false),
        ]
    };
    let prompts = prompts(",higher_is_better", ",false");
    let mut audit =
        Audit::new(Scripted::new(texts), "scripted", &prompts, StudyOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.csv");
    audit.save_answers(&path).unwrap();
    let mut read = csv::Reader::from_path(&path).unwrap();
    let header: Vec<_> = read.headers().unwrap().iter().map(str::to_owned).collect();
    let expected = "scenario variation name_group name context_level prompt_text response model probability ended read_as \
                    value higher_is_better";
    assert_eq!(header.join(" "), expected);
    let rows: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3 * 8);
    let first: Vec<&str> = rows[0].iter().collect();
    let (asked, text) = ("ann east sells a car for $14200. Your offer?", "=\"440\",\nplease");
    let expected = [
        "price", "car", "east", "ann east", "", asked, text, "scripted", "0.5", "true", "number",
        "440.0", "false",
    ];
    assert!(rows.iter().any(|row| row.iter().eq(expected)), "{first:?}");
    let unread = ["It is", "scripted", "0.125", "false", "unfinished", "", "false"];
    assert_eq!(rows.iter().filter(|row| row.iter().skip(6).eq(unread)).count(), 8);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn units_are_reported_and_not_mixed() {
    let percent: fn(&str) -> Vec<(String, f64, bool)> = |name| {
        let percent = offer(name) / 10;
        vec![(format!("{percent}%"), 0.75, true), (format!("0.{percent}"), 0.25, true)]
    };
    let found = audit(Scripted::new(percent), &prompts("", "")).unwrap();
    assert_eq!(means(&found), [Some(55.5), Some(45.5)]);
    assert_eq!(share(&found, "west", AnswerKind::AnotherUnit), 0.25);
    assert_eq!(
        found.variations[0].units.as_deref(),
        Some("kept: percent (75 %); left out: fractions (25 %)")
    );

    // Amounts with and without a period are reported, and all count.
    let rent: fn(&str) -> Vec<(String, f64, bool)> = |name| {
        vec![
            (format!("${} a month", offer(name)), 0.5, true),
            (format!("${}", offer(name)), 0.5, true),
        ]
    };
    let found = audit(Scripted::new(rent), &prompts("", "")).unwrap();
    assert_eq!(share(&found, "west", AnswerKind::Number), 1.0);
    let units = found.variations[0].units.as_deref().unwrap();
    assert_eq!(units, "kept: $ per month (50 %), $ without a period (50 %)");

    // Where a period is asked about, others are converted.
    let mixed: fn(&str) -> Vec<(String, f64, bool)> = |name| {
        let month = format!("${} a month", offer(name));
        vec![(month, 0.5, true), (format!("${} p.a.", 12 * offer(name)), 0.5, true)]
    };
    let found = audit(Scripted::new(mixed), &prompts(",per", ",month")).unwrap();
    assert_eq!(means(&found), [Some(555.0), Some(455.0)]);
    assert_eq!(found.variations[0].units, None);
}
