//! The number in an answer, or why there is none.
//!
//! | file | what for |
//! |---|---|
//! | answer | [`parse_answer`], [`ParsedAnswer`], [`AnswerKind`]: the number in a text |
//! | period | [`Period`]: what an amount is per |
//! | mention | where a text mentions numbers |
//! | number_words | numbers written out |
//! | refusal | whether a text without a number declines to give one |

mod answer;
mod mention;
mod number_words;
mod period;
mod refusal;

pub use self::answer::{AnswerKind, ParsedAnswer, parse_answer};
pub use self::period::Period;
