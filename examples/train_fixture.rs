//! Trains the embedded model from nothing and writes it as a Hugging Face folder.
//!
//! The recipe is fixed: one seed gives one model (on one machine; matrix products
//! on other processors may round differently).

use std::path::PathBuf;
use std::process::ExitCode;

use bias_examples::cli::{Failure, at_least, finish, positive};
use bias_examples::folder::{Shape, config, save, train_tokenizer, write_text_files};
use bias_examples::training::{answered, plain, shown};
use bias_examples::world::{SCENARIOS, draw_neutral, draw_question};
use bias_model::{Decoder, TextCodec};
use bias_probe::NoObserver;
use bias_study::training::{Recipe, text_loss};
use clap::Parser;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Train the small biased model that the examples run on, or another kind or size of decoder on the same texts.
///
/// Writes config, weights, tokenizer, chat template, audit prompts and neutral
/// sentences to a new folder.
#[derive(Parser)]
struct Args {
    /// Folder to write; must not exist
    #[arg(long, value_name = "DIR", default_value = "emergent")]
    out: PathBuf,
    #[command(flatten)]
    shape: Shape,
    /// Optimiser steps
    #[arg(long, value_name = "N", default_value_t = 2400, value_parser = at_least(1))]
    steps: usize,
    /// Texts per step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least(1))]
    batch: usize,
    /// Peak learning rate
    #[arg(long, default_value_t = 3e-3, value_parser = positive)]
    learning_rate: f64,
    /// Seed of weights and data
    #[arg(long, default_value_t = 20_250_211)]
    seed: u64,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    if args.out.exists() {
        return Err(format!("{} exists already; name a new folder with --out", args.out.display()).into());
    }
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path();
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let corpus: Vec<String> = (0..6000)
        .map(|i| if i % 4 == 0 { draw_neutral(&mut rng) } else { draw_question(&mut rng).0 })
        .collect();
    let tokenizer = train_tokenizer(&corpus)?;
    write_text_files(&tokenizer, &SCENARIOS, scratch)?;
    let codec = TextCodec::from_folder(scratch)?;

    let device = Default::default();
    let model = Decoder::init(config(tokenizer.get_vocab_size(true), args.shape)?, 0.05, args.seed, &device);
    let recipe =
        Recipe { steps: args.steps, batch: args.batch, learning_rate: args.learning_rate, decay: 0.05 };
    let draw = || {
        if rng.random_bool(0.2) {
            return Ok(plain(&codec, &draw_neutral(&mut rng))?);
        }
        let (question, answer) = draw_question(&mut rng);
        Ok(answered(&codec, &question, &answer)?)
    };
    let model = shown(model, &recipe, draw, |model, texts, total| {
        Ok(text_loss(model, texts, total, &mut NoObserver)?)
    })?;
    save(&model, &args.out, scratch)?;
    println!("wrote {}", args.out.display());
    Ok(())
}
