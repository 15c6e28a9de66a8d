//! Arguments: groups that several commands share, and parsers of values.
//!
//! | file | what for |
//! |---|---|
//! | [`model`] | `--model`, how its weights are held, and how it is asked |
//! | [`prompts`] | `--prompts`, the groups compared, the form of answers |
//! | [`template`] | `--template-arg` |
//! | [`values`] | shares, counts, budgets |

pub mod model;
pub mod prompts;
pub mod template;
pub mod values;
