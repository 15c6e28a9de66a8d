//! The methods on a small Llama whose forward pass equals transformers'
//! (`fixtures/golden`, checked in bias-model), against what their formulas say.

use std::path::PathBuf;

use bias_attrib::methods::{
    ActivationDifference, ActivationPatching, AttributionPatching, HeadAttention, Knockout, Random,
    SignedActivationDifference, Snip,
};
use bias_attrib::scores::{ComponentScores, sum_scores};
use bias_attrib::{
    AttribError, Attribution as _, Contrast, PossibleAnswer, PromptCase, SignedGap, Wanda,
};
use bias_model::generate::{DecodeOptions, Sampling, decode};
use bias_model::{Checkpoint, Decoder, Decoding, MaskTarget, ModelConfig, Precision};
use bias_probe::hooks::Edit;
use bias_probe::{Capture, HookedModel, NoObserver, Observer, Sequence, TokenBatch, Weights};
use bias_types::{BlockSite, ParamPath, Projection, Site, TokenRole, Unit, UnitKind};
use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule as _;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};

pub(crate) type Model = Decoder<Autodiff<Flex>>;

pub(crate) const TEMPERATURE: f64 = 0.8;

pub(crate) fn model() -> Model {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/gqa_sharded");
    let config = ModelConfig::from_folder(&folder).unwrap();
    Decoder::load(&Checkpoint::open(&folder).unwrap(), config, Precision::F32, &Default::default())
        .unwrap()
}

fn prompt(tokens: &[u32], name: std::ops::Range<usize>) -> Sequence {
    let role = |i| if name.contains(&i) { TokenRole::Name } else { TokenRole::Prompt };
    Sequence::chain(tokens.to_vec(), (0..tokens.len()).map(role).collect()).unwrap()
}

/// Answers of up to two tokens; their "number" is made from their ids, some have none.
fn case(model: &Model, prompt: Sequence) -> PromptCase {
    let options = DecodeOptions {
        sampling: Sampling::default().with_temperature(TEMPERATURE).unwrap(),
        stop: vec![2],
        max_new_tokens: 2,
        batch_rows: 8,
        threads: 1,
    };
    // The identities hold for any set of answers; few keep the test short.
    let decoding = Decoding::Exact { unexplored: 0.3, tokens: usize::MAX, seed: 0 };
    let mut answers =
        decode(&model.valid(), std::slice::from_ref(&prompt), decoding, &options, |_| {
            Ok(String::new())
        })
        .unwrap();
    answers[0].answers.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let answers = answers[0].answers.iter().take(200).map(|a| {
        let id: u32 = a.tokens.iter().sum();
        PossibleAnswer {
            tokens: a.tokens.clone(),
            finished: a.finished,
            value: (!id.is_multiple_of(7)).then(|| f64::from(id * 13 % 101)),
            weight: a.weight,
            ..PossibleAnswer::default()
        }
    });
    PromptCase::new(prompt, answers.collect())
}

pub(crate) fn contrast(model: &Model) -> Contrast {
    let ask = |tokens: &[u32]| case(model, prompt(tokens, 2..4));
    Contrast {
        a: vec![ask(&[1, 5, 9, 20, 30]), ask(&[1, 5, 11, 40, 30, 8])],
        b: vec![ask(&[1, 5, 33, 21, 30]), ask(&[1, 5, 17, 3, 30, 8])],
    }
}

/// A prompt and one answer to it, without trees.
pub(crate) fn alone(prompt: &Sequence, answer: &PossibleAnswer) -> TokenBatch {
    let tokens: Vec<u32> = prompt.tokens().iter().chain(&answer.tokens).copied().collect();
    let roles = vec![TokenRole::Prompt; tokens.len()];
    TokenBatch::new(&[Sequence::chain(tokens, roles).unwrap()]).unwrap()
}

