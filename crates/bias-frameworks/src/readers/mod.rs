//! Readers of public files, a file each.
//!
//! Every reader turns a file into [`Item`](crate::Item)s with the texts that lm-evaluation-harness
//! scores for the task, where it has one. A file of another framework is refused with its name. No
//! data is shipped: `docs/frameworks.md` says where each file is found, and its licence.
//!
//! | file | what for |
//! |---|---|
//! | read | [`read()`], [`read_with`]: the files of one framework |
//! | options | [`ReadOptions`], [`BbqAnswer`]: what readers may be told besides |
//! | found | what a reader finds in a file |
//! | text_file | files as UTF-8 text, as JSON lines, as tables |
//! | recognise | the framework that a file looks like |
//! | crows, stereoset, bbq, winogender, winobias, discrim_eval | bias |
//! | hellaswag, arc, mmlu, piqa, boolq, lambada, wikitext, tasks | capabilities |
//! | choice | multiple-choice items |

mod arc;
mod bbq;
mod boolq;
mod choice;
mod crows;
mod discrim_eval;
mod found;
mod hellaswag;
mod lambada;
mod mmlu;
mod options;
mod piqa;
mod read;
mod recognise;
mod stereoset;
mod tasks;
mod text_file;
mod wikitext;
mod winobias;
mod winogender;

pub use self::options::{BbqAnswer, ReadOptions};
pub use self::read::{read, read_with};
