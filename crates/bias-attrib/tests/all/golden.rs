//! Every method against PyTorch's hooks and autograd and NumPy's decompositions
//! (`fixtures/attrib`), on a Llama and on a GPT-2, whose matrices are fused and transposed.
//!
//! Tolerances are relative to the largest expected value of a tensor, and for changes of
//! the gap to the gap, of which they are differences: both sides compute in f32, in another
//! order. Masks are equal bit for bit: `make.py` sees to it that there are no near-ties.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bias_attrib::io::{ScoreProvenance, load_scores, save_scores};
use bias_attrib::methods::{
    ActSvd, ActivationDifference, ActivationPatching, AttributionPatching, GroupNorms,
    HeadAttention, Knockout, Magnitude, SignedActivationDifference, Snip,
};
use bias_attrib::scores::{Component, ComponentScores, GroupScores, RankDirections};
use bias_attrib::{
    Attribution, Contrast, ParamScores, PossibleAnswer, PromptCase, SetDifference, SignedGap,
    UnitScores, Wanda,
};
use bias_mask::{BitMatrix, Mask};
use bias_model::{Checkpoint, Decoder, HookedModel, ModelConfig, Precision};
use bias_probe::stats::ChannelStats;
use bias_probe::{Sequence, StatsCollector, TokenBatch, Weights};
use bias_types::model::{HeadId, NeuronId};
use bias_types::{ParamPath, Projection, Site, TokenRole, Unit, UnitKind};
use burn::backend::{Autodiff, Flex};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

/// Twice the largest difference measured (6e-6): `scripts/goldens.sh` shows them.
pub(crate) const TOLERANCE: f32 = 1e-5;
pub(crate) const CASES: [&str; 2] = ["gqa_sharded", "gpt2_hub"];
/// The shares of rank that the fixture's `act_svd` was made with.
const SHARES: [f64; 2] = [0.25, 0.5];
const WHOLE: [&str; 3] = [
    "model.layers.0.output",
    "model.layers.0.mlp.down_proj.output",
    "model.layers.1.self_attn.o_proj.output",
];

#[derive(Deserialize)]
struct Written {
    temperature: f64,
    gap: f32,
    contrasts: Vec<WrittenContrast>,
}

#[derive(Deserialize)]
struct WrittenContrast {
    a: Vec<WrittenCase>,
    b: Vec<WrittenCase>,
}

#[derive(Deserialize)]
struct WrittenCase {
    prompt: WrittenPrompt,
    answers: Vec<WrittenAnswer>,
}

#[derive(Deserialize)]
struct WrittenPrompt {
    tokens: Vec<u32>,
    name: Vec<u8>,
}

#[derive(Deserialize)]
struct WrittenAnswer {
    tokens: Vec<u32>,
    finished: bool,
    value: Option<f64>,
    weight: f64,
}

fn cases(written: Vec<WrittenCase>) -> Vec<PromptCase> {
    let own = written.into_iter().map(|own| {
        let roles = own
            .prompt
            .name
            .iter()
            .map(|n| if *n == 1 { TokenRole::Name } else { TokenRole::Prompt });
        let answer = |a: WrittenAnswer| PossibleAnswer {
            tokens: a.tokens,
            finished: a.finished,
            value: a.value,
            weight: a.weight,
            ..PossibleAnswer::default()
        };
        PromptCase::new(
            Sequence::chain(own.prompt.tokens, roles.collect()).unwrap(),
            own.answers.into_iter().map(answer).collect(),
        )
    });
    own.collect()
}

/// A model, the contrasts written down for it, and what was computed of them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) model: Decoder<Flex>,
    pub(crate) tracked: Decoder<Autodiff<Flex>>,
    pub(crate) temperature: f64,
    pub(crate) gap: f32,
    pub(crate) contrasts: Vec<Contrast>,
    file: Vec<u8>,
}

impl Case {
    fn load(name: &'static str) -> Self {
        Self::with_file(name, "safetensors")
    }

    /// The same contrasts with what `guards.py` computed of them.
    pub(crate) fn guards(name: &'static str) -> Self {
        Self::with_file(name, "guards.safetensors")
    }

    /// The same contrasts with what `edges.py` computed of them.
    pub(crate) fn edges(name: &'static str) -> Self {
        Self::with_file(name, "edges.safetensors")
    }

