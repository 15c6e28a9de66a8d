//! Questions put to a model, and its answers as numbers.

mod answers;
mod questionnaire;
mod reading;
mod said;
mod seen;
mod shuffled;
mod streams;
mod units;

pub(crate) use self::answers::VariationAnswers;
pub(crate) use self::questionnaire::Questionnaire;
pub(crate) use self::said::Said;
#[cfg(test)]
pub(crate) use self::said::{Drawn, Explored};
pub(crate) use self::streams::streams;
