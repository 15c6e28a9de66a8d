use std::collections::BTreeMap;

use bias_types::model::{ExpertId, HeadId, KvGroupId, NeuronId, Sublayer};
use bias_types::{ModelDims, ParamPath, Projection, Unit};
use serde::{Deserialize, Serialize};

use super::bits::BitMatrix;
use super::set::Mask;
use crate::error::MaskError;

/// The weights to zero in order to silence a query head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeadAblation {
    /// The head's columns of `o_proj`. Nothing reads the head's output any more.
    #[default]
    ZeroOutput,
    /// The head's rows of `q_proj`, as in the paper's code. The head's attention becomes uniform,
    /// which does not silence it.
    ZeroQuery,
}

/// The weights that silence these heads when zeroed.
///
/// Head `h` is columns `h·d_head..(h+1)·d_head` of `o_proj`, or the same rows of `q_proj`.
///
/// # Errors
/// [`MaskError::Core`] for a head the model does not have.
pub fn head_mask(
    dims: &ModelDims,
    heads: &[HeadId],
    ablation: HeadAblation,
) -> Result<Mask, MaskError> {
    of_each(heads, |mask, head| add_head(mask, dims, *head, ablation))
}

/// The weights that silence these key/value groups when zeroed: their rows of `k_proj`
/// and `v_proj`, and the columns of `o_proj` of every query head that reads them.
///
/// # Errors
/// [`MaskError::Core`] for a group the model does not have.
pub fn group_mask(dims: &ModelDims, groups: &[KvGroupId]) -> Result<Mask, MaskError> {
    of_each(groups, |mask, group| add_group(mask, dims, *group))
}

/// The weights that silence these MLP channels when zeroed: row of `gate_proj` (where
/// there is one) and `up_proj`, column of `down_proj`.
///
/// # Errors
/// [`MaskError::IndexOutOfRange`] for a neuron the model does not have,
/// [`MaskError::Core`] for a layer.
pub fn neuron_mask(dims: &ModelDims, neurons: &[NeuronId]) -> Result<Mask, MaskError> {
    of_each(neurons, |mask, neuron| add_neuron(mask, dims, *neuron))
}

/// The weights that silence these experts of a mixture when zeroed: those of all their channels, as
/// [`neuron_mask`]. The router still chooses them.
///
/// # Errors
/// [`MaskError::Core`] for an expert the model does not have.
pub fn expert_mask(dims: &ModelDims, experts: &[ExpertId]) -> Result<Mask, MaskError> {
    of_each(experts, |mask, expert| add_expert(mask, dims, *expert))
}

/// All weights of these layers' linear maps. With all of them zero, a block adds nothing
/// to the residual stream but its biases.
///
/// # Errors
/// [`MaskError::Core`] for a layer the model does not have.
pub fn layer_mask(dims: &ModelDims, layers: &[usize]) -> Result<Mask, MaskError> {
    of_each(layers, |mask, layer| add_layer(mask, dims, *layer))
}

/// The weights that silence these units, of any kinds together, when zeroed.
///
/// # Errors
/// As [`head_mask`], [`group_mask`], [`neuron_mask`], [`expert_mask`] and [`layer_mask`];
/// [`MaskError::NoSuchParam`] and [`MaskError::IndexOutOfRange`] for a single weight the
/// model does not have.
pub fn unit_mask(
    dims: &ModelDims,
    units: &[Unit],
    ablation: HeadAblation,
) -> Result<Mask, MaskError> {
    // There may be many single weights, in few matrices.
    let mut weights: BTreeMap<&ParamPath, Vec<usize>> = BTreeMap::new();
    for unit in units {
        if let Unit::Weight(path, index) = unit {
            weights.entry(path).or_default().push(*index);
        }
    }
    let mut mask = of_each(units, |mask, unit| match unit {
        Unit::Head(id) => add_head(mask, dims, *id, ablation),
        Unit::KvGroup(id) => add_group(mask, dims, *id),
        Unit::Neuron(id) => add_neuron(mask, dims, *id),
        Unit::Expert(id) => add_expert(mask, dims, *id),
        Unit::Layer(layer) => add_layer(mask, dims, *layer),
        Unit::Weight(..) => Ok(()),
    })?;
    for (path, indices) in weights {
        let bits = match path.projection() {
            Some((layer, p))
                if layer < dims.layers && dims.block_projections().any(|own| own == p) =>
            {
                mask.bits_mut(path.clone(), dims.shape(p))?
            }
            _ => return Err(MaskError::NoSuchParam { path: path.clone() }),
        };
        indices.into_iter().try_for_each(|index| bits.insert(index))?;
    }
    Ok(mask)
}

