//! A mixture of experts is one MLP of which each token uses a part: to observers, to masks, to
//! statistics and in files.

use std::fs;
use std::path::PathBuf;

use bias_mask::mask::expert_mask;
use bias_mask::{BitMatrix, HeadAblation, Intervention, Mask, unit_mask};
use bias_model::interop::export_masked;
use bias_model::{
    Checkpoint, Decoder, HookedModel as _, LoadOptions, ModelConfig, ModelError, Precision,
    Weights as _,
};
use bias_probe::hooks::{Both, Capture, Edit};
use bias_probe::stats::SquareSums;
use bias_probe::{NoObserver, Observer, Sequence, StatsCollector, TokenBatch};
use bias_types::model::ExpertId;
use bias_types::{BlockSite, ParamPath, Projection, Site, TokenRole, Unit};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

const CASES: [&str; 10] = [
    "mixtral_top2",
    "mixtral_stacked",
    "qwen2_moe_shared",
    "qwen2_moe_normed",
    "qwen3_moe_normed",
    "qwen3_moe_bias",
    "olmoe_top2",
    "olmoe_normed",
    "gpt_oss_yarn",
    "gpt_oss_clamped",
];

fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case)
}

fn load(case: &str, precision: Precision) -> Decoder<Flex> {
    let folder = golden(case);
    let (config, checkpoint) =
        (ModelConfig::from_folder(&folder).unwrap(), Checkpoint::open(&folder).unwrap());
    Decoder::load(&checkpoint, config, precision, &Default::default()).unwrap()
}

fn batch() -> TokenBatch {
    let prompt = |tokens: Vec<u32>| {
        let roles = vec![TokenRole::Prompt; tokens.len()];
        Sequence::chain(tokens, roles).unwrap()
    };
    // Of two lengths: one row is padded.
    TokenBatch::new(&[prompt(vec![1, 5, 9, 2, 30, 17, 8]), prompt(vec![1, 44])]).unwrap()
}

fn values<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

fn logits(model: &Decoder<Flex>, observer: &mut dyn Observer<Flex>) -> Vec<f32> {
    values(model.logits(&batch(), observer).unwrap())
}

fn at(site: BlockSite) -> Site {
    Site::Block(1, site)
}

/// `[cells, channels]` of a site in the second block.
fn seen(model: &Decoder<Flex>, site: BlockSite) -> Vec<f32> {
    let mut capture = Capture::new([at(site)]);
    let observer: &mut dyn Observer<Flex> = &mut capture;
    let _ = model.logits(&batch(), observer).unwrap();
    capture.finish().unwrap().remove(&at(site)).unwrap().values
}

/// An observer that watches all channels sees what is computed without one, to the last bit.
#[test]
fn watching_changes_nothing() {
    for case in CASES {
        let model = load(case, Precision::F32);
        let plain = logits(&model, &mut NoObserver);
        for sites in [model.sites(), vec![at(BlockSite::Up)], vec![at(BlockSite::MlpHidden)]] {
            let mut capture = Capture::new(sites);
            let watched: &mut dyn Observer<Flex> = &mut capture;
            assert_eq!(logits(&model, watched), plain, "{case}");
        }
    }
}

/// What is not chosen is 0, the weights of the chosen are as many as the config says, and hidden
/// channels are the product of activated gate, up and weight.
#[test]
fn sites_show_which_experts_are_used() {
    for case in CASES {
        let model = load(case, Precision::F32);
        let experts = model.dims().experts.unwrap();
        let weights = seen(&model, BlockSite::RouterWeights);
        let hidden = seen(&model, BlockSite::MlpHidden);
        let up = seen(&model, BlockSite::Up);
        let width = model.dims().d_mlp;
        let batch = batch();
        for (cell, weights) in weights.chunks_exact(experts.all()).enumerate() {
            if batch.roles()[cell] == TokenRole::Padding {
                continue;
            }
            let used = weights[..experts.count].iter().filter(|weight| **weight != 0.0).count();
            assert_eq!(used, experts.per_token, "{case}: cell {cell}: {weights:?}");
            for (expert, weight) in weights.iter().enumerate() {
                let channels = experts.channels(expert);
                let own = |values: &[f32]| values[cell * width..][channels.clone()].to_vec();
                let silent = *weight == 0.0;
                for own in [own(&hidden), own(&up)] {
                    assert_eq!(own.iter().all(|value| *value == 0.0), silent, "{case}");
                }
            }
        }
    }
}

