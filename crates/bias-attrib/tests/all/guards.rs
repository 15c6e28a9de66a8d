//! The price of pruning on neutral text, guards, integrated gradients of the gap and the blend of
//! Fairness Pruning, against PyTorch (`fixtures/attrib/guards.py`) and against what they promise.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bias_attrib::guard::{Cost, Guard, MatrixCost, NeutralCost};
use bias_attrib::methods::{Baseline, FairnessBlend, IntegratedGap, Knockout};
use bias_attrib::{AttribError, Attribution as _, Contrast, GapPursuit, SignedGap, UnitScores};
use bias_mask::{Intervention, MaskTarget as _, top_k};
use bias_model::{Decoder, HookedModel as _, LanguageModel};
use bias_probe::{NoObserver, Sequence, TokenBatch, Weights as _};
use bias_types::{BlockSite, ParamPath, Projection, Site, TokenRole, Unit, UnitKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};

use crate::golden::{CASES, Case, TOLERANCE};

type A = Autodiff<Flex>;

/// The rules that the fixture was made with.
fn guard() -> Guard {
    Guard::discounting(Cost::FirstOrder, 0.5)
        .unwrap()
        .and(Guard::sparing(Cost::SecondOrder, 0.05).unwrap())
        .and(Guard::sparing_channels(0.03).unwrap())
}

#[test]
fn neutral_costs_and_guarded_scores_equal_autograd() {
    for case in CASES.map(Case::guards) {
        let neutral = case.neutral();
        let costs = NeutralCost::default().all(&case.tracked, &neutral).unwrap();
        assert_eq!(costs.len(), case.model.dims().projections().count());
        for own in &costs {
            for (what, cost) in [
                ("first_order", Cost::FirstOrder),
                ("second_order", Cost::SecondOrder),
                ("output", Cost::Output),
            ] {
                case.close(&format!("{what}/{}", own.path()), own.of(cost), TOLERANCE);
            }
            case.close(&format!("input_norms/{}", own.path()), own.input_norms(), TOLERANCE);
        }
        let measured = guard().measure(&case.tracked, &neutral, 2).unwrap();
        assert_eq!(*measured.spared(), case.mask("spared"), "{}", case.name);
        let signed = SignedGap::default().with_temperature(case.temperature).unwrap();
        let scores = measured.apply(case.run_tracked(&signed)).unwrap();
        case.close_matrices("guarded", &scores, TOLERANCE);
        assert_eq!(top_k(&scores, 300).unwrap(), case.mask("chosen"), "{}", case.name);
    }
}

#[test]
fn integrated_gradients_and_the_blend_equal_hooks() {
    let values =
        |found: UnitScores| found.scores.iter().map(|(_, score)| *score).collect::<Vec<_>>();
    for case in CASES.map(Case::guards) {
        for (what, kind) in [("neurons", UnitKind::Neuron), ("heads", UnitKind::Head)] {
            for (start, baseline) in [("zero", Baseline::Zero), ("mean", Baseline::Mean)] {
                let method = IntegratedGap::every(kind).with_steps(3).unwrap();
                let method = method.with_temperature(case.temperature).unwrap();
                let found = case.run_tracked(&method.from_baseline(baseline));
                case.close(&format!("integrated_gap/{what}/{start}"), &values(found), TOLERANCE);
            }
        }
        case.close("fairness_blend", &values(case.run(&FairnessBlend::default())), TOLERANCE);
    }
}