fn of_each<T>(
    units: &[T],
    mut add: impl FnMut(&mut Mask, &T) -> Result<(), MaskError>,
) -> Result<Mask, MaskError> {
    let mut mask = Mask::default();
    units.iter().try_for_each(|unit| add(&mut mask, unit))?;
    Ok(mask)
}

fn add_head(
    mask: &mut Mask,
    dims: &ModelDims,
    id: HeadId,
    ablation: HeadAblation,
) -> Result<(), MaskError> {
    let mut channels = dims.head_columns(id)?;
    match ablation {
        HeadAblation::ZeroOutput => {
            let bits = matrix(mask, dims, id.layer, Projection::O)?;
            channels.try_for_each(|column| bits.insert_column(column))
        }
        HeadAblation::ZeroQuery => {
            let bits = matrix(mask, dims, id.layer, Projection::Q)?;
            channels.try_for_each(|row| bits.insert_row(row))
        }
    }
}

fn add_group(mask: &mut Mask, dims: &ModelDims, id: KvGroupId) -> Result<(), MaskError> {
    for projection in [Projection::K, Projection::V] {
        let bits = matrix(mask, dims, id.layer, projection)?;
        dims.group_rows(id)?.try_for_each(|row| bits.insert_row(row))?;
    }
    dims.group_heads(id)?.try_for_each(|head| add_head(mask, dims, head, HeadAblation::ZeroOutput))
}

fn add_neuron(mask: &mut Mask, dims: &ModelDims, id: NeuronId) -> Result<(), MaskError> {
    dims.check_layer(id.layer)?;
    for projection in dims.block_projections().filter(|p| p.sublayer() == Sublayer::Mlp) {
        let bits = matrix(mask, dims, id.layer, projection)?;
        match projection {
            Projection::Down => bits.insert_column(id.neuron)?,
            _ => bits.insert_row(id.neuron)?,
        }
    }
    Ok(())
}

fn add_expert(mask: &mut Mask, dims: &ModelDims, id: ExpertId) -> Result<(), MaskError> {
    dims.expert_channels(id)?
        .try_for_each(|channel| add_neuron(mask, dims, NeuronId::new(id.layer, channel)))
}

fn add_layer(mask: &mut Mask, dims: &ModelDims, layer: usize) -> Result<(), MaskError> {
    dims.check_layer(layer)?;
    for projection in dims.block_projections() {
        let full = BitMatrix::new(dims.shape(projection))?.complement();
        mask.insert(ParamPath::of(layer, projection), full)?;
    }
    Ok(())
}

fn matrix<'a>(
    mask: &'a mut Mask,
    dims: &ModelDims,
    layer: usize,
    projection: Projection,
) -> Result<&'a mut BitMatrix, MaskError> {
    mask.bits_mut(ParamPath::of(layer, projection), dims.shape(projection))
}

#[cfg(test)]
mod tests {
    use bias_types::model::Experts;

    use super::*;

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

    #[test]
    fn heads_are_columns_of_o_or_rows_of_q() {
        let heads = [HeadId::new(1, 0), HeadId::new(1, 2)];
        let out = head_mask(&DIMS, &heads, HeadAblation::ZeroOutput).unwrap();
        let o = out.get(&ParamPath::of(1, Projection::O)).unwrap();
        assert_eq!(o.iter().take(6).collect::<Vec<_>>(), [0, 1, 2, 6, 7, 8]);
        assert_eq!(out.count(), 2 * 3 * 4);
        let query = head_mask(&DIMS, &heads, HeadAblation::ZeroQuery).unwrap();
        let q = query.get(&ParamPath::of(1, Projection::Q)).unwrap();
        assert_eq!(q.iter().collect::<Vec<_>>(), (0..12).chain(24..36).collect::<Vec<_>>());
        assert!(head_mask(&DIMS, &[HeadId::new(1, 4)], HeadAblation::ZeroOutput).is_err());
    }

