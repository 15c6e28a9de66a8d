//! Several contrasts, several threads: neither may change what the signed gap is.

use std::path::Path;

use bias_attrib::methods::{IntegratedEdges, Snip};
use bias_attrib::scores::sum_scores;
use bias_attrib::{
    AttribError, Attribution as _, Contrast, GapPursuit, ParamScores, PossibleAnswer, PromptCase,
    SignedGap,
};
use bias_mask::MaskTarget as _;
use bias_model::{Checkpoint, Decoder, HookedModel, ModelConfig, Precision};
use bias_probe::{DifferentiableModel, Observer, ProbeError, Sequence, TokenBatch, Weights};
use bias_types::{ModelDims, ParamPath, Projection, TokenRole};
use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;

type Tracked = Decoder<Autodiff<Flex>>;

fn model() -> Tracked {
    load(Precision::F32).differentiable()
}

fn load(precision: Precision) -> Decoder<Flex> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/gqa_sharded");
    let (checkpoint, config) =
        (Checkpoint::open(&folder).unwrap(), ModelConfig::from_folder(&folder).unwrap());
    Decoder::load(&checkpoint, config, precision, &Default::default()).unwrap()
}

/// Somebody asked with so many tokens, who answers `value` or three times as much.
fn case(length: usize, value: f64) -> PromptCase {
    let token = |i: usize| 3 + (i as u32 * 7 + value as u32) % 50;
    let answer = |last, value, weight| PossibleAnswer {
        tokens: vec![last, 5],
        finished: false,
        value: Some(value),
        weight,
        ..PossibleAnswer::default()
    };
    PromptCase::new(
        Sequence::chain((0..length).map(token).collect(), vec![TokenRole::Prompt; length]).unwrap(),
        vec![answer(7, value, 0.5), answer(9, 3.0 * value, 0.25)],
    )
}

/// Two contrasts, of more people than one batch holds, asked at unequal length.
fn contrasts() -> Vec<Contrast> {
    let people = |n: usize, value: f64| (0..n).map(|i| case(4 + i % 9, value + i as f64)).collect();
    vec![
        Contrast { a: people(40, 10.0), b: people(40, 13.0) },
        Contrast { a: people(30, 9.0), b: people(30, 6.0) },
    ]
}

fn bits(scores: &[ParamScores]) -> Vec<u32> {
    scores.iter().flat_map(ParamScores::values).map(|v| v.to_bits()).collect()
}

#[test]
fn contrasts_together_are_the_sum_of_each() {
    let (model, contrasts, method) = (model(), contrasts(), SignedGap::default());
    let each: Vec<_> = contrasts.iter().map(|own| method.attribute(&model, own).unwrap()).collect();
    let expected = sum_scores(each.iter().map(Vec::as_slice)).unwrap();
    let found = method.sums(&model, &contrasts).unwrap();
    assert_eq!(found.len(), model.dims().projections().count());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.path(), expected.path());
        let largest = expected.values().iter().fold(0f32, |max, v| max.max(v.abs()));
        let off = found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).abs());
        let worst = off.fold(0f32, f32::max);
        // f32, added in another order.
        assert!(worst <= 1e-5 * largest, "{}: off by {worst} of {largest}", found.path());
    }
}

#[test]
fn threads_change_nothing() {
    let (model, contrasts) = (model(), contrasts());
    let streamed: Tracked = load(Precision::Mapped).differentiable();
    for method in [SignedGap::default(), SignedGap::default().with_guard(0.5)] {
        let alone = bits(&method.sums(&model, &contrasts).unwrap());
        for threads in [0, 2, 3, 100] {
            assert!(
                bits(&method.with_threads(threads).sums(&model, &contrasts).unwrap()) == alone,
                "{threads}"
            );
            assert!(
                bits(&method.with_threads(threads).sums(&streamed, &contrasts).unwrap()) == alone,
                "streamed, {threads}"
            );
        }
    }
}

/// Threads must not wait for one another's graphs where a change has made a weight tracked.
#[test]
fn a_model_that_was_changed_is_as_good() {
    let (mut tracked, contrasts) = (model(), contrasts());
    let path = ParamPath::of(0, Projection::Up);
    let changed = Weights::weight(&tracked, &path).unwrap().mul_scalar(0.5).detach();
    tracked.set_weight(&path, changed).unwrap();
    let alone = bits(&SignedGap::default().sums(&tracked, &contrasts).unwrap());
    assert!(alone != bits(&SignedGap::default().sums(&model(), &contrasts).unwrap()));
    for threads in [2, 3] {
        assert!(
            bits(&SignedGap::default().with_threads(threads).sums(&tracked, &contrasts).unwrap())
                == alone
        );
    }
}

#[test]
fn what_keeps_a_whole_graph_wants_the_model_in_memory() {
    let mut model = load(Precision::Mapped);
    let streamed: Tracked = model.differentiable();
    let refused = Snip::default().attribute(&streamed, &contrasts()[0]).unwrap_err();
    assert!(matches!(refused, AttribError::Streamed { method: "snip" }));
    let refused = IntegratedEdges::default().attribute(&streamed, &contrasts()[0]).unwrap_err();
    assert!(matches!(refused, AttribError::Streamed { method: "integrated-edges" }));
    let pursuit = GapPursuit::new(100);
    let pursued =
        pursuit.pursue::<A, _, _>(&mut model, |m| m.differentiable::<A>(), &contrasts(), &[]);
    assert!(matches!(pursued, Err(AttribError::Streamed { method: "gap-pursuit" })));
}

/// A model of one's own, which says nothing of gradients.
struct Own(Tracked);

type A = Autodiff<Flex>;

impl Weights<A> for Own {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<A, 2>, ProbeError> {
        self.0.weight(path)
    }
}

impl HookedModel<A> for Own {
    fn dims(&self) -> &ModelDims {
        self.0.dims()
    }

    fn device(&self) -> FlexDevice {
        self.0.device()
    }

    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<A>,
    ) -> Result<Tensor<A, 3>, ProbeError> {
        self.0.hidden(batch, observer)
    }

    fn unembed(&self, hidden: Tensor<A, 3>) -> Result<Tensor<A, 3>, ProbeError> {
        self.0.unembed(hidden)
    }
}

impl DifferentiableModel<A> for Own {}

#[test]
fn any_hooked_model_will_do() {
    let (own, contrasts, method) = (Own(model()), contrasts(), SignedGap::default());
    let expected = bits(&method.sums(&own.0, &contrasts).unwrap());
    assert!(bits(&method.sums(&own, &contrasts).unwrap()) == expected);
}

#[test]
fn whoever_takes_the_scores_may_refuse_them() {
    let (model, contrasts) = (model(), contrasts());
    let matrices = model.dims().projections().count();
    for threads in [1, 3] {
        for refused in [0, matrices / 2, matrices - 1] {
            let mut taken = 0;
            let done = SignedGap::default().with_threads(threads).score(
                &model,
                &contrasts,
                &mut |scores| {
                    taken += 1;
                    if taken > refused {
                        Err(AttribError::NoValue { arm: 'A', index: taken })
                    } else {
                        drop(scores);
                        Ok(())
                    }
                },
            );
            let expected = refused + 1;
            assert!(
                matches!(done, Err(AttribError::NoValue { index, .. }) if index == expected),
                "{done:?}"
            );
            assert_eq!(taken, expected);
        }
    }
}
