use serde::Deserialize;
use serde_json::Value;

use super::choice::{Question, index};
use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;

#[derive(Deserialize)]
struct Row {
    question: String,
    passage: String,
    /// As in the original file.
    #[serde(default)]
    answer: Option<bool>,
    /// As in SuperGLUE: a number or a truth value.
    #[serde(default)]
    label: Value,
}

/// BoolQ: JSON lines in the form of the original file or of SuperGLUE.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    for (line, row) in file.json_lines::<Row>()? {
        let said = row.answer.or_else(|| row.label.as_bool()).map(usize::from);
        found.add(Question {
            id: line.to_string(),
            context: &format!("{}\nQuestion: {}?\nAnswer:", row.passage, row.question),
            options: vec!["no".into(), "yes".into()],
            right: said.or_else(|| index(&row.label)),
            subset: None,
            cluster: None,
        });
    }
    Ok(found)
}
