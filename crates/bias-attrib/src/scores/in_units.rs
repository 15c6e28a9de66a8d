use std::collections::HashMap;

use bias_mask::select::aggregate;
use bias_types::model::{HeadId, KvGroupId, NeuronId};
use bias_types::{Convention, ModelDims, ParamScores, Projection, Unit, UnitKind};

use crate::error::AttribError;

/// Multiplies each weight's score by the absolute mean score of the neuron, head or key/value group
/// that the weight is part of. If whole units carry a gap, a weight that only happens to move the
/// gap ranks below the weights of those units.
///
/// The means are over the weights that [`aggregate`] sums. Positive and negative weights cancel in
/// units that do nothing, and large units do not outweigh small ones. A larger value means the same
/// as before, but values no longer have a unit.
///
/// # Errors
/// [`AttribError::Convention`] unless scores say how much bias a weight carries; as [`aggregate`]
/// for matrices that are missing, of another model, or contain NaN.
pub fn in_units(scores: &[ParamScores], dims: &ModelDims) -> Result<Vec<ParamScores>, AttribError> {
    if let Some(other) = scores.iter().find(|s| s.convention() != Convention::BiasCarried) {
        return Err(AttribError::Convention {
            path: other.path().clone(),
            expected: Convention::BiasCarried,
            found: other.convention(),
        });
    }
    let mut sizes: HashMap<Unit, f32> = HashMap::new();
    let attention = 2 * dims.d_model * dims.d_head;
    let neuron = dims.d_model * if dims.gated { 3 } else { 2 };
    for (kind, weights) in
        [(UnitKind::Neuron, neuron), (UnitKind::Head, attention), (UnitKind::KvGroup, attention)]
    {
        let sums = aggregate(scores, dims, kind)?.scores.into_iter();
        sizes.extend(sums.map(|(unit, sum)| (unit, sum.abs() / weights as f32)));
    }
    let scaled = scores.iter().map(|own| {
        let Some((layer, projection)) = own.path().projection() else { return Ok(own.clone()) };
        let columns = own.shape()[1].max(1);
        let size = |(i, value): (usize, &f32)| {
            value
                * sizes
                    .get(&unit(dims, layer, projection, i / columns, i % columns))
                    .unwrap_or(&0.0)
        };
        let values = own.values().iter().enumerate().map(size).collect();
        ParamScores::new(own.path().clone(), own.shape(), own.convention(), values)
    });
    Ok(scaled.collect::<Result<_, _>>()?)
}

/// The unit that the weight in this row and column is part of.
fn unit(dims: &ModelDims, layer: usize, projection: Projection, row: usize, column: usize) -> Unit {
    match projection {
        Projection::Gate | Projection::Up => Unit::Neuron(NeuronId::new(layer, row)),
        Projection::Down => Unit::Neuron(NeuronId::new(layer, column)),
        Projection::Q => Unit::Head(HeadId::new(layer, row / dims.d_head)),
        Projection::O => Unit::Head(HeadId::new(layer, column / dims.d_head)),
        Projection::K | Projection::V => Unit::KvGroup(KvGroupId::new(layer, row / dims.d_head)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: ModelDims = ModelDims {
        layers: 1,
        d_model: 2,
        heads: 2,
        kv_heads: 1,
        d_head: 1,
        d_mlp: 2,
        gated: true,
        vocab: 4,
        experts: None,
    };

    fn scores(convention: Convention) -> Vec<ParamScores> {
        let own = |(path, _, projection): (bias_types::ParamPath, usize, Projection)| {
            let values = match projection {
                Projection::Gate => vec![1.0, 2.0, 0.0, 0.0],
                Projection::Down => vec![4.0, 2.0, -4.0, 1.0],
                Projection::O => vec![0.5, 0.0, 0.5, -2.0],
                Projection::K => vec![1.0, -3.0],
                p => vec![0.0; DIMS.shape(p).iter().product()],
            };
            ParamScores::new(path, DIMS.shape(projection), convention, values).unwrap()
        };
        DIMS.projections().map(own).collect()
    }

    #[test]
    fn weights_count_by_what_they_are_part_of() {
        let found = in_units(&scores(Convention::BiasCarried), &DIMS).unwrap();
        let of = |p: Projection| {
            found.iter().find(|s| s.path().projection() == Some((0, p))).unwrap().values().to_vec()
        };
        // Neuron 0: 1 + 2 + 4 − 4 = 3 over 6 weights; neuron 1: 2 + 1 = 3.
        assert_eq!(of(Projection::Gate), [0.5, 1.0, 0.0, 0.0]);
        assert_eq!(of(Projection::Down), [2.0, 1.0, -2.0, 0.5]);
        // Heads 1 and −2, group −2, over 4 weights each: sizes have no sign, weights keep theirs.
        assert_eq!(of(Projection::O), [0.125, 0.0, 0.125, -1.0]);
        assert_eq!(of(Projection::K), [0.5, -1.5]);
        let unsigned = in_units(&scores(Convention::Importance), &DIMS);
        assert!(matches!(unsigned, Err(AttribError::Convention { .. })));
        assert!(in_units(&scores(Convention::BiasCarried)[1..], &DIMS).is_err());
    }
}
