//! How near is a mixture of experts to a dense MLP that computes as much for each token?

use std::process::ExitCode;
use std::time::Instant;

use crate::{Failure, finish};
use bias_files::say;
use bias_model::{Decoder, HookedModel as _, ModelConfig};
use bias_probe::stats::SquareSums;
use bias_probe::{NoObserver, Observer, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::backend::Flex;
use clap::Parser;
use serde_json::{Value, json};

/// Time a block with experts beside a block with a dense MLP as wide as the experts that a token
/// reaches, and print the ratios of the medians as a Markdown table.
///
/// Both have random weights and the same attention. The dense block computes as many products, in
/// larger matrices: no mixture can be faster. The program takes both in turn, without an observer
/// and with the sums of squares that Wanda needs.
#[derive(Parser)]
struct Args {
    /// Width of the residual stream
    #[arg(long, default_value_t = 1024)]
    d_model: usize,
    /// Hidden channels of one expert
    #[arg(long, default_value_t = 1792)]
    d_expert: usize,
    /// Experts
    #[arg(long, default_value_t = 8)]
    experts: usize,
    /// Experts that a token reaches
    #[arg(long, default_value_t = 2)]
    per_token: usize,
    /// Prompts per batch
    #[arg(long, default_value_t = 16)]
    rows: usize,
    /// Tokens per prompt
    #[arg(long, default_value_t = 64)]
    width: usize,
    /// Number of rounds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

const VOCAB: usize = 512;

/// A block of its own, with random weights.
fn model(args: &Args, own: &Value) -> Result<Decoder<Flex>, Failure> {
    let mut config = json!({
        "hidden_size": args.d_model, "num_hidden_layers": 1, "num_attention_heads": 8,
        "num_key_value_heads": 8, "vocab_size": VOCAB, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
    });
    let (Some(config), Some(own)) = (config.as_object_mut(), own.as_object()) else {
        return Err("the config is no object".into());
    };
    config.extend(own.clone());
    let config = ModelConfig::from_json(config.clone())?;
    Ok(Decoder::init(config, 0.02, 1, &Default::default()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mixture = json!({
        "model_type": "mixtral", "intermediate_size": args.d_expert,
        "num_local_experts": args.experts, "num_experts_per_tok": args.per_token,
    });
    let dense =
        json!({ "model_type": "llama", "intermediate_size": args.per_token * args.d_expert });
    let models = [model(args, &dense)?, model(args, &mixture)?];
    let sequence = |row: usize| {
        let tokens = (0..args.width).map(|i| ((row * 31 + i * 7 + i * i) % VOCAB) as u32).collect();
        Sequence::chain(tokens, vec![TokenRole::Prompt; args.width])
    };
    let batch = TokenBatch::new(&(0..args.rows).map(sequence).collect::<Result<Vec<_>, _>>()?)?;
    let time = |model: &Decoder<Flex>, observer: &mut dyn Observer<Flex>| {
        let started = Instant::now();
        model.hidden(&batch, observer)?;
        Ok::<_, Failure>(started.elapsed().as_secs_f64())
    };
    let mut seconds = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for round in 0..=args.rounds {
        for (model, own) in models.iter().zip(&mut seconds) {
            let plain = time(model, &mut NoObserver)?;
            let watched = time(model, &mut SquareSums::linear_inputs(model.dims()))?;
            // The first round warms up.
            if round > 0 {
                own[0].push(plain);
                own[1].push(watched);
            }
        }
    }
    let median = |own: &mut Vec<f64>| {
        own.sort_by(f64::total_cmp);
        own[own.len() / 2]
    };
    let [mut dense, mut mixture] = seconds;
    say!(
        "| block of {}, {} of {} experts of {}, {} × {} tokens | dense, seconds | mixture | ratio |",
        args.d_model,
        args.per_token,
        args.experts,
        args.d_expert,
        args.rows,
        args.width
    );
    say!("|---|---|---|---|");
    for (i, name) in ["plain", "sums of squares"].iter().enumerate() {
        let (dense, mixture) = (median(&mut dense[i]), median(&mut mixture[i]));
        say!("| {name} | {dense:.4} | {mixture:.4} | {:.2} |", mixture / dense);
    }
    Ok(())
}
