use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::experts::Experts;
use super::param_path::ParamPath;
use super::projection::Projection;
use super::site::{BlockSite, Site};
use super::unit::{ExpertId, HeadId, KvGroupId};
use crate::error::TypesError;

/// The sizes of a decoder-only transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDims {
    /// Decoder blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads per block.
    pub heads: usize,
    /// Key/value heads per block; divides `heads` (grouped-query attention).
    pub kv_heads: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Width of the MLP's hidden layer, all experts together.
    pub d_mlp: usize,
    /// Whether the MLP has a gate besides its up projection (`act(gate) · up`).
    #[serde(default = "gated")]
    pub gated: bool,
    /// Rows of the embedding.
    pub vocab: usize,
    /// The division of the MLP's channels among experts, in every block; `None` if all tokens use
    /// the whole MLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
}

/// No size of a model is larger.
const MAX_SIZE: usize = 1 << 31;
/// No model has more blocks.
const MAX_LAYERS: usize = 1 << 14;

fn gated() -> bool {
    true
}

impl ModelDims {
    /// Checks that no size is zero or larger than in any known model, that all weights can be
    /// counted, that the heads share KV groups evenly, and that the experts have all channels
    /// of the MLP.
    ///
    /// # Errors
    /// [`TypesError::Dims`] names the sizes that do not fit.
    pub fn validate(&self) -> Result<(), TypesError> {
        let sizes = [
            ("layers", self.layers),
            ("d_model", self.d_model),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("d_head", self.d_head),
            ("d_mlp", self.d_mlp),
            ("vocab", self.vocab),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(TypesError::Dims { reason: format!("{name} is 0") });
        }
        if let Some((name, size)) = sizes.iter().find(|(_, size)| *size > MAX_SIZE) {
            return Err(TypesError::Dims {
                reason: format!("{name} is {size}, more than {MAX_SIZE}"),
            });
        }
        if self.layers > MAX_LAYERS {
            let reason = format!("layers is {}, more than {MAX_LAYERS}", self.layers);
            return Err(TypesError::Dims { reason });
        }
        let wide = |size: usize| size as u128;
        let channels = [wide(self.heads) * wide(self.d_head), wide(self.d_mlp), wide(self.d_model)];
        // No matrix is larger than the square of the widest, and a block has seven.
        let widest = channels.into_iter().max().unwrap_or_default();
        if widest > wide(MAX_SIZE) || widest * widest * 7 * wide(self.layers) > wide(usize::MAX) {
            return Err(TypesError::Dims {
                reason: "there are more weights than can be counted".into(),
            });
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(TypesError::Dims {
                reason: format!(
                    "{} heads cannot share {} key/value heads evenly",
                    self.heads, self.kv_heads
                ),
            });
        }
        self.experts.map_or(Ok(()), |experts| self.check_experts(experts))
    }

    fn check_experts(&self, experts: Experts) -> Result<(), TypesError> {
        let Experts { count, d_expert, per_token, .. } = experts;
        let refused = |reason| Err(TypesError::Dims { reason });
        if count == 0 || d_expert == 0 {
            return refused(format!("there are {count} experts of {d_expert} channels"));
        }
        if per_token == 0 || per_token > count {
            return refused(format!("{per_token} of {count} experts cannot be chosen for a token"));
        }
        if experts.width() != Some(self.d_mlp) {
            return refused(format!(
                "{count} experts of {d_expert} channels, and {} shared channels, do not have the {} \
                 channels of the MLP",
                experts.shared, self.d_mlp
            ));
        }
        Ok(())
    }

    /// The key/value head that a query head reads: `⌊head · kv_heads / heads⌋`.
    ///
    /// # Errors
    /// [`TypesError::OutOfRange`] when the layer or head does not exist.
    pub fn kv_group(&self, head: HeadId) -> Result<usize, TypesError> {
        self.check_head(head)?;
        Ok(head.head * self.kv_heads / self.heads)
    }

    /// The columns of `o_proj` (and the slice of its input) that belong to a query head.
    ///
    /// # Errors
    /// [`TypesError::OutOfRange`] when the layer or head does not exist.
    pub fn head_columns(&self, head: HeadId) -> Result<Range<usize>, TypesError> {
        self.check_head(head)?;
        Ok(head.head * self.d_head..(head.head + 1) * self.d_head)
    }

