use serde::Deserialize;
use serde_json::Value;

use super::ask::Endpoint;
use super::log_probs::steps;
use super::reply::{Choice, End, Reply, Usage};

#[derive(Deserialize)]
struct OpenAi {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    system_fingerprint: Option<String>,
    choices: Vec<OpenAiChoice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct OpenAiChoice {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Anthropic {
    #[serde(default)]
    model: Option<String>,
    content: Vec<Block>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
}

/// Reads the body of a response.
///
/// # Errors
/// What is wrong with it.
pub fn parse(endpoint: Endpoint, body: &Value) -> Result<Reply, String> {
    match endpoint {
        Endpoint::Messages => messages(body),
        Endpoint::Completions | Endpoint::Chat => openai(endpoint, body),
    }
}

fn end(reason: Option<&str>) -> End {
    match reason {
        // TGI says how it recognised the end.
        Some("stop" | "eos_token" | "stop_sequence" | "end_turn") => End::Stop,
        Some("length" | "max_tokens") => End::Length,
        _ => End::Other,
    }
}

fn openai(endpoint: Endpoint, body: &Value) -> Result<Reply, String> {
    let body = OpenAi::deserialize(body).map_err(|error| error.to_string())?;
    if body.choices.is_empty() {
        return Err("it has no `choices`".into());
    }
    let mut choices = body.choices;
    choices.sort_by_key(|own| own.index);
    let choice = |own: OpenAiChoice| {
        // A refusal or a tool's call has no content: an answer without text, which counts.
        let text = match endpoint {
            Endpoint::Completions => own.text.ok_or("a choice has no `text`")?,
            _ => own.message.ok_or("a choice has no `message`")?.content.unwrap_or_default(),
        };
        let steps = own.logprobs.as_ref().map_or(Ok(None), |all| steps(all, &text))?;
        Ok(Choice { end: end(own.finish_reason.as_deref()), text, steps })
    };
    let choices = choices.into_iter().map(choice).collect::<Result<_, String>>()?;
    let fingerprint = body.system_fingerprint.filter(|own| !own.is_empty());
    Ok(Reply { model: body.model, fingerprint, choices, usage: body.usage })
}

fn messages(body: &Value) -> Result<Reply, String> {
    let body = Anthropic::deserialize(body).map_err(|error| error.to_string())?;
    let texts = body.content.into_iter().filter(|block| block.kind == "text");
    let text = texts.filter_map(|block| block.text).collect();
    let choice = Choice { text, end: end(body.stop_reason.as_deref()), steps: None };
    Ok(Reply { model: body.model, fingerprint: None, choices: vec![choice], usage: body.usage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_protocol_is_read() {
        let own = parse(
            Endpoint::Chat,
            &json!({"model": "m", "system_fingerprint": "fp_1", "object": "x", "choices": [
                {"index": 1, "message": {"content": "b", "role": "assistant"}, "finish_reason": "length"},
                {"index": 0, "message": {"content": null}, "finish_reason": "content_filter"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}),
        );
        let own = own.unwrap();
        assert_eq!(own.choices[1].text, "b");
        assert_eq!((own.choices[0].end, own.choices[1].end), (End::Other, End::Length));
        assert_eq!(own.fingerprint.as_deref(), Some("fp_1"));
        assert_eq!(own.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 4 }));
        let own = parse(
            Endpoint::Messages,
            &json!({"model": "c", "stop_reason": "end_turn", "content": [
                {"type": "thinking", "thinking": "…"}, {"type": "text", "text": "5"}],
                "usage": {"input_tokens": 9, "output_tokens": 1}}),
        );
        let own = own.unwrap();
        assert_eq!((own.choices[0].text.as_str(), own.choices[0].end), ("5", End::Stop));
        assert_eq!(own.usage, Some(Usage { prompt_tokens: 9, completion_tokens: 1 }));
    }

    #[test]
    fn what_is_used_must_be_there() {
        for (endpoint, body, reason) in [
            (Endpoint::Chat, json!({}), "choices"),
            (Endpoint::Chat, json!({"choices": []}), "no `choices`"),
            (Endpoint::Chat, json!({"choices": [{"text": "a"}]}), "message"),
            (Endpoint::Completions, json!({"choices": [{"text": 3}]}), "string"),
            (Endpoint::Completions, json!({"choices": [{}]}), "text"),
            (Endpoint::Messages, json!({"choices": []}), "content"),
            (Endpoint::Messages, json!([]), ""),
        ] {
            let error = parse(endpoint, &body).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
