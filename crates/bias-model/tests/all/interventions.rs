//! What is done to a decoder's weights is what a hook does to its activations.

use std::path::PathBuf;

use bias_mask::edit::{Change, Changes, Directions, Means, Side};
use bias_mask::mask::head_mask;
use bias_mask::testing::check_target;
use bias_mask::{HeadAblation, Intervention};
use bias_model::{
    Checkpoint, Decoder, HookedModel as _, MaskTarget as _, ModelConfig, ModelError, Precision,
    Weights as _,
};
use bias_probe::hooks::Edit;
use bias_probe::{NoObserver, Observer, Sequence, TokenBatch};
use bias_types::model::HeadId;
use bias_types::{ParamPath, Projection, TokenRole};
use burn::backend::{Autodiff, Flex};
use burn::module::{Module as _, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// Without and with biases, widened and stored narrow, with experts.
const CASES: [(&str, Precision); 7] = [
    ("gqa_sharded", Precision::F32),
    ("gpt2_hub", Precision::F32),
    ("phi_partial", Precision::F32),
    ("llama_bias", Precision::Stored),
    ("tied_bf16", Precision::Stored),
    ("qwen2_moe_shared", Precision::Stored),
    ("gpt_oss_yarn", Precision::F32),
];

fn load(case: &str, precision: Precision) -> Decoder<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case);
    let (config, checkpoint) =
        (ModelConfig::from_folder(&folder).unwrap(), Checkpoint::open(&folder).unwrap());
    Decoder::load(&checkpoint, config, precision, &Default::default()).unwrap()
}

fn logits(model: &Decoder<Flex>, observer: &mut dyn Observer<Flex>) -> Vec<f32> {
    let tokens = vec![1, 5, 9, 2, 30, 17, 8];
    let batch =
        TokenBatch::new(&[Sequence::chain(tokens, vec![TokenRole::Prompt; 7]).unwrap()]).unwrap();
    model.logits(&batch, observer).unwrap().into_data().to_vec().unwrap()
}

fn assert_close(case: &str, found: &[f32], expected: &[f32]) {
    let scale = expected.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    let worst = found.iter().zip(expected).fold(0.0f32, |max, (a, b)| max.max((a - b).abs()));
    assert!(worst < 1e-4 * scale, "{case}: {worst} of {scale}");
}

/// A head's mean intervention is its output held at the mean, in models with and without
/// a bias there.
#[test]
fn a_mean_intervention_holds_the_heads_output_at_its_mean() {
    for (case, precision) in CASES {
        let mut model = load(case, precision);
        let dims = *model.dims();
        let head = HeadId::new(1, 1);
        let columns = dims.head_columns(head).unwrap();
        let path = ParamPath::of(1, Projection::O);
        let mean: Vec<f64> = (0..dims.shape(Projection::O)[1]).map(|j| (j as f64).sin()).collect();
        let held: Vec<f32> = mean[columns.clone()].iter().map(|m| *m as f32).collect();
        let mut hold =
            Edit::new(Projection::O.input_site(1), |_: &TokenBatch, x: Tensor<Flex, 3>| {
                let [rows, width, _] = x.dims();
                let held =
                    Tensor::<Flex, 1>::from_data(TensorData::from(held.as_slice()), &x.device());
                let held = held.reshape([1, 1, columns.len()]).expand([rows, width, columns.len()]);
                x.slice_assign([0..rows, 0..width, columns.clone()], held)
            });
        let expected = logits(&model, &mut hold);
        hold.finish().unwrap();

        let (whole, had_bias) =
            (logits(&model, &mut NoObserver), model.bias(&path).unwrap().is_some());
        let mask = head_mask(&dims, &[head], HeadAblation::ZeroOutput).unwrap();
        let undo = mask
            .apply(&mut model, Intervention::Mean(Means::from_iter([(path.clone(), mean)])))
            .unwrap();
        let found = logits(&model, &mut NoObserver);
        assert_close(case, &found, &expected);
        assert_ne!(found, whole, "{case}");
        let refused = matches!(model.to_tensors(), Err(ModelError::ExtraBias { .. }));
        assert_ne!(refused, had_bias, "{case}");
        undo.revert(&mut model).unwrap();
        assert_eq!(model.bias(&path).unwrap().is_some(), had_bias);
        assert_eq!(logits(&model, &mut NoObserver), whole, "{case}");
    }
}

