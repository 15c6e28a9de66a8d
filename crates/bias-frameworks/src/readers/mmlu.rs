use serde::Deserialize;
use serde_json::Value;

use super::choice::{Question, index};
use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;

#[derive(Deserialize)]
struct Row {
    question: String,
    choices: Vec<String>,
    #[serde(default)]
    answer: Value,
    #[serde(default)]
    subject: Option<String>,
}

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// MMLU: JSON lines in the form of the Hugging Face hub, or a CSV file of the original archive
/// (question, four options and the letter, without a header; the file's name is the subject). No
/// examples are put before a question.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let mut found = Found::default();
    let mut add = |line: u64, row: Row| {
        let Ok([a, b, c, d]) = <[String; 4]>::try_from(row.choices) else {
            return Err(file.bad(Some(line), "there are not four choices"));
        };
        let question = row.question.trim();
        let letter = row.answer.as_str().and_then(|own| LETTERS.iter().position(|l| *l == own));
        found.add(Question {
            id: line.to_string(),
            context: &format!("{question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer:"),
            options: LETTERS.map(str::to_owned).to_vec(),
            right: letter.or_else(|| index(&row.answer)),
            subset: row.subject.filter(|own| !own.is_empty()),
            cluster: None,
        });
        Ok(())
    };
    if file.text.trim_start().starts_with('{') {
        for (line, row) in file.json_lines::<Row>()? {
            add(line, row)?;
        }
        return Ok(found);
    }
    let stem = file.stem();
    let subject = ["_test", "_val", "_dev"].iter().find_map(|own| stem.strip_suffix(own));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(file.text.as_bytes());
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<&str> = record.iter().collect();
        let [question, a, b, c, d, answer] = cells[..] else {
            let reason = format!(
                "a row has a question, four options and a letter, not {} cells",
                cells.len()
            );
            return Err(file.bad(Some(line), reason));
        };
        if !LETTERS.contains(&answer) {
            return Err(file.bad(Some(line), format!("the last cell is `{answer}`, not A to D")));
        }
        add(
            line,
            Row {
                question: question.to_owned(),
                choices: [a, b, c, d].map(str::to_owned).to_vec(),
                answer: answer.into(),
                subject: subject.map(str::to_owned),
            },
        )?;
    }
    Ok(found)
}
