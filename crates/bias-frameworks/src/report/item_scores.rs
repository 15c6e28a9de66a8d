use serde::Serialize;

use super::assemble::Measured;
use crate::error::FrameworkError;
use crate::items::item::Texts;

#[derive(Serialize)]
struct Line<'l> {
    framework: &'l str,
    item: &'l str,
    cluster: &'l str,
    option: usize,
    text: &'l str,
    tokens: usize,
    log_likelihood: f64,
    greedy: bool,
    log_likelihood_after: Option<f64>,
    greedy_after: Option<bool>,
}

/// Every text's score as CSV, one line for each option of each item. The text of a whole document
/// is left out.
///
/// # Errors
/// [`FrameworkError::Table`].
pub fn item_scores(measured: &[Measured<'_>]) -> Result<Vec<u8>, FrameworkError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for Measured { set, before, after } in measured {
        for (i, item) in set.items.iter().enumerate() {
            let later = after.and_then(|own| own.scores.get(i)?.as_ref());
            for (option, own) in before.scores.get(i).into_iter().flatten().flatten().enumerate() {
                let after = later.and_then(|own| own.get(option));
                out.serialize(Line {
                    framework: set.framework.key(),
                    item: &item.id,
                    cluster: &item.cluster,
                    option,
                    text: match &item.texts {
                        Texts::Continued(texts) => &texts[option].continuation,
                        Texts::Whole(_) => "",
                    },
                    tokens: own.tokens,
                    log_likelihood: own.log_likelihood,
                    greedy: own.greedy,
                    log_likelihood_after: after.map(|own| own.log_likelihood),
                    greedy_after: after.map(|own| own.greedy),
                })?;
            }
        }
    }
    out.into_inner().map_err(|error| FrameworkError::Table(error.into_error().into()))
}