    #[test]
    fn units_of_all_kinds_add_up() {
        let units = ["L1H2", "L0G1", "L0N4", "model.layers.1.self_attn.q_proj.weight[7]"];
        let units: Vec<Unit> = units.iter().map(|u| u.parse().unwrap()).collect();
        let mask = unit_mask(&DIMS, &units, HeadAblation::ZeroOutput).unwrap();
        assert_eq!(mask.count(), 12 + (24 + 24) + 12 + 1);
        for absent in [
            "L2N0",
            "L2",
            "model.layers.2.self_attn.q_proj.weight[0]",
            "model.layers.1.self_attn.q_proj.weight[48]",
            "lm_head.weight[0]",
            "model.layers.01.self_attn.q_proj.weight[7]",
            "model.layers.1.q_proj.weight[7]",
        ] {
            assert!(
                unit_mask(&DIMS, &[absent.parse().unwrap()], HeadAblation::ZeroOutput).is_err(),
                "{absent}"
            );
        }
    }

    #[test]
    fn layers_are_all_their_matrices() {
        let mask = layer_mask(&DIMS, &[1, 1]).unwrap();
        assert_eq!(mask.count() * DIMS.layers, DIMS.prunable_weights());
        assert!(mask.iter().all(|(path, _)| path.layer() == Some(1)));
        assert_eq!(layer_mask(&DIMS, &[0, 1]).unwrap(), Mask::full(&DIMS).unwrap());
        let layer: Vec<Unit> = vec!["L1".parse().unwrap(), "L1N0".parse().unwrap()];
        assert_eq!(unit_mask(&DIMS, &layer, HeadAblation::ZeroQuery).unwrap(), mask);
    }

    #[test]
    fn groups_are_their_keys_values_and_heads() {
        let mask = group_mask(&DIMS, &[KvGroupId::new(1, 1)]).unwrap();
        let of = |p| mask.get(&ParamPath::of(1, p)).unwrap().iter().collect::<Vec<_>>();
        assert_eq!(of(Projection::V), (12..24).collect::<Vec<_>>());
        assert_eq!(of(Projection::K), of(Projection::V));
        assert_eq!(of(Projection::O)[..6], [6, 7, 8, 9, 10, 11]);
        assert!(group_mask(&DIMS, &[KvGroupId::new(0, 2)]).is_err());
    }

    #[test]
    fn experts_are_their_channels() {
        let experts = Experts { count: 2, d_expert: 2, per_token: 1, shared: 1 };
        let dims = ModelDims { experts: Some(experts), ..DIMS };
        let neurons = |own: &[usize]| {
            let ids: Vec<_> = own.iter().map(|n| NeuronId::new(1, *n)).collect();
            neuron_mask(&dims, &ids).unwrap()
        };
        let expert = |e| expert_mask(&dims, &[ExpertId::new(1, e)]).unwrap();
        assert_eq!(expert(1), neurons(&[2, 3]));
        assert_eq!(expert(2), neurons(&[4]));
        let unit = unit_mask(&dims, &["L1E0".parse().unwrap()], HeadAblation::ZeroOutput);
        assert_eq!(unit.unwrap(), neurons(&[0, 1]));
        assert!(expert_mask(&dims, &[ExpertId::new(1, 3)]).is_err());
        assert!(expert_mask(&DIMS, &[ExpertId::new(1, 0)]).is_err());
    }

    #[test]
    fn neurons_are_rows_of_gate_and_up_and_a_column_of_down() {
        let mask = neuron_mask(&DIMS, &[NeuronId::new(0, 4)]).unwrap();
        assert_eq!(mask.count(), 3 * 4);
        let down = mask.get(&ParamPath::of(0, Projection::Down)).unwrap();
        assert_eq!(down.iter().collect::<Vec<_>>(), [4, 9, 14, 19]);
        let plain = ModelDims { gated: false, ..DIMS };
        assert_eq!(neuron_mask(&plain, &[NeuronId::new(0, 4)]).unwrap().count(), 2 * 4);
        assert!(neuron_mask(&DIMS, &[NeuronId::new(0, 5)]).is_err());
        assert!(neuron_mask(&DIMS, &[NeuronId::new(2, 0)]).is_err());
    }
}
