//! How fast does a model run on a device?

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::{Failure, finish};
use bias_attrib::{
    Attribution as _, Contrast, PossibleAnswer, PromptCase, SetDifference, SignedGap, Wanda,
};
use bias_cli::device::place::{DeviceArgs, OpenDevice};
use bias_files::say;
use bias_mask::Intervention;
use bias_model::generate::{DecodeOptions, Sampling, decode};
use bias_model::{Checkpoint, Decoder, Decoding, HookedModel as _, ModelConfig, Precision};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::{AutodiffBackend, Backend, BackendTypes};
use burn::tensor::{Distribution, Tensor};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

/// Measure a model on a device, and print each result as a line of JSON.
///
/// scripts/gpu.sh runs this program and PyTorch. Prompts are made-up tokens, so the model needs no
/// tokenizer; a model that `random_model` writes will do.
#[derive(Parser)]
struct Args {
    /// Model folder
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// What to measure, in this order; the model is loaded once
    #[arg(value_enum, required = true)]
    what: Vec<What>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Hold weights as they are stored instead of widened to f32
    #[arg(long)]
    stored: bool,
    /// Prompts per batch
    #[arg(long, default_value_t = 8)]
    rows: usize,
    /// Tokens per prompt
    #[arg(long, default_value_t = 512)]
    width: usize,
    /// Tokens per answer
    #[arg(long, default_value_t = 64)]
    answer: usize,
    /// Number of rounds; the first does not count
    #[arg(long, default_value_t = 4)]
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    /// Products of large matrices, and of a batch's tokens with the model's widest matrices
    Product,
    /// Forward passes over whole prompts, with the logits of the last token
    Prefill,
    /// Greedy answers of a fixed length, including the pass over the prompt
    Decode,
    /// Wanda's statistics
    Wanda,
    /// Choosing weights by Wanda's statistics, and applying the mask
    Mask,
    /// The signed gap of two prompts
    SignedGap,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    match args.device.place()? {
        OpenDevice::Cpu => measure::<Autodiff<Flex>>(args, &Default::default()),
        #[cfg(feature = "cuda")]
        OpenDevice::Cuda(device) => measure::<Autodiff<burn::backend::Cuda>>(args, &device),
        #[allow(unreachable_patterns)] // features of bias-cli know more places
        _ => Err(format!("{} is not measured here", args.device.name).into()),
    }
}

/// Waits for everything on the device: a number cannot be read before it is there.
fn wait<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> f32 {
    tensor.sum().into_data().iter::<f32>().next().unwrap_or(f32::NAN)
}

type Device<A> = <<A as AutodiffBackend>::InnerBackend as BackendTypes>::Device;

fn measure<A: AutodiffBackend>(args: &Args, device: &Device<A>) -> Result<(), Failure> {
    let config = ModelConfig::from_folder(&args.model)?;
    let (started, checkpoint) = (Instant::now(), Checkpoint::open(&args.model)?);
    let precision = if args.stored { Precision::Stored } else { Precision::F32 };
    let mut model = Decoder::<A::InnerBackend>::load(&checkpoint, config, precision, device)?;
    A::InnerBackend::sync(device)?;
    let dims = *model.dims();
    say(&json!({
        "what": "loading", "device": args.device.name.to_string(), "seconds": [started.elapsed().as_secs_f64()],
        "weight_bytes": model.weight_bytes(), "matrix_weights": dims.prunable_weights(),
        "head_weights": dims.vocab * dims.d_model, "rows": args.rows, "width": args.width, "answer": args.answer,
    }));
    let prompt = |row: usize| {
        let tokens =
            (0..args.width).map(|i| ((row * 31 + i * 7 + 3) % dims.vocab) as u32).collect();
        Sequence::chain(tokens, vec![TokenRole::Prompt; args.width])
    };
    let prompts = (0..args.rows).map(prompt).collect::<Result<Vec<_>, _>>()?;
    for what in &args.what {
        // What the work before held is no part of the next one's memory.
        A::InnerBackend::memory_cleanup(device);
        A::InnerBackend::sync(device)?;
        let name =
            what.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        say(&json!({ "begins": name }));
        let mut found = one::<A>(args, *what, &mut model, &prompts, device)?;
        found["what"] = name.into();
        say(&found);
    }
    Ok(())
}

/// A line as soon as it is known.
fn say(found: &Value) {
    say!("{found}");
}

