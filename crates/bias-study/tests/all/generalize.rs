//! The generalization protocol: what it finds where the truth is known, what it says where there is
//! nothing to find, and that a run which was stopped ends the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bias_frameworks::{Framework, read};
use bias_model::LanguageModel;
use bias_study::find::Truth;
use bias_study::generalize::Protocol;
use bias_study::report::{
    generalization_chart, generalization_details, generalization_markdown, generalization_tables,
    spliced,
};
use bias_study::results::{
    Approach, Attribute, ClaimKind, Control, Format, Generalization, Seen, Split, Target, Verdict,
};
use bias_study::run::Shard;
use bias_study::store::merge;
use bias_study::{PromptSet, Settings, Study, StudyError, StudyOptions};
use burn::backend::{Autodiff, Flex};

use crate::small::fixture;

type B = Autodiff<Flex>;

const CONTEXTS: [&str; 3] = ["commercial", "financial", "hiring"];

/// A few questions of a planted model: so many contexts, one variation seen and one held out.
fn few(
    folder: &str,
    contexts: &[&str],
    [seen, tested]: [usize; 2],
    attribute: &str,
    groups: [&str; 2],
) -> PromptSet {
    let path = fixture(folder).join("prompts.csv");
    let attribute: Attribute = attribute.parse().unwrap();
    let mut set = PromptSet::from_csv(&path, &attribute, groups).unwrap();
    set.contexts.retain(|own| contexts.contains(&own.context.as_str()));
    for context in &mut set.contexts {
        let (own, held_out): (Vec<_>, Vec<_>) =
            context.variations.drain(..).partition(|v| v.split == Split::Attribution);
        context.variations = own.into_iter().take(1).chain(held_out.into_iter().take(1)).collect();
    }
    set.thin(seen, tested);
    set
}

fn protocol(prompts: &PromptSet, approaches: &[&str], homes: &[&str]) -> Protocol {
    Protocol {
        approaches: approaches.iter().map(|own| own.parse().unwrap()).collect(),
        homes: homes.iter().map(|own| own.parse().unwrap()).collect(),
        limits: vec![0.05],
        probes: 3,
        formats: Vec::new(),
        rival: "projection".parse().unwrap(),
        ..Protocol::new(prompts)
    }
}

fn options(folder: &str, out: Option<&Path>, shard: Option<Shard>) -> StudyOptions {
    let neutral = fs::read_to_string(fixture(folder).join("neutral.txt")).unwrap();
    StudyOptions {
        settings: Settings { resamples: 60, ..Settings::default() },
        threads: 2,
        neutral: neutral.lines().take(12).map(str::to_owned).collect(),
        out: out.map(Into::into),
        shard,
        ..StudyOptions::default()
    }
}

fn study<'p>(folder: &str, prompts: &'p PromptSet, options: StudyOptions) -> Study<'p, B> {
    let model = LanguageModel::load(&fixture(folder), &Default::default()).unwrap();
    Study::new(model, folder, prompts, options).unwrap()
}

fn of<'g>(found: &'g Generalization, approach: &str, seen: &Seen) -> &'g str {
    let approach: Approach = approach.parse().unwrap();
    let own = found
        .changes
        .iter()
        .find(|own| own.approach == approach && own.seen == *seen && own.control == Control::Own);
    &own.unwrap().id
}

