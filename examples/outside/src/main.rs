//! What in a model of one's own answers two groups differently: with bias-attrib and burn alone.
mod model;

use std::error::Error;

use bias_attrib::prelude::*;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{activation::softmax, backend::Backend};

type Model = model::Tiny<Autodiff<Flex>>;

/// Asks about the person whose name is one token: answer 7 is worth 10, answer 8 is worth 20.
fn ask(model: &Model, name: u32) -> Result<(PromptCase, f64), AttribError> {
    let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
    let prompt = Sequence::chain(vec![1, name, 3], roles)?;
    let logits = model.logits(&TokenBatch::new(std::slice::from_ref(&prompt))?, &mut NoObserver)?;
    let next: Vec<f64> = softmax(logits.slice([0..1, 2..3]), 2).into_data().iter().collect();
    let answer =
        |token: usize, value| PossibleAnswer::new([token as u32], next[token]).with_value(value);
    let mean = (10.0 * next[7] + 20.0 * next[8]) / (next[7] + next[8]);
    Ok((PromptCase::new(prompt, vec![answer(7, 10.0), answer(8, 20.0)]), mean))
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Default::default();
    Autodiff::<Flex>::seed(&device, 4);
    let dims = ModelDims {
        layers: 1,
        d_model: 16,
        heads: 1,
        kv_heads: 1,
        d_head: 16,
        d_mlp: 32,
        gated: false,
        vocab: 10,
        experts: None,
    };
    let mut model = Model::random(dims, &device);
    let gap = |model: &Model| Ok::<_, AttribError>(ask(model, 5)?.1 - ask(model, 6)?.1);

    let contrast = Contrast::builder().a([ask(&model, 5)?.0]).b([ask(&model, 6)?.0]).build()?;
    let scores = SignedGap::default().attribute(&model, &contrast)?;
    let mask = top_k(&scores, 6)?;

    let before = gap(&model)?;
    let undo = mask.apply(&mut model, Intervention::Zero)?;
    let pruned = gap(&model)?;
    undo.revert(&mut model)?;
    println!(
        "gap {before:.3}, {pruned:.3} without {} of {} weights",
        mask.count(),
        dims.prunable_weights()
    );
    if pruned.abs() >= before.abs() || gap(&model)? != before {
        return Err("the gap did not fall, or did not come back".into());
    }
    println!("gap {:.3} when they are back", gap(&model)?);
    Ok(())
}
