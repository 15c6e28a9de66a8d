//! A model's answers: samples, the whole distribution, or as much of it as a budget allows.
//!
//! | file | what for |
//! |---|---|
//! | answers | [`Answers`]: the answers to one prompt |
//! | answering | [`Answering`]: a model that can be asked; [`decode`] |
//! | calls | [`Asking`]: how a model is asked; [`ToText`], [`Done`]: callbacks |
//! | cached | [`Cached`], [`Work`]: a model that continues from a cache |
//! | decoding | [`Decoding`], [`DecodeOptions`]: how answers are taken from the model |
//! | sampling | [`Sampling`]: temperature, top-k, top-p, min-p, suppressed tokens |
//! | engine | [`ask_cached`], [`ask_uncached`]: questions in batches, their beginnings shared |
//! | runner | tokens run behind others, from a cache or all of them again; [`tokens_run`] |
//! | answer_tree | answers to a batch of prompts, step by step |
//! | frontier | the paths of a tree to follow |
//! | choices | choices, in one pass |
//! | continuation | [`Continuation`], [`Likelihood`]: how likely given tokens are behind others |
//! | likelihoods | [`log_likelihoods_cached`], [`log_likelihoods_uncached`]: continuations in batches, as prefix trees |
//! | shared_prefix | the common beginning of several prompts, run once |
//! | logits | logits read back and checked |

mod answer_tree;
pub(crate) mod answering;
pub(crate) mod answers;
mod cached;
pub(crate) mod calls;
mod choices;
pub(crate) mod continuation;
pub(crate) mod decoding;
mod engine;
mod frontier;
mod likelihoods;
mod logits;
mod runner;
pub(crate) mod sampling;
mod shared_prefix;

pub use self::answering::{Answering, decode};
pub use self::answers::{Answer, Answers};
pub use self::cached::{Cached, Work};
pub use self::calls::{Asking, Done, ToText};
pub use self::continuation::{Continuation, Likelihood};
pub use self::decoding::{BUDGET, DecodeOptions, Decoding};
pub use self::engine::{ask_cached, ask_uncached};
pub use self::likelihoods::{log_likelihoods_cached, log_likelihoods_uncached};
pub use self::runner::tokens_run;
pub use self::sampling::Sampling;
