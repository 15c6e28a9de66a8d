//! A language model of a few lines, whose distribution of answers is known, and servers of it.

use std::collections::{BTreeMap, HashMap};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::server::{Does, Request, Server};

pub const END: &[u8] = b"<|im_end|>";
/// Raw prompts end with this, and answers begin behind it.
pub const MARK: &str = "Answer:";

/// What may follow an answer so far.
pub fn next(said: &[u8]) -> Vec<(&'static [u8], f64)> {
    const EURO: &[u8] = &[0xe2, 0x82];
    let own: &[(&[u8], f64)] = match said {
        b"" => &[(b"5", 0.4), (b"1", 0.2), (b" I", 0.15), (b"12", 0.1), (EURO, 0.1), (b"~", 0.05)],
        b"5" => &[(b"0", 0.5), (END, 0.4), (b" dollars", 0.1)],
        b"50" => &[(END, 0.9), (b"0", 0.1)],
        b"1" => &[(END, 0.6), (b"2", 0.3), (b"0", 0.1)],
        b"12" => &[(END, 0.8), (b"0", 0.2)],
        b" I" => &[(b" refuse", 1.0)],
        b" I refuse" => &[(END, 0.7), (b".", 0.3)],
        EURO => &[(&[0xac], 1.0)],
        b"\xe2\x82\xac" => &[(b"5", 0.5), (END, 0.5)],
        _ => &[(END, 1.0)],
    };
    own.to_vec()
}

/// The truth: the probability of each text.
pub fn truth() -> BTreeMap<String, f64> {
    fn grow(said: Vec<u8>, mass: f64, all: &mut BTreeMap<String, f64>) {
        for (token, p) in next(&said) {
            if token == END {
                *all.entry(String::from_utf8(said.clone()).unwrap()).or_default() += mass * p;
            } else {
                grow([&*said, token].concat(), mass * p, all);
            }
        }
    }
    let mut all = BTreeMap::new();
    grow(Vec::new(), 1.0, &mut all);
    all
}

/// What a server of the model can do.
#[derive(Debug, Clone, Copy)]
pub struct Can {
    pub log_probs: bool,
    /// The end token is among the tokens.
    pub tells_end: bool,
    /// Several answers to a request.
    pub n: bool,
    /// At most so many alternatives.
    pub most: usize,
}

pub const ALL: Can = Can { log_probs: true, tells_end: true, n: true, most: 20 };

/// The number of tokens of an answer as the tokenizer makes them: `12` is one.
fn tokens(text: &str) -> usize {
    text.replace("12", "#")
        .replace('€', "##")
        .replace(" dollars", "#")
        .replace(" refuse", "#")
        .replace(" I", "#")
        .len()
}

fn shown(token: &[u8]) -> String {
    match std::str::from_utf8(token) {
        Ok(text) => text.into(),
        Err(_) => {
            let hex: String = token.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("bytes:{hex}")
        }
    }
}

/// One answer from `said` on: tokens with what else was possible there, and whether it ended.
type Drawn = (Vec<(&'static [u8], Vec<(&'static [u8], f64)>)>, bool);

fn draw(said: &[u8], most: usize, temperature: f64, rng: &mut StdRng) -> Drawn {
    let (mut said, mut steps) = (said.to_vec(), Vec::new());
    for _ in 0..most {
        let all = next(&said);
        let weight = |p: f64| if temperature > 0.0 { p.powf(1.0 / temperature) } else { 0.0 };
        let total: f64 = all.iter().map(|(_, p)| weight(*p)).sum();
        let mut left = rng.random::<f64>() * total;
        let drawn = all.iter().find(|(_, p)| {
            left -= weight(*p);
            left < 0.0
        });
        let top = all.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let token = if temperature > 0.0 { drawn.unwrap_or(top).0 } else { top.0 };
        steps.push((token, all));
        if token == END {
            return (steps, true);
        }
        said.extend(token);
    }
    (steps, false)
}

