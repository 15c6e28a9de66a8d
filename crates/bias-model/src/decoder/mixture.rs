//! The MLP of a mixture of experts. For each expert, only the tokens that reach it are computed. To
//! an observer it is one MLP with the channels of all experts, most of them 0.

use std::ops::Range;

use bias_cube::matmul;
use bias_probe::ProbeError;
use bias_probe::hooks::ChannelPart;
use bias_types::model::Experts;
use bias_types::{BlockSite, Site};
use burn::tensor::{IndexingUpdateOp, Int, Tensor, backend::Backend};

use super::block::Block;
use super::forward::Pass;
use super::linear::Linear;
use super::model::Decoder;
use super::params::in_compute_dtype;
use super::router::{Reached, Router, weights};

/// A part of a batch that reaches an expert: the expert, the cells, and `[cells, channels]`.
struct Part<B: Backend> {
    expert: usize,
    cells: Tensor<B, 1, Int>,
    value: Tensor<B, 2>,
}

/// A linear map of which experts use a part. It is read once.
struct Wide<B: Backend> {
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
}

impl<B: Backend> Wide<B> {
    fn of(linear: &Linear<B>, device: &B::Device) -> Result<Self, ProbeError> {
        let bias = linear.bias.as_ref().map(|bias| bias.val());
        Ok(Self { weight: linear.weight.value(device)?, bias })
    }

    /// To some of the outer channels.
    fn to(&self, x: Tensor<B, 2>, outer: Range<usize>) -> Tensor<B, 2> {
        let part = self.weight.clone().narrow(1, outer.start, outer.len());
        let y = matmul(x, in_compute_dtype(part));
        match &self.bias {
            Some(bias) => {
                y + in_compute_dtype(bias.clone().narrow(0, outer.start, outer.len())).unsqueeze()
            }
            None => y,
        }
    }

    /// From some of the inner channels, without the bias.
    fn from(&self, x: Tensor<B, 2>, inner: Range<usize>) -> Tensor<B, 2> {
        matmul(x, in_compute_dtype(self.weight.clone().narrow(0, inner.start, inner.len())))
    }
}

impl<B: Backend> Decoder<B> {
    /// The MLP's output, before what is added to the residual stream: `[rows, width, d_model]`.
    pub(super) fn mixture(
        &self,
        layer: usize,
        block: &Block<B>,
        (router, gate, experts): (&Router<B>, &Linear<B>, Experts),
        x: Tensor<B, 3>,
        pass: &mut Pass<'_, B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let (plan, device) = (self.plan(), x.device());
        let [rows, width, d_model] = x.dims();
        let at = |site| Site::Block(layer, site);
        let logits = pass.see_flat(at(BlockSite::RouterLogits), router.logits(&x)?)?;
        let shares = weights(logits, plan.routing, &experts)?;
        let shares = pass.see_flat(at(BlockSite::RouterWeights), shares)?;
        let reached = Reached::of(&shares)?;
        let flat = x.reshape([rows * width, d_model]);
        let (gate, up) = (Wide::of(gate, &device)?, Wide::of(&block.up, &device)?);
        let down = Wide::of(&block.down, &device)?;

        let inside = |part: &Part<B>, wide: &Wide<B>| {
            wide.to(part.value.clone(), experts.channels(part.expert))
        };
        let share =
            |part: &Part<B>| shares.clone().select(0, part.cells.clone()).narrow(1, part.expert, 1);
        let mut out = Tensor::zeros([rows * width, d_model], (&device, flat.dtype()));
        let parts = reached.each(&device).map(|(expert, cells)| {
            let value = flat.clone().select(0, cells.clone());
            Part { expert, cells, value }
        });
        let sites = [
            BlockSite::ExpertInputs,
            BlockSite::Gate,
            BlockSite::GateActivated,
            BlockSite::Up,
            BlockSite::MlpHidden,
        ];
        if sites.iter().any(|site| pass.wants(at(*site))) {
            let parts: Vec<Part<B>> = parts.collect();
            let of = |wide: &Wide<B>| parts.iter().map(|own| own.with(inside(own, wide))).collect();
            pass.see_parts(at(BlockSite::ExpertInputs), experts.all() * d_model, || {
                let own = |part: &Part<B>| part.of(&reached, |e| e * d_model..(e + 1) * d_model);
                parts.iter().map(own).collect()
            })?;
            let mut watched =
                Watched { pass, layer, reached: &reached, experts, input: flat.clone() };
            let gates = watched.see(BlockSite::Gate, of(&gate))?;
            let gates = gates.into_iter().map(|own| own.map(|gate| plan.gate_activated(gate)));
            let gates = watched.see(BlockSite::GateActivated, gates.collect())?;
            let ups = watched.see(BlockSite::Up, of(&up))?;
            let hidden = gates.into_iter().zip(ups).map(|(gate, up)| {
                let share = share(&gate);
                gate.map(|gate| plan.gated(gate, up.value) * share)
            });
            let hidden: Vec<Part<B>> = hidden.collect();
            if !watched.offered(BlockSite::MlpHidden, &hidden)? {
                // Whatever the observer makes of it counts, chosen or not.
                let whole = watched.whole(hidden);
                let whole = watched.pass.see_flat(at(BlockSite::MlpHidden), whole)?;
                for (expert, cells) in Reached::of_hidden(&whole, &experts)?.each(&device) {
                    let channels = experts.channels(expert);
                    let own = whole.clone().narrow(1, channels.start, channels.len());
                    let own = own.select(0, cells.clone());
                    let own = down.from(own, channels);
                    out = out.select_assign(0, cells, own, IndexingUpdateOp::Add);
                }
                if B::ad_enabled(&device) {
                    // The slopes of all channels, and the values of the others.
                    let slopes = down.from(whole, 0..experts.width().unwrap_or_default());
                    out = out.detach() + (slopes.clone() - slopes.detach());
                }
            } else {
                for own in hidden {
                    let added = down.from(own.value, experts.channels(own.expert));
                    out = out.select_assign(0, own.cells, added, IndexingUpdateOp::Add);
                }
            }
        } else {
            for own in parts {
                let gate = plan.gate_activated(inside(&own, &gate));
                let hidden = plan.gated(gate, inside(&own, &up)) * share(&own);
                let added = down.from(hidden, experts.channels(own.expert));
                out = out.select_assign(0, own.cells, added, IndexingUpdateOp::Add);
            }
        }
        if let Some(bias) = &router.down_bias {
            out = out + matmul(shares, in_compute_dtype(bias.val()));
        }
        if let Some(bias) = &down.bias {
            out = out + in_compute_dtype(bias.clone()).unsqueeze();
        }
        Ok(out.reshape([rows, width, d_model]))
    }
}

