use std::collections::BTreeMap;

use bias_types::model::{ExpertId, Experts, HeadId, KvGroupId, NeuronId};
use bias_types::{ModelDims, ParamPath, ParamScores, Projection, Unit, UnitKind, UnitScores};

use super::rank::Scores;
use super::top::require;
use crate::error::MaskError;

/// The score of each unit: the sum of its weights' scores, in f64, with the same convention.
///
/// | kind | weights summed |
/// |---|---|
/// | [`UnitKind::Neuron`] | its row of `gate_proj` (where there is one) and of `up_proj`, its column of `down_proj` |
/// | [`UnitKind::Head`] | its columns of `o_proj` and its rows of `q_proj` |
/// | [`UnitKind::KvGroup`] | its rows of `k_proj` and `v_proj`; not its query heads' weights |
/// | [`UnitKind::Expert`] | those of its neurons; no expert where there is no mixture |
/// | [`UnitKind::Layer`] | all matrices of the block |
///
/// For signed scores the sum is the first-order effect of zeroing these weights. Scores of other
/// matrices are ignored and may be missing. Sums grow with a unit's size, so compare only units of
/// one kind.
///
/// # Errors
/// [`MaskError::MissingScores`] for a matrix that is needed, [`MaskError::NotSummed`] for
/// single weights; [`MaskError::NanScore`], [`MaskError::ShapeMismatch`],
/// [`MaskError::Duplicate`], and [`MaskError::Convention`] when conventions are mixed.
pub fn aggregate(
    scores: &[ParamScores],
    dims: &ModelDims,
    kind: UnitKind,
) -> Result<UnitScores, MaskError> {
    let convention = scores.first().ok_or(MaskError::NoScores)?.convention();
    let mut by_path: BTreeMap<&ParamPath, &ParamScores> = BTreeMap::new();
    for s in scores {
        require(s, convention, "scores are added to those of one convention")?;
        if by_path.insert(s.path(), s).is_some() {
            return Err(MaskError::Duplicate { path: s.path().clone() });
        }
    }
    let (units, unit): (usize, fn(usize, usize) -> Unit) = match kind {
        UnitKind::Weight => return Err(MaskError::NotSummed { kind }),
        UnitKind::Neuron => (dims.d_mlp, |layer, i| Unit::Neuron(NeuronId::new(layer, i))),
        UnitKind::Head => (dims.heads, |layer, i| Unit::Head(HeadId::new(layer, i))),
        UnitKind::KvGroup => (dims.kv_heads, |layer, i| Unit::KvGroup(KvGroupId::new(layer, i))),
        UnitKind::Expert => {
            let all = dims.experts.map_or(0, |experts| experts.all());
            (all, |layer, i| Unit::Expert(ExpertId::new(layer, i)))
        }
        UnitKind::Layer => (1, |layer, _| Unit::Layer(layer)),
    };
    let mut found = Vec::with_capacity(dims.layers * units);
    for layer in 0..dims.layers {
        let mut sums = vec![0.0; units];
        for projection in dims.block_projections() {
            let Some(shares) = shares(dims, kind, projection) else { continue };
            let (path, expected) = (ParamPath::of(layer, projection), dims.shape(projection));
            let Some(matrix) = by_path.get(&path) else {
                return Err(MaskError::MissingScores { path, kind });
            };
            if matrix.shape() != expected {
                return Err(MaskError::ShapeMismatch { path, expected, found: matrix.shape() });
            }
            Scores::from(*matrix).nan().map_or(Ok(()), Err)?;
            for (r, row) in matrix.values().chunks_exact(expected[1]).enumerate() {
                let values = row.iter().map(|value| f64::from(*value));
                match shares {
                    Shares::Rows(run) => sums[r / run] += values.sum::<f64>(),
                    Shares::Columns(run) => {
                        values.enumerate().for_each(|(c, value)| sums[c / run] += value);
                    }
                    Shares::ExpertRows(own) => sums[own.of_channel(r)] += values.sum::<f64>(),
                    Shares::ExpertColumns(own) => {
                        values.enumerate().for_each(|(c, value)| sums[own.of_channel(c)] += value);
                    }
                }
            }
        }
        found.extend(sums.into_iter().enumerate().map(|(i, sum)| (unit(layer, i), sum as f32)));
    }
    Ok(UnitScores { convention, scores: found })
}

/// The division of a matrix among the units of its layer: a number of consecutive rows or columns
/// for each unit.
#[derive(Clone, Copy)]
enum Shares {
    Rows(usize),
    Columns(usize),
    /// Those of the expert whose channels they are.
    ExpertRows(Experts),
    ExpertColumns(Experts),
}

