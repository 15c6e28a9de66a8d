use bias_probe::device::{read_back, to_f32};
use bias_types::model::Experts;
use burn::module::{Module, Param};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{
    Bool, Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};

use super::linear::Linear;
use super::params::{Follow, in_compute_dtype};
use crate::arch::plan::Routing;
use crate::error::ModelError;

/// What a mixture of experts has besides the matrices of its MLP.
#[derive(Module, Debug)]
pub(crate) struct Router<B: Backend> {
    /// Scores each expert that may be chosen.
    pub scores: Linear<B>,
    /// Scores the expert that every token reaches, if there is one.
    pub shared: Option<Linear<B>>,
    /// The bias of each expert's down projection, `[experts, d_model]`.
    pub down_bias: Option<Param<Tensor<B, 2>>>,
}

/// The cells that reach each expert, by number.
pub(crate) struct Reached(Vec<Vec<i32>>);

impl<B: Backend> Router<B> {
    /// The score of each expert, `[cells, experts]`; that of the shared expert last.
    pub(crate) fn logits(&self, x: &Tensor<B, 3>) -> Result<Tensor<B, 2>, ModelError> {
        let [rows, width, _] = x.dims();
        let flat = |y: Tensor<B, 3>| {
            let outer = y.dims()[2];
            y.reshape([rows * width, outer])
        };
        let own = flat(self.scores.forward(x.clone())?);
        Ok(match &self.shared {
            Some(shared) => Tensor::cat(vec![own, flat(shared.forward(x.clone())?)], 1),
            None => own,
        })
    }

    pub(crate) fn on_graph<A: AutodiffBackend<InnerBackend = B>>(
        &self,
        follow: Follow,
    ) -> Router<A> {
        Router {
            scores: self.scores.on_graph(follow),
            shared: self.shared.as_ref().map(|shared| shared.on_graph(follow)),
            down_bias: self.down_bias.as_ref().map(|bias| follow.param(bias)),
        }
    }
}

/// The factor of each expert's hidden channels, `[cells, experts]`: 0 for an expert that was not
/// chosen. Of equal scores, the first is chosen.
pub(crate) fn weights<B: Backend>(
    logits: Tensor<B, 2>,
    routing: Routing,
    experts: &Experts,
) -> Result<Tensor<B, 2>, ModelError> {
    let [cells, all] = logits.dims();
    let logits = to_f32(logits);
    let own = logits.clone().narrow(1, 0, experts.count);
    let scores = read_back(own.clone().detach())
        .map_err(|reason| ModelError::Readback { what: "router scores", reason })?;
    let mut chosen = vec![false; cells * experts.count];
    let mut order: Vec<usize> = Vec::with_capacity(experts.count);
    for (scores, chosen) in
        scores.chunks_exact(experts.count).zip(chosen.chunks_exact_mut(experts.count))
    {
        order.clear();
        order.extend(0..experts.count);
        // The sort is stable.
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        order[..experts.per_token].iter().for_each(|expert| chosen[*expert] = true);
    }
    let chosen = TensorData::new(chosen, [cells, experts.count]);
    let left_out = Tensor::<B, 2, Bool>::from_data(chosen, &own.device()).bool_not();
    let own = match routing {
        Routing::Chosen => softmax(own.mask_fill(left_out, f32::NEG_INFINITY), 1),
        Routing::All => softmax(own, 1).mask_fill(left_out, 0.0),
    };
    let weights = if all > experts.count {
        let shared = sigmoid(logits.narrow(1, experts.count, all - experts.count));
        Tensor::cat(vec![own, shared], 1)
    } else {
        own
    };
    Ok(in_compute_dtype(weights))
}

impl Reached {
    /// From the weights, `[cells, experts]`: a cell reaches the experts whose weight is not 0.
    pub(crate) fn of<B: Backend>(weights: &Tensor<B, 2>) -> Result<Self, ModelError> {
        let experts = weights.dims()[1];
        let values = read_back(weights.clone().detach())
            .map_err(|reason| ModelError::Readback { what: "router weights", reason })?;
        let mut reached = vec![Vec::new(); experts];
        for (cell, weights) in values.chunks_exact(experts.max(1)).enumerate() {
            for (own, _) in reached.iter_mut().zip(weights).filter(|(_, weight)| **weight != 0.0) {
                own.push(i32::try_from(cell).unwrap_or(i32::MAX));
            }
        }
        Ok(Self(reached))
    }

    /// From the hidden channels of all experts, `[cells, d_mlp]`, of which some may have been
    /// replaced: a cell reaches the experts of which a channel is not 0.
    pub(crate) fn of_hidden<B: Backend>(
        hidden: &Tensor<B, 2>,
        experts: &Experts,
    ) -> Result<Self, ModelError> {
        let channels = hidden.dims()[1];
        let values = read_back(hidden.clone().detach())
            .map_err(|reason| ModelError::Readback { what: "hidden channels", reason })?;
        let mut reached = vec![Vec::new(); experts.all()];
        for (cell, values) in values.chunks_exact(channels.max(1)).enumerate() {
            for (expert, own) in reached.iter_mut().enumerate() {
                if values[experts.channels(expert)].iter().any(|value| *value != 0.0) {
                    own.push(i32::try_from(cell).unwrap_or(i32::MAX));
                }
            }
        }
        Ok(Self(reached))
    }

    /// The cells that reach an expert.
    pub(crate) fn cells(&self, expert: usize) -> Vec<usize> {
        self.0[expert].iter().map(|cell| usize::try_from(*cell).unwrap_or(0)).collect()
    }

    /// Each expert that a cell reaches, and its cells.
    pub(crate) fn each<'a, B: Backend>(
        &'a self,
        device: &'a B::Device,
    ) -> impl Iterator<Item = (usize, Tensor<B, 1, Int>)> {
        let used = self.0.iter().enumerate().filter(|(_, cells)| !cells.is_empty());
        used.map(move |(expert, cells)| {
            let data = TensorData::new(cells.clone(), [cells.len()]);
            (expert, Tensor::from_data(data, device))
        })
    }
}
