//! Invalid input, scores and files are refused with the matching error.

use std::path::{Path, PathBuf};

use bias_attrib::contrast::Gapless;
use bias_attrib::io::{ScoreProvenance, load_scores, save_scores};
use bias_attrib::methods::{
    ActSvd, ActivationDifference, ActivationPatching, AttributionPatching, GroupNorms, Knockout,
    Magnitude, SignedActivationDifference, Snip,
};
use bias_attrib::scores::{Component, GroupScores, RankDirections};
use bias_attrib::{
    AttribError, Attribution as _, Contrast, Convention, GapPursuit, ParamScores, PossibleAnswer,
    PromptCase, SetDifference, SignedGap, Wanda,
};
use bias_model::{Checkpoint, Decoder, HookedModel as _, MaskTarget, ModelConfig, Precision};
use bias_probe::{ProbeError, Sequence, Weights};
use bias_types::{
    BlockSite, ModelDims, ParamPath, Projection, Site, TokenRole, TypesError, Unit, UnitKind,
};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

fn model(case: &str) -> Decoder<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case);
    let config = ModelConfig::from_folder(&folder).unwrap();
    Decoder::load(&Checkpoint::open(&folder).unwrap(), config, Precision::F32, &Default::default())
        .unwrap()
}

fn case(name: &[u32], value: f64) -> PromptCase {
    let parts =
        [(&[1, 5][..], TokenRole::Prompt), (name, TokenRole::Name), (&[30, 8], TokenRole::Prompt)];
    let tokens = parts.iter().flat_map(|(tokens, _)| tokens.iter().copied()).collect();
    let roles = parts.iter().flat_map(|(tokens, role)| tokens.iter().map(|_| *role)).collect();
    let answer = |token, value, weight| PossibleAnswer {
        tokens: vec![token, 2],
        finished: true,
        value: Some(value),
        weight,
        ..PossibleAnswer::default()
    };
    PromptCase::new(
        Sequence::chain(tokens, roles).unwrap(),
        vec![answer(7, value, 0.5), answer(9, 3.0 * value, 0.25)],
    )
}

fn contrast() -> Contrast {
    Contrast {
        a: vec![case(&[20], 10.0), case(&[21, 22], 12.0)],
        b: vec![case(&[23, 24], 8.0), case(&[25], 9.0)],
    }
}

fn changed(change: impl Fn(&mut Contrast)) -> Contrast {
    let mut contrast = contrast();
    change(&mut contrast);
    contrast
}

#[test]
fn contrasts_that_mean_nothing() {
    let model = model("gqa_sharded");
    let tracked = model.differentiable::<Autodiff<Flex>>();
    let empty = changed(|c| c.a.clear());
    assert!(matches!(
        Snip::default().attribute(&tracked, &empty),
        Err(AttribError::EmptyArm { arm: 'A' })
    ));
    assert!(matches!(
        ActivationDifference.attribute(&model, &empty),
        Err(AttribError::EmptyArm { .. })
    ));

    let uneven = changed(|c| drop(c.b.pop()));
    let unpaired = ActivationDifference.attribute(&model, &uneven);
    assert!(matches!(unpaired, Err(AttribError::Unpaired { a: 2, b: 1 })));
    let patching = AttributionPatching::every(UnitKind::Head);
    assert!(matches!(patching.attribute(&tracked, &uneven), Err(AttribError::Unpaired { .. })));
    assert!(Knockout::every(UnitKind::Head).attribute(&model, &uneven).is_ok());

    // A prompt without a name has no counterpart for the other's.
    let nameless = changed(|c| {
        c.b[1].prompt = Sequence::chain(vec![1, 5], vec![TokenRole::Prompt; 2]).unwrap()
    });
    assert!(matches!(
        patching.attribute(&tracked, &nameless),
        Err(AttribError::Unaligned { index: 1 })
    ));
    let different = ActivationDifference.attribute(&model, &nameless);
    assert!(matches!(different, Err(AttribError::Unaligned { index: 1 })));

    for bad in [
        changed(|c| c.b[1].answers[0].value = Some(f64::NAN)),
        changed(|c| c.b[1].answers[0].weight = f64::INFINITY),
        changed(|c| c.b[1].answers[0].weight = -0.1),
        changed(|c| c.b[1].answers[0].tokens.clear()),
    ] {
        let refused = SignedGap::default().attribute(&tracked, &bad);
        assert!(matches!(refused, Err(AttribError::BadAnswer { arm: 'B', index: 1 })));
    }
    let unanswered = changed(|c| c.a[1].answers.clear());
    let refused = Snip::default().attribute(&tracked, &unanswered);
    assert!(matches!(refused, Err(AttribError::NoAnswer { arm: 'A', index: 1 })));
    let valueless = changed(|c| c.a[1].answers.iter_mut().for_each(|a| a.value = None));
    let knockout = Knockout::every(UnitKind::Head).attribute(&model, &valueless);
    assert!(matches!(knockout, Err(AttribError::NoValue { arm: 'A', index: 1 })));
    assert!(Snip::default().attribute(&tracked, &valueless).is_ok());
    // The token that ends an answer is never run, but it is looked up.
    let foreign = changed(|c| c.a[0].answers[0].tokens[1] = 64);
    let refused = Snip::default().attribute(&tracked, &foreign);
    assert!(matches!(
        refused,
        Err(AttribError::Probe(ProbeError::TokenOutOfRange { token: 64, vocab: 64 }))
    ));
}