/// Log-probability of the last tokens of a batch of one sequence.
pub(crate) fn log_probability(
    model: &Decoder<Flex>,
    batch: &TokenBatch,
    last: usize,
    temperature: f64,
    observer: &mut dyn Observer<Flex>,
) -> f64 {
    let (tokens, logits) =
        (batch.tokens(), model.logits(batch, observer).unwrap().squeeze_dim::<2>(0));
    let vocab = logits.dims()[1];
    let log_p: Vec<f32> =
        log_softmax(logits.div_scalar(temperature), 1).into_data().to_vec().unwrap();
    let from = tokens.len() - last;
    (from..tokens.len()).map(|i| f64::from(log_p[(i - 1) * vocab + tokens[i] as usize])).sum()
}

/// A group's mean answer, given each answer's log-probability.
pub(crate) fn mean_by(group: &[PromptCase], log_p: impl Fn(usize, &PossibleAnswer) -> f64) -> f64 {
    let own = |(i, r): (usize, &PromptCase)| {
        let (mut sum, mut mass) = (0.0, 0.0);
        for answer in &r.answers {
            let Some(value) = answer.value else { continue };
            let p = log_p(i, answer).exp();
            (sum, mass) = (sum + p * value, mass + p);
        }
        sum / mass
    };
    group.iter().enumerate().map(own).sum::<f64>() / group.len() as f64
}

/// A group's mean answer, its answers' probabilities taken from the model as it is.
fn mean(model: &Decoder<Flex>, group: &[PromptCase]) -> f64 {
    mean_by(group, |i, answer| {
        let batch = alone(&group[i].prompt, answer);
        log_probability(model, &batch, answer.tokens.len(), TEMPERATURE, &mut NoObserver)
    })
}

/// The pooled deviation that the gap is measured in, from the answers' own weights.
pub(crate) fn spread(contrast: &Contrast) -> f64 {
    let variance = |group: &[PromptCase]| {
        let mut moments = [0.0; 2];
        for r in group {
            let mass: f64 = r.answers.iter().filter(|a| a.value.is_some()).map(|a| a.weight).sum();
            for (power, moment) in [1, 2].into_iter().zip(&mut moments) {
                let valued = r.answers.iter().filter_map(|a| Some(a.value?.powi(power) * a.weight));
                *moment += valued.sum::<f64>() / mass / group.len() as f64;
            }
        }
        moments[1] - moments[0] * moments[0]
    };
    ((variance(&contrast.a) + variance(&contrast.b)) / 2.0).sqrt()
}

#[test]
fn the_signed_gap_is_the_slope_of_the_gap() {
    let model = model();
    let contrast = contrast(&model);
    let scores = SignedGap::default()
        .with_temperature(TEMPERATURE)
        .unwrap()
        .attribute(&model, &contrast)
        .unwrap();
    let mut plain = model.valid();
    let spread = spread(&contrast);
    for projection in Projection::ALL {
        let path = ParamPath::of(1, projection);
        let own = scores.iter().find(|s| *s.path() == path).unwrap();
        // The strongest weight of every matrix, and one in the middle of the field.
        let mut order: Vec<usize> = (0..own.values().len()).collect();
        order.sort_by(|&i, &j| own.values()[j].abs().total_cmp(&own.values()[i].abs()));
        for index in [order[0], order[1], order[order.len() / 4]] {
            let weight: Tensor<Flex, 2> = Weights::weight(&plain, &path).unwrap();
            let shape = weight.dims();
            let values: Vec<f32> = weight.clone().into_data().to_vec().unwrap();
            // f32 forward passes: a step large enough to stand out, central to cancel curvature.
            let step = 0.02f32 * values[index].abs().max(0.05);
            let mut gap = |delta: f32| {
                let mut moved = values.clone();
                moved[index] += delta;
                let moved = Tensor::from_data(TensorData::new(moved, shape), &Default::default());
                plain.set_weight(&path, moved).unwrap();
                mean(&plain, &contrast.a) - mean(&plain, &contrast.b)
            };
            let (up, down, here) = (gap(step), gap(-step), gap(0.0));
            let slope = here.signum() * (up - down) / f64::from(2.0 * step) / spread;
            let expected = slope * f64::from(values[index]);
            let found = f64::from(own.values()[index]);
            let scale = f64::from(own.values()[order[0]].abs());
            assert!(
                (found - expected).abs() < 0.02 * scale,
                "{path}[{index}]: {found} against {expected}"
            );
        }
    }
}

