//! Affine concept editing: against PyTorch, NumPy and scikit-learn (`fixtures/edit`), in the weights
//! of a model and of its copy on disk, and on the embedded model, beside its placebo.
//!
//! Projectors and logits are within 3e-5 of their largest value (measured: 1.2e-5): both sides run models in f32, and
//! a block's edit is found from activations that the edits before it changed.

use std::path::Path;

use crate::small::{fixture, prompts};
use bias_attrib::methods::standardized_gap;
use bias_attrib::{AttribError, Contrast, PromptCase};
use bias_mask::MaskTarget as _;
use bias_mask::edit::ConceptEdit;
use bias_model::interop::save_changed;
use bias_model::{
    Checkpoint, Decoder, LanguageModel, LoadOptions, ModelConfig, ModelError, Precision,
};
use bias_probe::{HookedModel as _, NoObserver, Sequence, StatsCollector, TokenBatch};
use bias_study::results::Alternative;
use bias_study::treat::{AffineConcept, Placebo, Told, Treatment, weakened};
use bias_study::{Study, StudyError, StudyOptions};
use bias_types::{BlockSite, ParamPath, Projection, Site, TokenRole};
use burn::backend::{Autodiff, Flex};
use safetensors::SafeTensors;
use serde::Deserialize;

const TOLERANCE: f32 = 3e-5;
const CASES: [&str; 2] = ["gqa_sharded", "gpt2_hub"];

#[derive(Deserialize)]
struct Person {
    tokens: Vec<u32>,
    name: Vec<u8>,
}

#[derive(Deserialize)]
struct Written {
    a: Vec<Person>,
    b: Vec<Person>,
    asked: Person,
}

impl Person {
    fn prompt(&self) -> Sequence {
        let role = |name: &u8| if *name == 1 { TokenRole::Name } else { TokenRole::Prompt };
        Sequence::chain(self.tokens.clone(), self.name.iter().map(role).collect()).unwrap()
    }
}

fn load(folder: &Path) -> Decoder<Flex> {
    let (config, checkpoint) =
        (ModelConfig::from_folder(folder).unwrap(), Checkpoint::open(folder).unwrap());
    Decoder::load(&checkpoint, config, Precision::F32, &Default::default()).unwrap()
}

/// The model of a case, the people that were written down for it, and the one who is asked.
fn case(name: &str) -> (Decoder<Flex>, Contrast, Sequence) {
    let text = std::fs::read_to_string(fixture(&format!("edit/{name}.json"))).unwrap();
    let written: Written = serde_json::from_str(&text).unwrap();
    let people = |own: &[Person]| {
        own.iter().map(|own| PromptCase::new(own.prompt(), Vec::new())).collect::<Vec<_>>()
    };
    let contrast = Contrast { a: people(&written.a), b: people(&written.b) };
    (load(&fixture(&format!("golden/{name}"))), contrast, written.asked.prompt())
}

fn logits(model: &Decoder<Flex>, prompt: &Sequence) -> Vec<f32> {
    let batch = TokenBatch::new(std::slice::from_ref(prompt)).unwrap();
    model.logits(&batch, &mut NoObserver).unwrap().into_data().to_vec().unwrap()
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0f32, |max, x| max.max(x.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max) / largest
}

/// P as a matrix, and P·c.
fn parts(edit: &ConceptEdit) -> (Vec<f32>, Vec<f32>) {
    let d = edit.channels();
    let mut projector = vec![0f32; d * d];
    for j in 0..d {
        let unit: Vec<f64> = (0..d).map(|i| f64::from(u8::from(i == j))).collect();
        edit.project(&unit).iter().enumerate().for_each(|(i, x)| projector[i * d + j] = *x as f32);
    }
    let held = (0..d).map(|i| {
        let along = edit.directions().iter().zip(edit.levels());
        along.map(|(direction, level)| direction[i] * level).sum::<f64>() as f32
    });
    (projector, held.collect())
}

