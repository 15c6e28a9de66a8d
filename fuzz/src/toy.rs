use bias_ask::generate::{Answer, DecodeOptions};
use bias_ask::respond::Identity;
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, AskError, Decoding, Respond};

/// Answers every question alike, and knows which weights it has: a study of it is kept.
pub(crate) struct Toy(pub(crate) DecodeOptions);

impl Respond for Toy {
    type Question = String;

    fn prepare(&self, asked: &Asked<'_>, _: Wanted<'_>, _: u64) -> Result<String, AskError> {
        Ok(asked.message.to_owned())
    }

    fn key(&self, question: &String) -> String {
        question.clone()
    }

    fn respond(
        &self,
        questions: &[String],
        _: Decoding,
        _: usize,
        done: &bias_ask::generate::Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        done(questions.len());
        let answer = |question: &String| Answers {
            answers: vec![Answer {
                tokens: vec![1],
                text: format!("{} dollars", question.len()),
                weight: 1.0,
                finished: true,
                draw: None,
            }],
            ..Answers::default()
        };
        Ok(questions.iter().map(answer).collect())
    }

    fn options(&self) -> &DecodeOptions {
        &self.0
    }

    fn identity(&self) -> Result<Identity, AskError> {
        Ok(Identity { fingerprint: "abc".into(), ..Identity::default() })
    }
}
