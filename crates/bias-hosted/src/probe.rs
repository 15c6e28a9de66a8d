//! What a server offers, found out with a request or two.

use crate::error::HostedError;
use crate::exchange::{Exchange, Offer};
use crate::question::HostedQuestion;
use crate::setup::Setup;
use crate::wire::{Ask, End, Endpoint, Prompt};

/// How many alternatives are asked for at each token, the most first. vLLM and OpenAI's chats tell 20
/// unless told otherwise, OpenAI's completions 5, llama.cpp as many as wanted.
const ALTERNATIVES: [u32; 3] = [100, 20, 5];
/// A chat is asked this. The answer is short, so that it shows whether its end is told.
const SHORT: &str = "Answer with the single word: yes";

/// Asks a server for log-probabilities, and keeps what it offers.
pub(crate) fn probe(
    exchange: &Exchange,
    setup: &Setup,
    question: &HostedQuestion,
) -> Result<Offer, HostedError> {
    let endpoint = question.endpoint();
    let completions = endpoint == Endpoint::Completions;
    let prompt = match completions {
        true => Prompt::Text(question.words()),
        false => Prompt::Turns { system: None, message: SHORT, begun: None },
    };
    let mut offer = Offer { alternatives: None, tells_end: false };
    // Chats tell 20 at most.
    for most in ALTERNATIVES.into_iter().skip(usize::from(!completions)) {
        let ask = Ask {
            endpoint,
            model: &setup.model,
            prompt,
            max_tokens: if completions { 1 } else { 16 },
            n: 1,
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: Some(0),
            alternatives: Some(most),
        };
        let reply = match exchange.ask(&ask, 0, 0) {
            Ok(own) => own,
            // The model, the key or the address is not accepted: that is no answer to the question.
            Err(HostedError::Refused { status: 400 | 422 | 501, message, .. })
                if message.contains("logprobs") || most > 5 =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(own) = reply.choices.first() else { continue };
        let told = own.steps.as_deref().unwrap_or_default();
        let several = told.iter().any(|step| step.alternatives.len() > 1);
        // An answer that ended at once tells nothing; the server took the request.
        if several || (told.is_empty() && own.text.is_empty() && completions) {
            let ends = told.last().is_some_and(|step| step.token.ends());
            offer = Offer { alternatives: Some(most), tells_end: own.end == End::Stop && ends };
        }
        break;
    }
    exchange.set_offer(endpoint, offer)?;
    Ok(offer)
}
