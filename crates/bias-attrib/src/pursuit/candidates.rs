//! The candidates for pruning, their effects on the numbers watched, and the choice of those that
//! together close the residual.

use std::borrow::Cow;

use bias_mask::{HeadAblation, unit_mask};
use bias_types::model::{ExpertId, HeadId, KvGroupId, NeuronId};
use bias_types::{ModelDims, ParamPath, Projection, Unit, UnitKind};
use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use rayon::slice::{ParallelSlice as _, ParallelSliceMut as _};

use super::highest::highest;
use super::matching::{Choice, Costs, Matching};
use super::trust::{Step, Taken, Trust};
use crate::error::AttribError;

/// All units of a kind.
pub(crate) struct Candidates {
    dims: ModelDims,
    kind: UnitKind,
    /// The first weight of each matrix in the order of effects.
    starts: Vec<(usize, ParamPath)>,
    costs: Costs,
}

/// Calls a function for every number watched, in order, with each candidate's effect on it.
pub(crate) type EachRow<'a> =
    dyn FnMut(&mut (dyn FnMut(usize, &[f32]) + Send)) -> Result<(), AttribError> + 'a;

/// Each candidate's effect on every number watched, row by row.
pub(crate) enum Rows<'r, 'a> {
    /// In memory.
    Held(&'r [Vec<f32>]),
    /// Computed again whenever they are read.
    Anew(&'r mut EachRow<'a>),
}

/// Candidates that one thread works on.
const SIDE_BY_SIDE: usize = 1 << 16;

/// Candidates for each unit that may be chosen, and their least and largest number.
const PER_CHOICE: usize = 8;
const LEAST_CANDIDATES: usize = 1 << 12;
const MOST_CANDIDATES: usize = 1 << 17;

impl Candidates {
    /// The numbers watched from `one_sided` on count only where the residual is below 0.
    pub(crate) fn new(dims: &ModelDims, kind: UnitKind, one_sided: usize) -> Self {
        let starts = dims.projections().scan(0, |at, (path, _, projection)| {
            let [out, inner] = dims.shape(projection);
            let start = *at;
            *at += out * inner;
            Some((start, path))
        });
        Self { dims: *dims, kind, starts: starts.collect(), costs: Costs { one_sided } }
    }

    /// Number of candidates.
    pub(crate) fn count(&self) -> usize {
        let dims = &self.dims;
        match self.kind {
            UnitKind::Weight => dims.prunable_weights(),
            UnitKind::Neuron => dims.layers * dims.d_mlp,
            UnitKind::Head => dims.layers * dims.heads,
            UnitKind::KvGroup => dims.layers * dims.kv_heads,
            UnitKind::Expert => dims.layers * experts(dims),
            UnitKind::Layer => dims.layers,
        }
    }

    /// The units that a [matching pursuit](Matching) of the residual `missing` chooses, in order.
    /// It stops when the residual's norm has fallen to `goal` times its first value, when nothing
    /// helps any more, or when `limit` are chosen. Only the units that help most by themselves are
    /// considered, so that rows are read twice and need not be held. In a trust region it also stops
    /// before the chosen units cost more than the radius.
    pub(crate) fn pursue(
        &self,
        missing: Vec<f32>,
        mut rows: Rows<'_, '_>,
        goal: f64,
        limit: usize,
        trust: Option<&Trust>,
    ) -> Result<Step, AttribError> {
        let candidates = self.candidates(&missing, &mut rows, limit, trust)?;
        let width = missing.len();
        let mut table = vec![0f32; candidates.len() * width];
        match rows {
            Rows::Held(held) => {
                table.par_chunks_exact_mut(width).zip(&candidates).for_each(|(own, &j)| {
                    own.iter_mut().zip(held).for_each(|(own, moves)| *own = moves[j]);
                });
            }
            Rows::Anew(each_row) => each_row(&mut |r, moves| {
                table
                    .par_chunks_exact_mut(width)
                    .zip(&candidates)
                    .for_each(|(own, &j)| own[r] = moves[j]);
            })?,
        }
        let mut matching = Matching::new(self.costs, &table, missing);
        let Some(trust) = trust else {
            let chosen = matching.choose(goal, limit);
            let units = chosen.into_iter().map(|at| self.unit(candidates[at])).collect();
            return Ok(Step { units, ..Step::default() });
        };
        let prices: Vec<f32> = candidates.iter().map(|j| trust.price(*j)).collect();
        let (chosen, limited) = matching.choose_within(goal, limit, &prices, trust.radius());
        let of = |own: &Choice| Taken {
            candidate: candidates[own.candidate],
            spent: own.spent,
            left: own.left,
        };
        let taken: Vec<Taken> = chosen.iter().map(of).collect();
        let units = taken.iter().map(|own| self.unit(own.candidate)).collect();
        Ok(Step { units, taken, limited, ..Step::default() })
    }

