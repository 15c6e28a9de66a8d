use std::fmt;

use bias_ask::generate::{Answer, BUDGET, DecodeOptions, Done, Sampling};
use bias_ask::respond::Identity;
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, AskError, Decoding, Respond};
use bias_files::hex;
use sha2::{Digest as _, Sha256};

use super::people::{About, Said};

/// Gives the answers that a file holds. It knows no model and no tokens.
///
/// [`RecordedAnswers::read`](super::RecordedAnswers::read) makes it together with the questions that
/// it answers.
pub struct Recorded {
    /// The questions, by their stream.
    places: Vec<Place>,
    people: Vec<Kept>,
    decoding: Decoding,
    options: DecodeOptions,
}

/// A question that is answered.
pub(super) struct Place {
    pub(super) stream: u64,
    /// Its [`digest`].
    pub(super) question: [u8; 8],
    /// The person.
    pub(super) at: u32,
}

/// What was answered about a person.
struct Kept {
    said: Vec<Said>,
    unexplored: f64,
    draws: u32,
    in_thought: bool,
}

impl Kept {
    fn answers(&self) -> Answers {
        let answer = |own: &Said| Answer {
            tokens: vec![0; own.tokens.into()],
            text: own.text.as_ref().to_owned(),
            weight: own.weight,
            finished: own.finished,
            draw: own.draw,
        };
        Answers {
            answers: self.said.iter().map(answer).collect(),
            unexplored: self.unexplored,
            draws: self.draws,
            tokens: 0,
        }
    }
}

/// A question that was answered: its place among all.
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
pub(super) fn digest(name: &str, message: &str) -> [u8; 8] {
    let hash = [name, message].iter().fold(Sha256::new(), |hash, text| {
        hash.chain_update((text.len() as u64).to_le_bytes()).chain_update(text)
    });
    let mut own = [0; 8];
    own.iter_mut().zip(hash.finalize()).for_each(|(own, byte)| *own = byte);
    own
}

impl Recorded {
    /// Takes what is known. `drawn` is the most draws of a person; `None` says that answers have
    /// probabilities.
    pub(super) fn new(mut places: Vec<Place>, people: Vec<About>, drawn: Option<u32>) -> Self {
        places.sort_unstable_by_key(|own| own.stream);
        let unexplored = people.iter().map(|own| own.unexplored).fold(0.0, f64::max);
        let kept =
            people.into_iter().map(|About { said, unexplored, draws, in_thought, .. }| Kept {
                said,
                unexplored,
                draws,
                in_thought,
            });
        let people = kept.collect();
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

    fn kept(&self, question: RecordedQuestion) -> Result<&Kept, AskError> {
        let place = self.places.get(question.0 as usize);
        let found = place.and_then(|own| self.people.get(own.at as usize));
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
        let from = self.places.partition_point(|before| before.stream < stream);
        let found = self
            .places
            .iter()
            .enumerate()
            .skip(from)
            .take_while(|(_, found)| found.stream == stream)
            .find(|(_, found)| found.question == own);
        found.map(|(at, _)| RecordedQuestion(at as u32)).ok_or_else(|| {
            AskError::outside(format!(
                "the file holds no answer to the question about `{}`; ask what stands in it",
                asked.name
            ))
        })
    }

    fn key(&self, question: &RecordedQuestion) -> String {
        self.places.get(question.0 as usize).map(|own| hex(&own.question)).unwrap_or_default()
    }

    fn written(&self, question: &RecordedQuestion) -> Result<Option<String>, AskError> {
        // All that is known of the prompt's end.
        Ok(self.kept(*question)?.in_thought.then(|| "<think>".into()))
    }

    fn respond(
        &self,
        questions: &[RecordedQuestion],
        _: Decoding,
        _: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        done(questions.len());
        questions.iter().map(|own| self.kept(*own).map(Kept::answers)).collect()
    }

    fn options(&self) -> &DecodeOptions {
        &self.options
    }

    fn identity(&self) -> Result<Identity, AskError> {
        Ok(Identity { backend: "recorded answers".into(), ..Identity::default() })
    }
}
