//! Answers that were written down: read from a file, and audited without the model that gave them.
//!
//! A row is an answer to a prompt. The file has the columns of a prompt file, and `response`: what
//! was answered. [`RecordedAnswers::read`] makes a [`PromptSet`](crate::PromptSet) and a [`Recorded`]
//! responder of it for each of its models. [`Audit::save_answers`](crate::Audit::save_answers)
//! writes such a file.
//!
//! | column | what it says |
//! |---|---|
//! | `response` | the answer; empty where none was given |
//! | `model` | who answered |
//! | `count` | how often it was drawn; 1 if the column is absent or empty |
//! | `probability` | its probability, in place of a count |
//! | `ended` | whether the model ended it; `false` for an answer that was cut |
//! | `unexplored` | the probability of the person's answers that are not in the file |
//! | `draw`, `draws` | which draw from the unexplored answers it stems from, and how many there were |
//! | `tokens` | its length in tokens, for the log-odds per token of a choice |
//! | `in_thought` | whether the prompt ended within a thought |
//! | `read_as`, `value` | what was read in it; for people, and not read |

mod bytes;
mod columns;
mod csv_rows;
mod json_rows;
mod limits;
mod lined;
mod people;
mod read;
mod responder;
mod source;
mod write;

pub use self::read::RecordedAnswers;
pub use self::responder::{Recorded, RecordedQuestion};
pub(crate) use self::write::{Saved, write_answers};
