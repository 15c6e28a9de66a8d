//! Text to tokens with roles, and back, for any tokenizer.
//!
//! | file | what for |
//! |---|---|
//! | asked | [`Asked`], [`Wanted`]: a question about a person, in words |
//! | tokenize | [`Tokenize`]: the three methods of a tokenizer, and those that follow from them |
//! | mentions | [`Mentions`]: where a text mentions a person; [`NameParts`] |
//! | spans | the places of the name, the system message and the answer's beginning in a prompt |

pub(crate) mod asked;
pub(crate) mod mentions;
mod spans;
pub(crate) mod tokenize;

pub use self::asked::{Asked, Wanted};
pub use self::mentions::{Mentions, NameParts};
pub use self::tokenize::{Token, Tokenize, number_grammar};
