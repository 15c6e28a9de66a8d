use serde::Deserialize;

use super::choice::Question;
use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;
use crate::items::item::{Item, continued};
use crate::items::labels::Labels;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    id: Option<String>,
    /// The part of the file that it belongs to.
    #[serde(default)]
    task: Option<String>,
    /// Items of one template.
    #[serde(default)]
    template: Option<String>,
    query: String,
    #[serde(default)]
    choices: Option<Vec<String>>,
    #[serde(default)]
    gold: Option<usize>,
    #[serde(default)]
    target: Option<String>,
}

/// Tasks of one's own: JSON lines with `query`, and either `choices` and `gold` (the index of the
/// right one, from 0) or `target` (the words that follow). A space is put between them, as in
/// lm-evaluation-harness. `id`, `task` and `template` are optional.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    for (line, row) in file.json_lines::<Row>()? {
        let id = row.id.unwrap_or_else(|| line.to_string());
        match (row.choices, row.gold, row.target) {
            (Some(options), right, None) => {
                if right.is_some_and(|right| right >= options.len()) {
                    let reason =
                        format!("gold must be below {}, the number of choices", options.len());
                    return Err(file.bad(Some(line), reason));
                }
                found.add(Question {
                    id,
                    context: &row.query,
                    options,
                    right,
                    subset: row.task,
                    cluster: row.template,
                });
            }
            (None, None, Some(target)) => found.items.push(Item {
                cluster: row.template.unwrap_or_else(|| id.clone()),
                id,
                texts: continued(&row.query, [format!(" {target}")]),
                labels: Labels::Cloze { subset: row.task },
            }),
            _ => {
                let reason = "a task has either `choices` and `gold`, or `target`";
                return Err(file.bad(Some(line), reason));
            }
        }
    }
    Ok(found)
}
