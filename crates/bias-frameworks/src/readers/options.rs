use std::path::PathBuf;

/// How the answer to a BBQ question is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BbqAnswer {
    /// The likeliest option, as in lm-evaluation-harness.
    #[default]
    Likeliest,
    /// The option with which greedy decoding begins its answer; the longest, if one begins with
    /// another. A question may have no answer.
    Greedy,
    /// The three options stand before the answer as A, B and C, and the likeliest letter counts.
    Letter,
}

/// What readers may be told besides the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// How the answer to a BBQ question is found.
    pub bbq: BbqAnswer,
    /// Winogender's `occupations-stats.tsv`. With it, sentences are told apart by whether their
    /// answer contradicts what the occupation's statistics suggest.
    pub occupations: Option<PathBuf>,
}
