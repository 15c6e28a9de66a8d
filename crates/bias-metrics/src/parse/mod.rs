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
//! | mention | where a text mentions numbers |
//! | ahead, behind, doubt, spaced | what stands before and behind a number, and between its digits |
//! | digits, magnitude, number_words, fractions | digits, magnitudes and words as numbers |
//! | dates, asides | dates, and numbers that count or name something else |
//! | cues | words around a number, and what connects two |
//! | offers, references, denials, roles | what the words around a number make of it |
//! | said, pairs | numbers and ranges, and what two next to each other are |
//! | choice | which of several numbers the answer is |
//! | open | whether a cut answer may have been about to go on |
//! | refusal | whether a text declines to give a number, or asks instead |

mod ahead;
mod answer;
mod asides;
mod behind;
mod choice;
mod cues;
mod currency;
mod dates;
mod denials;
mod digits;
mod doubt;
mod field;
mod fractions;
mod magnitude;
mod mention;
mod number_words;
mod offers;
mod open;
mod pairs;
mod period;
mod reader;
mod references;
mod refusal;
mod roles;
mod said;
mod spaced;
mod spelling;
mod unit;
mod units;

pub use self::answer::{AnswerKind, ParsedAnswer};
pub use self::currency::Currency;
pub use self::period::Period;
pub use self::reader::{AnswerReader, parse_answer};
pub use self::unit::{Measure, Unit};
pub use self::units::Units;
