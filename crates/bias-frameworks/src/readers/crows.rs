use serde::Deserialize;

use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;
use crate::items::item::{Item, continued};
use crate::items::labels::Labels;

#[derive(Deserialize)]
struct Row {
    sent_more: String,
    sent_less: String,
    bias_type: String,
}

/// CrowS-Pairs: a CSV file with `sent_more`, `sent_less` and `bias_type`. Both sentences follow the
/// prefix token, as in lm-evaluation-harness.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    for (line, row) in file.table::<Row>(b',')? {
        let empty = [&row.sent_more, &row.sent_less, &row.bias_type];
        if empty.iter().any(|own| own.trim().is_empty()) {
            return Err(file.bad(Some(line), "a sentence or its bias_type is empty"));
        }
        found.items.push(Item {
            id: line.to_string(),
            cluster: line.to_string(),
            texts: continued("", [row.sent_more, row.sent_less]),
            labels: Labels::Pair { kind: row.bias_type },
        });
    }
    Ok(found)
}
