use serde_json::Value;

use crate::framework::Framework;

/// Keys that only files of this framework have together.
const KEYS: [(Framework, &[&str]); 12] = [
    (Framework::Bbq, &["context_condition", "question_polarity", "ans0"]),
    (Framework::DiscrimEval, &["filled_template", "decision_question_id"]),
    (Framework::Hellaswag, &["ctx_a", "endings"]),
    (Framework::Arc, &["question", "answerKey"]),
    (Framework::Mmlu, &["question", "choices", "answer"]),
    (Framework::Piqa, &["goal", "sol1", "sol2"]),
    (Framework::Boolq, &["passage", "question"]),
    (Framework::Wikitext, &["page"]),
    (Framework::Tasks, &["query", "choices", "gold"]),
    (Framework::Tasks, &["query", "target"]),
    (Framework::Stereoset, &["version", "data"]),
    (Framework::Lambada, &["text"]),
];

/// The framework that a file looks like by its first lines.
pub(super) fn framework(text: &str) -> Option<Framework> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    if text.trim_start().starts_with('{') {
        let object = match serde_json::from_str::<Value>(first) {
            Ok(own) => own,
            // One object over several lines.
            Err(_) => serde_json::from_str(text).ok()?,
        };
        let has = |keys: &[&str]| keys.iter().all(|key| object.get(key).is_some());
        return KEYS.iter().find(|(_, keys)| has(keys)).map(|(own, _)| *own);
    }
    let has = |columns: &[&str]| columns.iter().all(|column| first.contains(column));
    if has(&["sent_more", "sent_less"]) {
        return Some(Framework::Crows);
    }
    if has(&["sentid", "sentence"]) {
        return Some(Framework::Winogender);
    }
    let numbered = first.split_once(' ').is_some_and(|(number, _)| number.parse::<u64>().is_ok());
    if numbered && first.matches('[').count() >= 2 {
        return Some(Framework::Winobias);
    }
    if first.trim_start().starts_with("= ") && first.trim_end().ends_with(" =") {
        return Some(Framework::Wikitext);
    }
    None
}
