//! Chat templates render what transformers renders.

use std::fs;
use std::path::PathBuf;

use bias_chat::{ChatError, ChatTemplate, Message, SpecialTokens};
use serde::Deserialize;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[derive(Deserialize)]
struct Case {
    template: String,
    bos_token: Option<String>,
    eos_token: Option<String>,
    messages: Vec<Turn>,
    add_generation_prompt: bool,
    rendered: Option<String>,
    error: Option<String>,
    today: Option<String>,
    #[serde(default)]
    arguments: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    continued: bool,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

impl Case {
    fn render(&self) -> Result<String, ChatError> {
        let source =
            fs::read_to_string(fixtures().join("chat/templates").join(&self.template)).unwrap();
        let mut tokens = SpecialTokens::default();
        if let Some(bos) = &self.bos_token {
            tokens = tokens.bos(bos);
        }
        if let Some(eos) = &self.eos_token {
            tokens = tokens.eos(eos);
        }
        let mut template = ChatTemplate::new(&source, tokens)?;
        if let Some(today) = &self.today {
            let parts: Vec<i16> = today.split('-').map(|part| part.parse().unwrap()).collect();
            template = template.on(parts[0], parts[1] as i8, parts[2] as i8)?;
        }
        for (name, value) in &self.arguments {
            template = template.with_argument(name, value)?;
        }
        let turns = self.messages.iter().map(|t| Message::new(t.role.clone(), &t.content));
        let turns = turns.collect::<Vec<_>>();
        match self.continued {
            true => template.continued(&turns),
            false => template.render(&turns, self.add_generation_prompt),
        }
    }
}

/// What the template engine said.
fn detail(error: &ChatError) -> String {
    if *error == ChatError::Continuation {
        return "continuation".into();
    }
    let ChatError::Template { detail, .. } = error else { panic!("{error}") };
    detail.clone().unwrap_or_default()
}

/// Two texts from shortly before where they part.
fn apart(a: &str, b: &str) -> (String, String) {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(same.saturating_sub(20)).take(80).collect();
    (from(a), from(b))
}

#[test]
fn every_case_is_rendered_as_transformers_renders_it() {
    let cases: Vec<Case> =
        serde_json::from_slice(&fs::read(fixtures().join("chat/expected.json")).unwrap()).unwrap();
    assert!(cases.len() >= 400);
    let mut wrong = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let found = case.render();
        let equal = match (&found, &case.error) {
            (Ok(text), _) => Some(text) == case.rendered.as_ref(),
            (Err(error), expected) => Some(detail(error)) == *expected,
        };
        if !equal {
            let found = found.unwrap_or_else(|e| e.to_string());
            let (found, expected) = apart(&found, case.rendered.as_deref().unwrap_or("an error"));
            wrong.push(format!("case {at}, {}: {found:?}, not {expected:?}", case.template));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn days_that_do_not_exist_are_refused() {
    let template =
        || ChatTemplate::new("{{ strftime_now('%F') }}", SpecialTokens::default()).unwrap();
    assert_eq!(template().on(2024, 2, 29).unwrap().render(&[], false).unwrap(), "2024-02-29");
    for (year, month, day) in [(2025, 2, 29), (2025, 13, 1), (2025, 0, 1), (i16::MAX, 1, 1)] {
        let error = template().on(year, month, day).unwrap_err();
        assert_eq!(error, ChatError::Date { year, month, day });
    }
}

#[test]
fn arguments_that_no_template_reads_are_refused() {
    let source = "{% set ours = 1 %}{{ messages | length }}{{ enable_thinking }}{{ range(2) }}{{ ours }}\
                  {% for turn in messages %}{{ turn.role }}{{ tone }}{% endfor %}";
    let template = || ChatTemplate::new(source, SpecialTokens::default()).unwrap();
    assert_eq!(template().arguments_read(), ["enable_thinking", "tone"]);
    assert!(!template().tells_the_date());
    for name in ["enable_thnking", "messages", "add_generation_prompt", "ours", "range", "turn"] {
        let error = template().with_argument(name, &true.into()).unwrap_err();
        assert!(matches!(&error, ChatError::Argument { known, .. } if known.len() == 2), "{name}");
        assert!(error.to_string().contains("it takes enable_thinking, tone"), "{error}");
    }
    let dated = ChatTemplate::new("{{ strftime_now('%F') }}", SpecialTokens::default()).unwrap();
    assert!(dated.tells_the_date() && dated.arguments_read().is_empty());
}
