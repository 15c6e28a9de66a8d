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
use crate::prompts::{Rows, bad};

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
}

#[derive(Debug, Deserialize)]
struct PairRecord {
    sent_more: String,
    sent_less: String,
    stereo_antistereo: PairDirection,
    bias_type: String,
}

const NEEDED: [&str; 4] = ["sent_more", "sent_less", "stereo_antistereo", "bias_type"];

impl PairSet {
    /// Reads a file of pairs.
    ///
    /// # Errors
    /// [`StudyError::Read`]; [`StudyError::Prompts`] with the line for a file that is empty, lacks
    /// a column, or has a pair with an empty sentence or an unknown direction.
    pub fn from_csv(path: &Path) -> Result<Self, StudyError> {
        let Rows { sha256, rows, .. } = Rows::<PairRecord>::read(path, &NEEDED, "pairs", None)?;
        let pairs = rows.into_iter().map(|(line, row)| {
            if row.sent_more.trim().is_empty() || row.sent_less.trim().is_empty() {
                return Err(bad(path, Some(line), "a sentence is empty"));
            }
            Ok(SentencePair {
                more: row.sent_more,
                less: row.sent_less,
                direction: row.stereo_antistereo,
                bias_type: row.bias_type,
            })
        });
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { sha256, pairs })
    }
}

/// How the sentences of all pairs are scored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// A text before both sentences. It does not count itself.
    pub before: String,
    /// Whether the log-likelihoods of whole sentences are divided by their number of tokens, so
    /// that long sentences do not count as improbable.
    pub per_token: bool,
}

/// Scores every pair. The first score is the log-likelihood of both sentences behind the token that
/// begins a text (or, if there is none, the token that ends an answer), as in
/// lm-evaluation-harness. The second is that of the tokens that both share, each given all tokens
/// before it. Shared tokens are the blocks that Nangia et al.'s code finds. `done` is called after
/// every batch, with the number of pairs in it.
///
/// # Errors
/// [`StudyError::Pair`] for a sentence that cannot be encoded or is longer than the model's
/// context, a model without either token, a failed pass.
pub fn score_pairs<B: Backend, M: Answering<B>, T: Tokenize>(
    model: &LanguageModel<B, M, T>,
    pairs: &[SentencePair],
    reading: &Reading,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<PairScore>, StudyError> {
    let begin = model.begin().or_else(|| model.options().stop.first().copied());
    let begin = begin.ok_or(StudyError::NoBeginning)?;
    let limit = model.model().context();
    let before = Tokenize::verbatim(model.text(), &reading.before)?;
    let space =
        if before.is_empty() || reading.before.ends_with(char::is_whitespace) { "" } else { " " };
    let encode = |text: &str| -> Result<Sequence, AskError> {
        let own = Tokenize::verbatim(model.text(), &format!("{}{space}{text}", reading.before))?;
        if !own.starts_with(&before) {
            return Err(AskError::Choices {
                choices: text.chars().take(60).collect(),
                reason: "its first token is one with the end of the text before it".into(),
            });
        }
        let tokens: Vec<u32> = std::iter::once(begin).chain(own).collect();
        if let Some(limit) = limit.filter(|limit| tokens.len() > *limit) {
            return Err(bias_probe::ProbeError::ContextOverflow {
                position: tokens.len() - 1,
                limit,
            }
            .into());
        }
        let roles = vec![TokenRole::Prompt; tokens.len()];
        Ok(Sequence::chain(tokens, roles)?)
    };
    let mut scores = Vec::with_capacity(pairs.len());
    for (chunk, together) in pairs.chunks(PAIRS_AT_ONCE).enumerate() {
        let mut texts = Vec::with_capacity(2 * together.len());
        for (i, pair) in together.iter().enumerate() {
            for text in [&pair.more, &pair.less] {
                let named = |source| StudyError::Pair {
                    pair: chunk * PAIRS_AT_ONCE + i + 1,
                    text: text.chars().take(60).collect(),
                    source: Box::new(source),
                };
                texts.push(encode(text).map_err(named)?);
            }
        }
        let log_probs = token_log_probs(model.model(), &texts)?;
        for ((pair, texts), own) in
            together.iter().zip(texts.chunks_exact(2)).zip(log_probs.chunks_exact(2))
        {
            // Log-probabilities are of all tokens but the first.
            let counted =
                |i: usize| (&texts[i].tokens()[1 + before.len()..], &own[i][before.len()..]);
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
        let cases = [
            (String::new(), "missing columns"),
            (header.to_owned(), "no pairs"),
            ("sent_more,sent_less\na,b\n".to_owned(), "stereo_antistereo, bias_type"),
            (format!("{header}0,a,b,both,x,\n"), "line 2"),
            (format!("{header}0,a,,stereo,x,\n"), "empty"),
            (format!("{header}0,a\n"), "line 2"),
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
