//! Questions in batches, for any runner.

use bias_probe::device::LOGITS_AT_ONCE;
use bias_probe::{HookedModel, Sequence, in_threads};
use burn::tensor::{Tensor, backend::Backend};

use super::answer_tree::{Growing, Kept, Row};
use super::answers::Answers;
use super::cached::{Cached, Work};
use super::calls::{Asking, ToText};
use super::choices::Weighing;
use super::decoding::{DecodeOptions, Decoding};
use super::logits;
use super::runner::{Anew, Behind, Runner};
use super::shared_prefix::{Prefix, alike, behind};
use crate::error::AskError;
use crate::question::{Question, QuestionKind};

/// [`Answering::ask`](super::Answering::ask) for a model without a cache. For every token, each
/// prompt runs again with its living answers as one tree, on one thread.
///
/// # Errors
/// As [`Answering::ask`](super::Answering::ask).
pub fn ask_uncached<B: Backend, M: HookedModel<B> + ?Sized>(
    model: &M,
    questions: &[Question],
    asking: &Asking<'_>,
) -> Result<Vec<Answers>, AskError> {
    let (runner, mut prefix) = (Anew(model), None);
    let mut answers = Vec::with_capacity(questions.len());
    for batch in batches(questions, asking.options) {
        answers.extend(answer::<B, _>(&runner, &mut prefix, batch, asking)?);
    }
    Ok(answers)
}

/// [`Answering::ask`](super::Answering::ask) for a model with a cache. A prompt, the common
/// beginning of several prompts, and every token that answers share are run once. Batches run side
/// by side on as many threads as the options say, each with its own handle on the model.
///
/// # Errors
/// As [`Answering::ask`](super::Answering::ask).
pub fn ask_cached<B: Backend, M: Cached<B> + Clone + Send>(
    model: &M,
    questions: &[Question],
    asking: &Asking<'_>,
) -> Result<Vec<Answers>, AskError> {
    let Asking { decoding, options, text, done } = *asking;
    if model.is_streamed() {
        let mut answers = Vec::with_capacity(questions.len());
        for own in answered_alike(questions) {
            answers.extend(match own.first().is_some_and(is_choice) {
                true => weigh_together(&Behind(model), own, options)?,
                false => texts(together(&Behind(model), own, decoding, options)?, text)?,
            });
            done(own.len());
        }
        return Ok(answers);
    }
    // Each thread has a handle of its own on the same weights, and what it last began.
    let handle = |_| (model.clone(), None);
    let answers = in_threads(
        options.threads,
        handle,
        batches(questions, options),
        |(model, prefix), batch| answer::<B, _>(&Behind(&*model), prefix, batch, asking),
    )?;
    Ok(answers.into_iter().flatten().collect())
}

/// Groups consecutive questions that are answered in the same way.
fn answered_alike(questions: &[Question]) -> impl Iterator<Item = &[Question]> {
    questions.chunk_by(|a, b| is_choice(a) == is_choice(b))
}

fn batches<'q>(questions: &'q [Question], options: &DecodeOptions) -> Vec<&'q [Question]> {
    let rows = |own: &[Question]| match own.first().is_some_and(is_choice) {
        true => options.batch_rows.max(1) * CHOICE_ROWS,
        false => options.batch_rows.max(1),
    };
    answered_alike(questions).flat_map(|own| own.chunks(rows(own))).collect()
}

/// Answers a batch. Reuses the beginning of the previous batch where it is the same.
fn answer<B: Backend, R: Runner<B>>(
    runner: &R,
    prefix: &mut Option<Prefix<R::Cache>>,
    batch: &[Question],
    asking: &Asking<'_>,
) -> Result<Vec<Answers>, AskError> {
    let answers = match batch.first().is_some_and(is_choice) {
        true => weigh_alone(runner, batch, prefix)?,
        false => {
            texts(alone(runner, batch, prefix, asking.decoding, asking.options)?, asking.text)?
        }
    };
    (asking.done)(batch.len());
    Ok(answers)
}