    /// The candidates that help most by themselves, in order of their index. Rows in memory need no
    /// further memory; other rows need one number per candidate.
    fn candidates(
        &self,
        missing: &[f32],
        rows: &mut Rows<'_, '_>,
        limit: usize,
        trust: Option<&Trust>,
    ) -> Result<Vec<usize>, AttribError> {
        let bar = |first: usize, gains: &mut [f32]| {
            if let Some(trust) = trust {
                let barred = gains.iter_mut().enumerate();
                barred
                    .filter(|(i, _)| !trust.allows(first + i))
                    .for_each(|(_, gain)| *gain = f32::NEG_INFINITY);
            }
        };
        let most = limit.saturating_mul(PER_CHOICE).clamp(LEAST_CANDIDATES, MOST_CANDIDATES);
        let costs = self.costs;
        let add = |r: usize, moves: &[f32], gains: &mut [f32]| {
            let missing = missing[r];
            for (sum, moved) in gains.iter_mut().zip(moves) {
                *sum += costs.of(r, missing) - costs.of(r, missing - moved);
            }
        };
        match rows {
            Rows::Held(held) => Ok(highest(self.count(), most, |candidates| {
                let mut gains = vec![0f32; candidates.len()];
                held.iter()
                    .enumerate()
                    .for_each(|(r, moves)| add(r, &moves[candidates.clone()], &mut gains));
                bar(candidates.start, &mut gains);
                Cow::Owned(gains)
            })),
            Rows::Anew(each_row) => {
                let mut gains = vec![0f32; self.count()];
                each_row(&mut |r, moves| {
                    let candidates =
                        gains.par_chunks_mut(SIDE_BY_SIDE).zip(moves.par_chunks(SIDE_BY_SIDE));
                    candidates.for_each(|(gains, moves)| add(r, moves, gains));
                })?;
                bar(0, &mut gains);
                Ok(highest(gains.len(), most, |candidates| Cow::Borrowed(&gains[candidates])))
            }
        }
    }

    /// Number of weights of the largest candidate: the expert that every token reaches may have
    /// another width than the others.
    pub(crate) fn weights_each(&self) -> Result<usize, AttribError> {
        let last =
            if self.kind == UnitKind::Expert { experts(&self.dims).saturating_sub(1) } else { 0 };
        let weights = |index| {
            let own = unit_mask(&self.dims, &[self.unit(index)], HeadAblation::ZeroOutput)?;
            Ok::<_, AttribError>(own.count())
        };
        Ok(weights(0)?.max(weights(last)?).max(1))
    }

    /// Number of weights that read a candidate's output; of a single weight, itself.
    pub(super) fn readers_each(&self) -> usize {
        let dims = &self.dims;
        match self.kind {
            UnitKind::Weight => 1,
            UnitKind::Neuron => dims.d_model,
            UnitKind::Head => dims.d_model * dims.d_head,
            UnitKind::KvGroup => dims.d_model * dims.heads * dims.d_head / dims.kv_heads.max(1),
            UnitKind::Expert => dims.d_model * dims.d_mlp / experts(dims).max(1),
            UnitKind::Layer => dims.d_model * (dims.heads * dims.d_head + dims.d_mlp),
        }
    }

