//! The input of a model: tokens with roles, as a chain or a tree, padded to a batch.
//!
//! | file | what for |
//! |---|---|
//! | sequence | [`Sequence`]: the tokens of one prompt and its answers, a chain or a tree |
//! | token_batch | [`TokenBatch`]: sequences of one width, and tokens that follow them in a KV cache |

pub(crate) mod sequence;
pub(crate) mod token_batch;

pub use self::sequence::Sequence;
pub use self::token_batch::TokenBatch;
