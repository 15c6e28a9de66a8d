//! What commands are told: groups of arguments that several share, and parsers of their values.
//!
//! | file | what for |
//! |---|---|
//! | [`model`] | `--model` and how its weights are held; how it is asked |
//! | [`prompts`] | `--prompts`, the groups compared, how answers are taken |
//! | [`values`] | shares, counts, budgets |

pub mod model;
pub mod prompts;
pub mod values;
