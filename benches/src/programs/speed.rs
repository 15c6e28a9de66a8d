//! Does a model's work when asked, and says how long it took.

use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::{Failure, converse, finish};
use bias_attrib::{Attribution as _, Contrast, PossibleAnswer, PromptCase, SignedGap};
use bias_model::generate::{DecodeOptions, Sampling, decode};
use bias_model::{Checkpoint, Decoder, Decoding, HookedModel as _, ModelConfig, Precision};
use bias_probe::stats::SquareSums;
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use clap::{Parser, ValueEnum};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::Deserialize;
use serde_json::{Value, json};

/// Load a model, then do what each line of standard input asks for.
///
/// The program answers each line with a line of JSON that gives the time in seconds.
/// benches/peers/speed.py asks this program and PyTorch in turn.
#[derive(Parser)]
struct Args {
    /// Model folder; it needs no tokenizer, because prompts are token ids
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// How to hold weights
    #[arg(long, value_enum, default_value_t = Held::F32)]
    held: Held,
    /// Number of threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Held {
    F32,
    Stored,
    Mapped,
}

/// One line of standard input.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Request {
    /// The machine's own rates: a product of `n × n` matrices, and reading `bytes` of memory.
    Machine { n: usize, bytes: usize },
    /// Next-token scores after each prompt's last token.
    Logits { prompts: Vec<Vec<u32>> },
    /// Sums of squares at the input of every matrix, so many prompts at a time on all threads
    /// together.
    Statistics { prompts: Vec<Vec<u32>>, batch: usize },
    /// Answers: so many samples, or with none the exact distribution.
    Answers {
        prompts: Vec<Vec<u32>>,
        samples: Option<u32>,
        temperature: f64,
        length: usize,
        stop: Vec<u32>,
    },
    /// The signed gap's gradient with respect to every matrix.
    Gap { a: Vec<Asked>, b: Vec<Asked>, temperature: f64 },
}

/// A prompt and its answers.
#[derive(Deserialize)]
struct Asked {
    prompt: Vec<u32>,
    answers: Vec<Given>,
}

#[derive(Deserialize)]
struct Given {
    tokens: Vec<u32>,
    value: f64,
    weight: f64,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let started = Instant::now();
    let precision = match args.held {
        Held::F32 => Precision::F32,
        Held::Stored => Precision::Stored,
        Held::Mapped => Precision::Mapped,
    };
    let config = ModelConfig::from_folder(&args.model)?;
    let model =
        Decoder::load(&Checkpoint::open(&args.model)?, config, precision, &Default::default())?;
    converse(&json!({ "seconds": started.elapsed().as_secs_f64() }), |request| {
        serve(&model, args.threads, request)
    })
}

fn chain(tokens: Vec<u32>) -> Result<Sequence, Failure> {
    let roles = vec![TokenRole::Prompt; tokens.len()];
    Ok(Sequence::chain(tokens, roles)?)
}

fn chains(prompts: Vec<Vec<u32>>) -> Result<Vec<Sequence>, Failure> {
    prompts.into_iter().map(chain).collect()
}

