use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The bytes that a token adds to a text. They may be a part of a character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub Box<[u8]>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

/// Texts by which servers show the token that ends an answer. llama.cpp's Python server shows it
/// as no text at all.
const ENDS: [&str; 14] = [
    "",
    "</s>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<|return|>",
    "<end_of_turn>",
    "<turn|>",
    "<eos>",
    "<|eot|>",
    "[EOS]",
];

impl Token {
    /// Whether it ends an answer.
    #[must_use]
    pub fn ends(&self) -> bool {
        ENDS.iter().any(|end| end.as_bytes() == &*self.0)
    }

    /// Whether it stands for bytes that the server did not tell: they became U+FFFD.
    #[must_use]
    pub fn is_unclear(&self) -> bool {
        self.0.windows(3).any(|own| own == "\u{fffd}".as_bytes())
    }

    /// The token of a text as completions show it: bytes that are no text as `bytes:\xe2\x80`.
    fn shown(text: &str) -> Self {
        let Some(escaped) = text.strip_prefix("bytes:") else { return text.into() };
        if !escaped.contains("\\x") {
            return text.into();
        }
        let mut bytes = Vec::new();
        let mut rest = escaped;
        while let Some(first) = rest.chars().next() {
            let hex = rest.strip_prefix("\\x").and_then(|own| own.get(..2));
            match hex.and_then(|own| u8::from_str_radix(own, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = rest.get(4..).unwrap_or_default();
                }
                None => {
                    bytes.extend(first.to_string().bytes());
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                }
            }
        }
        Self(bytes.into())
    }

    /// The token of a vocabulary's own spelling, where a space is `Ġ` or `▁`.
    fn unspelt(&self) -> Self {
        match std::str::from_utf8(&self.0) {
            Ok(text) => text.replace(['Ġ', '▁'], " ").replace('Ċ', "\n").as_str().into(),
            Err(_) => self.clone(),
        }
    }
}

/// One token of an answer, and the alternatives that were told at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The token.
    pub token: Token,
    /// The probabilities of tokens at its place, including its own where that is known.
    pub alternatives: Vec<(Token, f64)>,
}

/// A log-probability below this means *not known*, or *impossible*: OpenAI writes −9999.
const UNKNOWN: f64 = -9000.0;

/// The probability of a log-probability, if it is known.
fn probability(log: Option<f64>) -> Option<f64> {
    log.filter(|own| *own > UNKNOWN && own.is_finite()).map(|own| own.exp().min(1.0))
}

impl Step {
    fn new(token: Token, log: Option<f64>, top: Vec<(Token, Option<f64>)>) -> Self {
        let mut alternatives: Vec<(Token, f64)> = Vec::with_capacity(top.len() + 1);
        for (token, log) in top.into_iter().chain([(token.clone(), log)]) {
            let Some(p) = probability(log) else { continue };
            // The same text again is the same token, or one that cannot be told from it: the larger
            // one counts, so that nothing counts twice.
            match alternatives.iter_mut().find(|(own, _)| *own == token) {
                Some((_, known)) => *known = known.max(p),
                None => alternatives.push((token, p)),
            }
        }
        Self { token, alternatives }
    }
}

/// `logprobs` of a chat, and of completions by llama.cpp's own server.
#[derive(Deserialize)]
struct Content {
    token: String,
    #[serde(default)]
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    logprob: Option<f64>,
    #[serde(default)]
    top_logprobs: Option<Vec<Alternative>>,
}

#[derive(Deserialize)]
struct Alternative {
    token: String,
    #[serde(default)]
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    logprob: Option<f64>,
}

/// `logprobs` of completions.
#[derive(Deserialize)]
struct Columns {
    tokens: Vec<String>,
    token_logprobs: Vec<Option<f64>>,
    #[serde(default)]
    top_logprobs: Option<Vec<Option<Map<String, Value>>>>,
}

fn token(text: &str, bytes: Option<Vec<u8>>) -> Token {
    // An end has bytes for its name in some servers and none in others.
    match bytes.filter(|own| !own.is_empty()) {
        Some(bytes) => Token(bytes.into()),
        None => Token::shown(text),
    }
}

