//! The experiments beside the paper's: layer by layer, alternatives to pruning, groups within
//! races.

use std::path::Path;

use crate::small::{fixture, prompts};
use bias_mask::Mask;
use bias_model::{HookedModel as _, LanguageModel};
use bias_probe::Weights;
use bias_study::report::figures;
use bias_study::results::Alternative;
use bias_study::{Experiment, Plan, Results, Scope, Settings, Study, StudyOptions, report, tables};
use bias_types::ParamPath;
use burn::backend::{Autodiff, Flex};

type B = Autodiff<Flex>;

fn run(out: &Path) -> Results {
    let text = std::fs::read_to_string(fixture("emergent/neutral.txt")).unwrap();
    let options = StudyOptions {
        settings: Settings { resamples: 50, ..Settings::default() },
        plan: Plan::Short,
        threads: 2,
        neutral: text.lines().take(10).map(str::to_owned).collect(),
        out: Some(out.into()),
        experiments: vec![Experiment::Layers, Experiment::Alternatives, Experiment::Groups],
        ..StudyOptions::default()
    };
    let model = LanguageModel::load(&fixture("emergent"), &Default::default()).unwrap();
    let prompts = prompts(3, [3, 4]);
    let mut study = Study::<B>::new(model, "embedded", &prompts, options).unwrap();
    let before = weights(study.model().model());
    let results = study.run().unwrap();
    assert!(weights(study.model().model()) == before, "the model is as it was");
    results
}

fn weights(model: &bias_model::Decoder<Flex>) -> Vec<Vec<f32>> {
    let read = |path: ParamPath| {
        Weights::weight(model, &path).unwrap().into_data().iter::<f32>().collect()
    };
    model.dims().projections().map(|(path, ..)| read(path)).collect()
}

#[test]
fn layers_alternatives_and_groups() {
    let folder = tempfile::tempdir().unwrap();
    let results = run(folder.path());
    let reduction = |experiment, method: &str, scope| {
        let own =
            results.strategies.iter().filter(|s| s.experiment == experiment && s.method == method);
        let ids: Vec<&str> = own.map(|s| s.id.as_str()).collect();
        let found = results
            .outcomes
            .iter()
            .filter(|o| o.scope == scope && ids.contains(&o.strategy.as_str()));
        found.map(|o| o.reduction.value).collect::<Vec<f64>>()
    };

    // As many weights of each layer in turn, and no others.
    let layers: Vec<_> =
        results.strategies.iter().filter(|s| s.experiment == Experiment::Layers).collect();
    assert_eq!(layers.len(), 2 * 2 * results.model.dims.layers, "contexts × methods × layers");
    assert!(layers.iter().all(|s| s.weights == layers[0].weights && s.weights > 0));
    for entry in std::fs::read_dir(folder.path().join("masks")).unwrap() {
        let path = entry.unwrap().path();
        let mask = Mask::load(&path, None).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (_, layer) = name.split_once("in_layer_").unwrap();
        let layer: usize = layer.split('_').next().unwrap().parse().unwrap();
        let chosen = mask.iter().filter(|(_, bits)| bits.count() > 0);
        assert!(
            chosen.into_iter().all(|(path, _)| path.projection().unwrap().0 == layer),
            "{name}"
        );
    }
    // The last layer holds what every other layer's weights feed; random weights there do not.
    let gap = reduction(Experiment::Layers, "signed-gap", Scope::HeldOut);
    let random = reduction(Experiment::Layers, "random", Scope::HeldOut);
    let best = gap.iter().copied().fold(f64::NAN, f64::max);
    assert!(best > 0.7 && random.iter().all(|r| *r < 0.4), "{gap:?} {random:?}");

    // What each alternative can do: adding the same to everybody moves everybody alike.
    for (alternative, range) in [
        (Alternative::MeanAblation, 0.5..1.01),
        (Alternative::Projection, 0.5..1.01),
        (Alternative::Steering, -0.1..0.1),
        (Alternative::FineTuning, 0.3..1.01),
        (Alternative::LowRank, 0.3..1.01),
        (Alternative::Adversarial, 0.1..1.01),
    ] {
        let found = reduction(Experiment::Alternatives, alternative.name(), Scope::HeldOut);
        assert_eq!(found.len(), 2, "{}", alternative.name());
        assert!(found.iter().all(|r| range.contains(r)), "{}: {found:?}", alternative.name());
    }

    // Four groups, six pairs; races differ and sexes within a race do not.
    assert_eq!(results.groups.len(), 2);
    for own in &results.groups {
        assert_eq!(own.pairs.len(), 6);
        for pair in &own.pairs {
            let races =
                pair.groups.each_ref().map(|g| g.as_str().split('_').next().unwrap().to_owned());
            assert_eq!(pair.signed.value.abs() > 0.8, races[0] != races[1], "{pair:?}");
        }
        assert!(own.spread > 0.4 && own.spread_p.unwrap() < 0.01, "{own:?}");
    }

    // Everything is shown, and the paper's experiments are not mistaken for having been run.
    let (terminal, page) = (tables(&results), report(&results).unwrap());
    for title in [
        "Is the bias in some layers?",
        "Does anything else than zeroing",
        "Which groups of names differ",
    ] {
        assert!(terminal.contains(title) && page.contains(title), "{title}");
    }
    let names: Vec<String> = figures(&results).unwrap().into_iter().map(|f| f.name).collect();
    for name in ["by-layer", "alternatives", "groups"] {
        assert!(names.iter().any(|own| own == name), "{name}: {names:?}");
    }
    assert!(page.contains("No two masks could be compared."));
}