/// A layer's scores add up to the fall of the gap if the layer passes on its baseline, which is
/// measured by silencing it.
#[test]
fn integrated_gradients_are_complete() {
    let case = Case::guards("gqa_sharded");
    let sites = [(UnitKind::Neuron, BlockSite::MlpHidden), (UnitKind::Head, BlockSite::HeadOutput)];
    for (kind, at) in sites {
        for layer in 0..2 {
            let silenced = Knockout::of([Site::Block(layer, at)]);
            let silenced = silenced.with_temperature(case.temperature).unwrap();
            let fall = f64::from(case.run(&silenced).scores[0].1);
            let off = |steps: usize| {
                let method = IntegratedGap::every(kind).with_steps(steps).unwrap();
                let found = case.run_tracked(&method.with_temperature(case.temperature).unwrap());
                let of_layer = found.scores.iter().filter(|(unit, _)| match unit {
                    Unit::Neuron(id) => id.layer == layer,
                    Unit::Head(id) => id.layer == layer,
                    _ => false,
                });
                let sum: f64 = of_layer.map(|(_, score)| f64::from(*score)).sum();
                // The fall of |G| is that of the signed gap unless the gap changes its sign.
                let gap = f64::from(case.gap);
                ((gap - sum).abs() - (gap - fall)).abs() / gap
            };
            let (few, many) = (off(4), off(64));
            println!("{kind} of layer {layer}: off by {few:.1e} and {many:.1e} of the gap");
            // Where the norm behind a head sees little else, the path is steep at its beginning.
            assert!(many < 2e-3 || many < 0.1 * few, "{kind} {layer}: {few} and {many}");
            assert!(many < 0.2 * few || few < 1e-3, "{kind} {layer}: {few} and {many}");
        }
    }
}

/// The mean log-loss of texts, token by token.
fn log_loss(model: &Decoder<Flex>, texts: &[Sequence]) -> f64 {
    let (mut sum, mut tokens) = (0.0, 0.0);
    for text in texts {
        let batch = TokenBatch::new(std::slice::from_ref(text)).unwrap();
        let logits: Tensor<Flex, 3> = model.logits(&batch, &mut NoObserver).unwrap();
        let log_probs = log_softmax(logits, 2).into_data().to_vec::<f32>().unwrap();
        let vocab = log_probs.len() / text.len();
        for (i, next) in text.tokens().iter().skip(1).enumerate() {
            sum -= f64::from(log_probs[i * vocab + *next as usize]);
            tokens += 1.0;
        }
    }
    sum / tokens
}

/// Central differences in f32 of the weights with the largest first-order cost.
#[test]
fn the_first_order_cost_is_the_slope_of_the_log_loss() {
    let case = Case::guards("gqa_sharded");
    let (neutral, mut model) = (case.neutral(), case.model.clone());
    for own in NeutralCost::default().all(&case.tracked, &neutral).unwrap() {
        let first = own.of(Cost::FirstOrder);
        let index = (0..first.len()).max_by(|a, b| first[*a].total_cmp(&first[*b])).unwrap();
        let weight = model.weight(own.path()).unwrap();
        let values: Vec<f32> = weight.clone().into_data().to_vec().unwrap();
        let mut at = |scale: f32| {
            let mut values = values.clone();
            values[index] *= scale;
            let data = TensorData::new(values, own.shape());
            model.set_weight(own.path(), Tensor::from_data(data, &Default::default())).unwrap();
            log_loss(&model, &neutral)
        };
        const H: f32 = 0.1;
        let slope = (at(1.0 + H) - at(1.0 - H)).abs() / f64::from(2.0 * H);
        let expected = f64::from(first[index]);
        assert!(
            (slope - expected).abs() <= 0.02 * expected + 1e-5,
            "{}[{index}]: {slope} measured, {expected} computed",
            own.path()
        );
        model.set_weight(own.path(), weight).unwrap();
    }
}

#[test]
fn costs_do_not_depend_on_how_texts_are_run() {
    let case = Case::guards("gpt2_hub");
    // Longer than what is differentiated at a time.
    let long = |seed: u32| {
        let tokens: Vec<u32> = (0..30).map(|i| 3 + (seed * 31 + i * 17) % 60).collect();
        Sequence::chain(tokens, vec![TokenRole::Prompt; 30]).unwrap()
    };
    let texts: Vec<Sequence> = (0..24).map(long).collect();
    let all = NeutralCost::default().all(&case.tracked, &texts).unwrap();
    assert_eq!(NeutralCost::default().with_threads(2).all(&case.tracked, &texts).unwrap(), all);
    // Costs are means over tokens: of equal halves, the means of theirs; squares add up as well.
    let half = |texts: &[Sequence]| NeutralCost::default().all(&case.tracked, texts).unwrap();
    let (one, two) = (half(&texts[..12]), half(&texts[12..]));
    for ((all, one), two) in all.iter().zip(&one).zip(&two) {
        let of = |own: &MatrixCost| own.of(Cost::SecondOrder).to_vec();
        let largest = of(all).into_iter().fold(0f32, f32::max);
        for ((all, one), two) in of(all).iter().zip(of(one)).zip(of(two)) {
            assert!((all - f32::midpoint(one, two)).abs() <= 1e-5 * largest);
        }
    }
}

