//! A model of your own behind the traits: every method and mask works on it.

use std::process::ExitCode;

use bias_attrib::{Attribution, Contrast, Direction, PossibleAnswer, Respondent, Wanda};
use bias_examples::alibi::Alibi;
use bias_examples::cli::{Failure, finish, share};
use bias_mask::Intervention;
use bias_probe::testing::check_model;
use bias_probe::{HookedModel, NoObserver, Sequence, TokenBatch};
use bias_types::{ModelDims, TokenRole};
use burn::backend::Flex;
use burn::tensor::backend::Backend as _;
use clap::Parser;

/// Plug a model that this workspace does not know into its traits (examples/src/alibi.rs),
/// check that it keeps their promises, find what answers two groups differently, prune it
/// and take the pruning back.
#[derive(Parser)]
struct Args {
    /// Share of each matrix that counts as important to a group
    #[arg(long, value_name = "SHARE", default_value_t = 0.15, value_parser = share)]
    fraction: f64,
    /// Seed of the model's random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let device = Default::default();
    Flex::seed(&device, args.seed);
    let dims = ModelDims {
        layers: 2,
        d_model: 16,
        heads: 4,
        kv_heads: 2,
        d_head: 4,
        d_mlp: 24,
        gated: true,
        vocab: 40,
    };
    let mut model = Alibi::<Flex>::random(dims, &device);
    check_model(&model, 1e-4)?;
    println!("the model keeps the promises of HookedModel at {} sites", model.sites().len());

    // Token 5 or 6 is the name; the answer is 7 or 8.
    let about = |name: u32| -> Result<Respondent, Failure> {
        let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
        let answer = |token| PossibleAnswer {
            tokens: vec![token],
            finished: false,
            value: None,
            weight: 0.5,
            ..PossibleAnswer::default()
        };
        Ok(Respondent::new(Sequence::chain(vec![1, name, 3], roles)?, vec![answer(7), answer(8)]))
    };
    let contrast = Contrast { a: vec![about(5)?], b: vec![about(6)?] };
    let norms = Wanda.attribute(&model, &contrast)?;
    let mask = norms.difference(&model, args.fraction, Direction::BWithoutA)?;

    let batch = TokenBatch::new(&[contrast.b[0].prompt.clone()])?;
    let logits = |model: &Alibi<Flex>| -> Result<Vec<f32>, Failure> {
        let logits = model.logits(&batch, &mut NoObserver)?.into_data();
        Ok(logits.to_vec::<f32>().map_err(|e| format!("{e:?}"))?)
    };
    let before = logits(&model)?;
    let undo = mask.apply(&mut model, Intervention::Zero)?;
    let pruned = logits(&model)?;
    undo.revert(&mut model)?;
    let moved = before.iter().zip(&pruned).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!(
        "{} of {} weights pruned move its logits by up to {moved:.3}",
        mask.count(),
        dims.prunable_weights()
    );
    if logits(&model)? != before {
        return Err("taken back, its logits are not as before".into());
    }
    println!("taken back, its logits are as before");
    Ok(())
}