/// An input direction removed from a matrix is that direction projected out of its input.
#[test]
fn removed_directions_are_projected_out_and_come_off_in_any_order() {
    for (case, precision) in CASES {
        let mut model = load(case, precision);
        let dims = *model.dims();
        let inner = dims.shape(Projection::Down)[1];
        let norm = (0..inner).map(|j| ((j * j) as f64).cos().powi(2)).sum::<f64>().sqrt();
        let axis: Vec<f32> = (0..inner).map(|j| (((j * j) as f64).cos() / norm) as f32).collect();
        let mut project =
            Edit::new(Projection::Down.input_site(0), |_: &TokenBatch, x: Tensor<Flex, 3>| {
                let [rows, width, inner] = x.dims();
                let axis =
                    Tensor::<Flex, 1>::from_data(TensorData::from(axis.as_slice()), &x.device());
                let axis = axis.reshape([inner, 1]);
                let flat = x.reshape([rows * width, inner]);
                (flat.clone() - flat.matmul(axis.clone()).matmul(axis.transpose()))
                    .reshape([rows, width, inner])
            });
        let expected = logits(&model, &mut project);
        project.finish().unwrap();

        let whole = logits(&model, &mut NoObserver);
        let mut changes = Changes::default();
        let heads = head_mask(&dims, &[HeadId::new(0, 0)], HeadAblation::ZeroOutput).unwrap();
        let heads = changes.push(&mut model, Change::Weights(heads, Intervention::Zero)).unwrap();
        let directions = Directions::new(
            ParamPath::of(0, Projection::Down),
            Side::Input,
            [inner, 1],
            axis.clone(),
        );
        let directions = directions.unwrap().for_model(model.fingerprint().unwrap());
        changes.push(&mut model, Change::Directions(directions)).unwrap();
        changes.remove(&mut model, heads).unwrap();
        // A narrow type rounds what is left of every weight.
        if precision == Precision::F32 {
            assert_close(case, &logits(&model, &mut NoObserver), &expected);
        }
        assert_ne!(logits(&model, &mut NoObserver), whole, "{case}");
        changes.clear(&mut model).unwrap();
        assert_eq!(logits(&model, &mut NoObserver), whole, "{case}");
    }
}

/// Also under autodiff, where attribution and pruning meet.
#[test]
fn decoders_are_what_masks_ask_for() {
    for (case, precision) in CASES {
        let mut model = load(case, precision);
        let dims = *model.dims();
        check_target(&mut model, &dims).unwrap_or_else(|e| panic!("{case}: {e}"));
        if precision == Precision::F32 {
            let mut tracked = model.differentiable::<Autodiff<Flex>>();
            check_target(&mut tracked, &dims).unwrap_or_else(|e| panic!("{case}: {e}"));
        }
    }
}

/// What gradients are followed to: of the parameters, in the order of a visit.
fn followed(model: &Decoder<Autodiff<Flex>>) -> Vec<bool> {
    struct Seen(Vec<bool>);
    impl ModuleVisitor<Autodiff<Flex>> for Seen {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<Flex>, D>>) {
            self.0.push(param.val().is_require_grad());
        }
    }
    let mut seen = Seen(Vec::new());
    model.visit(&mut seen);
    seen.0
}

#[test]
fn gradients_are_followed_to_what_is_asked_for() {
    for (case, precision) in CASES {
        let model = load(case, precision);
        let all = followed(&model.trainable());
        assert!(
            all.iter().all(|own| *own) && all.len() > model.dims().projections().count(),
            "{case}"
        );
        let none = followed(&model.differentiable());
        assert!(none.len() == all.len() && none.iter().all(|own| !own), "{case}");
    }
}