    fn with_file(name: &'static str, ending: &str) -> Self {
        let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let folder = fixtures.join("golden").join(name);
        let config = ModelConfig::from_folder(&folder).unwrap();
        let checkpoint = Checkpoint::open(&folder).unwrap();
        let model =
            Decoder::load(&checkpoint, config, Precision::F32, &Default::default()).unwrap();
        let own = |ending: &str| {
            std::fs::read(fixtures.join("attrib").join(format!("{name}.{ending}"))).unwrap()
        };
        let written: Written = serde_json::from_slice(&own("json")).unwrap();
        let contrast = |c: WrittenContrast| Contrast { a: cases(c.a), b: cases(c.b) };
        Self {
            name,
            tracked: model.differentiable(),
            model,
            temperature: written.temperature,
            gap: written.gap.abs(),
            contrasts: written.contrasts.into_iter().map(contrast).collect(),
            file: own(ending),
        }
    }

    fn expected(&self, what: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.file).unwrap();
        let view = tensors.tensor(what).unwrap();
        assert_eq!(view.dtype(), Dtype::F32, "{what}");
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    /// The neutral texts of `guards.py`.
    pub(crate) fn neutral(&self) -> Vec<Sequence> {
        let tensors = SafeTensors::deserialize(&self.file).unwrap();
        let text = |i: usize| {
            let view = tensors.tensor(&format!("neutral/{i}")).unwrap();
            assert_eq!(view.dtype(), Dtype::I32);
            let tokens = view.data().chunks_exact(4);
            let tokens = tokens.map(|b| u32::from_le_bytes(b.try_into().unwrap()));
            let tokens: Vec<u32> = tokens.collect();
            let roles = vec![TokenRole::Prompt; tokens.len()];
            Sequence::chain(tokens, roles).unwrap()
        };
        (0..self.below("neutral/").len()).map(text).collect()
    }

    /// Names of all tensors under a prefix, without it.
    fn below(&self, prefix: &str) -> Vec<String> {
        let tensors = SafeTensors::deserialize(&self.file).unwrap();
        let names =
            tensors.names().into_iter().filter_map(|n| n.strip_prefix(prefix).map(String::from));
        names.collect()
    }

    pub(crate) fn mask(&self, what: &str) -> Mask {
        let tensors = SafeTensors::deserialize(&self.file).unwrap();
        let mut mask = Mask::default();
        for (path, _, projection) in self.model.dims().projections() {
            let packed = tensors.tensor(&format!("{what}/{path}")).unwrap();
            let mut bits = BitMatrix::new(self.model.dims().shape(projection)).unwrap();
            let chosen = (0..bits.len()).filter(|i| packed.data()[i / 8] >> (i % 8) & 1 == 1);
            chosen.collect::<Vec<_>>().into_iter().for_each(|i| bits.insert(i).unwrap());
            mask.insert(path, bits).unwrap();
        }
        mask
    }

    #[track_caller]
    pub(crate) fn close(&self, what: &str, found: &[f32], tolerance: f32) {
        self.close_in(what, found, 0.0, tolerance);
    }

    #[track_caller]
    fn close_in(&self, what: &str, found: &[f32], unit: f32, tolerance: f32) {
        let expected = self.expected(what);
        assert_eq!(found.len(), expected.len(), "{} {what}", self.name);
        let scale = expected.iter().fold(unit, |a, b| a.max(b.abs()));
        let worst =
            found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale;
        println!("{} {what}: off by {worst:.1e} of {scale:.1e}", self.name);
        assert!(worst <= tolerance, "{} {what}: off by {worst} of {scale}", self.name);
    }

    /// Holds the scores of matrices on record against them.
    pub(crate) fn close_matrices(&self, method: &str, found: &[ParamScores], tolerance: f32) {
        let prefix = format!("{method}/");
        let recorded = self.below(&prefix);
        assert!(recorded.len() >= 6, "{} {method}", self.name);
        for name in recorded {
            let own = found.iter().find(|s| s.path().as_str() == name).unwrap();
            self.close(&format!("{prefix}{name}"), own.values(), tolerance);
        }
    }

    pub(crate) fn run<M: Attribution<Flex, Decoder<Flex>>>(&self, method: &M) -> M::Found {
        method.attribute(&self.model, &self.contrasts[0]).unwrap()
    }

    pub(crate) fn run_tracked<M: Attribution<Autodiff<Flex>, Decoder<Autodiff<Flex>>>>(
        &self,
        method: &M,
    ) -> M::Found {
        method.attribute(&self.tracked, &self.contrasts[0]).unwrap()
    }
}

fn values(found: &UnitScores) -> Vec<f32> {
    found.scores.iter().map(|(_, score)| *score).collect()
}

fn of_places(found: &ComponentScores) -> Vec<f32> {
    found.scores.iter().map(|(_, score)| *score).collect()
}