impl<B: Backend> Part<B> {
    /// As observers see it.
    fn of(&self, reached: &Reached, channels: impl Fn(usize) -> Range<usize>) -> ChannelPart<B> {
        ChannelPart {
            cells: reached.cells(self.expert),
            channels: channels(self.expert),
            value: self.value.clone(),
        }
    }

    fn with(&self, value: Tensor<B, 2>) -> Self {
        Self { expert: self.expert, cells: self.cells.clone(), value }
    }

    fn map(self, make: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 2>) -> Self {
        Self { value: make(self.value), ..self }
    }
}

/// Shows an observer the parts as one MLP.
struct Watched<'p, 'a, B: Backend> {
    pass: &'p mut Pass<'a, B>,
    layer: usize,
    reached: &'p Reached,
    experts: Experts,
    /// The input, `[cells, d_model]`.
    input: Tensor<B, 2>,
}

impl<B: Backend> Watched<'_, '_, B> {
    /// All channels of all cells, 0 where there is no part: `[cells, d_mlp]`.
    fn whole(&self, parts: Vec<Part<B>>) -> Tensor<B, 2> {
        let mut parts = parts.into_iter().peekable();
        let ([cells, _], device, dtype) =
            (self.input.dims(), self.input.device(), self.input.dtype());
        let each = (0..self.experts.all()).map(|expert| {
            let width = self.experts.channels(expert).len();
            let none = Tensor::zeros([cells, width], (&device, dtype));
            match parts.next_if(|own| own.expert == expert) {
                Some(own) => none.select_assign(0, own.cells, own.value, IndexingUpdateOp::Add),
                None => none,
            }
        });
        let each: Vec<_> = each.collect();
        Tensor::cat(each, 1)
    }

    /// Offers the parts of a site. Returns whether the observer need not see the whole.
    fn offered(&mut self, site: BlockSite, parts: &[Part<B>]) -> Result<bool, ProbeError> {
        let (experts, reached) = (self.experts, self.reached);
        let all = experts.width().unwrap_or_default();
        self.pass.see_parts(Site::Block(self.layer, site), all, || {
            parts.iter().map(|own| own.of(reached, |expert| experts.channels(expert))).collect()
        })
    }

    /// Shows a site, if it is wanted, and goes on with what the observer returns.
    fn see(&mut self, site: BlockSite, parts: Vec<Part<B>>) -> Result<Vec<Part<B>>, ProbeError> {
        if self.offered(site, &parts)? {
            return Ok(parts);
        }
        let site = Site::Block(self.layer, site);
        let places: Vec<_> = parts.iter().map(|own| (own.expert, own.cells.clone())).collect();
        let seen = self.pass.see_flat(site, self.whole(parts))?;
        let back = places.into_iter().map(|(expert, cells)| {
            let channels = self.experts.channels(expert);
            let own = seen.clone().narrow(1, channels.start, channels.len());
            Part { expert, value: own.select(0, cells.clone()), cells }
        });
        Ok(back.collect())
    }
}
