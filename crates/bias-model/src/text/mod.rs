//! Text to tokens and back, with a model's tokenizer and chat template.
//!
//! | file | what for |
//! |---|---|
//! | codec | [`TextCodec`]: tokenizer and chat template |
//! | date | [`Date`]: the day that a chat template tells the model |
//! | tokenizer_file | a folder's `tokenizer.json`, as transformers reads it |
//! | beside | the files beside it: tokens that they add, and special tokens by name |
//! | class | the tokenizer class that transformers makes of a folder, and its rules |
//! | class_lists | the model types and classes that transformers knows |
//! | prefix | the token that texts without a context follow, as in lm-evaluation-harness |
//! | template_file | the chat template of a folder or file, and its special tokens |
//!
//! [`Tokenize`] is the trait of every tokenizer, and [`Asked`] a question about a person in words.
//! Both come from [`bias_ask`].

mod beside;
mod class;
mod class_lists;
pub(crate) mod codec;
pub(crate) mod date;
mod prefix;
mod template_file;
mod tokenizer_file;

pub use self::codec::TextCodec;
pub use self::date::Date;
pub use bias_ask::text::{Asked, Tokenize};
