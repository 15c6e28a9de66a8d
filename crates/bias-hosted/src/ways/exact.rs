use bias_ask::Answers;

use super::tree::{ROOT, Tree};
use crate::error::HostedError;
use crate::exchange::Exchange;
use crate::question::HostedQuestion;
use crate::wire::{Ask, Endpoint, Prompt};

/// How often a place at which the server ends its answer is asked for with another draw.
const TRIES: u8 = 8;
/// The temperature of these draws: improbable tokens come up, and with them what else there is. The
/// log-probabilities do not depend on it.
const HOT: f64 = 2.0;

/// The limits of a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The probability that may be left unexplored.
    pub unexplored: f64,
    /// The most tokens that may be run.
    pub tokens: usize,
    /// The longest answer, in tokens.
    pub longest: usize,
    /// How many alternatives the server tells.
    pub alternatives: u32,
}

/// The answers to a question, as a tree that grows where the most probability is open.
///
/// From a place, the server continues greedily. That shows what may follow at each place on the way.
/// A server that tells no probability of an answer's end ends its answer there, and shows nothing;
/// then another token is drawn at that place.
pub(crate) fn exact(
    exchange: &Exchange,
    model: &str,
    question: &HostedQuestion,
    limits: Limits,
) -> Result<Answers, HostedError> {
    let form = question.form();
    let mut tree = Tree::new(form.clone(), limits.longest);
    let (mut run, mut base) = (0, None);
    while tree.unexplored() > limits.unexplored && run < limits.tokens {
        let Some(at) = tree.heaviest() else { break };
        // A part of a character, or what the server showed as one, cannot be sent.
        let Some(said) = tree.text(at) else {
            tree.give_up(at);
            continue;
        };
        let tries = tree.tries(at);
        let left = limits.longest - tree.depth(at);
        let text = format!("{}{said}", question.words());
        let ask = Ask {
            endpoint: Endpoint::Completions,
            model,
            prompt: Prompt::Text(&text),
            max_tokens: if tries > 0 { 1 } else { form.most_tokens(left) },
            n: 1,
            temperature: if tries > 0 { HOT } else { 0.0 },
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: (tries > 0).then_some(u64::from(tries)),
            alternatives: Some(limits.alternatives),
        };
        let reply = exchange.ask(&ask, 0, u32::from(tries))?;
        // The server tokenizes the text anew. Where that gives another number of tokens, they are not
        // the ones of this path.
        let prompt = reply.usage.map(|own| own.prompt_tokens as usize).filter(|own| *own > 0);
        if at == ROOT {
            base = prompt;
        }
        if let (Some(base), Some(found)) = (base, prompt)
            && found != base + tree.depth(at)
        {
            tree.give_up(at);
            continue;
        }
        let Some(own) = reply.choices.first() else { break };
        let url = || exchange.sender.address().endpoint(Endpoint::Completions.path());
        let steps = own.steps.as_deref().unwrap_or_default();
        if steps.is_empty() && !own.text.is_empty() {
            let reason = "it tells no log-probabilities of this answer".into();
            return Err(HostedError::Unreadable { url: url(), reason });
        }
        run += steps.len().max(1);
        let odd = |reason| HostedError::Unreadable { url: url(), reason };
        let reached = tree.follow(at, steps, own.end).map_err(odd)?;
        if tree.is_open(at) && (reached != at || tree.tries(at) == tries || tries >= TRIES) {
            tree.give_up(at);
        }
    }
    Ok(tree.answers())
}
