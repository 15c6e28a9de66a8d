use bias_ask::Answers;

use super::exact::Limits;
use super::samples::seed_of;
use super::tree::{ROOT, Tree};
use crate::error::HostedError;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::question::HostedQuestion;
use crate::wire::{Ask, Prompt};

/// Answers that are drawn together.
const TOGETHER: u32 = 8;
/// So many draws in a row that show nothing new end the search.
const IN_VAIN: u32 = 16;

/// The answers to a question, as a tree along answers that were drawn.
pub(crate) fn paths(
    exchange: &Exchange,
    model: &str,
    question: &HostedQuestion,
    prompt: Prompt<'_>,
    limits: Limits,
    seed: u64,
) -> Result<Answers, HostedError> {
    let form = question.form();
    let endpoint = question.endpoint();
    let mut tree = Tree::new(form.clone(), limits.longest);
    // A choice is told by what may be said first; only words of several tokens need more.
    let choice = matches!(form, Form::Choice(_));
    let (mut run, mut drawn, mut in_vain) = (0, 0, 0);
    while tree.unexplored() > limits.unexplored
        && tree.heaviest().is_some()
        && run < limits.tokens
        && in_vain < IN_VAIN
    {
        let single = (choice && drawn == 0) || exchange.is_single(endpoint);
        let ask = Ask {
            endpoint,
            model,
            prompt,
            max_tokens: form.most_tokens(limits.longest),
            n: if single { 1 } else { TOGETHER },
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: Some(seed_of(seed, question.stream(), drawn)),
            alternatives: Some(limits.alternatives),
        };
        let reply = exchange.ask(&ask, question.stream(), drawn)?;
        if (reply.choices.len() as u32) < ask.n {
            exchange.set_single(endpoint);
        }
        for own in &reply.choices {
            let url = || exchange.sender.address().endpoint(endpoint.path());
            let steps = own.steps.as_deref().unwrap_or_default();
            if steps.is_empty() && !own.text.is_empty() {
                let reason = "it tells no log-probabilities of this answer".into();
                return Err(HostedError::Unreadable { url: url(), reason });
            }
            run += steps.len().max(1);
            let before = tree.known();
            let odd = |reason| HostedError::Unreadable { url: url(), reason };
            tree.follow(ROOT, steps, own.end).map_err(odd)?;
            in_vain = if tree.known() > before { 0 } else { in_vain + 1 };
        }
        drawn = drawn.saturating_add(reply.choices.len().max(1) as u32);
    }
    Ok(tree.answers())
}
