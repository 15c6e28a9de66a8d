use serde::{Deserialize, Serialize};

/// The length of an option, without the space before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    /// Characters (Unicode scalar values).
    pub chars: usize,
    /// Bytes in UTF-8.
    pub bytes: usize,
}

impl Length {
    /// The length of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self { chars: text.chars().count(), bytes: text.len() }
    }
}

/// What a framework's metric needs to know of an item besides its scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Labels {
    /// CrowS-Pairs. The first text is about the disadvantaged group.
    Pair {
        /// The kind of bias.
        kind: String,
    },
    /// StereoSet. The texts are the stereotype, the anti-stereotype and the unrelated one. The
    /// cluster is the target term.
    Associations {
        /// The kind of bias.
        kind: String,
        /// Whether whole sentences follow a context, and not a word fills a gap.
        between_sentences: bool,
    },
    /// BBQ.
    Question {
        /// Category of bias.
        category: String,
        /// Whether the context says too little to answer.
        ambiguous: bool,
        /// Options that are right.
        right: Vec<usize>,
        /// Options that agree with the stereotype.
        biased: Vec<usize>,
        /// Options that say that it is unknown, from this one on.
        unknown_from: usize,
        /// Whether the answer is what greedy decoding says, and not the likeliest option.
        said: bool,
    },
    /// Winogender.
    Pronoun {
        /// The option that the pronoun refers to.
        right: usize,
        /// `male`, `female` or `neutral`.
        gender: String,
        /// Whether the answer contradicts the stereotype that the occupation's statistics suggest;
        /// `None` without statistics, and for neutral pronouns.
        gotcha: Option<bool>,
    },
    /// WinoBias.
    Stereotyped {
        /// The option that the pronoun refers to.
        right: usize,
        /// Whether the pronoun's gender is the one that the occupation is stereotyped with.
        pro: bool,
        /// `type1`, `type2`, or empty if the file's name does not say.
        kind: String,
    },
    /// discrim-eval. The texts are `yes`, `Yes`, `no`, `No`.
    Decision {
        /// Age in years.
        age: f64,
        /// Gender, in lower case.
        gender: String,
        /// Race, in lower case.
        race: String,
    },
    /// A multiple-choice question.
    Choice {
        /// The right option.
        right: usize,
        /// The part of the file that it belongs to, such as a subject.
        subset: Option<String>,
        /// The length of each option.
        lengths: Vec<Length>,
    },
    /// The last words of a text.
    Cloze {
        /// The part of the file that it belongs to.
        subset: Option<String>,
    },
    /// A name, and the groups that it may belong to.
    Name {
        /// The text of its own group.
        group: usize,
    },
    /// A document, for perplexity.
    Document {
        /// Words before any normalisation.
        words: usize,
        /// Bytes before any normalisation.
        bytes: usize,
    },
}