fn shares(dims: &ModelDims, kind: UnitKind, projection: Projection) -> Option<Shares> {
    Some(match (kind, projection) {
        (UnitKind::Neuron, Projection::Gate | Projection::Up) => Shares::Rows(1),
        (UnitKind::Neuron, Projection::Down) => Shares::Columns(1),
        (UnitKind::Head, Projection::Q) => Shares::Rows(dims.d_head),
        (UnitKind::Head, Projection::O) => Shares::Columns(dims.d_head),
        (UnitKind::KvGroup, Projection::K | Projection::V) => Shares::Rows(dims.d_head),
        (UnitKind::Expert, Projection::Gate | Projection::Up) => Shares::ExpertRows(dims.experts?),
        (UnitKind::Expert, Projection::Down) => Shares::ExpertColumns(dims.experts?),
        (UnitKind::Layer, _) => Shares::Rows(dims.shape(projection)[0]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bias_types::Convention;
    use proptest::prelude::*;

    use super::*;
    use crate::mask::{HeadAblation, Mask, group_mask, unit_mask};

    const DIMS: ModelDims = ModelDims {
        layers: 2,
        d_model: 4,
        heads: 4,
        kv_heads: 2,
        d_head: 3,
        d_mlp: 5,
        gated: true,
        vocab: 8,
        experts: None,
    };

    fn scores(dims: &ModelDims, seed: i32) -> Vec<ParamScores> {
        let of = |(path, _, p): (ParamPath, usize, Projection)| {
            let [rows, columns] = dims.shape(p);
            let value = |i: usize| ((i as i32 * 31 + seed) % 17 - 8) as f32;
            let values = (0..rows * columns).map(|i| value(i + path.as_str().len() * 7)).collect();
            ParamScores::new(path, [rows, columns], Convention::BiasCarried, values).unwrap()
        };
        dims.projections().map(of).collect()
    }

    fn sum(scores: &[ParamScores], mask: &Mask, counts: impl Fn(Projection) -> bool) -> f32 {
        let own = scores.iter().filter(|s| s.path().projection().is_some_and(|(_, p)| counts(p)));
        let bits = own.filter_map(|s| Some((s, mask.get(s.path())?)));
        bits.flat_map(|(s, bits)| bits.iter().map(|i| s.values()[i])).sum()
    }

    proptest! {
        /// The weights that are summed are those of the unit's mask, in the matrices that count.
        #[test]
        fn sums_are_those_of_the_masks(seed in 0i32..1000, gated in any::<bool>()) {
            let experts = Experts { count: 2, d_expert: 2, per_token: 1, shared: 1 };
            let dims = ModelDims { gated, experts: Some(experts), ..DIMS };
            let scores = scores(&dims, seed);
            for kind in [UnitKind::Neuron, UnitKind::Head, UnitKind::KvGroup, UnitKind::Expert, UnitKind::Layer] {
                for (unit, found) in aggregate(&scores, &dims, kind).unwrap().scores {
                    let mask = |ablation| unit_mask(&dims, std::slice::from_ref(&unit), ablation).unwrap();
                    let expected = match &unit {
                        Unit::Head(_) => {
                            let both = mask(HeadAblation::ZeroOutput).union(&mask(HeadAblation::ZeroQuery));
                            sum(&scores, &both.unwrap(), |_| true)
                        }
                        Unit::KvGroup(id) => {
                            sum(&scores, &group_mask(&dims, &[*id]).unwrap(), |p| p != Projection::O)
                        }
                        _ => sum(&scores, &mask(HeadAblation::ZeroOutput), |_| true),
                    };
                    prop_assert_eq!(found, expected, "{}", unit);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_summed_is_refused() {
        let all = scores(&DIMS, 0);
        let units = |kind| aggregate(&all, &DIMS, kind).map(|found| found.scores.len()).ok();
        assert_eq!(UnitKind::ALL.map(units), [None, Some(10), Some(8), Some(4), Some(0), Some(2)]);
        assert!(matches!(
            aggregate(&all, &DIMS, UnitKind::Weight),
            Err(MaskError::NotSummed { .. })
        ));
        assert!(matches!(aggregate(&[], &DIMS, UnitKind::Head), Err(MaskError::NoScores)));
        let mut twice = all.clone();
        twice.push(all[0].clone());
        assert!(matches!(
            aggregate(&twice, &DIMS, UnitKind::Head),
            Err(MaskError::Duplicate { .. })
        ));
        // Heads have no part in the MLP.
        let attention: Vec<_> =
            all.iter().filter(|s| !s.path().as_str().contains("mlp")).cloned().collect();
        assert!(aggregate(&attention, &DIMS, UnitKind::Head).is_ok());
        let missing = aggregate(&attention, &DIMS, UnitKind::Neuron);
        assert!(matches!(missing, Err(MaskError::MissingScores { .. })));
        let replaced = |shape: [usize; 2], convention, value| {
            let mut changed = all.clone();
            let values = vec![value; shape[0] * shape[1]];
            changed[0] =
                ParamScores::new(all[0].path().clone(), shape, convention, values).unwrap();
            aggregate(&changed, &DIMS, UnitKind::Head)
        };
        let (shape, own) = (all[0].shape(), Convention::BiasCarried);
        assert!(matches!(replaced([12, 5], own, 0.0), Err(MaskError::ShapeMismatch { .. })));
        assert!(matches!(
            replaced(shape, Convention::Importance, 0.0),
            Err(MaskError::Convention { .. })
        ));
        assert!(matches!(
            replaced(shape, own, f32::NAN),
            Err(MaskError::NanScore { index: 0, .. })
        ));
    }
}
