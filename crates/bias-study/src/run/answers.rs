use std::path::Path;

use bias_ask::Respond;

use super::audit::Audit;
use crate::StudyError;
use crate::recorded::{Saved, write_answers};

impl<R: Respond> Audit<'_, R> {
    /// Writes every answer of the unpruned model to a file, with the question and what was read in
    /// the answer: one row for each different answer about a person. The model is asked first, once.
    /// The name ends in `.csv`, or in `.jsonl` for JSON Lines. The file appears when all of it is
    /// written.
    ///
    /// [`RecordedAnswers::read`](crate::recorded::RecordedAnswers::read) reads it, and an audit of it
    /// has the same numbers. Answers that exact decoding did not explore are not among them: the
    /// column `unexplored` says their probability.
    ///
    /// # Errors
    /// As [`audit`](Self::audit); [`StudyError::Write`].
    pub fn save_answers(&mut self, path: &Path) -> Result<(), StudyError> {
        let reference = self.reference()?;
        let saved = Saved {
            model: &self.provenance().model.name,
            prompts: self.prompts,
            answers: &reference.answers,
            sampled: self.measure.sampled,
            ends: self.model.ends(),
            in_thought: &|place, person| self.questions.begins_in_thought(place, person),
        };
        write_answers(path, &saved)
    }
}