#[test]
fn snip_is_the_slope_of_the_cross_entropy() {
    let model = model();
    let whole = contrast(&model);
    let one = Contrast { a: whole.a[..1].to_vec(), b: whole.b[..1].to_vec() };
    let scores = Snip::default().with_answers(1).attribute(&model, &one).unwrap();
    let answer = &one.most_probable(1).a[0].answers[0];
    let (batch, last) = (alone(&one.a[0].prompt, answer), answer.tokens.len());
    let mut plain = model.valid();
    for projection in Projection::ALL {
        let path = ParamPath::of(0, projection);
        let own = scores.a().iter().find(|s| *s.path() == path).unwrap();
        let weight: Tensor<Flex, 2> = Weights::weight(&plain, &path).unwrap();
        let (shape, values) = (weight.dims(), weight.into_data().to_vec::<f32>().unwrap());
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&i, &j| own.values()[j].total_cmp(&own.values()[i]));
        for index in [order[0], order[values.len() / 4]] {
            let step = 0.02f32 * values[index].abs().max(0.05);
            let mut loss = |delta: f32| {
                let mut moved = values.clone();
                moved[index] += delta;
                plain
                    .set_weight(
                        &path,
                        Tensor::from_data(TensorData::new(moved, shape), &Default::default()),
                    )
                    .unwrap();
                -log_probability(&plain, &batch, last, 1.0, &mut NoObserver) / last as f64
            };
            let slope = (loss(step) - loss(-step)) / f64::from(2.0 * step);
            loss(0.0);
            let (expected, found) =
                ((slope * f64::from(values[index])).abs(), f64::from(own.values()[index]));
            let scale = f64::from(own.values()[order[0]]);
            assert!(
                (found - expected).abs() < 0.02 * scale,
                "{path}[{index}]: {found} against {expected}"
            );
        }
    }
}

/// B's mean answer when a share of the way to A's activations is gone at a site; prompts
/// are of equal length here, so that tokens have their counterparts.
fn mean_towards(model: &Decoder<Flex>, contrast: &Contrast, site: Site, share: f64) -> f64 {
    let activation = |batch: &TokenBatch| {
        let mut capture = Capture::new([site]);
        model.hidden(batch, &mut capture).unwrap();
        let own = capture.finish().unwrap().remove(&site).unwrap();
        let shape: [usize; 3] = own.shape.try_into().unwrap();
        Tensor::<Flex, 3>::from_data(TensorData::new(own.values, shape), &Default::default())
    };
    mean_by(&contrast.b, |i, answer| {
        let batch = alone(&contrast.b[i].prompt, answer);
        let other = activation(&alone(&contrast.a[i].prompt, answer));
        let step = (other - activation(&batch)).mul_scalar(share);
        let mut edit = Edit::new(site, |_: &TokenBatch, x: Tensor<Flex, 3>| x + step.clone());
        let found = log_probability(model, &batch, answer.tokens.len(), TEMPERATURE, &mut edit);
        edit.finish().unwrap();
        found
    })
}