/// One possible answer each: people differ among each other, and no probability moves anything.
#[test]
fn answers_that_cannot_vary_have_no_scores() {
    let mut model = model("gqa_sharded");
    let certain =
        |people: &mut Vec<PromptCase>| people.iter_mut().for_each(|r| r.answers.truncate(1));
    let both = changed(|c| [&mut c.a, &mut c.b].into_iter().for_each(certain));
    let b_alone = changed(|c| certain(&mut c.b));
    let tracked = model.differentiable::<Autodiff<Flex>>();
    let unvarying = |found: Option<AttribError>, of: Option<char>| {
        assert!(matches!(found, Some(AttribError::Unvarying { arm }) if arm == of), "{found:?}");
        assert!(found.unwrap().is_without_gap());
    };
    let kind = UnitKind::Head;
    for method in [SignedGap::default(), SignedGap::default().with_guard(0.5)] {
        unvarying(method.attribute(&tracked, &both).err(), None);
        assert!(method.attribute(&tracked, &b_alone).is_ok());
    }
    unvarying(SignedActivationDifference::default().attribute(&tracked, &both).err(), None);
    unvarying(Knockout::every(kind).attribute(&model, &both).err(), None);
    assert!(Knockout::every(kind).attribute(&model, &b_alone).is_ok());
    for (contrast, of) in [(&both, None), (&b_alone, Some('B'))] {
        unvarying(ActivationPatching::every(kind).attribute(&model, contrast).err(), of);
        unvarying(AttributionPatching::every(kind).attribute(&tracked, contrast).err(), of);
    }
    // Methods that look at no values do not mind.
    assert!(Snip::default().attribute(&tracked, &both).is_ok());
    assert!(Wanda.attribute(&model, &both).is_ok() && Magnitude.attribute(&model, &both).is_ok());

    let mut pursue = |contrasts: &[Contrast]| {
        let pursuit = GapPursuit::new(40).with_least_explored(0.0).unwrap();
        pursuit.pursue::<Autodiff<Flex>, _, _>(&mut model, Decoder::differentiable, contrasts, &[])
    };
    unvarying(pursue(std::slice::from_ref(&both)).err(), None);
    // Of several contrasts those without a gap are left out by name.
    let silent = changed(|c| c.a[1].answers.iter_mut().for_each(|a| a.value = None));
    let all = [both, contrast(), silent];
    let left_out = |found: Vec<Gapless>| {
        assert_eq!(found.iter().map(|own| own.contrast).collect::<Vec<_>>(), [0, 2]);
        assert!(found[0].reason.contains("one possible answer"), "{}", found[0].reason);
        assert!(found[1].reason.contains("person 1 of group A"), "{}", found[1].reason);
    };
    let found = pursue(&all).unwrap();
    assert!(!found.chosen.is_empty() && found.rounds[0].gaps.len() == 1);
    left_out(found.left_out);
    left_out(SignedGap::default().score(&tracked, &all, &mut |_| Ok(())).unwrap());
    unvarying(SignedGap::default().sums(&tracked, &all[..1]).err(), None);
}

