//! Questions, and the forms of their answers: in any words, by a number, by a choice. Nothing here
//! knows a tokenizer; [`Tokenize`](crate::Tokenize) makes the tokens.
//!
//! | file | what for |
//! |---|---|
//! | number | [`NumberGrammar`]: which tokens go on spelling a number |
//! | options | [`Choices`], [`Word`]: the options of a choice |

pub(crate) mod number;
pub(crate) mod options;

use std::sync::Arc;

use bias_probe::Sequence;

pub use self::number::NumberGrammar;
pub use self::options::{Choices, Word};

/// A prompt, and the form of its answer.
#[derive(Debug, Clone)]
pub struct Question {
    /// The tokens up to where the model continues, with those of the name marked.
    pub prompt: Sequence,
    /// The form of the answer.
    pub kind: QuestionKind,
    /// Questions of one stream draw with the same random numbers. This lowers the variance of the
    /// differences between their answers.
    pub stream: u64,
}

/// The form of an answer.
#[derive(Debug, Clone)]
pub enum QuestionKind {
    /// Any words, up to a token that ends the answer.
    Free,
    /// A number. Only tokens that continue a number are followed; any other token ends it. An
    /// answer without tokens means that no number was begun.
    Number(Arc<NumberGrammar>),
    /// One of these words. An answer without tokens stands for everything else that the model might
    /// say.
    Choice(Arc<[Word]>),
}
