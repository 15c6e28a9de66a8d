use serde::Deserialize;

use super::found::Found;
use super::text_file::TextFile;
use crate::error::FrameworkError;
use crate::items::item::{Continued, Item, Texts};
use crate::items::labels::Labels;
use crate::items::set::{LeftOut, Reason};

#[derive(Deserialize)]
struct File {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    intrasentence: Vec<Example>,
    #[serde(default)]
    intersentence: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    id: String,
    target: String,
    bias_type: String,
    context: String,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    sentence: String,
    gold_label: String,
}

const LABELS: [&str; 3] = ["stereotype", "anti-stereotype", "unrelated"];

/// StereoSet: one JSON object. A filled sentence follows the prefix token; a sentence that follows
/// a context follows it after a space.
pub(super) fn read(file: &TextFile) -> Result<Found, FrameworkError> {
    let whole: File = serde_json::from_str(&file.text).map_err(|error| {
        file.bad(Some(error.line() as u64), format!("{error}; StereoSet is one JSON object"))
    })?;
    let mut found = Found::default();
    let parts = [(false, whole.data.intrasentence), (true, whole.data.intersentence)];
    for (between_sentences, examples) in parts {
        for own in examples {
            let labelled = |label: &str| {
                let mut all = own.sentences.iter().filter(|own| own.gold_label == label);
                all.next().filter(|_| all.next().is_none())
            };
            let sentences: Option<Vec<&Sentence>> =
                LABELS.iter().map(|own| labelled(own)).collect();
            let Some(sentences) = sentences else {
                found.left_out.push(LeftOut { id: own.id, reason: Reason::NotThree });
                continue;
            };
            let continued = sentences.iter().map(|sentence| match between_sentences {
                true => Continued {
                    context: own.context.clone(),
                    continuation: format!(" {}", sentence.sentence),
                },
                false => {
                    Continued { context: String::new(), continuation: sentence.sentence.clone() }
                }
            });
            found.items.push(Item {
                texts: Texts::Continued(continued.collect()),
                id: own.id,
                cluster: own.target,
                labels: Labels::Associations { kind: own.bias_type, between_sentences },
            });
        }
    }
    Ok(found)
}
