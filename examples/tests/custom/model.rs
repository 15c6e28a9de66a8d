//! A model from outside the workspace keeps the traits' promises, and one that does not is caught.

#[path = "../../custom_model.rs"]
#[allow(dead_code)] // it is a program
mod custom_model;

use crate::outside::Alibi;
use bias_attrib::{Attribution as _, Contrast, PossibleAnswer, PromptCase, SetDifference, Wanda};
use bias_mask::Intervention;
use bias_mask::testing::check_target;
use bias_probe::testing::{ModelViolation, check_model};
use bias_probe::{HookedModel, NoObserver, Observer, ProbeError, Sequence, TokenBatch, Weights};
use bias_types::{ModelDims, ParamPath, Site, TokenRole};
use burn::backend::Flex;
use burn::tensor::Tensor;

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

fn model() -> Alibi<Flex> {
    Alibi::random(DIMS, &Default::default())
}

#[test]
fn an_outside_model_conforms() {
    check_model(&model(), 1e-4).unwrap();
    check_target(&mut model(), &DIMS).unwrap();
}

/// Attributed, pruned, and taken back.
#[test]
fn an_outside_model_is_pruned_and_restored() {
    let about = |name: u32| {
        let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
        let answer = |token| PossibleAnswer {
            tokens: vec![token],
            weight: 0.5,
            ..PossibleAnswer::default()
        };
        PromptCase::new(
            Sequence::chain(vec![1, name, 3], roles).unwrap(),
            vec![answer(7), answer(8)],
        )
    };
    let contrast = Contrast { a: vec![about(5)], b: vec![about(6)] };
    let mut model = model();
    let norms = Wanda.attribute(&model, &contrast).unwrap();
    let batch = TokenBatch::new(&[contrast.b[0].prompt.clone()]).unwrap();
    let logits = |model: &Alibi<Flex>| -> Vec<f32> {
        model.logits(&batch, &mut NoObserver).unwrap().into_data().to_vec().unwrap()
    };
    let before = logits(&model);
    for fraction in [0.15, 0.3] {
        let mask = norms.difference(&model, fraction, SetDifference::BWithoutA).unwrap();
        assert!(mask.count() > 0 && mask.count() < DIMS.prunable_weights());
        let undo = mask.apply(&mut model, Intervention::Zero).unwrap();
        assert_ne!(logits(&model), before);
        undo.revert(&mut model).unwrap();
        assert_eq!(logits(&model), before);
    }
}

/// The example's own model, too.
#[test]
fn the_examples_model_conforms() {
    check_model(&custom_model::Tiny::<Flex>::random(&Default::default()), 1e-4).unwrap();
}

/// A model with one promise broken.
struct Broken(Alibi<Flex>, Fault);

#[derive(Clone, Copy)]
enum Fault {
    /// Calls no observer.
    Deaf,
    /// Sees what comes later: runs each row backwards.
    Backwards,
    /// Says it has a site that it never reaches.
    Boasting,
}

impl Weights<Flex> for Broken {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<Flex, 2>, ProbeError> {
        self.0.weight(path)
    }
}

impl HookedModel<Flex> for Broken {
    fn dims(&self) -> &ModelDims {
        self.0.dims()
    }
    fn device(&self) -> burn::backend::flex::FlexDevice {
        self.0.device()
    }
    fn sites(&self) -> Vec<Site> {
        match self.1 {
            Fault::Boasting => Site::all(DIMS.layers).collect(),
            _ => self.0.sites(),
        }
    }
    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<Flex>,
    ) -> Result<Tensor<Flex, 3>, ProbeError> {
        match self.1 {
            Fault::Deaf => self.0.hidden(batch, &mut NoObserver),
            Fault::Backwards => Ok(self.0.hidden(batch, observer)?.flip([1])),
            Fault::Boasting => self.0.hidden(batch, observer),
        }
    }
    fn unembed(&self, hidden: Tensor<Flex, 3>) -> Result<Tensor<Flex, 3>, ProbeError> {
        self.0.unembed(hidden)
    }
}

#[test]
fn broken_promises_are_caught() {
    for fault in [Fault::Deaf, Fault::Backwards, Fault::Boasting] {
        let broken = check_model(&Broken(model(), fault), 1e-4);
        assert!(matches!(broken, Err(ModelViolation::Claim { .. } | ModelViolation::Probe(_))));
    }
}