/// A mask over an expert is a hook that holds its channels at 0, and is taken back bit for bit.
#[test]
fn experts_are_silenced_by_masks_as_by_hooks() {
    for case in CASES {
        let mut model = load(case, Precision::F32);
        let dims = *model.dims();
        let before = logits(&model, &mut NoObserver);
        for expert in 0..dims.experts.unwrap().all() {
            let id = ExpertId::new(1, expert);
            let channels = dims.expert_channels(id).unwrap();
            let mut silence =
                Edit::new(at(BlockSite::MlpHidden), |_: &TokenBatch, x: Tensor<Flex, 3>| {
                    let [rows, width, _] = x.dims();
                    let zero = Tensor::zeros([rows, width, channels.len()], &x.device());
                    x.slice_assign([0..rows, 0..width, channels.clone()], zero)
                });
            let hooked = logits(&model, &mut silence);
            let mask = expert_mask(&dims, &[id]).unwrap();
            let undo = mask.apply(&mut model, Intervention::Zero).unwrap();
            let masked = logits(&model, &mut NoObserver);
            undo.revert(&mut model).unwrap();
            assert_eq!(logits(&model, &mut NoObserver), before, "{case}");
            // An expert's bias in gpt-oss is not of its channels.
            let worst = hooked.iter().zip(&masked).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{case}, expert {expert}: {worst}");
        }
    }
}

/// The MLP's output in the second block, under another observer.
fn out<O: Observer<Flex>>(model: &Decoder<Flex>, observer: &mut O) -> Vec<f32> {
    let mut capture = Capture::new([at(BlockSite::MlpOut)]);
    let mut both = Both(observer, &mut capture);
    let _ = model.logits(&batch(), &mut both).unwrap();
    capture.finish().unwrap().remove(&at(BlockSite::MlpOut)).unwrap().values
}

/// Channels of an expert that was not chosen count if an observer replaces them, as those of any
/// other neuron.
#[test]
fn a_channel_may_be_switched_on_from_outside() {
    for case in ["mixtral_top2", "qwen2_moe_shared", "gpt_oss_yarn"] {
        let model = load(case, Precision::F32);
        let width = model.dims().d_mlp;
        let hidden = seen(&model, BlockSite::MlpHidden);
        let channel = hidden[..width].iter().position(|value| *value == 0.0).unwrap();
        let plain = out(&model, &mut NoObserver);
        let mut on = Edit::new(at(BlockSite::MlpHidden), |_: &TokenBatch, x: Tensor<Flex, 3>| {
            let one = Tensor::ones([1, 1, 1], &x.device());
            x.slice_assign([0..1, 0..1, channel..channel + 1], one)
        });
        let changed = out(&model, &mut on);
        let path = ParamPath::of(1, Projection::Down);
        let column = values(model.weight(&path).unwrap().narrow(1, channel, 1));
        for (d, weight) in column.iter().enumerate() {
            let moved = changed[d] - plain[d];
            assert!((moved - weight).abs() < 1e-5, "{case}: {moved}, not {weight}");
        }
        assert_eq!(changed[column.len()..], plain[column.len()..], "{case}: another token moved");
    }
}

