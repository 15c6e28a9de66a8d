use serde_json::Value;

use super::found::Found;
use crate::items::item::{Item, continued};
use crate::items::labels::{Labels, Length};
use crate::items::set::{LeftOut, Reason};

/// A multiple-choice question, and which option is right, if the file says so.
pub(super) struct Question<'q> {
    pub id: String,
    pub context: &'q str,
    /// The options, without the space that is put before them.
    pub options: Vec<String>,
    pub right: Option<usize>,
    pub subset: Option<String>,
    pub cluster: Option<String>,
}

impl Found {
    /// Adds a question, or counts it as one without an answer.
    pub(super) fn add(&mut self, own: Question<'_>) {
        let Some(right) = own.right.filter(|right| *right < own.options.len()) else {
            self.left_out.push(LeftOut { id: own.id, reason: Reason::NoGold });
            return;
        };
        self.items.push(Item {
            cluster: own.cluster.unwrap_or_else(|| own.id.clone()),
            id: own.id,
            labels: Labels::Choice {
                right,
                subset: own.subset,
                lengths: own.options.iter().map(|own| Length::of(own)).collect(),
            },
            texts: continued(own.context, own.options.into_iter().map(|own| format!(" {own}"))),
        });
    }
}

/// A number, or a text that is one.
pub(super) fn index(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64().and_then(|own| usize::try_from(own).ok()),
    }
}
