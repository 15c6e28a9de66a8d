use serde::Deserialize;

use super::choice::Question;
use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    id: Option<String>,
    question: Stem,
    #[serde(default)]
    choices: Option<Lists>,
    #[serde(rename = "answerKey", default)]
    answer_key: String,
}

/// The question in the original file, with its options, or alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stem {
    Whole { stem: String, choices: Vec<Choice> },
    Text(String),
}

#[derive(Deserialize)]
struct Choice {
    text: String,
    label: String,
}

#[derive(Deserialize)]
struct Lists {
    text: Vec<String>,
    label: Vec<String>,
}

/// ARC, easy or challenge: JSON lines in the form of the original file or of the Hugging Face hub.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    for (line, row) in file.json_lines::<Row>()? {
        let (stem, texts, labels) = match (row.question, row.choices) {
            (Stem::Whole { stem, choices }, _) => {
                let (texts, labels): (Vec<_>, Vec<_>) =
                    choices.into_iter().map(|own| (own.text, own.label)).unzip();
                (stem, texts, labels)
            }
            (Stem::Text(stem), Some(own)) => (stem, own.text, own.label),
            (Stem::Text(_), None) => return Err(file.bad(Some(line), "it has no choices")),
        };
        found.add(Question {
            id: row.id.unwrap_or_else(|| line.to_string()),
            context: &format!("Question: {stem}\nAnswer:"),
            right: labels.iter().position(|own| *own == row.answer_key),
            options: texts,
            subset: None,
            cluster: None,
        });
    }
    Ok(found)
}