fn serve(model: &Decoder<Flex>, threads: usize, request: Request) -> Result<Value, Failure> {
    match request {
        Request::Machine { n, bytes } => Ok(machine(n, bytes)),
        Request::Logits { prompts } => {
            let started = Instant::now();
            let batch = TokenBatch::new(&chains(prompts)?)?;
            let hidden = model.hidden(&batch, &mut NoObserver)?;
            let last = hidden.narrow(1, batch.width() - 1, 1);
            let logits =
                model.unembed(last)?.into_data().to_vec::<f32>().map_err(|e| format!("{e:?}"))?;
            Ok(json!({ "seconds": started.elapsed().as_secs_f64(), "logits": logits[..8] }))
        }
        Request::Statistics { prompts, batch } => {
            let prompts = chains(prompts)?;
            let started = Instant::now();
            let rows = batch.div_ceil(threads);
            let batches =
                prompts.chunks(rows).map(TokenBatch::new).collect::<Result<Vec<_>, _>>()?;
            let sums =
                SquareSums::linear_inputs(model.dims()).side_by_side(model, &batches, threads)?;
            let seconds = started.elapsed().as_secs_f64();
            let totals = model.dims().projections().map(|(_, layer, p)| {
                let own = sums.sums(p.input_site(layer), &TokenRole::REAL);
                own.map_or(f64::NAN, |sums| sums.iter().sum::<f64>())
            });
            Ok(json!({ "seconds": seconds, "totals": totals.collect::<Vec<_>>() }))
        }
        Request::Answers { prompts, samples, temperature, length, stop } => {
            let prompts = chains(prompts)?;
            let options = DecodeOptions {
                sampling: Sampling::default().with_temperature(temperature)?,
                stop,
                max_new_tokens: length,
                batch_rows: 8,
                threads,
            };
            let decoding = match samples {
                Some(samples) => Decoding::Sampled { samples, seed: 0 },
                None => Decoding::exact(),
            };
            let started = Instant::now();
            let all =
                decode(model, &prompts, decoding, &options, |tokens| Ok(format!("{tokens:?}")))?;
            let seconds = started.elapsed().as_secs_f64();
            let answers = all.iter().map(|own| {
                own.answers
                    .iter()
                    .map(|a| json!([a.tokens, a.weight, a.finished]))
                    .collect::<Vec<_>>()
            });
            Ok(json!({
                "seconds": seconds,
                "unexplored": all.iter().map(|a| a.unexplored).fold(0.0, f64::max),
                "answers": answers.collect::<Vec<_>>(),
            }))
        }
        Request::Gap { a, b, temperature } => {
            let contrast = Contrast { a: cases(a)?, b: cases(b)? };
            let method = SignedGap::default().with_temperature(temperature)?.with_threads(threads);
            let started = Instant::now();
            let tracked = model.differentiable::<Autodiff<Flex>>();
            let scores = method.attribute(&tracked, &contrast)?;
            let seconds = started.elapsed().as_secs_f64();
            let norm =
                |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let norms: Vec<_> = scores.iter().map(|s| norm(s.values())).collect();
            Ok(json!({ "seconds": seconds, "norms": norms }))
        }
    }
}

fn cases(asked: Vec<Asked>) -> Result<Vec<PromptCase>, Failure> {
    let own = |asked: Asked| {
        let answer = |given: Given| PossibleAnswer {
            tokens: given.tokens,
            finished: true,
            value: Some(given.value),
            weight: given.weight,
            ..PossibleAnswer::default()
        };
        Ok(PromptCase::new(chain(asked.prompt)?, asked.answers.into_iter().map(answer).collect()))
    };
    asked.into_iter().map(own).collect()
}

/// The best of three, for each.
fn machine(n: usize, bytes: usize) -> Value {
    let best = |work: &mut dyn FnMut()| {
        let times = (0..3).map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64()
        });
        times.fold(f64::INFINITY, f64::min)
    };
    let square = || {
        let values = (0..n * n).map(|i| (i % 1009) as f32 / 1009.0 - 0.5).collect::<Vec<_>>();
        Tensor::<Flex, 2>::from_data(TensorData::new(values, [n, n]), &Default::default())
    };
    let (a, b) = (square(), square());
    let product = best(&mut || drop(black_box(a.clone().matmul(b.clone()))));
    let words: Vec<u64> = (0..bytes as u64 / 8).collect();
    let pieces: Vec<&[u64]> = words.chunks(1 << 20).collect();
    let read = best(&mut || {
        let sum = |piece: &&[u64]| piece.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
        black_box(pieces.par_iter().map(sum).reduce(|| 0, u64::wrapping_add));
    });
    json!({ "gflops": 2.0 * (n as f64).powi(3) / product / 1e9, "gbytes": bytes as f64 / read / 1e9 })
}