#[test]
fn patching_is_the_way_to_the_other_groups_activations_and_its_slope() {
    let model = model();
    let contrast = contrast(&model);
    let sites = [
        Site::Embedding,
        Site::Block(0, BlockSite::Value),
        Site::Block(0, BlockSite::ResidPost),
        Site::Block(1, BlockSite::HeadOutput),
        Site::Block(1, BlockSite::MlpHidden),
        Site::FinalNorm,
    ];
    let at = TEMPERATURE;
    let linear = AttributionPatching::of(sites).with_temperature(at).unwrap();
    let linear = linear.attribute(&model, &contrast).unwrap();
    let plain = model.valid();
    let exact = ActivationPatching::of(sites).with_temperature(at).unwrap();
    let exact = exact.attribute(&plain, &contrast).unwrap();
    let (spread, a) = (spread(&contrast), mean(&plain, &contrast.a));
    let gap = |share: f64, site| (a - mean_towards(&plain, &contrast, site, share)) / spread;
    for site in sites {
        let here = gap(0.0, site);
        let slope = here.signum() * (gap(-0.01, site) - gap(0.01, site)) / 0.02;
        let found = f64::from(linear.get(&site.into()).unwrap());
        assert!(
            (found - slope).abs() < 5e-3 * slope.abs().max(0.01),
            "{site}: {found} against {slope}"
        );
        let whole = here.abs() - gap(1.0, site).abs();
        let found = f64::from(exact.get(&site.into()).unwrap());
        assert!((found - whole).abs() < 1e-5, "{site}: {found} against {whole}");
    }
    // With A's embeddings B's runs are A's, whatever comes after.
    let (first, last) =
        (exact.get(&sites[0].into()).unwrap(), exact.get(&sites[5].into()).unwrap());
    assert!((first - last).abs() < 1e-5, "{first} against {last}");
}

#[test]
fn scores_do_not_depend_on_how_many_share_a_batch() {
    let model = model();
    let few = contrast(&model);
    // Trees of answers are long here: this is more than one batch.
    let many = Contrast::pooled(&vec![few.clone(); 5]);
    let tokens = |r: &PromptCase| r.prompt.len() + r.answers.len();
    assert!(many.b.iter().map(tokens).sum::<usize>() > 512);
    let (plain, kind) = (model.valid(), UnitKind::Head);
    let same = |a: Vec<f32>, b: Vec<f32>| {
        let scale = a.iter().fold(0f32, |m, x| m.max(x.abs()));
        assert!(
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 2e-5 * scale),
            "{a:?} {b:?}"
        );
    };
    let of =
        |found: ComponentScores| found.scores.iter().map(|(_, score)| *score).collect::<Vec<_>>();
    let [a, b] = [&few, &many].map(|c| of(Knockout::every(kind).attribute(&plain, c).unwrap()));
    same(a, b);
    let [a, b] =
        [&few, &many].map(|c| of(ActivationPatching::every(kind).attribute(&plain, c).unwrap()));
    same(a, b);
    let [a, b] =
        [&few, &many].map(|c| of(AttributionPatching::every(kind).attribute(&model, c).unwrap()));
    same(a, b);
    let of = |found: bias_attrib::UnitScores| {
        found.scores.iter().map(|(_, score)| *score).collect::<Vec<_>>()
    };
    let [a, b] = [&few, &many].map(|c| of(ActivationDifference.attribute(&plain, c).unwrap()));
    same(a, b);
    let signed = SignedActivationDifference::default();
    let [a, b] = [&few, &many].map(|c| of(signed.attribute(&model, c).unwrap()));
    same(a, b);
}

#[test]
fn wanda_is_weight_times_input_norm_whatever_the_batch() {
    let model = model();
    let contrast = contrast(&model);
    let norms = Wanda.attribute(&model, &contrast).unwrap();
    let path = ParamPath::of(1, Projection::Down);
    let [scores, _] = norms.scores(&model, &path).unwrap();

    // Every answer run alone as a plain sequence, its inputs weighted by its probability.
    let site = Site::Block(1, BlockSite::MlpHidden);
    let mut squares = [0f64; 56];
    for r in &contrast.a {
        let observed = |tokens: Vec<u32>| {
            let roles = vec![TokenRole::Prompt; tokens.len()];
            let batch = TokenBatch::new(&[Sequence::chain(tokens, roles).unwrap()]).unwrap();
            let mut capture = Capture::new([site]);
            model.valid().hidden(&batch, &mut capture).unwrap();
            capture.finish().unwrap().remove(&site).unwrap().values
        };
        for row in observed(r.prompt.tokens().to_vec()).chunks_exact(56) {
            squares.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(x * x));
        }
        for answer in &r.answers {
            let run = answer.tokens.len() - usize::from(answer.finished);
            let tokens = r.prompt.tokens().iter().chain(&answer.tokens[..run]).copied().collect();
            for row in observed(tokens).chunks_exact(56).skip(r.prompt.len()) {
                squares
                    .iter_mut()
                    .zip(row)
                    .for_each(|(s, x)| *s += answer.weight * f64::from(x * x));
            }
        }
    }
    let weight: Vec<f32> = Weights::weight(&model, &path).unwrap().into_data().to_vec().unwrap();
    for (i, (score, w)) in scores.values().iter().zip(&weight).enumerate() {
        let expected = f64::from(w.abs()) * (squares[i % 56] / 2.0).sqrt();
        // Sums of some thousand f32 squares in another order.
        assert!(
            (f64::from(*score) - expected).abs() <= 1e-5 * expected.max(1e-3),
            "{i}: {score} {expected}"
        );
    }
}