#[test]
fn places_that_do_not_exist() {
    let model = model("gqa_sharded");
    let refusal = |component: Component| {
        Knockout::of([component]).attribute(&model, &contrast()).unwrap_err()
    };
    let unit = |text: &str| Component::from(text.parse::<Unit>().unwrap());
    for (text, what, index, count) in [
        ("L1H4", "head", 4, 4),
        ("L2H0", "layer", 2, 2),
        ("L0G2", "key/value group", 2, 2),
        ("L0N56", "neuron", 56, 56),
    ] {
        let expected = TypesError::OutOfRange { what, index, count };
        assert!(matches!(refusal(unit(text)), AttribError::Core(e) if e == expected), "{text}");
    }
    // No [batch, seq, channels] activation within a block, or none at all.
    let pattern = Site::Block(0, BlockSite::Pattern);
    for component in [pattern.into(), Site::Logits.into(), Site::Block(2, BlockSite::MlpOut).into()]
    {
        assert!(matches!(refusal(component), AttribError::NotAComponent { .. }));
    }
    for text in ["model.layers.0.mlp.up_proj.weight[3]", "L1"] {
        assert!(matches!(refusal(unit(text)), AttribError::NotAComponent { .. }), "{text}");
    }
    let weights = ActivationPatching::every(UnitKind::Weight).attribute(&model, &contrast());
    assert!(matches!(weights, Err(AttribError::NotAComponent { .. })));
    // GPT-2 has no gate.
    let gate = ActivationPatching::of([Site::Block(0, BlockSite::Gate)]);
    assert!(matches!(
        gate.attribute(&self::model("gpt2_hub"), &contrast()),
        Err(AttribError::NotAComponent { .. })
    ));

    let found = Knockout::of([unit("L1H3"), Site::Block(0, BlockSite::MlpOut).into()]);
    let found = found.attribute(&model, &contrast()).unwrap();
    assert_eq!(found.units().scores.len(), 1);
    assert!(matches!(found.get(&unit("L1H2")), Err(AttribError::NotScored { .. })));
    let json = serde_json::to_string(&found).unwrap();
    assert!(json.contains("\"L1H3\"") && json.contains("\"model.layers.0.mlp.down_proj.output\""));
    assert_eq!(serde_json::from_str::<bias_attrib::scores::ComponentScores>(&json).unwrap(), found);
}

#[test]
fn settings_out_of_range() {
    for t in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            Knockout::of([Site::Embedding]).with_temperature(t),
            Err(AttribError::Temperature { .. })
        ));
    }
    assert!(matches!(ActSvd::new(0.5, 1.5), Err(AttribError::Share { share: 1.5 })));
    assert!(ActSvd::new(f64::NAN, 0.5).is_err());
}

#[test]
fn numbers_that_are_none() {
    let mut broken = model("gqa_sharded");
    let path = ParamPath::of(1, Projection::Up);
    let weight: Tensor<Flex, 2> = Weights::weight(&broken, &path).unwrap();
    broken.set_weight(&path, weight.mul_scalar(f32::NAN)).unwrap();
    let tracked = broken.differentiable::<Autodiff<Flex>>();
    let contrast = contrast();
    let not_finite = |refused: AttribError| {
        let probe = matches!(&refused, AttribError::Probe(ProbeError::NotFinite { .. }));
        assert!(probe || matches!(refused, AttribError::NotFinite { .. }), "{refused}");
    };
    not_finite(Magnitude.attribute(&broken, &contrast).unwrap_err());
    not_finite(Wanda.attribute(&broken, &contrast).unwrap_err());
    not_finite(Snip::default().attribute(&tracked, &contrast).unwrap_err());
    not_finite(SignedGap::default().attribute(&tracked, &contrast).unwrap_err());
    not_finite(Knockout::every(UnitKind::Head).attribute(&broken, &contrast).unwrap_err());
    not_finite(
        ActivationPatching::every(UnitKind::Head).attribute(&broken, &contrast).unwrap_err(),
    );
    not_finite(
        AttributionPatching::every(UnitKind::Head).attribute(&tracked, &contrast).unwrap_err(),
    );
    not_finite(ActivationDifference.attribute(&broken, &contrast).unwrap_err());
    not_finite(ActSvd::new(0.5, 0.5).unwrap().attribute(&broken, &contrast).unwrap_err());
}

