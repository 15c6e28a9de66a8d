use serde::Deserialize;

use crate::prompts::{ASKED, NEEDED, Schema, truth};

/// The columns of how much an answer counts, and what is known about it.
pub(super) const ANSWERED: &[&str] =
    &["count", "probability", "ended", "unexplored", "draw", "draws", "tokens", "in_thought"];

/// The columns of a file of answers: those of a prompt file, and what was answered.
pub(super) const SCHEMA: Schema<'static> = Schema {
    rows: "answers",
    needed: NEEDED,
    blank: &["response"],
    // The last two are for people.
    optional: &[&["context_level", "model"], ANSWERED, ASKED, &["read_as", "value"]],
};

/// The most times that an answer was drawn.
const MOST_DRAWN: f64 = 1e9;

/// Probabilities are rounded by whoever computed and wrote them.
pub(super) const ROUNDING: f64 = 1e-3;

/// The most tokens of the word that was chosen.
const MOST_TOKENS: f64 = 1000.0;

/// What a row says of the answer, besides the question.
#[derive(Debug, Deserialize)]
pub(super) struct Cells {
    pub(super) response: String,
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    count: String,
    #[serde(default)]
    probability: String,
    #[serde(default, deserialize_with = "truth")]
    pub(super) ended: Option<bool>,
    #[serde(default)]
    unexplored: String,
    #[serde(default)]
    draw: String,
    #[serde(default)]
    draws: String,
    #[serde(default)]
    tokens: String,
    #[serde(default, deserialize_with = "truth")]
    pub(super) in_thought: Option<bool>,
}

/// How much an answer counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Weight {
    /// As often it was drawn.
    Count(f64),
    Probability {
        own: f64,
        /// That of the person's answers that are not in the file.
        unexplored: f64,
        draw: Option<u32>,
        draws: u32,
    },
}

impl Cells {
    /// How much the answer counts.
    ///
    /// # Errors
    /// What is wrong with which column.
    pub(super) fn weight(&self) -> Result<Weight, String> {
        let given = |cell: &str| !cell.trim().is_empty();
        match (given(&self.count), given(&self.probability)) {
            (true, true) => {
                Err("both `count` and `probability` are given; an answer was drawn, or has a probability".into())
            }
            (false, false) => Ok(Weight::Count(1.0)),
            (true, false) => whole("count", &self.count, [1.0, MOST_DRAWN]).map(Weight::Count),
            (false, true) => {
                // As far as they were rounded.
                let share = |column, cell: &str| {
                    let found = within(column, cell, [0.0, 1.0 + ROUNDING]);
                    found.map_err(|error| error.replace("1.001", "1"))
                };
                let draws = |column, cell: &str| whole(column, cell, [0.0, f64::from(u32::MAX)]);
                let made = if given(&self.draws) { draws("draws", &self.draws)? } else { 0.0 };
                let draw =
                    given(&self.draw).then(|| draws("draw", &self.draw)).transpose()?;
                if let Some(draw) = draw.filter(|draw| *draw >= made) {
                    return Err(format!(
                        "`draw` is {draw}, and `draws` is {made}: draws are counted from 0"
                    ));
                }
                Ok(Weight::Probability {
                    own: share("probability", &self.probability)?,
                    unexplored: match given(&self.unexplored) {
                        true => share("unexplored", &self.unexplored)?,
                        false => 0.0,
                    },
                    draw: draw.map(|draw| draw as u32),
                    draws: made as u32,
                })
            }
        }
    }

    /// The number of tokens of an option's word, if it is known.
    ///
    /// # Errors
    /// What is wrong with the column.
    pub(super) fn tokens(&self) -> Result<Option<u16>, String> {
        let given = !self.tokens.trim().is_empty();
        let read = || whole("tokens", &self.tokens, [0.0, MOST_TOKENS]);
        given.then(read).transpose().map(|own| own.map(|own| own as u16))
    }
}

fn within(column: &str, cell: &str, [least, most]: [f64; 2]) -> Result<f64, String> {
    let found = cell.trim().parse::<f64>().ok().filter(|own| (least..=most).contains(own));
    found.ok_or_else(|| {
        let shown: String = cell.chars().take(40).collect();
        format!(
            "`{column}` is `{}`; it must be a number from {least} to {most}",
            shown.escape_debug()
        )
    })
}

fn whole(column: &str, cell: &str, ends: [f64; 2]) -> Result<f64, String> {
    let found = within(column, cell, ends).ok().filter(|own| own.fract() == 0.0);
    found.ok_or_else(|| {
        let shown: String = cell.chars().take(40).collect();
        let [least, most] = ends;
        format!(
            "`{column}` is `{}`; it must be a whole number from {least} to {most}",
            shown.escape_debug()
        )
    })
}
