//! What a server answers, and the record of it.

use bias_hosted::record::{Journal, Of};
use bias_hosted::wire::{Dialect, Endpoint, parse};
use bias_hosted::{Address, Protocol, Setup};
use serde_json::{Value, json};

use crate::scratch::with_file;

pub(crate) fn response(bytes: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else { return false };
    let asked = json!({"top_k": 0, "min_p": 0, "temperature": 0.5, "seed": 3, "max_tokens": 4});
    let message = String::from_utf8_lossy(bytes);
    drop(Dialect::default().learnt(&asked, &message));
    let all = [Endpoint::Chat, Endpoint::Completions, Endpoint::Messages];
    all.map(|endpoint| parse(endpoint, &body).is_ok()).contains(&true)
}

pub(crate) fn responses() -> Vec<Vec<u8>> {
    let content = json!([
        {"token": "Twelve", "logprob": -0.5, "bytes": [84, 119, 101, 108, 118, 101], "top_logprobs": [
            {"token": "Twelve", "logprob": -0.5, "bytes": null},
            {"token": "bytes:\\xe2\\x82", "logprob": -1.5, "bytes": [226, 130]},
        ]},
    ]);
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 1});
    let columns = json!({"tokens": [" a", "b"], "token_logprobs": [-0.5, -1.0],
        "top_logprobs": [{" a": -0.5, "c": -2.0}, {"b": -1.0}], "text_offset": [0, 2]});
    let all = [
        json!({"model": "m", "system_fingerprint": "fp_1", "usage": usage, "choices": [
            {"message": {"role": "assistant", "content": "Twelve"}, "finish_reason": "stop", "logprobs": {"content": content}},
        ]}),
        json!({"model": "m", "choices": [{"text": " ab", "finish_reason": "length", "logprobs": columns}]}),
        json!({"model": "c", "stop_reason": "end_turn", "content": [{"type": "text", "text": "12"}],
            "usage": {"input_tokens": 3, "output_tokens": 1}}),
        json!({"error": {"message": "Unknown parameter: 'top_k'", "param": "top_k"}}),
    ];
    all.iter().map(|own| own.to_string().into_bytes()).collect()
}

fn of() -> Of {
    let address = Address::parse("http://localhost:8000/v1").unwrap();
    Setup::new(address, Protocol::Openai, "m").of()
}

pub(crate) fn record(bytes: &[u8]) -> bool {
    with_file("record.jsonl", bytes, |path| {
        Journal::open(path, &of()).is_ok_and(|own| !own.was_torn() && !own.is_empty())
    })
}

pub(crate) fn records() -> Vec<Vec<u8>> {
    let head = serde_json::to_string(&of()).unwrap();
    let line = json!({"key": "0".repeat(64), "draw": 0, "at": "2026-11-30T08:00:00Z", "response": {"choices": []}});
    let learnt = json!({"learnt": {"lacks": ["top_k"]}});
    vec![format!("{head}\n{learnt}\n{line}\n").into_bytes(), format!("{head}\n").into_bytes()]
}
