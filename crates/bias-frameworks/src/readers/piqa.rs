use serde::Deserialize;
use serde_json::Value;

use super::choice::{Question, index};
use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;

#[derive(Deserialize)]
struct Row {
    goal: String,
    sol1: String,
    sol2: String,
    #[serde(default)]
    label: Value,
}

/// PIQA: JSON lines. The right solution is in `label`, or, as in the original files, on the same
/// line of a file beside it: `valid-labels.lst` for `valid.jsonl`.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let rows = file.json_lines::<Row>()?;
    let beside = file.path.with_file_name(format!("{}-labels.lst", file.stem()));
    let labels: Option<Vec<Option<usize>>> = match rows.iter().any(|(_, own)| own.label.is_null()) {
        true if beside.is_file() => {
            let own = TextFile::read(&beside)?;
            let labels: Vec<_> = own.lines().map(|(_, own)| own.trim().parse().ok()).collect();
            if labels.len() != rows.len() {
                let reason = format!("it has {} labels for {} questions", labels.len(), rows.len());
                return Err(own.bad(None, reason));
            }
            Some(labels)
        }
        _ => None,
    };
    let mut found = Found::default();
    for (i, (line, row)) in rows.into_iter().enumerate() {
        let listed = labels.as_ref().and_then(|own| own[i]);
        found.add(Question {
            id: line.to_string(),
            context: &format!("Question: {}\nAnswer:", row.goal),
            options: vec![row.sol1, row.sol2],
            right: index(&row.label).or(listed),
            subset: None,
            cluster: None,
        });
    }
    Ok(found)
}