fn whole() -> Vec<Component> {
    WHOLE.iter().map(|site| site.parse::<Site>().unwrap().into()).collect()
}

/// The first neurons of both layers.
fn few() -> Vec<Unit> {
    (0..2).flat_map(|layer| (0..8).map(move |i| Unit::Neuron(NeuronId::new(layer, i)))).collect()
}

#[test]
fn importances_and_their_set_differences_equal_hooks_and_autograd() {
    for case in CASES.map(Case::load) {
        let (wanda, snip) = (case.run(&Wanda), case.run_tracked(&Snip::default()));
        let scores = case.model.dims().projections().map(|(path, ..)| {
            let [a, _] = wanda.scores(&case.model, &path).unwrap();
            a
        });
        case.close_matrices("wanda/a", &scores.collect::<Vec<_>>(), TOLERANCE);
        case.close_matrices("snip/a", snip.a(), TOLERANCE);
        case.close_matrices("snip/b", snip.b(), TOLERANCE);

        let mut masks: BTreeMap<&str, Vec<Mask>> = BTreeMap::new();
        for (i, contrast) in case.contrasts.iter().enumerate() {
            let wanda = Wanda.attribute(&case.model, contrast).unwrap();
            let snip = Snip::default().attribute(&case.tracked, contrast).unwrap();
            let of = |direction| {
                let wanda = wanda.difference(&case.model, 0.15, direction).unwrap();
                [("wanda", wanda), ("snip", snip.difference(0.15, direction).unwrap())]
            };
            for (method, mask) in of(SetDifference::AWithoutB) {
                assert_eq!(
                    mask,
                    case.mask(&format!("{method}/a_without_b/{i}")),
                    "{} {method} {i}",
                    case.name
                );
                masks.entry(method).or_default().push(mask);
            }
            if i == 0 {
                for (method, mask) in of(SetDifference::BWithoutA) {
                    assert_eq!(
                        mask,
                        case.mask(&format!("{method}/b_without_a")),
                        "{} {method}",
                        case.name
                    );
                }
            }
        }
        for (method, masks) in masks {
            let common = Mask::common(&masks).unwrap();
            assert_eq!(common, case.mask(&format!("{method}/common")), "{} {method}", case.name);
            assert!(common.count() > 0);
        }
    }
}

#[test]
fn what_carries_the_gap_equals_autograd_and_hooks() {
    for case in CASES.map(Case::load) {
        let t = case.temperature;
        let gap = case.run_tracked(&SignedGap::default().with_temperature(t).unwrap());
        case.close_matrices("signed_gap", &gap, TOLERANCE);

        let knockout =
            |method: Knockout| of_places(&case.run(&method.with_temperature(t).unwrap()));
        case.close_in(
            "knockout/heads",
            &knockout(Knockout::every(UnitKind::Head)),
            case.gap,
            TOLERANCE,
        );
        case.close_in(
            "knockout/groups",
            &knockout(Knockout::every(UnitKind::KvGroup)),
            case.gap,
            TOLERANCE,
        );
        case.close_in("knockout/neurons", &knockout(Knockout::of(few())), case.gap, TOLERANCE);
        case.close_in("knockout/sites", &knockout(Knockout::of(whole())), case.gap, TOLERANCE);

        let exact =
            |method: ActivationPatching| of_places(&case.run(&method.with_temperature(t).unwrap()));
        case.close_in(
            "activation_patching/heads",
            &exact(ActivationPatching::every(UnitKind::Head)),
            case.gap,
            TOLERANCE,
        );
        case.close_in(
            "activation_patching/neurons",
            &exact(ActivationPatching::of(few())),
            case.gap,
            TOLERANCE,
        );
        case.close_in(
            "activation_patching/sites",
            &exact(ActivationPatching::of(whole())),
            case.gap,
            TOLERANCE,
        );

        let linear = |method: AttributionPatching| {
            of_places(&case.run_tracked(&method.with_temperature(t).unwrap()))
        };
        case.close(
            "attribution_patching/heads",
            &linear(AttributionPatching::every(UnitKind::Head)),
            TOLERANCE,
        );
        case.close(
            "attribution_patching/neurons",
            &linear(AttributionPatching::every(UnitKind::Neuron)),
            TOLERANCE,
        );
        case.close(
            "attribution_patching/sites",
            &linear(AttributionPatching::of(whole())),
            TOLERANCE,
        );

        let signed = SignedActivationDifference::default().with_temperature(t).unwrap();
        case.close("signed_activation_difference", &values(&case.run_tracked(&signed)), TOLERANCE);
    }
}

