use bias_mask::Mask;
use bias_types::ModelDims;
use bias_types::model::Sublayer;

use crate::results::Location;

/// The places of a mask's weights, and those of a uniformly random mask of the same size: mean and
/// standard deviation of the hypergeometric distribution.
pub(crate) fn locate(strategy: &str, mask: &Mask, dims: &ModelDims) -> Vec<Location> {
    let (chosen, all) = (mask.count() as f64, dims.prunable_weights() as f64);
    let mut out = Vec::new();
    for layer in 0..dims.layers {
        for sublayer in [Sublayer::Attention, Sublayer::Mlp] {
            let own = mask.iter().filter(|(path, _)| {
                path.projection().is_some_and(|(l, p)| l == layer && p.sublayer() == sublayer)
            });
            let weights: usize = dims
                .block_projections()
                .filter(|p| p.sublayer() == sublayer)
                .map(|p| dims.shape(p).iter().product::<usize>())
                .sum();
            let share = weights as f64 / all;
            let variance = chosen * share * (1.0 - share) * (all - chosen) / (all - 1.0).max(1.0);
            out.push(Location {
                strategy: strategy.into(),
                layer,
                sublayer,
                chosen: own.map(|(_, bits)| bits.count()).sum(),
                expected: chosen * share,
                deviation: variance.max(0.0).sqrt(),
            });
        }
    }
    out
}
