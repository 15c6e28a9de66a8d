//! Text to tokens and back, as a model's tokenizer and chat template have it.
//!
//! | file | what for |
//! |---|---|
//! | codec | [`TextCodec`]: tokenizer and chat template |
//! | template_file | the chat template of a folder or file, and its special tokens |
//!
//! [`Tokenize`] is what every tokenizer does, [`Asked`] a question about a person in words; both
//! are [`bias_ask`]'s.

pub(crate) mod codec;
mod template_file;

pub use self::codec::TextCodec;
pub use bias_ask::text::{Asked, Tokenize};