    /// The Hugging Face `[out, in]` shape of a projection.
    #[must_use]
    pub fn shape(&self, projection: Projection) -> [usize; 2] {
        let attn = self.heads * self.d_head;
        let kv = self.kv_heads * self.d_head;
        match projection {
            Projection::Q => [attn, self.d_model],
            Projection::K | Projection::V => [kv, self.d_model],
            Projection::O => [self.d_model, attn],
            Projection::Gate | Projection::Up => [self.d_mlp, self.d_model],
            Projection::Down => [self.d_model, self.d_mlp],
        }
    }

    /// The rows of `k_proj` and `v_proj` that belong to a key/value head.
    ///
    /// # Errors
    /// [`TypesError::OutOfRange`] when the layer or group does not exist.
    pub fn group_rows(&self, group: KvGroupId) -> Result<Range<usize>, TypesError> {
        self.check_group(group)?;
        Ok(group.group * self.d_head..(group.group + 1) * self.d_head)
    }

    /// The query heads that read a key/value head.
    ///
    /// # Errors
    /// [`TypesError::OutOfRange`] when the layer or group does not exist.
    pub fn group_heads(
        &self,
        group: KvGroupId,
    ) -> Result<impl Iterator<Item = HeadId> + use<>, TypesError> {
        self.check_group(group)?;
        let shared = self.heads / self.kv_heads;
        Ok((group.group * shared..(group.group + 1) * shared)
            .map(move |h| HeadId::new(group.layer, h)))
    }

    /// The hidden channels of the MLP that belong to an expert.
    ///
    /// # Errors
    /// [`TypesError::OutOfRange`] when the layer or expert does not exist.
    pub fn expert_channels(&self, id: ExpertId) -> Result<Range<usize>, TypesError> {
        self.check_layer(id.layer)?;
        within("expert", id.expert, self.experts.map_or(0, |experts| experts.all()))?;
        Ok(self.experts.map_or(0..0, |experts| experts.channels(id.expert)))
    }

    /// The site whose statistics belong to a matrix's input. As [`Projection::input_site`], but for
    /// `gate_proj` and `up_proj` of a mixture of experts, of which each expert has inputs of its
    /// own ([`BlockSite::ExpertInputs`]).
    #[must_use]
    pub fn statistics_site(&self, layer: usize, projection: Projection) -> Site {
        match projection {
            Projection::Gate | Projection::Up if self.experts.is_some() => {
                Site::Block(layer, BlockSite::ExpertInputs)
            }
            _ => projection.input_site(layer),
        }
    }

    /// The part of the channels at its [`statistics_site`](Self::statistics_site) that are the
    /// input of a row of a matrix.
    #[must_use]
    pub fn statistics_channels(&self, projection: Projection, row: usize) -> Range<usize> {
        let width = self.shape(projection)[1];
        let start = match (projection, self.experts) {
            (Projection::Gate | Projection::Up, Some(experts)) => experts.of_channel(row) * width,
            _ => 0,
        };
        start..start + width
    }

    /// The linear maps of one block, in forward order. An MLP without a gate has no gate
    /// projection.
    pub fn block_projections(&self) -> impl Iterator<Item = Projection> + use<> {
        let gated = self.gated;
        Projection::ALL.into_iter().filter(move |p| gated || *p != Projection::Gate)
    }

    /// Every prunable matrix, layer by layer, in forward order.
    pub fn projections(&self) -> impl Iterator<Item = (ParamPath, usize, Projection)> + use<> {
        let dims = *self;
        (0..self.layers).flat_map(move |layer| {
            dims.block_projections().map(move |p| (ParamPath::of(layer, p), layer, p))
        })
    }

    /// The number of weights in all those matrices.
    #[must_use]
    pub fn prunable_weights(&self) -> usize {
        self.layers
            * self
                .block_projections()
                .map(|p| self.shape(p).iter().product::<usize>())
                .sum::<usize>()
    }

    /// Refuses a layer that the model does not have.
    ///
    /// # Errors
    /// [`TypesError::OutOfRange`].
    pub fn check_layer(&self, layer: usize) -> Result<(), TypesError> {
        within("layer", layer, self.layers)
    }

    fn check_head(&self, head: HeadId) -> Result<(), TypesError> {
        self.check_layer(head.layer)?;
        within("head", head.head, self.heads)
    }

