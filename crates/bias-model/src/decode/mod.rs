//! What a model answers: samples, the whole distribution, or as much of it as a budget allows.
//!
//! | module | what for |
//! |---|---|
//! | answers | [`Answers`]: what was found |
//! | ask | [`ask()`], [`decode`]: questions in batches, their beginnings shared |
//! | decoding | [`Decoding`], [`DecodeOptions`]: how answers are taken from the model |
//! | frontier | which paths of a tree are gone on with |
//! | growing | answers to a batch of prompts, step by step |
//! | logits | read back, and whether they are numbers |
//! | sampling | [`Sampling`]: temperature, top-k, top-p |
//! | weighing | choices, in one pass |

mod answers;
mod ask;
mod decoding;
mod frontier;
mod growing;
mod logits;
mod sampling;
mod weighing;

pub use self::answers::{Answer, Answers};
pub use self::ask::{ask, decode};
pub use self::decoding::{BUDGET, DecodeOptions, Decoding};
pub use self::sampling::Sampling;