/// The answer of a server that can do this.
pub fn answer(can: Can, request: &Request) -> Value {
    let body = &request.body;
    let chat = request.path.ends_with("chat/completions");
    let said = match body["prompt"].as_str() {
        Some(prompt) => prompt.split(MARK).nth(1).unwrap_or_default(),
        None => "",
    };
    let number = |name: &str, or: u64| body[name].as_u64().unwrap_or(or);
    let n = if can.n { number("n", 1) } else { 1 };
    let temperature = body["temperature"].as_f64().unwrap_or(1.0);
    let mut rng = StdRng::seed_from_u64(number("seed", request.number as u64));
    let wanted = if chat { number("top_logprobs", 0) } else { number("logprobs", 0) };
    let (mut used, mut choices) = (0, Vec::new());
    for index in 0..n {
        let most = number("max_tokens", 16) as usize;
        let (steps, ended) = draw(said.as_bytes(), most, temperature, &mut rng);
        used += steps.len();
        let text: Vec<u8> =
            steps.iter().filter(|(own, _)| *own != END).flat_map(|(own, _)| own.to_vec()).collect();
        let mut choice =
            json!({"index": index, "finish_reason": if ended { "stop" } else { "length" }});
        let text = String::from_utf8_lossy(&text);
        if chat {
            choice["message"] = json!({"role": "assistant", "content": text});
        } else {
            choice["text"] = text.into();
        }
        if can.log_probs && wanted > 0 {
            let told = steps.iter().filter(|(own, _)| can.tells_end || *own != END);
            let most = can.most.min(wanted as usize);
            choice["logprobs"] = if chat { content(told, most) } else { columns(told, most) };
        }
        choices.push(choice);
    }
    let prompt = 7 + tokens(said);
    json!({"id": "x", "model": "fake", "system_fingerprint": "fp_1", "choices": choices,
        "usage": {"prompt_tokens": prompt, "completion_tokens": used}})
}

fn best(all: &[(&'static [u8], f64)], most: usize) -> Vec<(&'static [u8], f64)> {
    let mut all = all.to_vec();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(most);
    all
}

type Step = (&'static [u8], Vec<(&'static [u8], f64)>);

fn of(step: &Step) -> f64 {
    step.1.iter().find(|(own, _)| *own == step.0).unwrap().1.ln()
}

fn columns<'a>(steps: impl Iterator<Item = &'a Step>, most: usize) -> Value {
    let (mut tokens, mut logs, mut tops) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        tokens.push(shown(step.0));
        logs.push(of(step));
        let top = best(&step.1, most).into_iter();
        tops.push(top.map(|(own, p)| (shown(own), p.ln().into())).collect::<Map<String, Value>>());
    }
    json!({"tokens": tokens, "token_logprobs": logs, "top_logprobs": tops})
}

fn content<'a>(steps: impl Iterator<Item = &'a Step>, most: usize) -> Value {
    let entry = |own: &[u8], log: f64| json!({"token": String::from_utf8_lossy(own), "bytes": own, "logprob": log});
    let all = steps.map(|step| {
        let mut own = entry(step.0, of(step));
        let top = best(&step.1, most).into_iter();
        own["top_logprobs"] = top.map(|(own, p)| entry(own, p.ln())).collect();
        own
    });
    json!({"content": all.collect::<Vec<_>>()})
}

/// A server of the model.
pub fn server(can: Can) -> Server {
    Server::new(move |request| Does::json(&answer(can, request)))
}

/// The weights of answers by their text, as shares.
pub fn shares(own: &bias_ask::Answers) -> HashMap<String, f64> {
    let total: f64 = own.answers.iter().map(|a| a.weight).sum::<f64>() + own.unexplored;
    let mut all = HashMap::new();
    for answer in &own.answers {
        *all.entry(answer.text.clone()).or_default() += answer.weight / total;
    }
    all
}
