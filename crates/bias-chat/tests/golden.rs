//! Chat templates render what transformers renders.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;

use bias_chat::{ChatError, ChatTemplate, Date, Message, SpecialTokens};
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
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

impl Case {
    fn render(&self) -> Result<String, ChatError> {
        let source = fs::read_to_string(fixtures().join("chat/templates").join(&self.template)).unwrap();
        let mut tokens = SpecialTokens::default();
        if let Some(bos) = &self.bos_token {
            tokens = tokens.bos(bos);
        }
        if let Some(eos) = &self.eos_token {
            tokens = tokens.eos(eos);
        }
        let mut template = ChatTemplate::new(&source, tokens)?;
        if let Some(today) = &self.today {
            template = template.on(day(today));
        }
        let turns = self.messages.iter().map(|t| Message::new(t.role.clone(), &t.content));
        template.render(&turns.collect::<Vec<_>>(), self.add_generation_prompt)
    }
}

fn day(text: &str) -> Date {
    let parts: Vec<u16> = text.split('-').map(|part| part.parse().unwrap()).collect();
    Date::from_calendar_date(
        parts[0].into(),
        u8::try_from(parts[1]).unwrap().try_into().unwrap(),
        parts[2] as u8,
    )
    .unwrap()
}

/// What the template engine said.
fn detail(error: &ChatError) -> String {
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
    assert!(cases.len() >= 287);
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
