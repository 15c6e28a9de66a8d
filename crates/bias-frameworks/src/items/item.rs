use serde::{Deserialize, Serialize};

use super::labels::Labels;

/// A text that may follow another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continued {
    /// The text before. If it is empty, the continuation follows the tokenizer's prefix token.
    pub context: String,
    /// The text whose log-likelihood is wanted, with the space that it begins with.
    pub continuation: String,
}

/// The texts of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Texts {
    /// Texts that are compared, in the order that the item's [`Labels`] say.
    Continued(Vec<Continued>),
    /// A whole text, scored in windows of the model's context.
    Whole(String),
}

/// A question, a pair of sentences, a document: the unit that a metric counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What finds it in its file: the file's own id, or the line.
    pub id: String,
    /// Items of one cluster share a template. Intervals and tests draw whole clusters.
    pub cluster: String,
    /// The texts to score.
    pub texts: Texts,
    /// What the metric needs to know.
    pub labels: Labels,
}

impl Item {
    /// The number of texts to score.
    #[must_use]
    pub fn texts(&self) -> usize {
        match &self.texts {
            Texts::Continued(texts) => texts.len(),
            Texts::Whole(_) => 1,
        }
    }
}

/// Continuations of one context.
pub(crate) fn continued<'t>(
    context: &str,
    continuations: impl IntoIterator<Item = String> + 't,
) -> Texts {
    let of = |continuation| Continued { context: context.to_owned(), continuation };
    Texts::Continued(continuations.into_iter().map(of).collect())
}