/// A choice takes one pass with few tokens, so more choices fit into a batch.
const CHOICE_ROWS: usize = 4;

fn is_choice(question: &Question) -> bool {
    matches!(question.kind, QuestionKind::Choice(_))
}

fn texts(rows: Vec<Row<'_>>, text: &ToText<'_>) -> Result<Vec<Answers>, AskError> {
    rows.into_iter().map(|row| row.answers(text)).collect()
}

fn prompts(questions: &[Question]) -> Vec<&Sequence> {
    questions.iter().map(|own| &own.prompt).collect()
}

/// The most bytes of keys and values that the prompts of a streamed model may take together.
const CACHED: usize = 3 << 29;
/// The number of tokens that an answer tree is assumed to need beyond its prompt.
const TREE: usize = 32;

/// The number of logits in memory at a time, for a model that has to read each slice of the
/// vocabulary from a file.
const LOGITS_STREAMED: usize = 1 << 26;

fn most_logits<B: Backend>(model: &(impl HookedModel<B> + ?Sized)) -> usize {
    if model.is_streamed() { LOGITS_STREAMED } else { LOGITS_AT_ONCE }
}

/// Grows the answers by the output of a pass, and keeps the part of the cache that is still needed.
fn grow<B: Backend, R: Runner<B>>(
    runner: &R,
    growing: &mut Growing<'_>,
    cache: &mut R::Cache,
    hidden: Tensor<B, 3>,
    (decoding, options): (Decoding, &DecodeOptions),
) -> Result<(), AskError> {
    let most = most_logits(runner.model());
    let kept = logits::of(runner.model(), hidden, most, |logits| {
        growing.grow(logits, decoding, options, &|before, after| runner.reruns(before, after))
    })?;
    match kept {
        Kept::All => {}
        Kept::Rows(rows) => *cache = runner.rows(cache, &rows),
        Kept::Nothing => *cache = runner.empty(),
    }
    Ok(())
}

/// Answers prompts of a streamed model: as many at a time as their caches allow. All of them pass
/// each layer before the next is read.
fn together<'q, B: Backend, R: Runner<B>>(
    runner: &R,
    questions: &'q [Question],
    decoding: Decoding,
    options: &DecodeOptions,
) -> Result<Vec<Row<'q>>, AskError> {
    let (dims, batch_rows) = (runner.model().dims(), options.batch_rows.max(1));
    let token = 2 * dims.layers * dims.kv_heads * dims.d_head * size_of::<f32>();
    let longest = questions.iter().map(|own| own.prompt.len()).max().unwrap_or(0);
    let at_once = CACHED / (token * (longest + TREE)).max(1) / batch_rows * batch_rows;
    let at_once = at_once.max(batch_rows);
    let mut all = Vec::with_capacity(questions.len());
    for questions in questions.chunks(at_once) {
        let mut prefixes: Vec<Prefix<R::Cache>> = Vec::new();
        let mut chunks: Vec<(&[Question], Option<usize>)> = Vec::new();
        for questions in questions.chunks(batch_rows) {
            let prompts = prompts(questions);
            let tokens = alike(runner.shares(), &prompts);
            if let Some(tokens) = tokens
                && prefixes.last().is_none_or(|p| p.tokens != tokens)
            {
                prefixes.push(Prefix::new(tokens, runner.empty())?);
            }
            chunks.push((questions, tokens.map(|_| prefixes.len() - 1)));
        }
        let mut work: Vec<_> =
            prefixes.iter_mut().map(|Prefix { batch, cache, .. }| Work { batch, cache }).collect();
        runner.run_all(&mut work, options.threads)?;
        let mut growing = Vec::new();
        for (questions, prefix) in chunks {
            let (batch, cache) = behind(runner, &prompts(questions), prefix.map(|i| &prefixes[i]))?;
            growing.push((Growing::new(questions, decoding, batch), cache));
        }
        drop(prefixes);
        loop {
            let mut living: Vec<_> = growing.iter_mut().filter(|(own, _)| own.lives()).collect();
            if living.is_empty() || options.max_new_tokens == 0 {
                break;
            }
            let mut work: Vec<_> =
                living.iter_mut().map(|(own, cache)| Work { batch: &own.batch, cache }).collect();
            let hidden = runner.run_all(&mut work, options.threads)?;
            for ((own, cache), hidden) in living.into_iter().zip(hidden) {
                grow(runner, own, cache, hidden, (decoding, options))?;
            }
        }
        all.extend(growing.into_iter().flat_map(|(own, _)| own.finish()));
    }
    Ok(all)
}

