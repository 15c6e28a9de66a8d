use bias_core::{HeadId, KvGroupId, ModelDims, NeuronId, ParamPath, Projection, Sublayer, Unit};
use serde::{Deserialize, Serialize};

use crate::{BitMatrix, Mask, MaskError};

/// How a query head is silenced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadAblation {
    /// Zero the head's columns of `o_proj`: nothing it computes is read any more.
    #[default]
    ZeroOutput,
    /// Zero the head's rows of `q_proj`, as the paper's code does. Its attention becomes
    /// uniform, which does not silence it.
    ZeroQuery,
}

/// The weights that silence these heads when zeroed.
///
/// Head `h` is columns `h·d_head..(h+1)·d_head` of `o_proj`, or the same rows of `q_proj`.
///
/// # Errors
/// [`MaskError::Core`] for a head the model does not have.
pub fn head_mask(dims: &ModelDims, heads: &[HeadId], ablation: HeadAblation) -> Result<Mask, MaskError> {
    let mut mask = Mask::default();
    for &head in heads {
        let channels = dims.head_columns(head)?;
        match ablation {
            HeadAblation::ZeroOutput => {
                let mut bits = matrix(&mask, dims, head.layer, Projection::O)?;
                channels.into_iter().try_for_each(|c| bits.insert_column(c))?;
                mask.insert(ParamPath::of(head.layer, Projection::O), bits)?;
            }
            HeadAblation::ZeroQuery => {
                let mut bits = matrix(&mask, dims, head.layer, Projection::Q)?;
                channels.into_iter().try_for_each(|c| bits.insert_row(c))?;
                mask.insert(ParamPath::of(head.layer, Projection::Q), bits)?;
            }
        }
    }
    Ok(mask)
}

/// The weights that silence these key/value groups when zeroed: their rows of `k_proj`
/// and `v_proj`, and the columns of `o_proj` of every query head that reads them.
///
/// # Errors
/// [`MaskError::Core`] for a group the model does not have.
pub fn group_mask(dims: &ModelDims, groups: &[KvGroupId]) -> Result<Mask, MaskError> {
    let mut mask = Mask::default();
    for &id in groups {
        let heads: Vec<HeadId> = dims.group_heads(id)?.collect();
        mask = mask.union(&head_mask(dims, &heads, HeadAblation::ZeroOutput)?)?;
        for projection in [Projection::K, Projection::V] {
            let mut bits = matrix(&mask, dims, id.layer, projection)?;
            (id.group * dims.d_head..(id.group + 1) * dims.d_head).try_for_each(|r| bits.insert_row(r))?;
            mask.insert(ParamPath::of(id.layer, projection), bits)?;
        }
    }
    Ok(mask)
}

/// The weights that silence these MLP channels when zeroed: row of `gate_proj` (where
/// there is one) and `up_proj`, column of `down_proj`.
///
/// # Errors
/// [`MaskError::IndexOutOfRange`] for a neuron the model does not have,
/// [`MaskError::Core`] for a layer.
pub fn neuron_mask(dims: &ModelDims, neurons: &[NeuronId]) -> Result<Mask, MaskError> {
    let mut mask = Mask::default();
    for id in neurons {
        // Heads and neurons share their layers' check.
        dims.head_columns(HeadId::new(id.layer, 0))?;
        for projection in dims.block_projections().filter(|p| p.sublayer() == Sublayer::Mlp) {
            let mut bits = matrix(&mask, dims, id.layer, projection)?;
            match projection {
                Projection::Down => bits.insert_column(id.neuron)?,
                _ => bits.insert_row(id.neuron)?,
            }
            mask.insert(ParamPath::of(id.layer, projection), bits)?;
        }
    }
    Ok(mask)
}

/// The weights that silence these units, of any kinds together, when zeroed.
///
/// # Errors
/// As [`head_mask`], [`group_mask`] and [`neuron_mask`]; [`MaskError::NoSuchParam`] and
/// [`MaskError::IndexOutOfRange`] for a single weight the model does not have.
pub fn unit_mask(dims: &ModelDims, units: &[Unit], ablation: HeadAblation) -> Result<Mask, MaskError> {
    let mut mask = Mask::default();
    for unit in units {
        let own = match unit {
            Unit::Head(id) => head_mask(dims, &[*id], ablation)?,
            Unit::KvGroup(id) => group_mask(dims, &[*id])?,
            Unit::Neuron(id) => neuron_mask(dims, &[*id])?,
            Unit::Weight(path, index) => {
                let absent = || MaskError::NoSuchParam { path: path.clone() };
                let found = dims.projections().find(|(own, ..)| own == path);
                let (_, _, projection) = found.ok_or_else(absent)?;
                let mut bits = BitMatrix::new(dims.shape(projection))?;
                bits.insert(*index)?;
                let mut own = Mask::default();
                own.insert(path.clone(), bits)?;
                own
            }
        };
        mask = mask.union(&own)?;
    }
    Ok(mask)
}

fn matrix(mask: &Mask, dims: &ModelDims, layer: usize, p: Projection) -> Result<BitMatrix, MaskError> {
    mask.get(&ParamPath::of(layer, p)).map_or_else(|| BitMatrix::new(dims.shape(p)), |bits| Ok(bits.clone()))
}

#[cfg(test)]
mod tests {
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
        for absent in ["L2N0", "model.layers.1.self_attn.q_proj.weight[48]", "lm_head.weight[0]"] {
            assert!(
                unit_mask(&DIMS, &[absent.parse().unwrap()], HeadAblation::ZeroOutput).is_err(),
                "{absent}"
            );
        }
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
