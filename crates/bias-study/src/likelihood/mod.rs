//! The likelihood of texts: tokens, neutral text, sentence pairs.

mod matching;
mod pairs;
mod perplexity;

pub use self::pairs::{PairSet, Reading, SentencePair, prefix_token, score_pairs};
pub use self::perplexity::perplexity;
