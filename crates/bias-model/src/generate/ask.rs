use bias_probe::{HookedModel as _, NoObserver, Sequence, in_threads};
use burn::tensor::backend::Backend;

use super::answer_tree::{Growing, Row};
use super::answers::Answers;
use super::choices::Weighing;
use super::decoding::{DecodeOptions, Decoding};
use super::shared_prefix::{Prefix, alike, behind};
use crate::decoder::model::Decoder;
use crate::decoder::streamed::Work;
use crate::error::ModelError;
use crate::question::{Question, QuestionKind};

/// Asks the model every prompt for a free answer. `text` turns an answer's tokens into text.
///
/// # Errors
/// As [`ask`].
pub fn decode<B: Backend>(
    model: &Decoder<B>,
    prompts: &[Sequence],
    decoding: Decoding,
    options: &DecodeOptions,
    text: impl Fn(&[u32]) -> Result<String, ModelError> + Sync,
) -> Result<Vec<Answers>, ModelError> {
    let free = |(i, prompt): (usize, &Sequence)| Question {
        prompt: prompt.clone(),
        kind: QuestionKind::Free,
        stream: i as u64,
    };
    let questions: Vec<Question> = prompts.iter().enumerate().map(free).collect();
    ask(model, &questions, decoding, options, text, &|_| {})
}

/// Asks the model every question. `text` turns an answer's tokens into text; `done` is told how many
/// questions were answered each time that some were, from whichever thread.
///
/// All answers to a prompt grow as one tree behind the prompt's cached keys and
/// values: a token that several answers share is run once, and the prompt once. A choice is one pass, whatever the decoding: every
/// word has its exact probability, at temperature 1 and with nothing cut off.
///
/// # Errors
/// A token or position the model does not have, [`ModelError::Logits`], or a failed readback.
pub fn ask<B: Backend>(
    model: &Decoder<B>,
    questions: &[Question],
    decoding: Decoding,
    options: &DecodeOptions,
    text: impl Fn(&[u32]) -> Result<String, ModelError> + Sync,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Answers>, ModelError> {
    // Those that are answered alike run together.
    let alike = questions.chunk_by(|a, b| is_choice(a) == is_choice(b));
    if model.is_streamed() {
        let mut answers = Vec::with_capacity(questions.len());
        for own in alike {
            answers.extend(match own.first().is_some_and(is_choice) {
                true => weigh_together(model, own, options)?,
                false => texts(together(model, own, decoding, options)?, &text)?,
            });
            done(own.len());
        }
        return Ok(answers);
    }
    let rows = |own: &[Question]| match own.first().is_some_and(is_choice) {
        true => options.batch_rows.max(1) * CHOICE_ROWS,
        false => options.batch_rows.max(1),
    };
    let batches: Vec<&[Question]> = alike.flat_map(|own| own.chunks(rows(own))).collect();
    // Each thread has a handle of its own on the same weights, and what it last began.
    let handle = |_| (model.clone(), None);
    let answers = in_threads(options.threads, handle, batches, |(model, prefix), batch| {
        let answers = match batch.first().is_some_and(is_choice) {
            true => weigh_alone(model, batch, prefix)?,
            false => texts(alone(model, batch, prefix, decoding, options)?, &text)?,
        };
        done(batch.len());
        Ok::<_, ModelError>(answers)
    })?;
    Ok(answers.into_iter().flatten().collect())
}

/// Choices need one pass with few tokens each, so more of them make a batch.
const CHOICE_ROWS: usize = 4;

fn is_choice(question: &Question) -> bool {
    matches!(question.kind, QuestionKind::Choice(_))
}

fn texts(
    rows: Vec<Row<'_>>,
    text: &impl Fn(&[u32]) -> Result<String, ModelError>,
) -> Result<Vec<Answers>, ModelError> {
    rows.into_iter().map(|row| row.answers(text)).collect()
}

fn prompts(questions: &[Question]) -> Vec<&Sequence> {
    questions.iter().map(|own| &own.prompt).collect()
}

/// Bytes of keys and values that prompts of a streamed model may take together.
const CACHED: usize = 3 << 29;
/// Tokens that an answer's tree is taken to need beside its prompt's.
const TREE: usize = 32;

/// Prompts of a model that is left in its file: as many at a time as their caches allow,
/// all of them through each layer before the next is read.
fn together<'q, B: Backend>(
    model: &Decoder<B>,
    questions: &'q [Question],
    decoding: Decoding,
    options: &DecodeOptions,
) -> Result<Vec<Row<'q>>, ModelError> {
    let (dims, batch_rows) = (model.dims(), options.batch_rows.max(1));
    let token = 2 * dims.layers * dims.kv_heads * dims.d_head * size_of::<f32>();
    let longest = questions.iter().map(|own| own.prompt.len()).max().unwrap_or(0);
    let at_once = CACHED / (token * (longest + TREE)).max(1) / batch_rows * batch_rows;
    let at_once = at_once.max(batch_rows);
    let mut all = Vec::with_capacity(questions.len());
    for questions in questions.chunks(at_once) {
        let mut prefixes: Vec<Prefix<B>> = Vec::new();
        let mut chunks: Vec<(&[Question], Option<usize>)> = Vec::new();
        for questions in questions.chunks(batch_rows) {
            let tokens = alike(model, &prompts(questions));
            if let Some(tokens) = tokens
                && prefixes.last().is_none_or(|p| p.tokens != tokens)
            {
                prefixes.push(Prefix::new(tokens, dims.layers)?);
            }
            chunks.push((questions, tokens.map(|_| prefixes.len() - 1)));
        }
        let mut work: Vec<_> =
            prefixes.iter_mut().map(|Prefix { batch, cache, .. }| Work { batch, cache }).collect();
        model.run_cached(&mut work, options.threads)?;
        let mut growing = Vec::new();
        for (questions, prefix) in chunks {
            let (batch, cache) = behind(&prompts(questions), prefix.map(|i| &prefixes[i]), dims.layers)?;
            growing.push(Growing::new(questions, decoding, batch, cache));
        }
        drop(prefixes);
        loop {
            let mut living: Vec<&mut Growing<'_, B>> = growing.iter_mut().filter(|own| own.lives()).collect();
            if living.is_empty() || options.max_new_tokens == 0 {
                break;
            }
            let mut work: Vec<_> =
                living.iter_mut().map(|Growing { batch, cache, .. }| Work { batch, cache }).collect();
            let hidden = model.run_cached(&mut work, options.threads)?;
            for (own, hidden) in living.into_iter().zip(hidden) {
                own.grow(model, hidden, decoding, options)?;
            }
        }
        all.extend(growing.into_iter().flat_map(Growing::finish));
    }
    Ok(all)
}