fn one<A: AutodiffBackend>(
    args: &Args,
    what: What,
    model: &mut Decoder<A::InnerBackend>,
    prompts: &[Sequence],
    device: &Device<A>,
) -> Result<Value, Failure> {
    Ok(match what {
        What::Product => {
            let dims = *model.dims();
            let (tokens, big) =
                (args.rows * args.width, if args.device.accelerated() { 8192 } else { 1024 });
            let shapes = [
                [big, big, big],
                [tokens, dims.d_model, dims.d_model],
                [tokens, dims.d_model, dims.d_mlp],
                [tokens, dims.d_mlp, dims.d_model],
            ];
            let rate = |[rows, inner, columns]: [usize; 3]| {
                let random = |shape| {
                    Tensor::<A::InnerBackend, 2>::random(shape, Distribution::Default, device)
                };
                let (a, b) = (random([rows, inner]), random([inner, columns]));
                let seconds = rounds(args, || {
                    for _ in 0..10 {
                        let _ = bias_cube::matmul(a.clone(), b.clone());
                    }
                    Ok(A::InnerBackend::sync(device)?)
                })?;
                let best = seconds.into_iter().fold(f64::INFINITY, f64::min) / 10.0;
                Ok::<_, Failure>(json!({ "shape": [rows, inner, columns],
                    "flops": 2.0 * (rows * inner * columns) as f64 / best }))
            };
            json!({ "rates": shapes.into_iter().map(rate).collect::<Result<Vec<_>, _>>()? })
        }
        What::Prefill => {
            let logits = || -> Result<_, Failure> {
                let hidden = model.hidden(&TokenBatch::new(prompts)?, &mut NoObserver)?;
                Ok(model.unembed(hidden.narrow(1, args.width - 1, 1))?)
            };
            let seconds = rounds(args, || Ok(wait(logits()?)))?;
            json!({ "seconds": seconds, "top": top(logits()?, model.dims().vocab) })
        }
        What::Decode => {
            let options = DecodeOptions {
                sampling: Sampling::default(),
                stop: Vec::new(),
                max_new_tokens: args.answer,
                batch_rows: args.rows,
                threads: 1,
            };
            json!({ "seconds": rounds(args, || {
                Ok(decode(&*model, prompts, Decoding::Greedy, &options, |_| Ok(String::new()))?)
            })? })
        }
        What::Wanda => {
            let contrast = contrast(prompts);
            json!({ "seconds": rounds(args, || Ok(Wanda.attribute(&*model, &contrast)?))? })
        }
        What::Mask => {
            let norms = Wanda.attribute(&*model, &contrast(prompts))?;
            let choose = |model: &Decoder<_>| match args.device.accelerated() {
                true => norms.difference_on_device(model, 0.15, SetDifference::BWithoutA),
                false => norms.difference(model, 0.15, SetDifference::BWithoutA),
            };
            choose(model)?;
            // The statistics' memory is not the choice's.
            A::InnerBackend::memory_cleanup(device);
            A::InnerBackend::sync(device)?;
            say(&json!({ "begins": "mask" }));
            let started = Instant::now();
            let mask = choose(model)?;
            let select = started.elapsed().as_secs_f64();
            let started = Instant::now();
            let undo = mask.apply(model, Intervention::Zero)?;
            A::InnerBackend::sync(device)?;
            let apply = started.elapsed().as_secs_f64();
            undo.revert(model)?;
            json!({ "select": select, "chosen": mask.count(), "apply": apply })
        }
        What::SignedGap => {
            let contrast = contrast(&prompts[..prompts.len().min(2)]);
            let tracked = model.differentiable::<A>();
            json!({ "seconds": rounds(args, || Ok(SignedGap::default().attribute(&tracked, &contrast)?))? })
        }
    })
}

/// The highest logits of each row, as tokens and numbers.
fn top<B: Backend>(logits: Tensor<B, 3>, vocab: usize) -> Vec<Vec<(usize, f32)>> {
    let numbers: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let of_row = |row: &[f32]| {
        let mut row: Vec<(usize, f32)> = row.iter().copied().enumerate().collect();
        row.sort_by(|a, b| b.1.total_cmp(&a.1));
        row.truncate(100);
        row
    };
    numbers.chunks(vocab).map(of_row).collect()
}

/// Seconds of every round but the first.
fn rounds<T>(
    args: &Args,
    mut work: impl FnMut() -> Result<T, Failure>,
) -> Result<Vec<f64>, Failure> {
    let mut seconds = Vec::new();
    for _ in 0..args.rounds.max(2) {
        let started = Instant::now();
        work()?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(1))
}

/// The first half of the prompts against the others, each with two made-up answers of one token.
fn contrast(prompts: &[Sequence]) -> Contrast {
    let answer = |token: u32, weight: f64| PossibleAnswer {
        tokens: vec![token],
        finished: false,
        value: Some(f64::from(token)),
        weight,
        ..PossibleAnswer::default()
    };
    let ask = |(i, prompt): (usize, &Sequence)| {
        PromptCase::new(
            prompt.clone(),
            vec![answer(10, 0.4 + 0.01 * i as f64), answer(20, 0.6 - 0.01 * i as f64)],
        )
    };
    let mut all: Vec<PromptCase> = prompts.iter().enumerate().map(ask).collect();
    let b = all.split_off(all.len() / 2);
    Contrast { a: all, b }
}