    fn unit(&self, index: usize) -> Unit {
        let (dims, within) = (&self.dims, |each: usize| (index / each, index % each));
        match self.kind {
            UnitKind::Weight => {
                let at = self.starts.partition_point(|(start, _)| *start <= index) - 1;
                let (start, path) = &self.starts[at];
                Unit::Weight(path.clone(), index - start)
            }
            UnitKind::Neuron => Unit::Neuron({
                let (layer, neuron) = within(dims.d_mlp);
                NeuronId::new(layer, neuron)
            }),
            UnitKind::Head => Unit::Head({
                let (layer, head) = within(dims.heads);
                HeadId::new(layer, head)
            }),
            UnitKind::KvGroup => Unit::KvGroup({
                let (layer, group) = within(dims.kv_heads);
                KvGroupId::new(layer, group)
            }),
            UnitKind::Expert => Unit::Expert({
                let (layer, expert) = within(experts(dims).max(1));
                ExpertId::new(layer, expert)
            }),
            UnitKind::Layer => Unit::Layer(index),
        }
    }

    /// The effects of whole units to first order: sums over the weights that read the units'
    /// outputs, so that nothing counts twice.
    pub(crate) fn unit_effects(&self, effect: Vec<f32>) -> Vec<f32> {
        let dims = &self.dims;
        let heads = dims.heads * dims.d_head;
        let of = |layer, projection, each| self.columns(&effect, layer, projection, each);
        let layers = 0..dims.layers;
        match self.kind {
            UnitKind::Weight => effect,
            UnitKind::Neuron => layers.flat_map(|layer| of(layer, Projection::Down, 1)).collect(),
            UnitKind::Head => {
                layers.flat_map(|layer| of(layer, Projection::O, dims.d_head)).collect()
            }
            UnitKind::KvGroup => {
                layers.flat_map(|layer| of(layer, Projection::O, heads / dims.kv_heads)).collect()
            }
            UnitKind::Expert => layers.flat_map(|layer| self.by_expert(&effect, layer)).collect(),
            UnitKind::Layer => layers
                .map(|layer| {
                    let both =
                        [of(layer, Projection::O, heads), of(layer, Projection::Down, dims.d_mlp)];
                    both.iter().flatten().sum()
                })
                .collect(),
        }
    }

    /// Sums over the columns of `down_proj` of each expert.
    fn by_expert(&self, effect: &[f32], layer: usize) -> Vec<f32> {
        let neurons = self.columns(effect, layer, Projection::Down, 1);
        let all = 0..experts(&self.dims);
        let own = |expert| self.dims.experts.map_or(0..0, |experts| experts.channels(expert));
        all.map(|e| neurons[own(e)].iter().map(|v| f64::from(*v)).sum::<f64>() as f32).collect()
    }

    /// Sums over every `each` columns of a matrix.
    fn columns(
        &self,
        effect: &[f32],
        layer: usize,
        projection: Projection,
        each: usize,
    ) -> Vec<f32> {
        let [out, inner] = self.dims.shape(projection);
        let mut sums = vec![0f64; inner / each];
        let path = ParamPath::of(layer, projection);
        if let Some((start, _)) = self.starts.iter().find(|(_, own)| *own == path) {
            for row in effect[*start..start + out * inner].chunks_exact(inner) {
                for (sum, part) in sums.iter_mut().zip(row.chunks_exact(each)) {
                    *sum += part.iter().map(|v| f64::from(*v)).sum::<f64>();
                }
            }
        }
        sums.into_iter().map(|v| v as f32).collect()
    }
}

/// The experts of a block.
fn experts(dims: &ModelDims) -> usize {
    dims.experts.map_or(0, |experts| experts.all())
}

#[cfg(test)]
mod tests {
    use bias_types::model::Experts;

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

    fn effects(of: &[(Projection, usize, f32)]) -> Vec<f32> {
        let mut all = Vec::new();
        for (_, _, projection) in DIMS.projections() {
            let [out, inner] = DIMS.shape(projection);
            let own = |i| {
                of.iter().find(|(p, at, _)| *p == projection && *at == i).map_or(0.0, |(.., v)| *v)
            };
            all.extend((0..out * inner).map(own));
        }
        all
    }

    fn pursue(kind: UnitKind, effects: &[Vec<f32>], one_sided: usize, missing: &[f32]) -> Chase {
        let candidates = Candidates::new(&DIMS, kind, one_sided);
        let rows = effects.iter().map(|own| candidates.unit_effects(own.clone())).collect();
        Chase { candidates, rows, missing: missing.to_vec() }
    }

    struct Chase {
        candidates: Candidates,
        rows: Vec<Vec<f32>>,
        missing: Vec<f32>,
    }

