//! What a model is asked, and in which form it answers: in any words, by a number, by a choice.
//! Nothing here knows a tokenizer; [`Tokenize`](crate::Tokenize) makes the tokens.
//!
//! | file | what for |
//! |---|---|
//! | number | [`NumberGrammar`]: which tokens go on spelling a number |
//! | options | [`Choices`], [`Word`]: what can be chosen |

pub(crate) mod number;
pub(crate) mod options;

use std::sync::Arc;

use bias_probe::Sequence;

pub use self::number::NumberGrammar;
pub use self::options::{Choices, Word};

/// A prompt, and how it is answered.
#[derive(Debug, Clone)]
pub struct Question {
    /// All up to where the model goes on, with the name's tokens marked.
    pub prompt: Sequence,
    /// How it is answered.
    pub kind: QuestionKind,
    /// Questions of one stream draw with the same random numbers: what they share lowers the
    /// variance of the differences between their answers.
    pub stream: u64,
}

/// How a question is answered.
#[derive(Debug, Clone)]
pub enum QuestionKind {
    /// In any words, up to a token that ends the answer.
    Free,
    /// By a number: only tokens that go on with one are followed, and whatever else comes ends it.
    /// An answer without tokens is that none was begun.
    Number(Arc<NumberGrammar>),
    /// By one of these words. An answer without tokens is whatever else might be said.
    Choice(Arc<[Word]>),
}
