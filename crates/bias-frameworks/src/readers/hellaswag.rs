use serde::Deserialize;
use serde_json::Value;

use super::choice::{Question, index};
use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;

#[derive(Deserialize)]
struct Row {
    activity_label: String,
    ctx_a: String,
    ctx_b: String,
    endings: Vec<String>,
    #[serde(default)]
    label: Value,
}

/// HellaSwag: JSON lines, cleaned as in lm-evaluation-harness.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    for (line, row) in file.json_lines::<Row>()? {
        let whole = format!("{}: {} {}", row.activity_label, row.ctx_a, capitalised(&row.ctx_b));
        found.add(Question {
            id: line.to_string(),
            context: &cleaned(&whole),
            options: row.endings.iter().map(|own| cleaned(own)).collect(),
            right: index(&row.label),
            subset: None,
            cluster: None,
        });
    }
    Ok(found)
}

/// Python's `str.capitalize`.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.as_str().to_lowercase().chars()).collect()
}

/// Without the marks of WikiHow's markup.
fn cleaned(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    let mut own = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // From a bracket to the next closing one, on the same line.
    while let Some(open) = rest.find('[') {
        let behind = &rest[open + 1..];
        let close = behind.find(']').filter(|close| !behind[..*close].contains('\n'));
        let Some(close) = close else {
            own.push_str(&rest[..=open]);
            rest = behind;
            continue;
        };
        own.push_str(&rest[..open]);
        rest = &behind[close + 1..];
    }
    own.push_str(rest);
    own.replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: `preprocess` of lm-evaluation-harness' hellaswag/utils.py.
    #[test]
    fn texts_are_cleaned_as_in_the_harness() {
        assert_eq!(cleaned(" a [title] b [step] c "), "a. b c");
        assert_eq!(cleaned("How to x [header] y [z"), "How to x y [z");
        assert_eq!(cleaned("a [b\nc] d"), "a [b\nc] d");
        assert_eq!(cleaned("[a [b] c]"), " c]");
        assert_eq!(capitalised("he SAYS"), "He says");
        assert_eq!(capitalised(""), "");
    }
}