#[test]
fn head_attention_is_the_mean_of_the_pattern() {
    let model = model();
    let prompt = prompt(&[1, 5, 9, 20, 30], 2..4);
    // One certain answer of two tokens, then cut: both of its tokens are run.
    let answer = PossibleAnswer {
        tokens: vec![7, 8],
        finished: false,
        value: Some(1.0),
        weight: 1.0,
        ..PossibleAnswer::default()
    };
    let one = PromptCase::new(prompt, vec![answer]);
    let contrast = Contrast { a: vec![one.clone()], b: vec![one] };
    let found = HeadAttention.attribute(&model, &contrast).unwrap();
    let tokens = vec![1, 5, 9, 20, 30, 7, 8];
    let batch =
        TokenBatch::new(&[Sequence::chain(tokens, vec![TokenRole::Prompt; 7]).unwrap()]).unwrap();
    let sites = (0..2).map(|l| Site::Block(l, BlockSite::Pattern));
    let mut capture = Capture::new(sites);
    model.valid().hidden(&batch, &mut capture).unwrap();
    let seen = capture.finish().unwrap();
    for (unit, score) in &found.scores {
        let Unit::Head(head) = unit else { panic!("not a head") };
        let pattern = &seen[&Site::Block(head.layer, BlockSite::Pattern)].values;
        let at = |query: usize, key: usize| pattern[(head.head * 7 + query) * 7 + key];
        let expected = 2.0 * (at(5, 2) + at(5, 3) + at(6, 2) + at(6, 3)) / 4.0;
        assert!((score - expected).abs() < 1e-5, "{unit}: {score} {expected}");
    }
    assert_eq!(found.scores.len(), 8);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let model = model();
    let whole = contrast(&model);
    let empty = Contrast { a: whole.a.clone(), b: Vec::new() };
    assert!(matches!(Wanda.attribute(&model, &empty), Err(AttribError::EmptyArm { arm: 'B' })));
    assert!(matches!(
        SignedGap::default().attribute(&model, &empty),
        Err(AttribError::EmptyArm { .. })
    ));
    let mut mute = whole.clone();
    mute.b[1].answers.iter_mut().for_each(|a| a.value = None);
    let refused = SignedGap::default().attribute(&model, &mute);
    assert!(matches!(refused, Err(AttribError::NoValue { arm: 'B', index: 1 })));
    let mut constant = whole.clone();
    for r in constant.a.iter_mut().chain(&mut constant.b) {
        r.answers.iter_mut().for_each(|a| a.value = Some(5.0));
    }
    assert!(matches!(
        SignedGap::default().attribute(&model, &constant),
        Err(AttribError::NoSpread)
    ));
    assert!(SignedGap::default().with_temperature(f64::NAN).is_err());
}

#[test]
fn random_scores_follow_their_seed_and_sums_need_like_scores() {
    let model = model();
    let contrast = Contrast::default();
    let draw = |seed| Random::new(seed).attribute(&model, &contrast).unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let twice = sum_scores([draw(1).as_slice(), &draw(1)]).unwrap();
    assert_eq!(twice[0].values()[3], 2.0 * draw(1)[0].values()[3]);
    assert!(sum_scores([draw(1).as_slice(), &draw(1)[1..]]).is_err());
    assert!(sum_scores([]).is_err());
}