/// What a chunk of prompts begins with, run once: not at all when the chunk before began alike.
fn begun<'k, B: Backend>(
    model: &Decoder<B>,
    prompts: &[&Sequence],
    known: &'k mut Option<Prefix<B>>,
) -> Result<Option<&'k Prefix<B>>, ModelError> {
    if let Some(tokens) = alike(model, prompts) {
        if known.as_ref().is_none_or(|p| p.tokens != tokens) {
            let mut prefix = Prefix::new(tokens, model.dims().layers)?;
            model.run(&prefix.batch, Some(&mut prefix.cache), &mut NoObserver)?;
            *known = Some(prefix);
        }
    } else {
        *known = None;
    }
    Ok(known.as_ref())
}

/// A chunk of prompts on its own.
fn alone<'q, B: Backend>(
    model: &Decoder<B>,
    questions: &'q [Question],
    known: &mut Option<Prefix<B>>,
    decoding: Decoding,
    options: &DecodeOptions,
) -> Result<Vec<Row<'q>>, ModelError> {
    let prompts = prompts(questions);
    let prefix = begun(model, &prompts, known)?;
    let (batch, cache) = behind(&prompts, prefix, model.dims().layers)?;
    let mut growing = Growing::new(questions, decoding, batch, cache);
    while growing.lives() && options.max_new_tokens > 0 {
        let hidden = model.run(&growing.batch, Some(&mut growing.cache), &mut NoObserver)?;
        growing.grow(model, hidden, decoding, options)?;
    }
    Ok(growing.finish())
}

/// A chunk of choices on its own.
fn weigh_alone<B: Backend>(
    model: &Decoder<B>,
    questions: &[Question],
    known: &mut Option<Prefix<B>>,
) -> Result<Vec<Answers>, ModelError> {
    let asked = Weighing::new(questions)?;
    let prompts: Vec<&Sequence> = asked.trees.iter().collect();
    // Words are run behind what they follow, so no more is shared than prompts share.
    let prefix = begun(model, &prompts, known)?;
    let (batch, mut cache) = behind(&prompts, prefix, model.dims().layers)?;
    let hidden = model.run(&batch, Some(&mut cache), &mut NoObserver)?;
    asked.answers(model, hidden, batch.past())
}

/// Choices asked of a model that is left in its file: all of them through each layer before the next is read.
fn weigh_together<B: Backend>(
    model: &Decoder<B>,
    questions: &[Question],
    options: &DecodeOptions,
) -> Result<Vec<Answers>, ModelError> {
    let layers = model.dims().layers;
    let asked: Vec<Weighing<'_>> =
        questions.chunks(options.batch_rows.max(1)).map(Weighing::new).collect::<Result<_, _>>()?;
    let mut runs = Vec::with_capacity(asked.len());
    for own in &asked {
        runs.push(behind::<B>(&own.trees.iter().collect::<Vec<_>>(), None, layers)?);
    }
    let mut work: Vec<_> = runs.iter_mut().map(|(batch, cache)| Work { batch, cache }).collect();
    let hidden = model.run_cached(&mut work, options.threads)?;
    let answers = asked.iter().zip(hidden).map(|(own, hidden)| own.answers(model, hidden, 0));
    Ok(answers.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}