/// Statistics of an expert's input are sums over the tokens that reach it.
#[test]
fn an_experts_statistics_are_those_of_its_tokens() {
    for case in CASES {
        let model = load(case, Precision::F32);
        let (dims, batch) = (*model.dims(), batch());
        let experts = dims.experts.unwrap();
        let (inputs, weights) =
            (seen(&model, BlockSite::MlpNorm), seen(&model, BlockSite::RouterWeights));
        let site = dims.statistics_site(1, Projection::Up);
        assert_eq!(site, at(BlockSite::ExpertInputs));
        let mut squares = SquareSums::linear_inputs(&dims);
        let mut all = StatsCollector::new([site], ["one", "other"]);
        all.next([0, 1]).unwrap();
        // Both see the inputs of experts, which come in parts only.
        let _ = model.logits(&batch, &mut Both(&mut squares, &mut all)).unwrap();
        let squares = squares.finish().unwrap();
        let all = all.finish().unwrap();
        assert_eq!(squares.sequences(), 2);
        assert_eq!(all.sequences(), [1, 1]);
        let found = squares.sums(site, &TokenRole::REAL).unwrap();
        assert_eq!(found.len(), experts.all() * dims.d_model);
        for expert in 0..experts.all() {
            for channel in 0..dims.d_model {
                let mut expected = [0f64; 2];
                let mut sum = 0f64;
                for cell in 0..batch.rows() * batch.width() {
                    let reached = weights[cell * experts.all() + expert] != 0.0;
                    if reached && batch.roles()[cell] != TokenRole::Padding {
                        let value = f64::from(inputs[cell * dims.d_model + channel]);
                        expected[cell / batch.width()] += value * value;
                        sum += value;
                    }
                }
                let place = expert * dims.d_model + channel;
                let of = |group| all.of(site, group).unwrap();
                assert!((found[place] - expected[0] - expected[1]).abs() < 1e-5, "{case}");
                for (group, expected) in expected.into_iter().enumerate() {
                    assert!((of(group).squares()[place] - expected).abs() < 1e-5, "{case}");
                }
                assert!((of(0).sum()[place] + of(1).sum()[place] - sum).abs() < 1e-5, "{case}");
            }
        }
    }
}

/// A loss's slope with respect to weights of chosen experts, by factors and by finite differences.
#[test]
fn gradients_reach_experts_and_only_the_chosen() {
    for case in ["mixtral_top2", "qwen2_moe_normed", "gpt_oss_clamped"] {
        let model = load(case, Precision::F32);
        let tracked = model.differentiable::<Autodiff<Flex>>();
        let loss = |model: &Decoder<Flex>| -> f64 {
            let hidden = model.hidden(&batch(), &mut NoObserver).unwrap();
            values(hidden).iter().map(|v| f64::from(*v).powi(2)).sum()
        };
        let factors = bias_probe::gradients::factors(&tracked, &batch(), |_, hidden| {
            Ok((hidden.clone() * hidden).sum())
        });
        let factors = factors.unwrap();
        for projection in [Projection::Gate, Projection::Up, Projection::Down] {
            let path = ParamPath::of(1, projection);
            let own = factors.iter().find(|(own, _)| *own == path).unwrap().1.clone();
            let gradient = values(own.gradient());
            let weight = model.weight(&path).unwrap();
            let [rows, columns] = weight.dims();
            let steps = [0, 7, rows * columns / 2, rows * columns - 1];
            for index in steps {
                let moved = |by: f32| {
                    let mut changed = model.clone();
                    let mut data = values(weight.clone());
                    data[index] += by;
                    let data = Tensor::from_data(
                        TensorData::new(data, [rows, columns]),
                        &Default::default(),
                    );
                    bias_mask::MaskTarget::set_weight(&mut changed, &path, data).unwrap();
                    loss(&changed)
                };
                let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                let (found, scale) = (f64::from(gradient[index]), slope.abs().max(1.0));
                assert!(
                    (found - slope).abs() < 2e-2 * scale,
                    "{case} {path}[{index}]: {found}, not {slope}"
                );
            }
        }
    }
}

