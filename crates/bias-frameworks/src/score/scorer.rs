use std::marker::PhantomData;

use bias_ask::generate::{Continuation, DecodeOptions, Likelihood};
use bias_ask::{Answering, Tokenize};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::encode::Encoder;
use crate::error::FrameworkError;
use crate::items::set::{ItemSet, LeftOut};

/// How likely a model finds a text. In JSON it is a list of three: there are many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(Option<f64>, usize, bool)", into = "(Option<f64>, usize, bool)")]
pub struct Score {
    /// The log-likelihood of all of its tokens together, in nats.
    pub log_likelihood: f64,
    /// The number of its tokens.
    pub tokens: usize,
    /// Whether greedy decoding would say it.
    pub greedy: bool,
}

impl From<Score> for (Option<f64>, usize, bool) {
    fn from(own: Score) -> Self {
        // JSON has no NaN. A model that a mask has broken may give one.
        (Some(own.log_likelihood).filter(|own| own.is_finite()), own.tokens, own.greedy)
    }
}

impl From<(Option<f64>, usize, bool)> for Score {
    fn from((log_likelihood, tokens, greedy): (Option<f64>, usize, bool)) -> Self {
        Self { log_likelihood: log_likelihood.unwrap_or(f64::NAN), tokens, greedy }
    }
}

/// The scores of a set of items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// For each item of the set, the score of each of its texts; `None` for one that was left out.
    pub scores: Vec<Option<Vec<Score>>>,
    /// Items that the model or its tokenizer could not score.
    pub left_out: Vec<LeftOut>,
}

/// A model and its tokenizer, to score items with.
#[derive(Debug)]
pub struct Scorer<'m, B, M, T> {
    model: &'m M,
    text: &'m T,
    prefix: u32,
    options: &'m DecodeOptions,
    backend: PhantomData<B>,
}

/// The number of items that are encoded together.
const ITEMS: usize = 2048;

impl<'m, B: Backend, M: Answering<B>, T: Tokenize> Scorer<'m, B, M, T> {
    /// Scores with this model, in batches and on threads as the options say. `prefix` is the token
    /// that a text without a context follows.
    pub fn new(model: &'m M, text: &'m T, prefix: u32, options: &'m DecodeOptions) -> Self {
        Self { model, text, prefix, options, backend: PhantomData }
    }

    /// Scores every item. Texts that begin alike run as one prefix tree, whichever items they
    /// belong to. `done` receives the number of texts that were just scored, from any thread.
    ///
    /// # Errors
    /// [`FrameworkError::Item`] for a text that cannot be encoded; a failed pass.
    pub fn score(
        &self,
        set: &ItemSet,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Scored, FrameworkError> {
        let encoder = Encoder::new(self.text, self.prefix, self.model.context())?;
        let mut all = Scored { scores: Vec::with_capacity(set.items.len()), left_out: Vec::new() };
        for items in set.items.chunks(ITEMS) {
            let mut wanted: Vec<Continuation> = Vec::new();
            // The number of continuations of each item, and of texts that they belong to.
            let mut counts: Vec<Option<(usize, usize)>> = Vec::with_capacity(items.len());
            for item in items {
                let own = encoder.item(item).map_err(|source| FrameworkError::Item {
                    framework: set.framework,
                    item: item.id.clone(),
                    source,
                })?;
                counts.push(match own {
                    Ok(own) => {
                        let count = own.len();
                        wanted.extend(own);
                        Some((count, item.texts()))
                    }
                    Err(reason) => {
                        all.left_out.push(LeftOut { id: item.id.clone(), reason });
                        done(item.texts());
                        None
                    }
                });
            }
            // A text may be several windows, and counts once.
            let texts: usize = counts.iter().flatten().map(|(_, texts)| texts).sum();
            let alike = texts == wanted.len();
            let each = |scored: usize| {
                if alike {
                    done(scored)
                }
            };
            let found = self.model.log_likelihoods(&wanted, self.options, &each)?;
            if !alike {
                done(texts);
            }
            let mut found = found.into_iter();
            for count in counts {
                all.scores.push(count.map(|(count, texts)| {
                    let own: Vec<Likelihood> = found.by_ref().take(count).collect();
                    own.chunks(count / texts.max(1)).map(joined).collect()
                }));
            }
        }
        Ok(all)
    }
}

/// The score of a text in windows.
fn joined(windows: &[Likelihood]) -> Score {
    Score {
        log_likelihood: windows.iter().map(Likelihood::sum).sum(),
        tokens: windows.iter().map(|own| own.log_probs.len()).sum(),
        greedy: windows.iter().all(|own| own.greedy),
    }
}
