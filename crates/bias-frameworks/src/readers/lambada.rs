use serde::Deserialize;

use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;
use crate::items::item::{Item, continued};
use crate::items::labels::Labels;

#[derive(Deserialize)]
struct Row {
    text: String,
}

/// LAMBADA: JSON lines with `text`. The last word, behind the last space, is wanted.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    for (line, row) in file.json_lines::<Row>()? {
        let Some((context, word)) = row.text.rsplit_once(' ') else {
            return Err(file.bad(Some(line), "the text has one word, and nothing before it"));
        };
        found.items.push(Item {
            id: line.to_string(),
            cluster: line.to_string(),
            texts: continued(context, [format!(" {word}")]),
            labels: Labels::Cloze { subset: None },
        });
    }
    Ok(found)
}
