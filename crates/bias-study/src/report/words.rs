//! Labels of tests, cut to size.

use bias_types::model::Sublayer;

use crate::results::{ChoiceValue, Kind, Split, TrainedOn};

/// A label, cut if it would break a table or a chart.
pub(crate) fn short(label: &str, longest: usize) -> String {
    let cut = label.char_indices().nth(longest);
    cut.map_or(label.into(), |_| {
        label.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
    })
}

/// The kind of answer, and the meaning of its value.
pub(crate) fn asked_for(kind: Kind, choice: ChoiceValue) -> String {
    match kind {
        Kind::Free | Kind::Number => kind.to_string(),
        Kind::Choice => format!("{kind}, {choice}"),
    }
}

/// The word for half a block.
pub(crate) fn sublayer(half: Sublayer) -> &'static str {
    match half {
        Sublayer::Attention => "attention",
        Sublayer::Mlp => "MLP",
    }
}

pub(crate) fn made_from(trained_on: &TrainedOn) -> String {
    match trained_on {
        TrainedOn::Variation(context, variation) => format!("{context}: {variation}"),
        TrainedOn::Context(context) => context.to_string(),
        TrainedOn::All => "all contexts".into(),
        TrainedOn::AllBut(context) => format!("all but {context}"),
    }
}

/// Whether attribution sees a variation.
pub(crate) fn part(split: Split) -> &'static str {
    match split {
        Split::Attribution => "attribution",
        Split::HeldOut => "held_out",
    }
}
