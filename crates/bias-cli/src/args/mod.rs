//! Arguments: groups that several commands share, and parsers of values.
//!
//! | file | what for |
//! |---|---|
//! | [`also`] | benchmarks and questions about names beside a study, attributes that people are told apart by |
//! | [`model`] | `--model`, how its weights are held, and how it is asked |
//! | [`prompts`] | `--prompts`, the groups compared, the form of answers |
//! | [`template`] | `--template-arg` |
//! | [`values`] | shares, counts, budgets |

pub mod also;
pub mod model;
pub mod prompts;
pub mod template;
pub mod values;
