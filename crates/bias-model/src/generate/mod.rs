//! What a model answers: samples, the whole distribution, or as much of it as a budget allows.
//!
//! | file | what for |
//! |---|---|
//! | answers | [`Answers`]: what was found |
//! | ask | [`ask()`], [`decode`]: questions in batches, their beginnings shared |
//! | decoding | [`Decoding`], [`DecodeOptions`]: how answers are taken from the model |
//! | sampling | [`Sampling`]: temperature, top-k, top-p |
//! | answer_tree | answers to a batch of prompts, step by step |
//! | frontier | which paths of a tree are gone on with |
//! | choices | choices, in one pass |
//! | shared_prefix | what prompts begin with alike, run once |
//! | logits | read back, and whether they are numbers |

mod answer_tree;
pub(crate) mod answers;
pub(crate) mod ask;
mod choices;
pub(crate) mod decoding;
mod frontier;
mod logits;
pub(crate) mod sampling;
mod shared_prefix;

pub use self::answers::{Answer, Answers};
pub use self::ask::{ask, decode};
pub use self::decoding::{BUDGET, DecodeOptions, Decoding};
pub use self::sampling::Sampling;