#[test]
fn scores_of_different_kinds() {
    let path = ParamPath::of(0, Projection::Q);
    let scores = |convention, rows: usize| {
        vec![ParamScores::new(path.clone(), [rows, 2], convention, vec![1.0; 2 * rows]).unwrap()]
    };
    let importance = || scores(Convention::Importance, 3);
    assert!(GroupScores::new(importance(), importance()).is_ok());
    let signed = GroupScores::new(importance(), scores(Convention::BiasCarried, 3));
    assert!(matches!(signed, Err(AttribError::Convention { .. })));
    for other in [scores(Convention::Importance, 4), Vec::new()] {
        assert!(matches!(GroupScores::new(importance(), other), Err(AttribError::Unlike)));
    }
    let folder = tempfile::tempdir().unwrap();
    let mixed = [importance(), scores(Convention::BiasCarried, 3)].concat();
    for bad in [mixed, Vec::new()] {
        let refused = save_scores(&folder.path().join("x"), &bad, &ScoreProvenance::default());
        assert!(matches!(refused, Err(AttribError::Unlike)));
    }
}

#[test]
fn directions_lie_outside_the_other_groups_and_come_back() {
    let mut model = model("gqa_sharded");
    let found = ActSvd::new(0.25, 0.25).unwrap().attribute(&model, &contrast()).unwrap();
    let path = ParamPath::of(0, Projection::Down);
    let weight: Tensor<Flex, 2> = Weights::weight(&model, &path).unwrap();
    let other = found.removed(&path, weight.clone().transpose(), SetDifference::AWithoutB);
    assert!(matches!(other, Err(AttribError::Shape { .. })));
    let head = "lm_head.weight".parse().unwrap();
    assert!(matches!(
        found.outside(&head, SetDifference::AWithoutB, 0.5),
        Err(AttribError::NotScored { .. })
    ));
    for sine in [0.0, 1.5, f64::NAN] {
        let refused = found.outside(&path, SetDifference::AWithoutB, sine);
        assert!(matches!(refused, Err(AttribError::Share { .. })));
    }

    // What the matrix writes along B's directions stays, A's part outside them is gone.
    let (_, [_, b]) = found.iter().find(|(own, _)| **own == path).unwrap();
    let b: Tensor<Flex, 2> =
        Tensor::from_data(TensorData::new(b.vectors.clone(), b.shape), &model.device());
    let along = |weight: &Tensor<Flex, 2>| b.clone().transpose().matmul(weight.clone());
    let outside = found.outside(&path, SetDifference::AWithoutB, 0.1).unwrap().unwrap();
    assert!(outside.rank() > 0 && outside.rank() <= 8);
    let undo = outside.remove(&mut model).unwrap();
    let pruned: Tensor<Flex, 2> = Weights::weight(&model, &path).unwrap();
    let largest = |t: Tensor<Flex, 2>| t.abs().max().into_scalar();
    assert!(largest(along(&pruned) - along(&weight)) < 1e-5);
    assert!(largest(pruned - weight.clone()) > 0.01);
    undo.revert(&mut model).unwrap();
    let back: Tensor<Flex, 2> = Weights::weight(&model, &path).unwrap();
    assert_eq!(back.into_data(), weight.clone().into_data());

    // The same group twice has nothing of its own.
    let same = changed(|c| c.b = c.a.clone());
    let none = ActSvd::new(0.25, 0.25).unwrap().attribute(&model, &same).unwrap();
    assert_eq!(none.outside(&path, SetDifference::AWithoutB, 0.1).unwrap(), None);
    let kept = none.removed(&path, weight.clone(), SetDifference::AWithoutB).unwrap();
    assert!(largest(kept - weight) < 1e-5);

    let folder = tempfile::tempdir().unwrap();
    let (file, dims) = (folder.path().join("x.safetensors"), *model.dims());
    let provenance = ScoreProvenance::new("act-svd", &contrast()).for_model(Some("abc"));
    found.save(&file, &provenance).unwrap();
    assert_eq!(RankDirections::load(&file, &dims, Some("abc")).unwrap(), (found, provenance));
    assert!(matches!(
        RankDirections::load(&file, &dims, Some("x")),
        Err(AttribError::OtherModel { .. })
    ));
    let wider = ModelDims { d_model: 40, ..dims };
    assert!(matches!(RankDirections::load(&file, &wider, None), Err(AttribError::Shape { .. })));
    assert!(matches!(load_scores(&file, &dims, None), Err(AttribError::NotScores { .. })));
}

