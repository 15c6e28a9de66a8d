//! The places of the residual stream that edges join, and what is written and read there.

use std::collections::BTreeMap;

use bias_cube::matmul;
use bias_probe::device::to_f32;
use bias_probe::{HookedModel, ProbeError};
use bias_types::model::{HeadId, KvGroupId, Sublayer};
use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::engine::pre_norm::{PreNorms, pre_norms};
use crate::engine::readback::read;
use crate::error::{AttribError, ValuesOf};
use crate::scores::edges::{Reader, Writer};

/// Components that write, or read, side by side at one site.
#[derive(Debug)]
pub(super) struct Place<N> {
    pub nodes: Vec<N>,
    pub site: Site,
    layer: usize,
    /// How far the residual stream has come when they read, or when they have written: 0 at the
    /// embedding, 2 more for each layer. A reader sees the writers of its depth and below.
    pub depth: usize,
}

/// The residual stream of a model.
#[derive(Debug)]
pub(super) struct ResidualStream<B: Backend> {
    dims: ModelDims,
    parallel: bool,
    norms: PreNorms<B>,
}

/// Activations and slopes by their sites, `[rows, width, channels]` in f32.
pub(super) type AtSites<B> = BTreeMap<Site, Tensor<B, 3>>;

/// Where the residual stream enters the first block.
pub(super) const ENTRY: Site = Site::Block(0, BlockSite::ResidPre);

/// The largest part of what attention adds that may be no multiple of the output of `o_proj`:
/// rounding of bf16.
const ROUNDING: f64 = 5e-3;

impl<B: Backend> ResidualStream<B> {
    pub(super) fn of<A: AutodiffBackend<InnerBackend = B>>(
        model: &impl HookedModel<A>,
    ) -> Result<Self, ProbeError> {
        let middle = Site::Block(0, BlockSite::ResidMid);
        let parallel = !model.sites().contains(&middle);
        Ok(Self { dims: *model.dims(), parallel, norms: pre_norms(model)? })
    }

    /// Writers, in the order of the forward pass.
    pub(super) fn writers(&self, by_layer: bool) -> Vec<Place<Writer>> {
        let place = |nodes, layer, site, depth| Place { nodes, site, layer, depth };
        let mut all = vec![place(vec![Writer::Embedding], 0, ENTRY, 0)];
        for layer in 0..self.dims.layers {
            let here = |site| Site::Block(layer, site);
            let (nodes, site) = if by_layer {
                (vec![Writer::Attention(layer)], here(BlockSite::AttnAdded))
            } else {
                let heads = (0..self.dims.heads).map(|h| Writer::Head(HeadId::new(layer, h)));
                (heads.collect(), here(BlockSite::HeadOutput))
            };
            all.push(place(nodes, layer, site, 2 * layer + 1));
            let mlp = vec![Writer::Mlp(layer)];
            all.push(place(mlp, layer, here(BlockSite::MlpAdded), 2 * layer + 2));
        }
        all
    }

    /// Readers, in the order of the forward pass. The last block's output is what the final norm
    /// alone reads.
    pub(super) fn readers(&self) -> Vec<Place<Reader>> {
        let ModelDims { layers, heads, kv_heads, .. } = self.dims;
        let mut all = Vec::new();
        for layer in 0..layers {
            let place =
                |nodes, site, depth| Place { nodes, site: Site::Block(layer, site), layer, depth };
            let queries = (0..heads).map(|h| Reader::Query(HeadId::new(layer, h))).collect();
            all.push(place(queries, BlockSite::Query, 2 * layer));
            let groups = |reader: fn(KvGroupId) -> Reader| {
                (0..kv_heads).map(|g| reader(KvGroupId::new(layer, g))).collect()
            };
            all.push(place(groups(Reader::Key), BlockSite::Key, 2 * layer));
            all.push(place(groups(Reader::Value), BlockSite::Value, 2 * layer));
            let depth = 2 * layer + usize::from(!self.parallel);
            all.push(place(vec![Reader::Mlp(layer)], BlockSite::MlpNorm, depth));
        }
        let last = Site::Block(layers.saturating_sub(1), BlockSite::ResidPost);
        all.push(Place {
            nodes: vec![Reader::Logits],
            site: last,
            layer: layers,
            depth: 2 * layers,
        });
        all
    }