/// Routers are pruned by a mask that names them, and by no other.
#[test]
fn routers_are_pruned_only_by_name() {
    for case in ["mixtral_top2", "gpt_oss_yarn"] {
        let mut model = load(case, Precision::F32);
        let dims = *model.dims();
        let path = ParamPath::router(1);
        assert!(Mask::full(&dims).unwrap().get(&path).is_none());
        assert!(
            unit_mask(&dims, &["L1".parse::<Unit>().unwrap()], HeadAblation::ZeroOutput)
                .unwrap()
                .get(&path)
                .is_none()
        );
        let before = logits(&model, &mut NoObserver);
        let mut bits = BitMatrix::new([dims.experts.unwrap().count, dims.d_model]).unwrap();
        bits.insert_row(0).unwrap();
        let mut mask = Mask::default().for_model(model.fingerprint().unwrap());
        mask.insert(path.clone(), bits).unwrap();
        let undo = mask.apply(&mut model, Intervention::Zero).unwrap();
        let row = values(model.weight(&path).unwrap().narrow(0, 0, 1));
        assert!(row.iter().all(|weight| *weight == 0.0));
        let masked = logits(&model, &mut NoObserver);
        assert_ne!(masked, before);
        undo.revert(&mut model).unwrap();
        assert_eq!(logits(&model, &mut NoObserver), before, "{case}");

        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("pruned");
        export_masked(&golden(case), &LoadOptions::default(), &mask, &target).unwrap();
        let again = Decoder::<Flex>::load(
            &Checkpoint::open(&target).unwrap(),
            ModelConfig::from_folder(&target).unwrap(),
            Precision::F32,
            &Default::default(),
        );
        assert_eq!(logits(&again.unwrap(), &mut NoObserver), masked, "{case}");
    }
}

/// Exported with an expert pruned, in each form that experts are stored in: the model is the masked
/// one, in memory and left in its file.
#[test]
fn a_pruned_copy_is_the_masked_model() {
    for case in CASES {
        let mut model = load(case, Precision::Stored);
        let dims = *model.dims();
        let last = dims.experts.unwrap().all() - 1;
        let mask = expert_mask(&dims, &[ExpertId::new(0, 0), ExpertId::new(1, last)]).unwrap();
        let mask = mask.for_model(model.fingerprint().unwrap());
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("pruned");
        export_masked(&golden(case), &LoadOptions::default(), &mask, &target).unwrap();
        let _ = mask.apply(&mut model, Intervention::Zero).unwrap();
        let expected = logits(&model, &mut NoObserver);
        for precision in [Precision::Stored, Precision::F32, Precision::Mapped] {
            let again = Decoder::<Flex>::load(
                &Checkpoint::open(&target).unwrap(),
                ModelConfig::from_folder(&target).unwrap(),
                precision,
                &Default::default(),
            );
            let found = logits(&again.unwrap(), &mut NoObserver);
            let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{case} {precision:?}: {worst}");
        }
    }
}

/// Shapes that disagree with the config name the tensor and both shapes.
#[test]
fn experts_of_other_shapes_are_named() {
    for (case, name) in [
        ("mixtral_top2", "model.layers.1.block_sparse_moe.experts.2.w2.weight"),
        ("mixtral_top2", "model.layers.0.block_sparse_moe.gate.weight"),
        ("mixtral_stacked", "model.layers.0.mlp.experts.gate_up_proj"),
        ("gpt_oss_yarn", "model.layers.1.mlp.experts.down_proj"),
        ("gpt_oss_yarn", "model.layers.1.mlp.experts.gate_up_proj_bias"),
    ] {
        for precision in [Precision::F32, Precision::Mapped] {
            let file = fs::read(golden(case).join("model.safetensors")).unwrap();
            let tensors = SafeTensors::deserialize(&file).unwrap().tensors();
            let tensors = tensors.into_iter().map(|(own, view)| {
                if own != name {
                    return (own, view);
                }
                let mut shape = view.shape().to_vec();
                let width = view.data().len() / shape[0];
                shape[0] -= 1;
                let data = &view.data()[width..];
                // The data outlive the file's borrow alike.
                (own, TensorView::new(view.dtype(), shape, data).unwrap())
            });
            let place = tempfile::tempdir().unwrap();
            let bytes = safetensors::serialize(tensors.collect::<Vec<_>>(), None).unwrap();
            fs::write(place.path().join("model.safetensors"), bytes).unwrap();
            let error = Decoder::<Flex>::load(
                &Checkpoint::open(place.path()).unwrap(),
                ModelConfig::from_folder(&golden(case)).unwrap(),
                precision,
                &Default::default(),
            );
            let ModelError::Mismatch { report, .. } = error.unwrap_err() else {
                panic!("{case}: not a mismatch")
            };
            let [(tensor, expected, found)] = &report.mismatched[..] else {
                panic!("{case}: {report}")
            };
            assert_eq!(tensor, name);
            assert_ne!(expected, found, "{case}");
        }
    }
}