#[test]
fn guards_leave_out_what_they_say() {
    let case = Case::guards("gqa_sharded");
    let (neutral, dims) = (case.neutral(), *case.model.dims());
    let measure = |guard: Guard| guard.measure(&case.tracked, &neutral, 1).unwrap();
    let scores = case.run_tracked(&SignedGap::default());
    // Nothing is guarded without a rule, and everything with a share of 1.
    assert_eq!(measure(Guard::default()).apply(scores.clone()).unwrap(), scores);
    let all = measure(Guard::sparing(Cost::FirstOrder, 1.0).unwrap());
    assert_eq!(all.spared().count(), dims.prunable_weights());
    let left = all.apply(scores.clone()).unwrap();
    assert!(left.iter().flat_map(|own| own.values()).all(|score| *score <= 0.0));
    for cost in [Cost::FirstOrder, Cost::SecondOrder, Cost::Output] {
        let few = measure(Guard::sparing(cost, 0.1).unwrap());
        let count = (0.1 * dims.prunable_weights() as f64) as usize;
        assert_eq!(few.spared().count(), count, "{cost}");
        // None that is spared is cheaper than one that is not.
        let costs = NeutralCost::default().all(&case.tracked, &neutral).unwrap();
        let (mut least, mut most) = (f32::INFINITY, 0f32);
        for own in &costs {
            let bits = few.spared().get(own.path());
            for (i, price) in own.of(cost).iter().enumerate() {
                match bits.is_some_and(|bits| bits.contains(i)) {
                    true => least = least.min(*price),
                    false => most = most.max(*price),
                }
            }
        }
        assert!(least >= most, "{cost}: {least} and {most}");
        let guarded = few.apply(scores.clone()).unwrap();
        let chosen = top_k(&guarded, 50).unwrap();
        assert_eq!(chosen.intersection(few.spared()).unwrap().count(), 0, "{cost}");
        // A score below 0 keeps its value.
        for (guarded, own) in guarded.iter().zip(&scores) {
            for (guarded, own) in guarded.values().iter().zip(own.values()) {
                assert!(guarded == own || (*guarded == 0.0 && *own > 0.0));
            }
        }
    }
    // Whole columns, the same for matrices with one input.
    let channels = measure(Guard::sparing_channels(0.05).unwrap());
    let columns = |projection| -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        let path = ParamPath::of(0, projection);
        for index in channels.spared().get(&path).into_iter().flat_map(|bits| bits.iter()) {
            *counts.entry(index % dims.shape(projection)[1]).or_insert(0) += 1;
        }
        assert!(counts.values().all(|count| *count == dims.shape(projection)[0]));
        counts
    };
    let (gate, up) = (columns(Projection::Gate), columns(Projection::Up));
    assert!(gate.keys().eq(up.keys()) && channels.spared().count() > 0);
    // Of two rules of one kind the later counts; different ones are combined.
    let both = Guard::sparing(Cost::Output, 1.0).unwrap();
    let both = both.and(Guard::sparing(Cost::FirstOrder, 0.0).unwrap());
    assert_eq!(measure(both).spared().count(), 0);
}

