//! The algebra of concept edits: projectors, equal means, weights and biases that do what the edit
//! of an activation does.

use crate::common::{Bag, DIMS};
use bias_mask::edit::{Change, Changes, ConceptEdit, EditedInput, Metric, Whitening};
use bias_mask::{MaskError, MaskTarget};
use bias_types::{ParamPath, Projection};
use burn::backend::Flex;
use burn::tensor::{DType, Tensor, TensorData};
use proptest::prelude::*;

const CHANNELS: usize = DIMS.d_model;

fn vector() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-2.0f64..2.0, CHANNELS)
}

fn metric() -> impl Strategy<Value = Metric> {
    let samples = prop::collection::vec(vector(), 2..9);
    prop_oneof![
        Just(Metric::Plain),
        samples.prop_filter_map("no scatter", |own| Whitening::of(own).ok().map(Metric::Whitened)),
    ]
}

/// Means of two to four groups, and the edit between them.
fn edit() -> impl Strategy<Value = (Vec<Vec<f64>>, ConceptEdit)> {
    (prop::collection::vec(vector(), 2..5), metric()).prop_filter_map(
        "the same",
        |(means, metric)| {
            let edit = ConceptEdit::between(&means, &metric).unwrap()?;
            Some((means, edit))
        },
    )
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

/// `x − s·P·(x − c)`, by the lists alone.
fn edited(edit: &ConceptEdit, x: &[f64], strength: f64) -> Vec<f64> {
    let mut out = x.to_vec();
    for ((direction, reader), level) in
        edit.directions().iter().zip(edit.readers()).zip(edit.levels())
    {
        let along: f64 = reader.iter().zip(x).map(|(r, x)| r * x).sum::<f64>() - level;
        out.iter_mut().zip(direction).for_each(|(out, d)| *out -= strength * along * d);
    }
    out
}

proptest! {
    #[test]
    fn the_projector_projects_once((_, edit) in edit(), x in vector()) {
        let once = edit.project(&x);
        prop_assert!(close(&edit.project(&once), &once, 1e-6));
        for (i, reader) in edit.readers().iter().enumerate() {
            for (j, direction) in edit.directions().iter().enumerate() {
                let product: f64 = reader.iter().zip(direction).map(|(r, d)| r * d).sum();
                prop_assert!((product - f64::from(u8::from(i == j))).abs() < 1e-6);
            }
        }
    }

    /// At strength 1 they are equal, at s their differences are 1 − s of what they were, and what
    /// lies in the middle stays there.
    #[test]
    fn means_meet((means, edit) in edit(), strength in 0.0f64..=1.0) {
        let first = edited(&edit, &means[0], 1.0);
        for mean in &means[1..] {
            prop_assert!(close(&edited(&edit, mean, 1.0), &first, 1e-6));
            let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
            let now = apart(&edited(&edit, mean, strength), &edited(&edit, &means[0], strength));
            let left: Vec<f64> =
                apart(mean, &means[0]).iter().map(|d| (1.0 - strength) * d).collect();
            prop_assert!(close(&now, &left, 1e-6));
        }
        let middle: Vec<f64> = (0..CHANNELS)
            .map(|j| means.iter().map(|own| own[j]).sum::<f64>() / means.len() as f64)
            .collect();
        prop_assert!(close(&edited(&edit, &middle, 1.0), &middle, 1e-6));
    }

    /// The weights and the bias do to any input what the edit does.
    #[test]
    fn a_matrix_reads_what_is_edited((_, edit) in edit(), x in vector(), strength in 0.0f64..=1.0) {
        for projection in [Projection::Q, Projection::K, Projection::Up] {
            let path = ParamPath::of(1, projection);
            let mut model = Bag::<Flex>::new(DType::F32);
            let expected = model.output(&path, &edited(&edit, &x, strength));
            let change = EditedInput::new(path.clone(), edit.clone(), strength).unwrap();
            let before = model.bytes();
            let undo = change.for_model(Some("abc")).apply(&mut model).unwrap();
            // Readers of a concept that hardly scatters are long.
            let size = edit.readers().iter().flatten().fold(1.0f64, |max, r| max.max(r.abs()));
            prop_assert!(close(&model.output(&path, &x), &expected, 1e-4 * size));
            undo.revert(&mut model).unwrap();
            prop_assert_eq!(model.bytes(), before);
        }
    }

    #[test]
    fn tensors_and_lists_agree((_, edit) in edit(), x in vector(), strength in 0.0f64..=1.0) {
        let data: Vec<f32> = x.iter().map(|x| *x as f32).collect();
        let tensor = Tensor::<Flex, 2>::from_data(TensorData::new(data, [1, CHANNELS]), &Default::default());
        let found: Vec<f64> = edit.edit(tensor, strength).into_data().iter().collect();
        let size = edit.readers().iter().flatten().fold(1.0f64, |max, r| max.max(r.abs()));
        prop_assert!(close(&found, &edited(&edit, &x, strength), 1e-4 * size));
    }
}

fn between() -> ConceptEdit {
    let means = [vec![1.0; CHANNELS], (0..CHANNELS).map(|j| j as f64).collect()];
    ConceptEdit::between(&means, &Metric::Plain).unwrap().unwrap()
}

#[test]
fn strength_0_changes_nothing_and_gives_no_bias() {
    let mut model = Bag::<Flex>::new(DType::F32);
    let (before, path) = (model.bytes(), ParamPath::of(0, Projection::Q));
    let change = EditedInput::new(path.clone(), between(), 0.0).unwrap();
    let _ = change.apply(&mut model).unwrap();
    assert_eq!(model.bytes(), before);
    assert!(model.bias(&path).unwrap().is_none());
}

#[test]
fn edits_come_off_among_other_changes() {
    let mut model = Bag::<Flex>::new(DType::BF16);
    let before = model.bytes();
    let mut changes = Changes::default();
    let change = |layer| {
        let path = ParamPath::of(layer, Projection::V);
        Change::Input(EditedInput::new(path, between(), 0.5).unwrap())
    };
    let first = changes.push(&mut model, change(0)).unwrap();
    changes.push(&mut model, change(0)).unwrap();
    changes.push(&mut model, change(1)).unwrap();
    changes.remove(&mut model, first).unwrap();
    changes.clear(&mut model).unwrap();
    assert_eq!(model.bytes(), before);
}

/// A second edit of the same concept finds nothing more to take off.
#[test]
fn the_same_concept_twice_is_once() {
    let path = ParamPath::of(0, Projection::K);
    let mut model = Bag::<Flex>::new(DType::F32);
    let x: Vec<f64> = (0..CHANNELS).map(|j| (j as f64).sin()).collect();
    let change = EditedInput::new(path.clone(), between(), 1.0).unwrap();
    let _ = change.apply(&mut model).unwrap();
    let once = model.output(&path, &x);
    let _ = change.apply(&mut model).unwrap();
    assert!(close(&model.output(&path, &x), &once, 1e-5));
}

/// An edit is its parts, and parts that project twice differently are refused.
#[test]
fn parts_make_the_edit() {
    let edit = between();
    let (directions, readers, levels) =
        (edit.directions().to_vec(), edit.readers().to_vec(), edit.levels().to_vec());
    let again = ConceptEdit::from_parts(directions.clone(), readers.clone(), levels.clone());
    assert_eq!(again.unwrap(), edit);
    let refused = |directions: Vec<Vec<f64>>, readers, levels| {
        matches!(
            ConceptEdit::from_parts(directions, readers, levels),
            Err(MaskError::Concept { .. })
        )
    };
    let longer: Vec<Vec<f64>> =
        directions.iter().map(|own| own.iter().map(|x| 2.0 * x).collect()).collect();
    assert!(refused(longer, readers.clone(), levels.clone()));
    assert!(refused(Vec::new(), Vec::new(), Vec::new()));
    assert!(refused(directions.clone(), readers.clone(), vec![f64::NAN]));
    assert!(refused(directions, vec![vec![1.0]], levels));
}

#[test]
fn what_cannot_be_edited_is_refused() {
    let same = [vec![1.0; CHANNELS], vec![1.0; CHANNELS]];
    assert_eq!(ConceptEdit::between(&same, &Metric::Plain).unwrap(), None);
    let refused = |means: &[Vec<f64>]| {
        matches!(ConceptEdit::between(means, &Metric::Plain), Err(MaskError::Concept { .. }))
    };
    assert!(refused(&[]) && refused(&[vec![1.0]]) && refused(&[vec![1.0], vec![1.0, 2.0]]));
    assert!(refused(&[vec![f64::NAN], vec![1.0]]));
    let path = ParamPath::of(0, Projection::Q);
    for strength in [-0.1, 1.1, f64::NAN] {
        let error = EditedInput::new(path.clone(), between(), strength).unwrap_err();
        assert!(matches!(error, MaskError::Strength { .. }), "{error}");
    }
    let mut model = Bag::<Flex>::new(DType::F32);
    let before = model.bytes();
    let down = EditedInput::new(ParamPath::of(0, Projection::Down), between(), 1.0).unwrap();
    assert!(matches!(down.apply(&mut model), Err(MaskError::Channels { found: CHANNELS, .. })));
    let other = EditedInput::new(path, between(), 1.0).unwrap().for_model(Some("other"));
    assert!(matches!(other.apply(&mut model), Err(MaskError::OtherModel { .. })));
    assert_eq!(model.bytes(), before);
}
