//! What attribution takes off is what is reported: how far the gap of `bias-attrib` and the SMD of
//! `bias-metrics` agree, and where they cannot.

use crate::small::{fixture, prompts};
use bias_attrib::methods::standardized_gap;
use bias_attrib::{Contrast, PossibleAnswer, PromptCase};
use bias_metrics::{Arm, NameMoments, Weighting, smd};
use bias_model::LanguageModel;
use bias_probe::Sequence;
use bias_study::results::Split;
use bias_study::{Study, StudyOptions};
use bias_types::TokenRole;
use burn::backend::{Autodiff, Flex};

/// Every name counts as one in the gap and by what it said in numbers in the SMD. Where nearly all
/// answers are numbers, as the embedded model's, that is the same.
#[test]
fn the_gap_that_is_attributed_is_the_one_reported() {
    let mut prompts = prompts(2, [4, 2]);
    // The SMD is of everybody, the gap of whom attribution sees.
    for variation in prompts.contexts.iter_mut().flat_map(|own| &mut own.variations) {
        variation.people.retain(|person| person.split == Split::Attribution);
    }
    let model = LanguageModel::<Flex>::load(&fixture("emergent"), &Default::default()).unwrap();
    let options = StudyOptions { threads: 2, ..StudyOptions::default() };
    let mut study = Study::<Autodiff<Flex>>::new(model, "embedded", &prompts, options).unwrap();
    let baselines = study.audit().unwrap();
    for (c, baseline) in baselines.iter().enumerate() {
        let seen = baseline.variations.iter().filter(|own| own.split == Split::Attribution);
        let contrasts = study.contrasts(c).unwrap();
        assert_eq!(contrasts.len(), 2);
        for (own, contrast) in seen.zip(&contrasts) {
            let (reported, attributed) =
                (own.effect().unwrap(), standardized_gap(contrast).unwrap());
            println!(
                "{}, {}: {reported} reported, {attributed} attributed",
                baseline.context, own.variation
            );
            // Where less is better, values were turned round for the SMD.
            let off = (attributed.abs() / reported.abs() - 1.0).abs();
            assert!(off < 1e-5, "{}: {reported} reported, {attributed} attributed", own.variation);
        }
    }
}

/// One of A's two names gives a number in a tenth of its answers, a high one.
#[test]
fn a_name_that_hardly_answers_counts_as_one_in_the_gap_alone() {
    let ask = |answers: &[(f64, f64)]| {
        let answer = |(i, (value, weight)): (usize, &(f64, f64))| PossibleAnswer {
            tokens: vec![3 + i as u32],
            finished: true,
            value: Some(*value),
            weight: *weight,
            ..PossibleAnswer::default()
        };
        let prompt = Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap();
        PromptCase::new(prompt, answers.iter().enumerate().map(answer).collect())
    };
    let gap_and_smd = |said: [[(f64, f64); 2]; 4]| {
        let [a, b] =
            [&said[..2], &said[2..]].map(|own| own.iter().map(|own| ask(own)).collect::<Vec<_>>());
        let arms = [Arm::A, Arm::A, Arm::B, Arm::B];
        let moments = arms.iter().zip(&said).map(|(arm, own)| NameMoments::of(*arm, own));
        let reported = smd(&moments.collect::<Vec<_>>(), Weighting::Probability).unwrap();
        (standardized_gap(&Contrast { a, b }).unwrap(), reported.value().unwrap())
    };
    let b = [[(15.0, 0.5), (30.0, 0.5)], [(40.0, 0.5), (30.0, 0.5)]];
    let (gap, smd) =
        gap_and_smd([[(10.0, 0.5), (20.0, 0.5)], [(100.0, 0.06), (90.0, 0.04)], b[0], b[1]]);
    println!("one name of four hardly ever gives a number: gap {gap:+.2}, SMD {smd:+.2}");
    assert!((gap - 0.906).abs() < 5e-4 && (smd + 0.355).abs() < 5e-4, "{gap} and {smd}");
    // With everything said in numbers they are the same.
    let (gap, smd) =
        gap_and_smd([[(10.0, 0.5), (20.0, 0.5)], [(100.0, 0.6), (90.0, 0.4)], b[0], b[1]]);
    assert!((gap - smd).abs() < 1e-12 && (gap - 0.906).abs() < 5e-4, "{gap} and {smd}");
}