/// The steps of an answer with this text. `None` where the server told none.
///
/// # Errors
/// What is wrong with them.
pub(super) fn steps(value: &Value, text: &str) -> Result<Option<Vec<Step>>, String> {
    let odd = |error: serde_json::Error| format!("its log-probabilities are odd: {error}");
    let steps: Vec<Step> = match value.get("content") {
        Some(Value::Null) => return Ok(None),
        Some(content) => {
            let content: Vec<Content> = serde_json::from_value(content.clone()).map_err(odd)?;
            let step = |own: Content| {
                let top = own.top_logprobs.unwrap_or_default().into_iter();
                let top = top.map(|own| (token(&own.token, own.bytes), own.logprob)).collect();
                Step::new(token(&own.token, own.bytes), own.logprob, top)
            };
            content.into_iter().map(step).collect()
        }
        None if value.get("tokens").is_none() => return Ok(None),
        None => {
            let columns: Columns = serde_json::from_value(value.clone()).map_err(odd)?;
            let (found, expected) = (columns.token_logprobs.len(), columns.tokens.len());
            if found != expected {
                return Err(format!("it has {found} log-probabilities for {expected} tokens"));
            }
            let mut top = columns.top_logprobs.unwrap_or_default().into_iter();
            let each = columns.tokens.iter().zip(columns.token_logprobs);
            let step = |(own, log): (&String, Option<f64>)| {
                let top = top.next().flatten().unwrap_or_default();
                let top = top.iter().map(|(text, log)| (Token::shown(text), log.as_f64()));
                Step::new(Token::shown(own), log, top.collect())
            };
            each.map(step).collect()
        }
    };
    if spell(&steps, text) {
        return Ok(Some(steps));
    }
    let unspelt: Vec<Step> = steps
        .iter()
        .map(|own| Step {
            token: own.token.unspelt(),
            alternatives: own.alternatives.iter().map(|(t, p)| (t.unspelt(), *p)).collect(),
        })
        .collect();
    if spell(&unspelt, text) {
        return Ok(Some(unspelt));
    }
    let said: Vec<&Token> = steps.iter().map(|own| &own.token).take(8).collect();
    Err(format!("its tokens {said:?} do not spell its text `{}`", text.escape_debug()))
}

/// Whether tokens spell a text. A space in front may be missing in the text, and ends are no part
/// of it. What is unclear in either is taken as it is.
fn spell(steps: &[Step], text: &str) -> bool {
    let own: Vec<u8> = steps
        .iter()
        .filter(|own| !own.token.ends())
        .flat_map(|own| own.token.0.iter().copied())
        .collect();
    let own = String::from_utf8_lossy(&own);
    if own.contains('\u{fffd}') || text.contains('\u{fffd}') {
        return true;
    }
    // A server that cuts a half character off the end of an answer leaves its bytes in the tokens.
    own == text || own.trim_start() == text.trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value, text: &str) -> Vec<Step> {
        steps(&value, text).unwrap().unwrap()
    }

    #[test]
    fn both_forms_give_the_same_steps() {
        let columns = json!({"tokens": [" a", "b"], "token_logprobs": [-0.5, -1.0],
            "top_logprobs": [{" a": -0.5, "c": -2.0}, null]});
        let content = json!({"content": [
            {"token": " a", "logprob": -0.5, "top_logprobs": [
                {"token": " a", "logprob": -0.5}, {"token": "c", "logprob": -2.0, "bytes": [99]}]},
            {"token": "b", "logprob": -1.0, "bytes": null}]});
        let own = read(columns, " ab");
        assert_eq!(own, read(content, "ab"));
        assert_eq!((own[0].alternatives.len(), own[1].alternatives.len()), (2, 1));
        assert!((own[0].alternatives[0].1 - (-0.5f64).exp()).abs() < 1e-15);
    }

    #[test]
    fn unknown_probabilities_are_left_out() {
        let own = read(
            json!({"tokens": ["a", "b", "c"], "token_logprobs": [-9999.0, null, 0.1],
                "top_logprobs": [{"x": -9999.0, "y": -1.0}, null, {"c": "much"}]}),
            "abc",
        );
        assert_eq!(own[0].alternatives, [("y".into(), (-1f64).exp())]);
        assert!(own[1].alternatives.is_empty());
        assert_eq!(own[2].alternatives, [("c".into(), 1.0)]);
    }

    #[test]
    fn tokens_are_bytes() {
        let euro = json!({"content": [
            {"token": "\\xe2\\x82", "bytes": [0xe2, 0x82], "logprob": -0.1},
            {"token": "\\xac", "bytes": [0xac], "logprob": -0.1},
            {"token": "<|im_end|>", "bytes": [], "logprob": -0.1}]});
        let own = read(euro, "€");
        assert_eq!((&*own[0].token.0, &*own[1].token.0), (&[0xe2, 0x82][..], &[0xac][..]));
        assert!(own[2].token.ends() && !own[1].token.ends());
        let shown =
            json!({"tokens": ["bytes: \\xe2\\x82", "bytes:\\xac"], "token_logprobs": [0, 0]});
        assert_eq!(&*read(shown, " €")[0].token.0, [b' ', 0xe2, 0x82]);
        assert_eq!(Token::shown("bytes: of cake"), "bytes: of cake".into());
        let spelt = json!({"tokens": ["Ġtwo", "Ċ", "▁x"], "token_logprobs": [0, 0, 0]});
        assert_eq!(read(spelt, " two\n x")[1].token, "\n".into());
        let unclear = json!({"tokens": ["\u{fffd}", "\u{fffd}"], "token_logprobs": [0, 0]});
        assert!(read(unclear, "é")[0].token.is_unclear());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (value, reason) in [
            (json!({"tokens": ["a"], "token_logprobs": []}), "0 log-probabilities for 1 tokens"),
            (json!({"tokens": ["b"], "token_logprobs": [0]}), "do not spell"),
            (json!({"tokens": "a", "token_logprobs": [0]}), "odd"),
            (json!({"content": [{"logprob": 0}]}), "odd"),
        ] {
            let error = steps(&value, "a").unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(steps(&json!({"content": null}), "a"), Ok(None));
        assert_eq!(steps(&json!({}), "a"), Ok(None));
    }
}