/// Where the truth is known: what all contexts share carries from one to the others, and what each
/// has for itself does not.
#[test]
fn what_was_planted_generalises_as_it_was_planted() {
    let home = Seen::Home("commercial".parse().unwrap());
    let mut gone = Vec::new();
    for folder in ["planted/shared-0", "planted/shared-40", "planted/shared-100"] {
        let asked = few(folder, &CONTEXTS, [2, 4], "race=before:_", ["white", "black"]);
        let truth = Truth::load(&fixture(folder).join("truth.json")).unwrap();
        let protocol = Protocol {
            truth: Some(truth),
            // What is planted is what it is, whatever it costs.
            limits: vec![10.0],
            most: 0.05,
            ..protocol(&asked, &["planted"], &["commercial"])
        };
        let prompts = protocol.prompts(&asked).unwrap();
        let found =
            study(folder, &prompts, options(folder, None, None)).generalize(&protocol).unwrap();
        assert!(found.power.iter().all(|own| own.measurable), "{folder}: {:#?}", found.power);
        let own = of(&found, "planted", &home);
        let at_home = found.outcome(own, &Target::Home("commercial".parse().unwrap())).unwrap();
        let at_home = at_home.reduction.value;
        assert!((at_home - 1.0).abs() < 0.2, "{folder}: {at_home} at home");
        let others = found.over_others(own).unwrap();
        assert_eq!(others.contexts.len(), 2);
        let [low, high] = others.over_contexts.unwrap();
        assert!(low <= others.reduction.value && others.reduction.value <= high);
        let random = found.changes.iter().find(|own| own.control == Control::Random).unwrap();
        let by_chance = found.over_others(&random.id).unwrap().reduction.value;
        assert!(by_chance.abs() < 0.2, "{folder}: {by_chance} by chance");
        gone.push(others.reduction.value);
    }
    let [none, some, all] = gone[..] else { panic!("{gone:?}") };
    assert!(none.abs() < 0.15, "{gone:?}");
    assert!((0.2..0.65).contains(&some), "{gone:?}");
    assert!((all - 1.0).abs() < 0.15, "{gone:?}");
}

/// Where every context has a bias of its own, a mask from elsewhere does nothing. A gate finds the
/// context's own mask, and a context without one gets none that helps.
#[test]
fn a_gate_finds_the_mask_that_fits() {
    let folder = "planted/shared-0";
    let asked = few(folder, &CONTEXTS, [2, 4], "race=before:_", ["white", "black"]);
    let protocol = Protocol {
        truth: Some(Truth::load(&fixture(folder).join("truth.json")).unwrap()),
        limits: vec![10.0],
        most: 0.05,
        ..protocol(&asked, &["planted"], &CONTEXTS)
    };
    let prompts = protocol.prompts(&asked).unwrap();
    let mut study = study(folder, &prompts, options(folder, None, None));
    let found = study.generalize(&protocol).unwrap();
    assert_eq!(found.gated.len(), 6);
    for own in &found.gated {
        let context = own.context.clone();
        let gone = own.carried.reduction.value;
        if own.known {
            assert_eq!(own.chosen, [(context.clone(), 1.0)]);
            let alone = of(&found, "planted", &Seen::Home(context.clone()));
            let alone = found.outcome(alone, &Target::Home(context)).unwrap();
            assert_eq!(
                (gone, alone.inlier.value),
                (alone.reduction.value, own.carried.inlier.value)
            );
            assert!((gone - 1.0).abs() < 0.2, "{gone}");
        } else {
            assert!(own.chosen.iter().all(|(home, _)| *home != context), "{own:?}");
            assert!(gone.abs() < 0.15, "{gone}");
        }
    }
    let gate = study.gate(&protocol).unwrap().unwrap();
    assert_eq!(gate.contexts().len(), 3);
    assert!(generalization_markdown(&found, 2).contains("## Behind a gate"));
}

/// Every file's content by its path.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path).into_iter().map(|(own, bytes)| (path.join(own), bytes)));
        } else if !path.ends_with(".lock") {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(folder).unwrap().into(), bytes))
        .collect()
}