#[test]
fn norms_come_back_for_their_model_only() {
    let (model, folder) = (model("gpt2_hub"), tempfile::tempdir().unwrap());
    let (file, dims) = (folder.path().join("norms.safetensors"), *model.dims());
    let norms = Wanda.attribute(&model, &contrast()).unwrap();
    let fingerprint = Weights::fingerprint(&model).unwrap();
    let provenance = ScoreProvenance::new("wanda", &contrast()).for_model(fingerprint);
    norms.save(&file, &provenance).unwrap();
    let (back, from) = GroupNorms::load(&file, &dims, fingerprint).unwrap();
    assert_eq!(from, provenance);
    let path = ParamPath::of(1, Projection::Down);
    assert_eq!(back.scores(&model, &path).unwrap(), norms.scores(&model, &path).unwrap());
    let masks =
        [&back, &norms].map(|n| n.difference(&model, 0.15, SetDifference::BWithoutA).unwrap());
    assert!(masks[0] == masks[1] && masks[0].count() > 0);
    assert!(matches!(
        GroupNorms::load(&file, &dims, Some("x")),
        Err(AttribError::OtherModel { .. })
    ));
    let wider = ModelDims { d_mlp: 60, ..dims };
    assert!(matches!(GroupNorms::load(&file, &wider, None), Err(AttribError::Shape { .. })));
    let deeper = ModelDims { layers: 3, ..dims };
    assert!(matches!(GroupNorms::load(&file, &deeper, None), Err(AttribError::NotScores { .. })));
    // Those of no model that is known are taken only where any is asked for.
    norms.save(&file, &provenance.for_model(None)).unwrap();
    assert!(matches!(
        GroupNorms::load(&file, &dims, fingerprint),
        Err(AttribError::NoModel { .. })
    ));
    GroupNorms::load(&file, &dims, None).unwrap();
    // Statistics, but not Wanda's.
    norms.stats().save(&file).unwrap();
    assert!(matches!(GroupNorms::load(&file, &dims, None), Err(AttribError::NotScores { .. })));
}

/// Scores of the model on disk, to damage.
fn saved(
    folder: &Path,
    dims: &ModelDims,
    fingerprint: Option<&str>,
) -> (PathBuf, Vec<ParamScores>, ScoreProvenance) {
    let scores = dims.projections().map(|(path, _, projection)| {
        let shape = dims.shape(projection);
        let values = (0..shape[0] * shape[1]).map(|i| i as f32 / 7.0).collect();
        ParamScores::new(path, shape, Convention::BiasCarried, values).unwrap()
    });
    let scores: Vec<_> = scores.collect();
    let provenance = ScoreProvenance::new("signed-gap", &contrast())
        .for_model(fingerprint)
        .with_note("context", "hiring");
    let path = folder.join("scores.safetensors");
    save_scores(&path, &scores, &provenance).unwrap();
    (path, scores, provenance)
}