#[test]
fn activations_equal_hooks() {
    for case in CASES.map(Case::load) {
        case.close("activation_difference", &values(&case.run(&ActivationDifference)), TOLERANCE);
        let found = case.run(&HeadAttention);
        let in_order = found.scores.iter().map(|(unit, _)| unit.clone());
        let heads =
            |layer| (0..case.model.dims().heads).map(move |h| Unit::Head(HeadId::new(layer, h)));
        assert!(in_order.eq((0..2).flat_map(heads)));
        case.close("head_attention", &values(&found), TOLERANCE);
    }
}

#[test]
fn directions_equal_singular_vectors() {
    for case in CASES.map(Case::load) {
        let found = case.run(&ActSvd::new(SHARES[0], SHARES[1]).unwrap());
        for name in case.below("act_svd/") {
            let path: ParamPath = name.parse().unwrap();
            let weight = Weights::weight(&case.model, &path).unwrap();
            let removed = found.removed(&path, weight, SetDifference::AWithoutB).unwrap();
            case.close(
                &format!("act_svd/{name}"),
                &removed.into_data().to_vec::<f32>().unwrap(),
                TOLERANCE,
            );
        }
        for (path, [a, b]) in found.iter() {
            let [out, inner] = Weights::weight(&case.model, path).unwrap().dims();
            let rank = |share: f64| [out, (share * out.min(inner) as f64) as usize];
            assert_eq!([a.shape, b.shape], SHARES.map(rank), "{path}");
            assert!(a.strengths.is_sorted_by(|x, y| x >= y));
        }
    }
}

#[test]
fn magnitudes_are_weights_without_their_sign() {
    let case = Case::load("gpt2_hub");
    for own in case.run(&Magnitude) {
        let weight = Weights::weight(&case.model, own.path()).unwrap();
        assert_eq!(weight.dims(), own.shape());
        let weight: Vec<f32> = weight.into_data().to_vec().unwrap();
        assert!(
            own.values().iter().zip(weight).all(|(score, w)| *score == w.abs()),
            "{}",
            own.path()
        );
    }
}

/// The files of every kind, left in the target folder for `fixtures/interop/scores.py`.
#[test]
fn files_hold_what_was_found() {
    for case in CASES.map(Case::load) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop").join(case.name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = |method: &str| folder.join(format!("{method}.safetensors"));
        let (dims, contrast) = (*case.model.dims(), &case.contrasts[0]);
        let own = Weights::fingerprint(&case.model).unwrap();
        let of = |method: &str| {
            ScoreProvenance::new(method, contrast).for_model(own).with_note("case", case.name)
        };

        let gap =
            case.run_tracked(&SignedGap::default().with_temperature(case.temperature).unwrap());
        save_scores(&file("signed-gap"), &gap, &of("signed-gap")).unwrap();
        assert_eq!(load_scores(&file("signed-gap"), &dims, own).unwrap(), (gap, of("signed-gap")));
        let snip = case.run_tracked(&Snip::default());
        snip.save(&file("snip"), &of("snip")).unwrap();
        assert_eq!(GroupScores::load(&file("snip"), &dims, own).unwrap(), (snip, of("snip")));
        let directions = case.run(&ActSvd::new(SHARES[0], SHARES[1]).unwrap());
        directions.save(&file("act-svd"), &of("act-svd")).unwrap();
        let back = RankDirections::load(&file("act-svd"), &dims, own).unwrap();
        assert_eq!(back, (directions, of("act-svd")));
        let norms = case.run(&Wanda);
        norms.save(&file("wanda"), &of("wanda")).unwrap();
        let (back, from) = GroupNorms::load(&file("wanda"), &dims, own).unwrap();
        let path = ParamPath::of(1, Projection::Down);
        let scores = [&back, &norms].map(|norms| norms.scores(&case.model, &path).unwrap());
        assert!(scores[0] == scores[1] && from == of("wanda"));

        let sites = WHOLE.map(|site| site.parse::<Site>().unwrap());
        let mut stats = StatsCollector::new(sites, ["a", "b"]).with_max();
        for (group, people) in [&contrast.a, &contrast.b].into_iter().enumerate() {
            let prompts: Vec<Sequence> = people.iter().map(|r| r.prompt.clone()).collect();
            stats.next(prompts.iter().map(|_| group)).unwrap();
            case.model.hidden(&TokenBatch::new(&prompts).unwrap(), &mut stats).unwrap();
        }
        let stats = stats.finish().unwrap().with_note("case", case.name);
        stats.save(&file("stats")).unwrap();
        assert_eq!(ChannelStats::load(&file("stats")).unwrap(), stats);
    }
}
