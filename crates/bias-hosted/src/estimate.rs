//! How many requests a run takes, and roughly how many tokens, without sending one.

use bias_ask::Decoding;
use bias_ask::text::{Asked, Wanted};

use crate::exchange::tokens_of;
use crate::setup::{Protocol, Setup};
use crate::ways::Way;

/// The requests and tokens of a run: at least, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Questions.
    pub questions: u64,
    /// Requests, at least and at most, if every request is answered at the first attempt.
    pub requests: [u64; 2],
    /// Tokens of prompts, at least and at most, at three bytes a token.
    pub prompt_tokens: [u64; 2],
    /// Tokens of answers, at most.
    pub completion_tokens: u64,
}

impl Estimate {
    /// Adds a question.
    pub fn add(
        &mut self,
        setup: &Setup,
        asked: &Asked<'_>,
        wanted: Wanted<'_>,
        decoding: Decoding,
    ) {
        let system = setup.system.as_deref().filter(|_| !asked.raw).map_or(0, str::len);
        let prefix = asked.prefix.map_or(0, str::len);
        let prompt = tokens_of(asked.message.len() + prefix + system);
        let longest = setup.options.max_new_tokens as u64;
        let weighed = matches!(wanted, Wanted::Choice(_))
            && setup.way != Some(Way::Samples)
            && setup.protocol == Protocol::Openai;
        let (requests, answers) = match decoding {
            // What the server's draws share is one request, if it has `n`.
            Decoding::Sampled { samples, .. } if weighed => {
                ([1, u64::from(samples)], u64::from(samples) * longest)
            }
            Decoding::Sampled { samples, .. } => {
                let together = match setup.protocol {
                    Protocol::Openai => u64::from(samples.div_ceil(128)),
                    Protocol::Anthropic => u64::from(samples),
                };
                ([together, u64::from(samples)], u64::from(samples) * longest)
            }
            Decoding::Greedy => ([1, 1], longest),
            // Each request shows a token at least.
            Decoding::Exact { tokens, .. } => ([1, tokens as u64], tokens as u64 + longest),
        };
        self.questions += 1;
        for (own, more) in self.requests.iter_mut().zip(requests) {
            *own += more;
        }
        for (own, more) in self.prompt_tokens.iter_mut().zip(requests) {
            *own += more * prompt;
        }
        self.completion_tokens += answers;
    }
}
