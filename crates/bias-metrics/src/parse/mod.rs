//! The number in an answer, or why there is none.
//!
//! | file | what for |
//! |---|---|
//! | answer | [`ParsedAnswer`], [`AnswerKind`]: what an answer says |
//! | reader | [`parse_answer`], [`AnswerReader`]: the same, told the question, a field, or that the answer was cut |
//! | field | one field of an answer in JSON |
//! | unit, currency, period | [`Unit`], [`Measure`], [`Currency`], [`Period`]: what a number counts |
//! | units | [`Units`]: which units the answers to one question are in |
//! | spelling | one spelling for LaTeX, full-width signs and other scripts' digits |
//! | mention, behind | where a text mentions numbers, and what stands behind them |
//! | digits, magnitude, number_words | digits, magnitudes and words as numbers |
//! | cues | words around a number that tell what it is for |
//! | said | numbers and ranges, and which of them the answer is |
//! | refusal | whether a text without a number declines to give one |

mod answer;
mod behind;
mod cues;
mod currency;
mod digits;
mod field;
mod magnitude;
mod mention;
mod number_words;
mod period;
mod reader;
mod refusal;
mod said;
mod spelling;
mod unit;
mod units;

pub use self::answer::{AnswerKind, ParsedAnswer};
pub use self::currency::Currency;
pub use self::period::Period;
pub use self::reader::{AnswerReader, parse_answer};
pub use self::unit::{Measure, Unit};
pub use self::units::Units;
