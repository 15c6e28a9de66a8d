//! A method from outside the workspace keeps the trait's promises, on a model from outside.

#[path = "../../custom_attribution.rs"]
#[allow(dead_code)] // it is a program
mod custom_attribution;

use crate::outside::Alibi;
use bias_attrib::testing::{Claims, check_attribution};
use bias_attrib::{Contrast, PossibleAnswer, PromptCase};
use bias_probe::Sequence;
use bias_types::{ModelDims, ParamScores, TokenRole};
use burn::backend::Flex;
use custom_attribution::NormGap;

const DIMS: ModelDims = ModelDims {
    layers: 2,
    d_model: 12,
    heads: 4,
    kv_heads: 2,
    d_head: 3,
    d_mlp: 20,
    gated: true,
    vocab: 40,
    experts: None,
};

fn about(name: u32) -> PromptCase {
    let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
    let answer = |token, weight| PossibleAnswer {
        tokens: vec![token, 2],
        finished: true,
        value: Some(f64::from(token)),
        weight,
        ..PossibleAnswer::default()
    };
    PromptCase::new(
        Sequence::chain(vec![1, name, 3], roles).unwrap(),
        vec![answer(7, 0.5), answer(8, 0.3)],
    )
}

fn numbers(found: Vec<ParamScores>) -> Vec<f64> {
    found.iter().flat_map(|own| own.values()).map(|score| f64::from(*score)).collect()
}

#[test]
fn an_outside_method_conforms() {
    let model = Alibi::<Flex>::random(DIMS, &Default::default());
    let contrast =
        Contrast { a: [11, 12, 13].map(about).to_vec(), b: [21, 22, 23].map(about).to_vec() };
    check_attribution(&NormGap, &model, &contrast, Claims::within(1e-5), numbers).unwrap();
}