/// A tiny plan of the embedded model with everything in it: a mask, an edit, their placebos, random
/// weights, another format, a benchmark and tasks.
#[test]
fn a_run_that_was_stopped_ends_the_same_and_says_everything() {
    let folder = "emergent";
    let asked = few(folder, &CONTEXTS, [2, 4], "race=before:_", ["white", "black"]);
    let protocol = Protocol {
        formats: vec![Format::Preamble],
        probes: 2,
        ..protocol(&asked, &["signed-gap", "projection"], &["financial"])
    };
    let prompts = protocol.prompts(&asked).unwrap();
    assert_eq!(prompts.contexts.len(), 4);
    let own =
        |framework, name: &str| read(framework, &[&fixture("frameworks").join(name)]).unwrap();
    let also =
        vec![own(Framework::Crows, "crows.csv"), own(Framework::Tasks, "tasks_embedded.jsonl")];
    let run = |out: &Path, shard| {
        let options = StudyOptions { also: also.clone(), ..options(folder, Some(out), shard) };
        let mut study = study(folder, &prompts, options);
        if shard.is_some() {
            study.generalize_work(&protocol).unwrap();
            let error = study.generalize(&protocol).unwrap_err();
            assert!(matches!(error, StudyError::OnlyAPart { .. }), "{error}");
            return None;
        }
        let found = study.generalize(&protocol).unwrap();
        found.save(&out.join("generalize.json")).unwrap();
        Some(found)
    };
    let top = tempfile::tempdir().unwrap();
    let whole = top.path().join("whole");
    let found = run(&whole, None).unwrap();
    let expected = content(&whole);

    // In parts, put together, some of it lost.
    let parts: Vec<PathBuf> = (0..2).map(|i| top.path().join(format!("part-{i}"))).collect();
    for (i, part) in parts.iter().enumerate() {
        run(part, Shard::new(i, 2));
    }
    let merged = top.path().join("merged");
    merge(&parts, &merged).unwrap();
    let lost = content(&merged).into_keys().filter(|own| own.starts_with("pieces"));
    for (i, path) in lost.enumerate() {
        if i % 3 == 0 {
            fs::remove_file(merged.join(path)).unwrap();
        }
    }
    run(&merged, None);
    // What was only looked at on the way to a strength that is known is not looked at again.
    let again = content(&merged);
    let path = Path::new("generalize.json");
    assert!(again[path] == expected[path], "the same to the last byte");
    for (path, bytes) in &again {
        assert!(expected.get(path) == Some(bytes), "{}", path.display());
    }
    assert!(again.len() > expected.len() / 2, "{} of {}", again.len(), expected.len());
    assert_eq!(Generalization::load(&whole.join("generalize.json")).unwrap(), found);

    // What was promised is kept: damage within the limit, controls beside each change.
    let seen = Seen::Home("financial".parse().unwrap());
    for control in [Control::Own, Control::Shuffled, Control::Random] {
        let own = found.changes.iter().filter(|own| own.control == control && own.seen == seen);
        let own: Vec<_> = own.collect();
        assert!(!own.is_empty(), "{control:?}: {:#?}", found.absent);
        if control != Control::Random {
            assert!(own.iter().all(|own| own.log_loss.unwrap() <= 0.05), "{own:#?}");
        }
    }
    let mask = found.change(of(&found, "signed-gap", &seen)).unwrap();
    assert!(mask.share <= 0.01 && mask.weights as f64 == mask.strength, "{mask:#?}");
    let put = Target::Format("financial".parse().unwrap(), Format::Preamble);
    assert!(found.outcome(&mask.id, &put).is_some());
    assert!(found.also.iter().any(|own| own.framework == Framework::Crows));
    assert_eq!(found.claims.len(), 4);
    assert!(found.rows.iter().any(|own| own.claim == ClaimKind::Rival && own.p.is_some()));

    // Pages say it, and nothing in them is no number.
    let (short, long) = (generalization_markdown(&found, 3), generalization_details(&found, 3));
    let parts = ["What could be found", "At matched damage", "surnames give the group away", "(d)"];
    let said = generalization_tables(&found);
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
        assert!(short.contains(part) || long.contains(part), "{part}: {short}\n{long}");
    }
    assert!(short.contains(parts[1]) && !short.contains(parts[0]), "{short}");
    assert!(long.contains(parts[0]) && !long.contains(parts[1]), "{long}");
    let said = said + &short + &long;
    let chart = generalization_chart(&found).unwrap();
    assert!(!said.contains("NaN") && !chart.contains("NaN"));
    assert!(chart.contains("signed-gap, elsewhere"), "{chart}");
    let page = spliced("<!-- a:begin --><!-- a:end -->", "a", &said).unwrap();
    assert!(page.contains("What could be found"));
}

