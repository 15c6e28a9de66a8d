//! How fast does a model run on a device?

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bias_attrib::{Attribution as _, Contrast, Direction, PossibleAnswer, Respondent, SignedGap, Wanda};
use bias_core::TokenRole;
use bias_examples::device::{DeviceArgs, Place};
use bias_mask::Intervention;
use bias_model::{
    Checkpoint, DecodeOptions, Decoder, Decoding, HookedModel as _, ModelConfig, Precision, Sampling, decode,
};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

/// Measure one thing on a device and print it as JSON. scripts/gpu.sh runs this beside PyTorch.
///
/// Prompts are made-up tokens, so a model without a tokenizer, such as `random_model` writes, will do.
#[derive(Parser)]
struct Args {
    /// What is measured
    #[arg(value_enum)]
    what: What,
    /// Model folder
    #[arg(value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    /// Hold weights as they are stored
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
    /// Rounds; the first is not counted
    #[arg(long, default_value_t = 4)]
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    /// Forward passes over whole prompts, logits of the last token
    Prefill,
    /// Greedy answers of a fixed length, the prompt included
    Decode,
    /// Wanda's statistics, the choice of weights, and the mask put on
    Wanda,
    /// The signed gap of two prompts
    SignedGap,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Value, Failure> {
    match args.device.place()? {
        Place::Cpu => measure::<Autodiff<Flex>>(args, &Default::default()),
        #[cfg(feature = "cuda")]
        Place::Cuda(device) => measure::<Autodiff<burn::backend::Cuda>>(args, &device),
        #[allow(unreachable_patterns)] // features of the examples know more places
        _ => Err(format!("{} is not measured here", args.device.name).into()),
    }
}

/// Waits for everything on the device: a number cannot be read before it is there.
fn wait<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> f32 {
    tensor.sum().into_data().iter::<f32>().next().unwrap_or(f32::NAN)
}

fn measure<A: AutodiffBackend>(
    args: &Args,
    device: &<A::InnerBackend as burn::tensor::backend::BackendTypes>::Device,
) -> Result<Value, Failure> {
    let config = ModelConfig::from_folder(&args.model)?;
    let vocab = config.dims.vocab;
    let (started, checkpoint) = (Instant::now(), Checkpoint::open(&args.model)?);
    let precision = if args.stored { Precision::Stored } else { Precision::F32 };
    let mut model = Decoder::<A::InnerBackend>::load(&checkpoint, config, precision, device)?;
    A::InnerBackend::sync(device)?;
    let load = started.elapsed().as_secs_f64();
    let prompt = |row: usize| {
        let tokens = (0..args.width).map(|i| ((row * 31 + i * 7 + 3) % vocab) as u32).collect();
        Sequence::chain(tokens, vec![TokenRole::Prompt; args.width])
    };
    let prompts = (0..args.rows).map(prompt).collect::<Result<Vec<_>, _>>()?;
    let dims = *model.dims();
    let mut found = json!({
        "device": args.device.name.to_string(), "load": load, "weight_bytes": model.weight_bytes(),
        "matrix_weights": dims.prunable_weights(), "head_weights": dims.vocab * dims.d_model,
        "rows": args.rows, "width": args.width, "answer": args.answer,
    });
    let seconds = match args.what {
        What::Prefill => rounds(args, || {
            let hidden = model.hidden(&TokenBatch::new(&prompts)?, &mut NoObserver)?;
            let last = hidden.narrow(1, args.width - 1, 1);
            Ok(wait(model.unembed(last)?))
        })?,
        What::Decode => {
            let options = DecodeOptions {
                sampling: Sampling::default(),
                stop: Vec::new(),
                max_new_tokens: args.answer,
                batch_rows: args.rows,
                threads: 1,
            };
            rounds(args, || {
                decode(&model, &prompts, Decoding::Greedy, &options, |_| Ok(String::new()))?;
                Ok(())
            })?
        }
        What::Wanda => {
            let contrast = contrast(&prompts);
            let seconds = rounds(args, || Ok(Wanda.attribute(&model, &contrast)?))?;
            let norms = Wanda.attribute(&model, &contrast)?;
            let on_device = args.device.accelerated();
            let choose = || match on_device {
                true => norms.difference_on_device(&model, 0.15, Direction::BWithoutA),
                false => norms.difference(&model, 0.15, Direction::BWithoutA),
            };
            let started = Instant::now();
            let mask = choose()?;
            found["select"] = started.elapsed().as_secs_f64().into();
            found["chosen"] = mask.count().into();
            let started = Instant::now();
            let undo = mask.apply(&mut model, Intervention::Zero)?;
            A::InnerBackend::sync(device)?;
            found["apply"] = started.elapsed().as_secs_f64().into();
            undo.revert(&mut model)?;
            seconds
        }
        What::SignedGap => {
            let contrast = contrast(&prompts[..prompts.len().min(2)]);
            let tracked = model.differentiable::<A>();
            rounds(args, || Ok(SignedGap::default().attribute(&tracked, &contrast)?))?
        }
    };
    found["seconds"] = json!(seconds);
    Ok(found)
}

/// Seconds of every round but the first.
fn rounds<T>(args: &Args, mut work: impl FnMut() -> Result<T, Failure>) -> Result<Vec<f64>, Failure> {
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
    };
    let ask = |(i, prompt): (usize, &Sequence)| Respondent {
        prompt: prompt.clone(),
        answers: vec![answer(10, 0.4 + 0.01 * i as f64), answer(20, 0.6 - 0.01 * i as f64)],
    };
    let mut all: Vec<Respondent> = prompts.iter().enumerate().map(ask).collect();
    let b = all.split_off(all.len() / 2);
    Contrast { a: all, b }
}
