use std::path::Path;

use bias_ask::likelihood::token_log_probs;
use bias_ask::{Answering, AskError, Tokenize};
use bias_metrics::ranking::{PairDirection, PairScore};
use bias_model::LanguageModel;
use bias_probe::Sequence;
use bias_types::TokenRole;
use burn::tensor::backend::Backend;
use serde::Deserialize;

use super::matching::shared_places;
use crate::StudyError;
use crate::prompts::{Rows, Schema, bad};

/// Two sentences that differ in the people they are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentencePair {
    /// The sentence about the disadvantaged group.
    pub more: String,
    /// The sentence about the other group.
    pub less: String,
    /// Whether the first sentence expresses a stereotype or contradicts one.
    pub direction: PairDirection,
    /// The kind of bias.
    pub bias_type: String,
}

/// Sentence pairs in the schema of CrowS-Pairs (Nangia et al. 2020): a CSV file with the columns
/// `sent_more`, `sent_less`, `stereo_antistereo` and `bias_type`, in any order, among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairSet {
    /// SHA-256 of the file.
    pub sha256: String,
    /// The pairs in the order of the file.
    pub pairs: Vec<SentencePair>,
    /// Columns of the file that nothing is read from.
    pub unused: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct PairRecord {
    sent_more: String,
    sent_less: String,
    stereo_antistereo: PairDirection,
    bias_type: String,
}

const SCHEMA: Schema<'static> = Schema {
    rows: "pairs",
    needed: &["sent_more", "sent_less", "stereo_antistereo", "bias_type"],
    blank: &[],
    optional: &[],
};

impl PairSet {
    /// Reads a file of pairs.
    ///
    /// # Errors
    /// [`StudyError::Read`]; [`StudyError::Prompts`] with the line for a file that is empty, lacks
    /// a column or nearly has one, or has a pair with an empty cell, two equal sentences or an
    /// unknown direction.
    pub fn from_csv(path: &Path) -> Result<Self, StudyError> {
        let Rows { sha256, rows, unused, .. } = Rows::<PairRecord>::read(path, &SCHEMA, &[])?;
        let pairs = rows.into_iter().map(|(line, row)| {
            if row.sent_more == row.sent_less {
                return Err(bad(path, Some(line), "both sentences are the same; one must win"));
            }
            Ok(SentencePair {
                more: row.sent_more,
                less: row.sent_less,
                direction: row.stereo_antistereo,
                bias_type: row.bias_type,
            })
        });
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { sha256, pairs, unused })
    }
}

/// How the sentences of all pairs are scored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// A text before both sentences. It does not count itself. White space at its end belongs to
    /// the sentences, as in lm-evaluation-harness; without any, a space is put between them.
    pub before: String,
    /// Whether the log-likelihoods of whole sentences are divided by their number of tokens, so
    /// that long sentences do not count as improbable.
    pub per_token: bool,
}

/// The token that sentences without a text before them follow, as in lm-evaluation-harness: the
/// tokenizer's [`prefix_token`](Tokenize::prefix_token). For a tokenizer that names none, it is the
/// token with which the model's configuration begins a text, or else one that ends an answer.
///
/// # Errors
/// [`StudyError::NoBeginning`] without any; settings of the tokenizer that cannot be read.
pub fn prefix_token<B: Backend, M: Answering<B>, T: Tokenize>(
    model: &LanguageModel<B, M, T>,
) -> Result<u32, StudyError> {
    let own = Tokenize::prefix_token(model.text())?;
    let token = own.or_else(|| model.begin()).or_else(|| model.options().stop.first().copied());
    token.ok_or(StudyError::NoBeginning)
}

/// The tokens before the first that can count: those that the tokenizer begins every text with, and
/// those of the text before.
struct Before {
    /// The [`prefix_token`], if there is no text before.
    prefix: Option<u32>,
    /// What the tokenizer itself adds in front of a text.
    added: Vec<u32>,
    text: Vec<u32>,
}

impl Before {
    fn new<B: Backend, M: Answering<B>, T: Tokenize>(
        model: &LanguageModel<B, M, T>,
        text: &str,
    ) -> Result<Self, StudyError> {
        let own = Tokenize::verbatim(model.text(), text)?;
        if own.is_empty() {
            return Ok(Self { prefix: Some(prefix_token(model)?), added: own.clone(), text: own });
        }
        // A context begins as the tokenizer begins every text.
        let whole = model.text().encode(text, true)?;
        let whole: Vec<u32> = whole.into_iter().map(|token| token.id).collect();
        let at = whole.windows(own.len()).position(|tokens| tokens == own).unwrap_or(0);
        // A text that begins with the token already does not get it twice.
        let begun = Tokenize::prefix_token(model.text())?.is_some_and(|token| token == own[0]);
        let added = if begun { Vec::new() } else { whole[..at].to_vec() };
        Ok(Self { prefix: None, added, text: own })
    }

    /// All tokens of a text and the number of those that are only given.
    fn around(&self, own: Vec<u32>) -> (Vec<u32>, usize) {
        // A sentence that begins with the prefix already does not get it twice.
        let prefix = self.prefix.filter(|token| own.first() != Some(token));
        let given = self.added.len() + if self.prefix.is_some() { 1 } else { self.text.len() };
        (self.added.iter().copied().chain(prefix).chain(own).collect(), given)
    }
}