/// Where there is nothing to find, rows say why.
#[test]
fn nothing_to_find_is_said() {
    let folder = "planted/shared-40";
    let asked = few(folder, &CONTEXTS, [2, 4], "race=before:_", ["white", "black"]);
    let own = |asked: &PromptSet, approaches: &[&str]| {
        let protocol =
            Protocol { limits: vec![1e-9], ..protocol(asked, approaches, &["commercial"]) };
        let prompts = protocol.prompts(asked).unwrap();
        let mut study = study(folder, &prompts, options(folder, None, None));
        study.generalize(&protocol)
    };
    // Nothing was planted between men and women.
    let fair = few(folder, &CONTEXTS, [2, 4], "gender=after:_", ["men", "women"]);
    let found = own(&fair, &["signed-gap"]).unwrap();
    assert!(found.changes.is_empty());
    let home = found.absent.iter().find(|own| matches!(own.seen, Seen::Home(_))).unwrap();
    assert!(home.reason.contains("no gap to work on"), "{home:?}");
    assert!(found.claims.iter().all(|own| own.verdict == Verdict::NotEnoughData));
    assert!(generalization_tables(&found).contains("no gap to work on"));
    // A limit that no step keeps; a unit that is larger than the largest mask; experts of a model
    // that has none.
    let found = own(&asked, &["signed-gap@layer", "knockout@expert"]).unwrap();
    let reason = |approach: &str| {
        let approach: Approach = approach.parse().unwrap();
        let own = found.absent.iter().find(|own| own.approach == approach);
        own.map(|own| own.reason.clone()).unwrap_or_default()
    };
    assert!(reason("signed-gap@layer").contains("smallest unit"), "{:#?}", found.absent);
    assert!(reason("knockout@expert").contains("experts"), "{:#?}", found.absent);
    let json = serde_json::to_string(&found).unwrap();
    assert!(!json.contains("NaN"));

    // Protocols that cannot be run.
    let refused = |change: &dyn Fn(&mut Protocol)| {
        let mut protocol = protocol(&asked, &["signed-gap"], &["commercial"]);
        change(&mut protocol);
        protocol.prompts(&asked).unwrap_err().to_string()
    };
    for (said, part) in [
        (refused(&|own| own.homes = vec!["school".parse().unwrap()]), "no context `school`"),
        (refused(&|own| own.homes.clear()), "needs a home"),
        (refused(&|own| own.limits = vec![0.0]), "above 0 nats"),
        (refused(&|own| own.most = 0.0), "no share"),
        (refused(&|own| own.approaches = vec![Approach::Planted]), "truth.json"),
        (
            refused(&|own| own.approaches = vec!["fine-tuning".parse().unwrap()]),
            "outside the matrices",
        ),
    ] {
        assert!(said.contains(part), "{said}");
    }
    let error = own(&asked, &["guess"]).unwrap_err().to_string();
    assert!(error.contains("no method `guess`") && error.contains("signed-gap@neuron"), "{error}");
    let protocol = protocol(&asked, &["signed-gap"], &["commercial"]);
    let prompts = protocol.prompts(&asked).unwrap();
    let without = StudyOptions { neutral: Vec::new(), ..options(folder, None, None) };
    let error = study(folder, &prompts, without).generalize(&protocol).unwrap_err().to_string();
    assert!(error.contains("--neutral"), "{error}");
    // The same sentence before every question is no context of its own.
    let named = protocol.prompts(
        &Protocol { formats: vec![Format::Preamble], ..protocol.clone() }.prompts(&asked).unwrap(),
    );
    assert!(named.unwrap_err().to_string().contains("rename it"));
}