#[test]
fn directions_and_logits_are_those_of_pytorch() {
    let settings = [
        ("whitened", AffineConcept::default()),
        ("plain", AffineConcept { whitened: false, ..AffineConcept::default() }),
        ("once", AffineConcept { told: Told::Last, whitened: true, in_order: false }),
    ];
    for name in CASES {
        let bytes = std::fs::read(fixture(&format!("edit/{name}.safetensors"))).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let expected = |key: &str| -> Vec<f32> {
            let data = file.tensor(key).unwrap().data();
            data.chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect()
        };
        let (model, contrast, asked) = case(name);
        assert!(far(&logits(&model, &asked), &expected("logits")) < TOLERANCE);
        for (setting, affine) in &settings {
            let edits = affine.find(&model, &contrast).unwrap();
            let sites = file.names().into_iter().filter(|key| {
                key.starts_with(&format!("{setting}/")) && key.ends_with("/projector")
            });
            assert_eq!(sites.count(), edits.len(), "{name}, {setting}");
            for (site, edit) in &edits {
                let (projector, held) = parts(edit);
                let off = [(projector, "projector"), (held, "held")]
                    .map(|(own, what)| far(&own, &expected(&format!("{setting}/{site}/{what}"))));
                println!("{name}, {setting}, {site}: {off:?}");
                assert!(
                    off.iter().all(|off| *off < TOLERANCE),
                    "{name}, {setting}, {site}: {off:?}"
                );
            }
            for strength in ["1.0", "0.7"] {
                let mut edited = model.clone();
                let count =
                    affine.apply(&mut edited, &contrast, strength.parse().unwrap()).unwrap();
                assert_eq!(count, edits.len());
                let off = far(
                    &logits(&edited, &asked),
                    &expected(&format!("{setting}/logits/{strength}")),
                );
                println!("{name}, {setting}, strength {strength}: logits {off:e}");
                assert!(off < TOLERANCE, "{name}, {setting}, {strength}: {off}");
            }
        }
    }
}

/// The difference of the groups' means of what a site gives, over their size, at names' tokens.
fn apart(model: &Decoder<Flex>, contrast: &Contrast, sites: &[Site]) -> f64 {
    let mut stats = StatsCollector::new(sites.to_vec(), ["a", "b"]);
    for (group, people) in [&contrast.a, &contrast.b].into_iter().enumerate() {
        for own in people {
            // Everybody counts as one, however long the name.
            let names = own.prompt.roles().iter().filter(|r| **r == TokenRole::Name).count();
            let weights = vec![1.0 / names as f32; own.prompt.len()];
            let batch = TokenBatch::new(&[own.prompt.clone().with_weights(weights).unwrap()]);
            stats.all(group).unwrap();
            model.hidden(&batch.unwrap(), &mut stats).unwrap();
        }
    }
    let found = stats.finish().unwrap();
    let of = |site: &Site| {
        let mean = |group| found.of_roles(*site, group, &[TokenRole::Name]).unwrap().mean();
        let (a, b) = (mean(0), mean(1));
        let size = a.iter().chain(&b).fold(0f64, |max, x| max.max(x.abs()));
        a.iter().zip(&b).fold(0f64, |max, (a, b)| max.max((a - b).abs())) / size
    };
    sites.iter().map(of).fold(0.0, f64::max)
}

/// In the edited model, all that reads gives the same mean for both groups, in every block; and half
/// of it at half strength in the first.
#[test]
fn in_the_edited_model_the_groups_means_are_equal() {
    for name in CASES {
        let (model, contrast, _) = case(name);
        let outputs = |layer| {
            let own = model.dims().block_projections();
            let own = own.filter(|own| !matches!(own, Projection::O | Projection::Down));
            own.map(move |own| own.output_site(layer)).collect::<Vec<_>>()
        };
        let all: Vec<Site> = (0..model.dims().layers).flat_map(outputs).collect();
        let before = apart(&model, &contrast, &all);
        let mut edited = model.clone();
        AffineConcept::default().apply(&mut edited, &contrast, 1.0).unwrap();
        let after = apart(&edited, &contrast, &all);
        println!("{name}: {before:.3} before, {after:.1e} after");
        assert!(before > 0.05 && after < 1e-4, "{name}: {before} and {after}");

        let first = [Site::Block(0, BlockSite::Value)];
        let mut half = model.clone();
        AffineConcept::default().apply(&mut half, &contrast, 0.5).unwrap();
        let share = apart(&half, &contrast, &first) / apart(&model, &contrast, &first);
        assert!((0.3..0.8).contains(&share), "{name}: {share}");
    }
}

/// A weaker edit is the whole one, weakened.
#[test]
fn a_weakened_model_is_the_one_edited_less() {
    for name in CASES {
        let (model, contrast, asked) = case(name);
        let edited = |strength| {
            let mut edited = model.clone();
            AffineConcept::default().apply(&mut edited, &contrast, strength).unwrap();
            edited
        };
        let whole = edited(1.0);
        let less = weakened(&model, &whole, 0.3).unwrap();
        assert!(far(&logits(&less, &asked), &logits(&edited(0.3), &asked)) < 1e-5, "{name}");
        assert_eq!(logits(&weakened(&model, &whole, 0.0).unwrap(), &asked), logits(&model, &asked));
        assert_eq!(logits(&edited(0.0), &asked), logits(&model, &asked));
        assert_eq!(logits(&weakened(&model, &whole, 1.0).unwrap(), &asked), logits(&whole, &asked));
        assert!(weakened(&model, &whole, 1.5).is_err());
    }
}

