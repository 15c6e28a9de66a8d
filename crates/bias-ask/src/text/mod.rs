//! Text to tokens with roles, and back, whatever the tokenizer.
//!
//! | file | what for |
//! |---|---|
//! | asked | [`Asked`], [`Wanted`]: a question about a person, in words |
//! | tokenize | [`Tokenize`]: what a tokenizer must do, and what follows from it |
//! | spans | where the name, the system message and the answer's beginning stand in a prompt |

pub(crate) mod asked;
mod spans;
pub(crate) mod tokenize;

pub use self::asked::{Asked, Wanted};
pub use self::tokenize::{Token, Tokenize, number_grammar};