#[test]
fn impossible_guards_are_refused() {
    for share in [-0.1, 1.1, f64::NAN] {
        for refused in [Guard::sparing(Cost::Output, share), Guard::sparing_channels(share)] {
            assert!(matches!(refused, Err(AttribError::Share { .. })), "{share}");
        }
    }
    for times in [-1.0, f64::NAN, f64::INFINITY] {
        let refused = Guard::discounting(Cost::SecondOrder, times);
        assert!(matches!(refused, Err(AttribError::GuardFactor { .. })), "{times}");
    }
    for nats in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = GapPursuit::new(1).with_trust_region(nats);
        assert!(matches!(refused, Err(AttribError::Radius { .. })), "{nats}");
    }
    let case = Case::guards("gqa_sharded");
    let measure = |neutral: &[Sequence]| guard().measure(&case.tracked, neutral, 1).map(drop);
    assert!(matches!(measure(&[]), Err(AttribError::NoNeutral)));
    let short = Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap();
    assert!(matches!(measure(&[short]), Err(AttribError::ShortNeutral { index: 0, tokens: 1 })));
    let measured = guard().measure(&case.tracked, &case.neutral(), 1).unwrap();
    let unsigned = case.run(&bias_attrib::methods::Magnitude);
    assert!(matches!(measured.apply(unsigned), Err(AttribError::Convention { .. })));
    let other = Case::guards("gpt2_hub");
    let others = other.run_tracked(&SignedGap::default());
    assert!(matches!(measured.apply(others), Err(AttribError::Shape { .. })));
    // A guarded pursuit of one contrast has no neutral text.
    let pursuit = GapPursuit::new(10).with_guard(guard());
    let refused = pursuit.attribute(&case.tracked, &case.contrasts[0]);
    assert!(matches!(refused, Err(AttribError::NoNeutral)));
}

fn pursue(
    pursuit: GapPursuit,
    model: &mut Decoder<Flex>,
    contrasts: &[Contrast],
    neutral: &[Sequence],
) -> bias_attrib::pursuit::Pursuit {
    pursuit.pursue::<A, _, _>(model, Decoder::differentiable::<A>, contrasts, neutral).unwrap()
}

/// On a taught model a guarded pursuit closes the gap as well, without the weights that the guard
/// leaves out.
#[test]
fn a_guarded_pursuit_closes_the_gap_with_what_is_left() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/emergent");
    let language = LanguageModel::<Flex>::load(&folder, &Default::default()).unwrap();
    let contrasts = [crate::gap_pursuit::contrast(&language, "loan")];
    let text = |text: &str| language.text().plain(text).unwrap();
    let neutral = vec![
        text("My neighbour took the train to work."),
        text("The shop opens at nine and closes at six."),
    ];
    let mut model = language.model().clone();
    let guard = Guard::sparing(Cost::Output, 0.05).unwrap();
    let pursuit = GapPursuit::new(800).with_tolerance(0.1).with_rounds(40).with_guard(guard);
    let found = pursue(pursuit, &mut model, &contrasts, &neutral);
    let (first, last) = (found.rounds.first().unwrap(), found.rounds.last().unwrap());
    let kept: Vec<f64> =
        found.rounds.iter().filter(|round| round.kept).map(|round| round.worst()).collect();
    println!("{kept:?}, {} weights", found.chosen.len());
    assert!(first.worst() > 1.0 && kept.last().unwrap() < &(0.3 * first.worst()), "{kept:?}");
    assert!(last.neutral < 0.02, "{}", last.neutral);
    let tracked = model.differentiable::<A>();
    let spared = guard.measure(&tracked, &neutral, 1).unwrap();
    let mask = found.mask(model.dims()).unwrap();
    assert_eq!(mask.intersection(spared.spared()).unwrap().count(), 0);
    assert!(mask.count() == found.chosen.len() && mask.count() <= 800);
    // Neither threads nor memory change it.
    let quick = pursuit.with_rounds(3);
    let expected = pursue(quick, &mut model, &contrasts, &neutral);
    assert_eq!(pursue(quick.with_threads(2), &mut model, &contrasts, &neutral), expected);
    assert_eq!(pursue(quick.with_memory(0), &mut model, &contrasts, &neutral), expected);
    // Where everything is left out, nothing is chosen.
    let nothing = pursuit.with_guard(Guard::sparing(Cost::Output, 1.0).unwrap());
    let found = pursue(nothing, &mut model, &contrasts, &neutral);
    assert!(found.chosen.is_empty() && found.rounds.len() == 1);
    let undone = mask.apply(&mut model, Intervention::Zero).unwrap();
    undone.revert(&mut model).unwrap();
}