    impl Chase {
        fn to(&self, goal: f64, limit: usize) -> Vec<String> {
            let mut each_row = |visit: &mut (dyn FnMut(usize, &[f32]) + Send)| {
                self.rows.iter().enumerate().for_each(|(r, own)| visit(r, own));
                Ok(())
            };
            let pursue = |rows| {
                self.candidates.pursue(self.missing.clone(), rows, goal, limit, None).unwrap().units
            };
            let chosen = pursue(Rows::Anew(&mut each_row));
            assert_eq!(pursue(Rows::Held(&self.rows)), chosen, "held or made again");
            chosen.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn each_is_chosen_given_those_before_it() {
        // The second row forbids the strongest weight; the two next do the same, so one is enough.
        let first = effects(&[
            (Projection::Q, 0, 0.9),
            (Projection::Up, 1, 0.7),
            (Projection::Up, 2, 0.6),
            (Projection::Down, 3, 0.25),
            (Projection::Down, 0, -0.5),
        ]);
        let both = [first, effects(&[(Projection::Q, 0, 2.0)])];
        let chosen = |missing: [f32; 2]| pursue(UnitKind::Weight, &both, 2, &missing);
        let expected =
            ["model.layers.0.mlp.up_proj.weight[1]", "model.layers.0.mlp.down_proj.weight[3]"];
        assert_eq!(chosen([1.0, 0.0]).to(0.0, 10), expected);
        assert_eq!(chosen([1.0, 0.0]).to(0.5, 10).len(), 1);
        assert_eq!(chosen([1.0, 0.0]).to(0.0, 1).len(), 1);
        assert!(chosen([0.0, 0.0]).to(0.0, 10).is_empty());
    }

    #[test]
    fn a_one_sided_row_may_get_better_but_not_worse() {
        let other = |spoils| effects(&[(Projection::Q, 0, -1.0), (Projection::Up, 1, spoils)]);
        let first = effects(&[(Projection::Q, 0, 0.9), (Projection::Up, 1, 0.8)]);
        let chosen = pursue(UnitKind::Weight, &[first, other(1.0)], 1, &[0.9, 0.0]).to(0.0, 1);
        assert_eq!(chosen, ["model.layers.0.self_attn.q_proj.weight[0]"]);
        let both = [effects(&[(Projection::Up, 1, 0.8)]), other(2.0)];
        assert!(pursue(UnitKind::Weight, &both, 1, &[0.9, 0.0]).to(0.0, 1).is_empty());
        assert_eq!(pursue(UnitKind::Weight, &both, 1, &[0.9, 3.0]).to(0.0, 1).len(), 1);
    }

    #[test]
    fn units_count_what_reads_them_once() {
        let own = effects(&[
            (Projection::Down, 0, 1.0),
            (Projection::Down, 2, 2.0),
            (Projection::Gate, 0, 9.0),
            (Projection::O, 1, 4.0),
        ]);
        let rows = |kind| Candidates::new(&DIMS, kind, 1).unit_effects(own.clone());
        assert_eq!(rows(UnitKind::Neuron), [3.0, 0.0]);
        assert_eq!(rows(UnitKind::Head), [0.0, 4.0]);
        assert_eq!(rows(UnitKind::KvGroup), [4.0]);
        assert_eq!(rows(UnitKind::Layer), [7.0]);
        for kind in UnitKind::ALL {
            assert_eq!(Candidates::new(&DIMS, kind, 1).count(), rows(kind).len());
        }
        assert_eq!(
            pursue(UnitKind::Neuron, std::slice::from_ref(&own), 1, &[3.0]).to(0.0, 1),
            ["L0N0"]
        );
    }

    /// A budget of weights is never passed, whichever expert is taken.
    #[test]
    fn experts_cost_what_the_largest_has() {
        let experts = |shared| Experts { count: 3, per_token: 1, d_expert: 2, shared };
        for (shared, channels) in [(0, 2), (1, 2), (5, 5)] {
            let experts = experts(shared);
            let dims =
                ModelDims { d_mlp: experts.width().unwrap(), experts: Some(experts), ..DIMS };
            let each = Candidates::new(&dims, UnitKind::Expert, 1).weights_each().unwrap();
            assert_eq!(each, 3 * channels * dims.d_model, "{experts:?}");
        }
        assert_eq!(Candidates::new(&DIMS, UnitKind::Neuron, 1).weights_each().unwrap(), 3 * 2);
    }
}