/// Scores every pair. The first score is the log-likelihood of both sentences behind the
/// [`prefix_token`], as in lm-evaluation-harness. Behind a text of the [`Reading`] there is no such
/// token; that text begins as the tokenizer begins every text. The second score is that of the
/// tokens that both share, each given all tokens before it. Shared tokens are the blocks that
/// Nangia et al.'s code finds. `done` is called after every batch, with the number of pairs in it.
///
/// # Errors
/// [`StudyError::Pair`] for a sentence that cannot be encoded, has no tokens, or is longer than the
/// model's context; [`StudyError::NoBeginning`]; a failed pass.
pub fn score_pairs<B: Backend, M: Answering<B>, T: Tokenize>(
    model: &LanguageModel<B, M, T>,
    pairs: &[SentencePair],
    reading: &Reading,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<PairScore>, StudyError> {
    let limit = model.model().context();
    let context = reading.before.trim_end();
    let before = Before::new(model, context)?;
    let space = match &reading.before[context.len()..] {
        "" if !context.is_empty() => " ",
        own => own,
    };
    let encode = |text: &str| -> Result<(Sequence, usize), AskError> {
        let own = Tokenize::verbatim(model.text(), &format!("{context}{space}{text}"))?;
        if !own.starts_with(&before.text) {
            return Err(AskError::outside(format!(
                "its beginning and the end of the text before it, `{}`, are one token; end that text with another word",
                context
                    .chars()
                    .rev()
                    .take(20)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect::<String>()
            )));
        }
        let (tokens, given) = before.around(own);
        if tokens.len() <= given {
            return Err(AskError::outside(
                "the tokenizer makes no token of it, so that it has no likelihood",
            ));
        }
        if let Some(limit) = limit.filter(|limit| tokens.len() > *limit) {
            return Err(bias_probe::ProbeError::ContextOverflow {
                position: tokens.len() - 1,
                limit,
            }
            .into());
        }
        let roles = vec![TokenRole::Prompt; tokens.len()];
        Ok((Sequence::chain(tokens, roles)?, given))
    };
    let mut scores = Vec::with_capacity(pairs.len());
    for (chunk, together) in pairs.chunks(PAIRS_AT_ONCE).enumerate() {
        let mut texts = Vec::with_capacity(2 * together.len());
        let mut givens = Vec::with_capacity(2 * together.len());
        for (i, pair) in together.iter().enumerate() {
            for text in [&pair.more, &pair.less] {
                let named = |source| StudyError::Pair {
                    pair: chunk * PAIRS_AT_ONCE + i + 1,
                    text: text.chars().take(60).collect(),
                    source: Box::new(source),
                };
                let (text, given) = encode(text).map_err(named)?;
                texts.push(text);
                givens.push(given);
            }
        }
        let log_probs = token_log_probs(model.model(), &texts)?;
        let both = texts.chunks_exact(2).zip(givens.chunks_exact(2));
        for ((pair, (texts, given)), own) in
            together.iter().zip(both).zip(log_probs.chunks_exact(2))
        {
            // Log-probabilities are of all tokens but the first.
            let counted = |i: usize| (&texts[i].tokens()[given[i]..], &own[i][given[i] - 1..]);
            let [(more, of_more), (less, of_less)] = [counted(0), counted(1)];
            let places = shared_places(more, less);
            let whole = |own: &[f64]| {
                let length = if reading.per_token { own.len().max(1) } else { 1 };
                own.iter().sum::<f64>() / length as f64
            };
            scores.push(PairScore {
                direction: pair.direction,
                whole: [whole(of_more), whole(of_less)],
                shared: [
                    places.iter().map(|(i, _)| of_more[*i]).sum(),
                    places.iter().map(|(_, j)| of_less[*j]).sum(),
                ],
            });
        }
        done(together.len());
    }
    Ok(scores)
}

/// The number of pairs whose sentences are encoded and run together.
const PAIRS_AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PairSet, StudyError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        PairSet::from_csv(file.path())
    }

    #[test]
    fn the_public_schema_is_read_and_faults_are_named() {
        let header = ",sent_more,sent_less,stereo_antistereo,bias_type,annotations\n";
        let own = read(&format!("\u{feff}{header}0,\"A, b.\",C.,stereo,race-color,\"[['x']]\"\n"))
            .unwrap();
        assert_eq!(own.pairs[0].more, "A, b.");
        assert_eq!(own.pairs[0].direction, PairDirection::Stereo);
        assert_eq!(own.unused, ["annotations"]);
        let spaced = format!("{header}0,a,b,stereo,x,\n,,,,,\n\n");
        assert_eq!(read(&spaced).unwrap().pairs.len(), 1);
        let cases = [
            (String::new(), "the file is empty"),
            (header.to_owned(), "no pairs"),
            ("sent_more,sent_less\na,b\n".to_owned(), "stereo_antistereo, bias_type"),
            (format!("{header}0,a,b,both,x,\n"), "line 2"),
            (format!("{header}0,a,b,stereo,x,\n0,a,a,stereo,x,\n").replace('\n', "\r\n"), "line 3"),
            (format!("{header}0,a,,stereo,x,\n"), "empty"),
            (format!("{header}0,a\n"), "line 2"),
            (format!("{header}0,a,a,stereo,x,\n"), "the same"),
            (format!("{header}0,a,b,stereo,,\n"), "line 2: the column `bias_type` is empty"),
            (header.replace("sent_more", "Sent_More"), "write `sent_more`"),
            (header.replace("bias_type", "bias-type"), "write `bias_type`"),
        ];
        for (text, expected) in cases {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(matches!(
            PairSet::from_csv(Path::new("/nowhere.csv")),
            Err(StudyError::Read { .. })
        ));
    }
}
