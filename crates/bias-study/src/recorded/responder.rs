use std::fmt;

use bias_ask::generate::{BUDGET, DecodeOptions, Done, Sampling};
use bias_ask::respond::Identity;
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, AskError, Decoding, Respond};
use bias_files::hex;
use sha2::{Digest as _, Sha256};

/// Gives the answers that a file holds. It knows no model and no tokens.
///
/// [`RecordedAnswers::read`](super::RecordedAnswers::read) makes it together with the questions that
/// it answers.
pub struct Recorded {
    /// People by the stream of their question, sorted.
    places: Vec<(u64, u32)>,
    people: Vec<Known>,
    decoding: Decoding,
    options: DecodeOptions,
}

/// What was answered about a person.
pub(super) struct Known {
    pub(super) stream: u64,
    /// The [`digest`] of the question.
    pub(super) question: [u8; 16],
    pub(super) in_thought: bool,
    pub(super) answers: Answers,
}

/// A question that was answered: a person's place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedQuestion(u32);

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("people", &self.people.len())
            .field("decoding", &self.decoding)
            .finish_non_exhaustive()
    }
}

/// What tells a question from others of its stream.
pub(super) fn digest(name: &str, message: &str) -> [u8; 16] {
    let hash = [name, message].iter().fold(Sha256::new(), |hash, text| {
        hash.chain_update((text.len() as u64).to_le_bytes()).chain_update(text)
    });
    let mut own = [0; 16];
    own.iter_mut().zip(hash.finalize()).for_each(|(own, byte)| *own = byte);
    own
}

impl Recorded {
    /// Takes what is known. `drawn` is the most draws of a person; `None` says that answers have
    /// probabilities.
    pub(super) fn new(people: Vec<Known>, drawn: Option<u32>) -> Self {
        let places = people.iter().enumerate().map(|(at, own)| (own.stream, at as u32));
        let mut places: Vec<(u64, u32)> = places.collect();
        places.sort_unstable();
        let unexplored = people.iter().map(|own| own.answers.unexplored).fold(0.0, f64::max);
        let decoding = match drawn {
            Some(samples) => Decoding::Sampled { samples, seed: 0 },
            None => Decoding::Exact { unexplored, tokens: BUDGET, seed: 0 },
        };
        let options = DecodeOptions {
            sampling: Sampling::default(),
            // Answers can end: those that were cut say so.
            stop: vec![0],
            max_new_tokens: 0,
            batch_rows: 1,
            threads: 1,
        };
        Self { places, people, decoding, options }
    }

    /// What the weights of the answers mean: counts of draws, or probabilities. An audit needs it in
    /// its [settings](crate::Settings::decoding).
    #[must_use]
    pub fn decoding(&self) -> Decoding {
        self.decoding
    }

    fn known(&self, question: RecordedQuestion) -> Result<&Known, AskError> {
        let found = self.people.get(question.0 as usize);
        found.ok_or_else(|| AskError::outside("the question is of another file of answers"))
    }
}

impl Respond for Recorded {
    type Question = RecordedQuestion;

    fn prepare(
        &self,
        asked: &Asked<'_>,
        _: Wanted<'_>,
        stream: u64,
    ) -> Result<RecordedQuestion, AskError> {
        let own = digest(asked.name, asked.message);
        let from = self.places.partition_point(|(before, _)| *before < stream);
        let here = self.places.iter().skip(from).take_while(|(found, _)| *found == stream);
        let mut here = here.map(|(_, at)| *at);
        let found = here
            .find(|at| self.people.get(*at as usize).is_some_and(|known| known.question == own));
        found.map(RecordedQuestion).ok_or_else(|| {
            AskError::outside(format!(
                "the file holds no answer to the question about `{}`; ask what stands in it",
                asked.name
            ))
        })
    }

    fn key(&self, question: &RecordedQuestion) -> String {
        self.known(*question).map(|own| hex(&own.question)).unwrap_or_default()
    }

    fn written(&self, question: &RecordedQuestion) -> Result<Option<String>, AskError> {
        // All that is known of the prompt's end.
        Ok(self.known(*question)?.in_thought.then(|| "<think>".into()))
    }

    fn respond(
        &self,
        questions: &[RecordedQuestion],
        _: Decoding,
        _: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        done(questions.len());
        questions.iter().map(|own| self.known(*own).map(|known| known.answers.clone())).collect()
    }

    fn options(&self) -> &DecodeOptions {
        &self.options
    }

    fn identity(&self) -> Result<Identity, AskError> {
        Ok(Identity { backend: "recorded answers".into(), ..Identity::default() })
    }
}
