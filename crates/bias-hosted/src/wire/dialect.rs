use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields that a server does not take. It is learnt from refusals that name a field, once, when
/// a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dialect {
    /// Fields that are left out.
    lacks: BTreeSet<String>,
    /// Whether the limit is called `max_completion_tokens`.
    completion_limit: bool,
}

/// Fields that can be left out where their value is the one that a model has without it.
const NEUTRAL: [(&str, f64); 6] = [
    ("repetition_penalty", 1.0),
    ("repeat_penalty", 1.0),
    ("min_p", 0.0),
    ("top_k", 0.0),
    ("top_p", 1.0),
    ("temperature", 1.0),
];
/// Fields that can be left out whatever their value; then more is asked, or draws are not repeatable.
const OPTIONAL: [&str; 2] = ["seed", "n"];

const LIMIT: &str = "max_tokens";
const COMPLETION_LIMIT: &str = "max_completion_tokens";

impl Dialect {
    /// The dialect of a host that is known to refuse what others take.
    #[must_use]
    pub fn of_host(host: &str) -> Self {
        let lacks: &[&str] = match host {
            "api.openai.com" | "api.mistral.ai" => {
                &["top_k", "min_p", "repeat_penalty", "repetition_penalty"]
            }
            _ => &[],
        };
        Self { lacks: lacks.iter().map(|own| (*own).to_owned()).collect(), completion_limit: false }
    }

    /// Whether a field is left out.
    #[must_use]
    pub fn lacks(&self, field: &str) -> bool {
        self.lacks.contains(field)
    }

    /// The fields that are left out, in alphabetical order.
    pub fn lacking(&self) -> impl Iterator<Item = &str> {
        self.lacks.iter().map(String::as_str)
    }

    /// Leaves a field out from now on.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.lacks.insert(field.into());
        self
    }

    /// The name of the limit on an answer's length.
    pub(super) fn limit_name(&self) -> &'static str {
        if self.completion_limit { COMPLETION_LIMIT } else { LIMIT }
    }

    /// The dialect without a field that the server refused in this request, if a field that can be
    /// left out is the reason.
    #[must_use]
    pub fn learnt(&self, refused: &Value, message: &str) -> Option<Self> {
        let names = |field: &str| {
            message.match_indices(field).any(|(at, _)| {
                let joins = |c: char| c.is_alphanumeric() || c == '_';
                let before = message[..at].chars().next_back();
                let after = message[at + field.len()..].chars().next();
                !before.is_some_and(joins) && !after.is_some_and(joins)
            })
        };
        if names(LIMIT) && names(COMPLETION_LIMIT) && !self.completion_limit {
            return Some(Self { completion_limit: true, ..self.clone() });
        }
        let neutral = NEUTRAL.iter().filter(|(field, value)| {
            refused.get(field).and_then(Value::as_f64).is_some_and(|own| own == *value)
        });
        let optional = OPTIONAL.iter().filter(|field| refused.get(**field).is_some());
        let mut found = neutral.map(|(field, _)| field).chain(optional);
        found.find(|field| names(field)).map(|field| self.clone().without(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_refused_is_left_out_unless_it_would_change_the_answers() {
        let own = Dialect::default();
        let body = json!({"top_k": 0, "min_p": 0, "temperature": 0.5, "seed": 3, "max_tokens": 4});
        let learnt = own.learnt(&body, "Unrecognized request argument supplied: top_k").unwrap();
        assert!(learnt.lacks("top_k") && !learnt.lacks("min_p"));
        assert!(own.learnt(&body, "no 'top_kind' here").is_none());
        assert!(own.learnt(&body, "temperature must be 1").is_none());
        assert!(own.learnt(&body, "the model does not exist").is_none());
        assert!(own.learnt(&body, "extra fields: seed").unwrap().lacks("seed"));
        let said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
        let learnt = own.learnt(&body, said).unwrap();
        assert_eq!(learnt.limit_name(), "max_completion_tokens");
        assert!(learnt.learnt(&body, said).is_none(), "it ends");
    }
}