/// Biases that the architecture can store are exported, with zeros for those beside them; others are
/// refused.
#[test]
fn an_edited_model_is_exported_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in CASES {
        let (mut model, contrast, asked) = case(name);
        AffineConcept::default().apply(&mut model, &contrast, 1.0).unwrap();
        let target = folder.path().join(name);
        let source = fixture(&format!("golden/{name}"));
        save_changed(&model, &source, &LoadOptions::default(), &target).unwrap();
        let back = load(&target);
        assert_eq!(logits(&back, &asked), logits(&model, &asked), "{name}");
        let o = back.bias(&ParamPath::of(0, Projection::O)).unwrap();
        assert!(o.is_some(), "attention_bias is of all four");
        let beside = |folder: &Path| folder.join("tokenizer.json").exists();
        assert_eq!(beside(&target), beside(&source), "{name}");
        assert!(!target.join("model.safetensors.index.json").exists(), "{name}");
    }
    // Qwen 2 has no biases in its MLP.
    let mut model = load(&fixture("golden/qwen2_tied"));
    let (_, contrast, _) = case("gqa_sharded");
    AffineConcept::default().apply(&mut model, &contrast, 1.0).unwrap();
    let source = fixture("golden/qwen2_tied");
    let target = folder.path().join("qwen");
    let refused = save_changed(&model, &source, &LoadOptions::default(), &target).unwrap_err();
    assert!(matches!(refused, ModelError::ExtraBias { .. }), "{refused}");
    assert!(refused.to_string().contains("mlp.") && !target.exists(), "{refused}");
}

#[test]
fn what_cannot_be_edited_is_said() {
    let (mut model, contrast, _) = case("gqa_sharded");
    let same = Contrast { a: contrast.a.clone(), b: contrast.a.clone() };
    let refused = AffineConcept::default().apply(&mut model, &same, 1.0).unwrap_err();
    assert!(matches!(refused, StudyError::Attrib(AttribError::NoSpread)), "{refused}");
    let nobody = Contrast { a: Vec::new(), b: contrast.b.clone() };
    assert!(AffineConcept::default().find(&model, &nobody).is_err());
    let nameless = Sequence::chain(vec![1, 2], vec![TokenRole::Prompt; 2]).unwrap();
    let nameless = vec![PromptCase::new(nameless, Vec::new())];
    let nameless = Contrast { a: nameless.clone(), b: nameless };
    let refused = AffineConcept::default().find(&model, &nameless).unwrap_err();
    assert!(refused.to_string().contains("name"), "{refused}");
    let mut mixture = load(&fixture("golden/mixtral_top2"));
    let refused = AffineConcept::default().apply(&mut mixture, &contrast, 1.0).unwrap_err();
    assert!(refused.to_string().contains("router"), "{refused}");
}

/// On the embedded model the edit removes most of the bias; its placebo, with the same names dealt
/// to the groups anew, does not.
#[test]
fn the_edit_removes_the_bias_and_its_placebo_does_not() {
    let prompts = prompts(2, [4, 2]);
    let model = LanguageModel::load(&fixture("emergent"), &Default::default()).unwrap();
    let options = StudyOptions { threads: 2, ..StudyOptions::default() };
    let mut study = Study::<Autodiff<Flex>>::new(model, "embedded", &prompts, options).unwrap();
    let contrasts = study.contrasts(0).unwrap();
    let gap = |contrasts: &[Contrast]| {
        let gaps = contrasts.iter().map(|own| standardized_gap(own).unwrap().abs());
        gaps.sum::<f64>() / contrasts.len() as f64
    };
    let before = gap(&contrasts);
    let mut after = |treatment: Treatment| {
        let treated = study.treat(Alternative::AffineConcept, &contrasts, &treatment).unwrap();
        assert_eq!(treated.weights > 0, treatment.strength > 0.0);
        let own = std::mem::replace(study.model_mut().model_mut(), treated.model);
        let found = gap(&study.contrasts(0).unwrap());
        *study.model_mut().model_mut() = own;
        found / before
    };
    let whole = after(Treatment::default());
    let half = after(Treatment { strength: 0.5, ..Treatment::default() });
    let none = after(Treatment { strength: 0.0, ..Treatment::default() });
    let placebo =
        after(Treatment { placebo: Some(Placebo::ShuffledGroups), ..Treatment::default() });
    println!("{before:.2} before; left: {whole:.2} whole, {half:.2} half, {placebo:.2} placebo");
    assert!(whole < 0.3 && whole < half && half < 1.0 && placebo > 0.6);
    assert!((none - 1.0).abs() < 1e-9, "{none}");
    let random = Treatment { placebo: Some(Placebo::Random), ..Treatment::default() };
    let refused = study.treat(Alternative::AffineConcept, &contrasts, &random).unwrap_err();
    assert!(refused.to_string().contains("shuffle"), "{refused}");
    let beyond = Treatment { strength: 1.5, ..Treatment::default() };
    assert!(study.treat(Alternative::AffineConcept, &contrasts, &beyond).is_err());
}
