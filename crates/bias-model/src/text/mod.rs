//! Text to tokens and back, as a model's tokenizer and chat template have it.
//!
//! | file | what for |
//! |---|---|
//! | codec | [`TextCodec`]: tokenizer and chat template; [`Asked`]: a question about a person, in words |
//! | template_file | the chat template of a folder or file, and its special tokens |
//! | spans | where the name, the system message and the answer's beginning stand in a prompt |

pub(crate) mod codec;
mod spans;
mod template_file;

pub use self::codec::{Asked, TextCodec};