    fn check_group(&self, group: KvGroupId) -> Result<(), TypesError> {
        self.check_layer(group.layer)?;
        within("key/value group", group.group, self.kv_heads)
    }
}

fn within(what: &'static str, index: usize, count: usize) -> Result<(), TypesError> {
    if index < count { Ok(()) } else { Err(TypesError::OutOfRange { what, index, count }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: ModelDims = ModelDims {
        layers: 2,
        d_model: 8,
        heads: 6,
        kv_heads: 2,
        d_head: 4,
        d_mlp: 10,
        gated: true,
        vocab: 32,
        experts: None,
    };

    #[test]
    fn heads_share_groups_in_order() {
        let groups: Vec<_> = (0..6).map(|h| DIMS.kv_group(HeadId::new(0, h)).unwrap()).collect();
        assert_eq!(groups, [0, 0, 0, 1, 1, 1]);
        let heads: Vec<_> =
            DIMS.group_heads(KvGroupId::new(1, 1)).unwrap().map(|h| h.head).collect();
        assert_eq!(heads, [3, 4, 5]);
        assert_eq!(DIMS.group_rows(KvGroupId::new(1, 1)).unwrap(), 4..8);
        assert!(DIMS.group_heads(KvGroupId::new(0, 2)).is_err());
    }

    #[test]
    fn absent_heads_are_named() {
        let err = DIMS.head_columns(HeadId::new(1, 6)).unwrap_err();
        assert_eq!(err, TypesError::OutOfRange { what: "head", index: 6, count: 6 });
        assert!(DIMS.kv_group(HeadId::new(2, 0)).is_err());
    }

    #[test]
    fn uneven_groups_are_refused() {
        assert!(ModelDims { kv_heads: 4, ..DIMS }.validate().is_err());
        assert!(ModelDims { d_mlp: 0, ..DIMS }.validate().is_err());
        assert!(DIMS.validate().is_ok());
    }

    #[test]
    fn experts_must_fill_the_mlp() {
        let experts = Experts { count: 2, d_expert: 4, per_token: 1, shared: 2 };
        let of = |experts| ModelDims { experts: Some(experts), ..DIMS };
        assert!(of(experts).validate().is_ok());
        for odd in [
            Experts { shared: 0, ..experts },
            Experts { per_token: 3, ..experts },
            Experts { per_token: 0, ..experts },
            Experts { count: 0, shared: 10, ..experts },
            Experts { count: 1 << 62, d_expert: 1 << 62, ..experts },
        ] {
            assert!(of(odd).validate().is_err(), "{odd:?}");
        }
        let dims = of(experts);
        assert_eq!(dims.expert_channels(ExpertId::new(1, 2)).unwrap(), 8..10);
        assert!(dims.expert_channels(ExpertId::new(1, 3)).is_err());
        assert!(DIMS.expert_channels(ExpertId::new(0, 0)).is_err());
        assert_eq!(dims.statistics_channels(Projection::Up, 5), 8..16);
        assert_eq!(dims.statistics_channels(Projection::Down, 5), 0..10);
        assert_eq!(DIMS.statistics_channels(Projection::Up, 5), 0..8);
    }

    #[test]
    fn sizes_that_no_model_has_are_refused() {
        for odd in [
            ModelDims { layers: 1 << 40, ..DIMS },
            ModelDims { layers: (1 << 14) + 1, ..DIMS },
            ModelDims { d_model: 1 << 40, ..DIMS },
            ModelDims { heads: 1 << 20, kv_heads: 1 << 20, d_head: 1 << 20, ..DIMS },
            ModelDims { layers: 1 << 14, d_model: 1 << 31, d_mlp: 1 << 31, ..DIMS },
        ] {
            assert!(odd.validate().is_err(), "{odd:?}");
        }
        assert!(
            ModelDims { layers: 1000, d_model: 1 << 16, d_mlp: 1 << 20, ..DIMS }.validate().is_ok()
        );
    }

    #[test]
    fn prunable_weights_adds_the_shapes_up() {
        let by_path: usize =
            DIMS.projections().map(|(_, _, p)| DIMS.shape(p).iter().product::<usize>()).sum();
        assert_eq!(by_path, DIMS.prunable_weights());
        let plain = ModelDims { gated: false, ..DIMS };
        assert_eq!(by_path - plain.prunable_weights(), 2 * 10 * 8);
        assert!(plain.projections().all(|(_, _, p)| p != Projection::Gate));
    }
}