#[test]
fn scores_are_read_back_as_they_were() {
    let (model, folder) = (model("gqa_sharded"), tempfile::tempdir().unwrap());
    let (dims, fingerprint) = (*model.dims(), Weights::fingerprint(&model).unwrap());
    let (path, scores, provenance) = saved(folder.path(), &dims, fingerprint);
    assert_eq!(provenance.prompts, [2, 2]);
    assert_eq!(
        load_scores(&path, &dims, fingerprint).unwrap(),
        (scores.clone(), provenance.clone())
    );
    assert_eq!(load_scores(&path, &dims, None).unwrap().0, scores);
    // Some matrices are enough.
    save_scores(&path, &scores[2..4], &provenance).unwrap();
    assert_eq!(load_scores(&path, &dims, fingerprint).unwrap().0, scores[2..4]);

    let snip =
        Snip::default().attribute(&model.differentiable::<Autodiff<Flex>>(), &contrast()).unwrap();
    let provenance = ScoreProvenance::new("snip", &contrast()).for_model(fingerprint);
    snip.save(&path, &provenance).unwrap();
    assert_eq!(GroupScores::load(&path, &dims, fingerprint).unwrap(), (snip.clone(), provenance));
    assert!(matches!(load_scores(&path, &dims, None), Err(AttribError::NotScores { .. })));
    let twice = snip.merge(&snip).unwrap();
    assert_eq!(twice.b()[0].values()[5], 2.0 * snip.b()[0].values()[5]);
    // Nothing else is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn files_that_are_not_this_models_scores() {
    let (model, folder) = (model("gqa_sharded"), tempfile::tempdir().unwrap());
    let dims = *model.dims();
    let (path, scores, provenance) = saved(folder.path(), &dims, Some("abc"));
    let refused =
        |dims: &ModelDims, fingerprint| load_scores(&path, dims, fingerprint).unwrap_err();
    assert!(matches!(refused(&dims, Some("abd")), AttribError::OtherModel { .. }));
    save_scores(&path, &scores, &provenance.clone().for_model(None)).unwrap();
    assert!(matches!(refused(&dims, Some("abc")), AttribError::NoModel { .. }));
    assert_eq!(load_scores(&path, &dims, None).unwrap().0, scores);
    save_scores(&path, &scores, &provenance).unwrap();
    let wider = ModelDims { d_mlp: 60, ..dims };
    let AttribError::Shape { expected, found, .. } = refused(&wider, None) else {
        panic!("another shape")
    };
    assert_eq!((expected, found), (vec![60, 32], vec![56, 32]));
    let shallow = ModelDims { layers: 1, ..dims };
    assert!(matches!(refused(&shallow, None), AttribError::NotScores { .. }));

    let good = std::fs::read(&path).unwrap();
    let header = |from: &str, to: &str| {
        let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = good.clone();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let damaged = [
        flipped,
        good[..good.len() - 4].to_vec(),
        header("bias-scores/1", "bias-scores/9"),
        header("bias_carried", "bias_garried"),
        header("layers.1.mlp.up", "layers.1.mlp.xx"),
        header("\"F32\"", "\"I32\""),
        b"not safetensors".to_vec(),
        Vec::new(),
    ];
    for (i, bytes) in damaged.into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(refused(&dims, None), AttribError::NotScores { .. }), "{i}");
    }
    let absent = load_scores(&folder.path().join("absent"), &dims, None);
    assert!(matches!(absent, Err(AttribError::Io { .. })));

    // NaN is refused on the way in, and nothing is left behind.
    let mut values = scores[0].values().to_vec();
    values[3] = f32::NAN;
    let nan = ParamScores::new(
        scores[0].path().clone(),
        scores[0].shape(),
        Convention::BiasCarried,
        values,
    );
    let target = folder.path().join("nan");
    let refused = save_scores(&target, &[nan.unwrap()], &provenance);
    assert!(matches!(refused, Err(AttribError::NotFinite { .. })));
    assert!(!target.exists());
}

/// The same scores are the same bytes, for whom the umask says.
#[test]
fn score_files_are_reproducible_and_readable() {
    let (model, folder) = (model("gqa_sharded"), tempfile::tempdir().unwrap());
    let (path, scores, provenance) = saved(folder.path(), model.dims(), Some("abc"));
    let first = std::fs::read(&path).unwrap();
    for _ in 0..4 {
        save_scores(&path, &scores, &provenance).unwrap();
        assert!(std::fs::read(&path).unwrap() == first);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(mode(&path), mode(&plain));
    }
}