    /// The sites within norms that [`reads`](Self::reads) needs.
    pub(super) fn norm_sites(&self) -> impl Iterator<Item = Site> + '_ {
        self.norms.values().flat_map(|norm| norm.inside)
    }

    /// What the writers of a place write less what they write in another run, from the differences
    /// at their sites.
    ///
    /// # Shapes
    /// `[rows, width, channels]` → `[writers, rows · width · d_model]`
    pub(super) fn writes<A: AutodiffBackend<InnerBackend = B>>(
        &self,
        model: &impl HookedModel<A>,
        place: &Place<Writer>,
        differences: &AtSites<B>,
    ) -> Result<Tensor<B, 2>, ProbeError> {
        let difference = at(place.site, differences)?;
        if !matches!(place.nodes.first(), Some(Writer::Head(_))) {
            return Ok(flat(difference));
        }
        let weight = model.weight(&ParamPath::of(place.layer, Projection::O))?;
        let weight = to_f32(weight.inner()).transpose();
        Ok(Tensor::cat(through(difference, weight, self.dims.heads).map(flat).collect(), 0))
    }

    /// The gradients with respect to what each reader of some places reads of the residual stream,
    /// from the gradients at the places' sites and the values of the same pass at
    /// [`norm_sites`](Self::norm_sites).
    ///
    /// # Shapes
    /// `[rows, width, channels]` → `[readers, rows · width · d_model]`
    pub(super) fn reads<A: AutodiffBackend<InnerBackend = B>>(
        &self,
        model: &impl HookedModel<A>,
        places: &[Place<Reader>],
        slopes: &AtSites<B>,
        values: &AtSites<B>,
    ) -> Result<Tensor<B, 2>, ProbeError> {
        let mut reads = Vec::new();
        for place in places {
            let slope = at(place.site, slopes)?;
            let (sublayer, projection) = match place.nodes.first() {
                Some(Reader::Query(_)) => (Sublayer::Attention, Some(Projection::Q)),
                Some(Reader::Key(_)) => (Sublayer::Attention, Some(Projection::K)),
                Some(Reader::Value(_)) => (Sublayer::Attention, Some(Projection::V)),
                _ => (Sublayer::Mlp, None),
            };
            let slopes = match projection {
                Some(projection) => {
                    let weight = model.weight(&ParamPath::of(place.layer, projection))?;
                    through(slope, to_f32(weight.inner()), place.nodes.len()).collect()
                }
                None => vec![slope],
            };
            // The final norm is behind the place where it reads.
            let Some(norm) = self.norms.get(&(place.layer, sublayer)) else {
                reads.extend(slopes.into_iter().map(flat));
                continue;
            };
            let [scale, normalized] = norm.inside;
            let (scale, normalized) = (at(scale, values)?, at(normalized, values)?);
            let back = |slope| flat(norm.pulled_back(slope, scale.clone(), normalized.clone()));
            reads.extend(slopes.into_iter().map(back));
        }
        Ok(Tensor::cat(reads, 0))
    }
}

/// What is known at a site, `[tokens, channels]`.
fn at<B: Backend>(site: Site, known: &AtSites<B>) -> Result<Tensor<B, 2>, ProbeError> {
    let unseen = || ProbeError::NeverFired { sites: vec![site] };
    let own = known.get(&site).cloned().ok_or_else(unseen)?;
    let [rows, width, channels] = own.dims();
    Ok(own.reshape([rows * width, channels]))
}

/// `[tokens, parts · d]` through each part's own rows of `[parts · d, d_model]`.
fn through<B: Backend>(
    values: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    parts: usize,
) -> impl Iterator<Item = Tensor<B, 2>> {
    let size = values.dims()[1] / parts.max(1);
    (0..parts).map(move |part| {
        let own = values.clone().narrow(1, part * size, size);
        matmul(own, weight.clone().narrow(0, part * size, size))
    })
}

/// All numbers as one row.
fn flat<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 2> {
    let [tokens, channels] = values.dims();
    values.reshape([1, tokens * channels])
}

/// The factor between the output of a layer's `o_proj` and what attention adds to the residual
/// stream.
///
/// # Errors
/// [`AttribError::HeadsNotAdded`] if there is none.
pub(super) fn added_factor<B: AutodiffBackend>(
    layer: usize,
    activations: &AtSites<B>,
) -> Result<f64, AttribError> {
    let [out_at, added_at] =
        [BlockSite::AttnOut, BlockSite::AttnAdded].map(|at| Site::Block(layer, at));
    let unseen = || ProbeError::NeverFired { sites: vec![out_at, added_at] };
    let (out, added) =
        activations.get(&out_at).zip(activations.get(&added_at)).ok_or_else(unseen)?;
    let [out, added] = [out, added].map(|value| to_f32(value.clone().inner()));
    let dot = |a: &Tensor<B::InnerBackend, 3>, b: &Tensor<B::InnerBackend, 3>| {
        let sum = read((a.clone() * b.clone()).sum(), ValuesOf::Site(added_at))?;
        Ok::<_, AttribError>(sum.first().copied().map_or(0.0, f64::from))
    };
    let own = dot(&out, &out)?;
    let factor = if own > 0.0 { dot(&added, &out)? / own } else { 0.0 };
    let rest = added.clone() - out * factor;
    if dot(&rest, &rest)? > ROUNDING * ROUNDING * dot(&added, &added)? {
        return Err(AttribError::HeadsNotAdded { site: added_at });
    }
    Ok(factor)
}
