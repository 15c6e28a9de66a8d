use std::io::{Error, Write};
use std::path::Path;

use bias_ask::Respond;
use bias_files::write_with;
use bias_metrics::parse::AnswerKind;
use serde::Serialize;

use super::audit::Audit;
use crate::StudyError;

/// One answer in a file of answers: a row.
#[derive(Serialize)]
struct Row<'a> {
    scenario: &'a str,
    variation: &'a str,
    name_group: &'a str,
    name: &'a str,
    /// Its probability (exact), or how often it was drawn.
    weight: f64,
    /// Whether the model ended it, and it was not cut.
    ended: bool,
    read_as: AnswerKind,
    /// The number, as the model gave it; of an option 1 if it is the favourable one, or else 0.
    value: Option<f64>,
    text: &'a str,
}

impl<R: Respond> Audit<'_, R> {
    /// Writes every answer of the unpruned model to a CSV file, with what was read in it: one row for
    /// each different answer about a person. The model is asked first, once. Answers that exact
    /// decoding did not explore are not among them, so that the weights of a person may add up to
    /// less than 1. The file appears when all of it is written.
    ///
    /// # Errors
    /// As [`audit`](Self::audit); [`StudyError::Write`].
    pub fn save_answers(&mut self, path: &Path) -> Result<(), StudyError> {
        let reference = self.reference()?;
        let prompts = self.prompts;
        let fill = |file: &mut std::fs::File| -> std::io::Result<()> {
            let mut out = csv::Writer::from_writer(std::io::BufWriter::new(file));
            for (&(c, v), answers) in &reference.answers {
                let context = &prompts.contexts[c];
                let variation = &context.variations[v];
                let sign = if context.higher_is_better { 1.0 } else { -1.0 };
                for (person, answer, read_as, value) in answers.each(variation, sign) {
                    let row = Row {
                        scenario: context.context.as_str(),
                        variation: &variation.name,
                        name_group: person.group.as_str(),
                        name: &person.name,
                        weight: answer.weight,
                        ended: answer.finished,
                        read_as,
                        value,
                        text: &answer.text,
                    };
                    out.serialize(row).map_err(Error::other)?;
                }
            }
            out.into_inner().map_err(|error| Error::other(error.to_string()))?.flush()
        };
        write_with(path, fill).map_err(|source| StudyError::Write { path: path.to_owned(), source })
    }
}