/// Runs the common beginning of a chunk of prompts once, or not at all if the previous chunk had
/// the same.
fn begun<'k, B: Backend, R: Runner<B>>(
    runner: &R,
    prompts: &[&Sequence],
    known: &'k mut Option<Prefix<R::Cache>>,
) -> Result<Option<&'k Prefix<R::Cache>>, AskError> {
    if let Some(tokens) = alike(runner.shares(), prompts) {
        if known.as_ref().is_none_or(|p| p.tokens != tokens) {
            let mut prefix = Prefix::new(tokens, runner.empty())?;
            runner.run(&prefix.batch, &mut prefix.cache)?;
            *known = Some(prefix);
        }
    } else {
        *known = None;
    }
    Ok(known.as_ref())
}

/// Answers a chunk of prompts on its own.
fn alone<'q, B: Backend, R: Runner<B>>(
    runner: &R,
    questions: &'q [Question],
    known: &mut Option<Prefix<R::Cache>>,
    decoding: Decoding,
    options: &DecodeOptions,
) -> Result<Vec<Row<'q>>, AskError> {
    let prompts = prompts(questions);
    let prefix = begun(runner, &prompts, known)?;
    let (batch, mut cache) = behind(runner, &prompts, prefix)?;
    let mut growing = Growing::new(questions, decoding, batch);
    while growing.lives() && options.max_new_tokens > 0 {
        let hidden = runner.run(&growing.batch, &mut cache)?;
        grow(runner, &mut growing, &mut cache, hidden, (decoding, options))?;
    }
    Ok(growing.finish())
}

/// Answers a chunk of choices on its own.
fn weigh_alone<B: Backend, R: Runner<B>>(
    runner: &R,
    questions: &[Question],
    known: &mut Option<Prefix<R::Cache>>,
) -> Result<Vec<Answers>, AskError> {
    let asked = Weighing::new(questions)?;
    let trees: Vec<&Sequence> = asked.trees.iter().collect();
    // The end of a prompt predicts words, so its output is needed: no more is shared than prompts
    // share, even where the words are the same as well.
    let prefix = begun(runner, &prompts(questions), known)?;
    let (batch, mut cache) = behind(runner, &trees, prefix)?;
    let hidden = runner.run(&batch, &mut cache)?;
    logits::of(runner.model(), hidden, LOGITS_AT_ONCE, |logits| {
        asked.answers(logits, batch.width(), batch.past())
    })
}

/// Answers choices with a streamed model: all of them pass each layer before the next is read.
fn weigh_together<B: Backend, R: Runner<B>>(
    runner: &R,
    questions: &[Question],
    options: &DecodeOptions,
) -> Result<Vec<Answers>, AskError> {
    let asked: Vec<Weighing<'_>> =
        questions.chunks(options.batch_rows.max(1)).map(Weighing::new).collect::<Result<_, _>>()?;
    let mut runs = Vec::with_capacity(asked.len());
    for own in &asked {
        runs.push(behind(runner, &own.trees.iter().collect::<Vec<_>>(), None)?);
    }
    let mut work: Vec<_> = runs.iter_mut().map(|(batch, cache)| Work { batch, cache }).collect();
    let hidden = runner.run_all(&mut work, options.threads)?;
    let mut answers = Vec::with_capacity(questions.len());
    for ((own, (batch, _)), hidden) in asked.iter().zip(&runs).zip(hidden) {
        answers.extend(logits::of(runner.model(), hidden, LOGITS_AT_ONCE, |logits| {
            own.answers(logits, batch.width(), 0)
        })?);
    }
    Ok(answers)
}
