use std::collections::BTreeMap;

use bias_mask::{BitMatrix, Mask, MaskError};
use bias_types::model::Sublayer;
use bias_types::{ModelDims, ParamPath, Projection};

use super::expert_layout::ExpertLayout;
use super::piece::{Part, Piece, StoredRows};
use crate::error::ModelError;

/// An architecture's names for its tensors, and how it packs its linear maps.
///
/// All callers see one layout, that of Llama: seven matrices per block, `[out, in]`, named
/// `model.layers.L.self_attn.q_proj.weight` and so on. This type says where each of them lies in
/// the checkpoint.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The module that contains everything but the head. Some files leave it out.
    pub base: &'static str,
    /// Other names of that module in some files.
    pub other_bases: &'static [&'static str],
    pub embedding: &'static str,
    /// Learned positions, if any.
    pub positions: Option<&'static str>,
    /// The list of blocks.
    pub blocks: &'static str,
    pub norm: &'static str,
    /// This module is beside `base`, not in it.
    pub head: &'static str,
    pub attn_norm: Option<&'static str>,
    pub q_norm: &'static str,
    pub k_norm: &'static str,
    /// The score of no token at all for each head, if any.
    pub sinks: Option<&'static str>,
    pub attn_post_norm: Option<&'static str>,
    pub mlp_norm: Option<&'static str>,
    pub mlp_post_norm: Option<&'static str>,
    pub place: fn(Projection, &ModelDims) -> StoredRows,
    /// Where the MLP lies instead, in a mixture of experts.
    pub experts: Option<&'static ExpertLayout>,
    /// Matrices are stored `[in, out]` (GPT-2's `Conv1D`).
    pub transposed: bool,
    /// Suffixes of redundant tensors: masks and tables that can be computed.
    pub redundant: &'static [&'static str],
}

/// What a checkpoint calls the module with everything but the head, with a dot behind it, and the
/// head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Names {
    pub base: &'static str,
    pub head: &'static str,
}

/// Llama's names, which most architectures share.
pub(crate) const LLAMA: Layout = Layout {
    base: "model.",
    other_bases: &[],
    embedding: "embed_tokens",
    positions: None,
    blocks: "layers",
    norm: "norm",
    head: "lm_head",
    attn_norm: Some("input_layernorm"),
    q_norm: "self_attn.q_norm",
    k_norm: "self_attn.k_norm",
    sinks: None,
    attn_post_norm: None,
    mlp_norm: Some("post_attention_layernorm"),
    mlp_post_norm: None,
    place: separate,
    experts: None,
    transposed: false,
    redundant: &[".rotary_emb.inv_freq"],
};

/// Every map has its own matrix, under Llama's name.
pub(crate) fn separate(projection: Projection, dims: &ModelDims) -> StoredRows {
    let module = match projection {
        Projection::Q => "self_attn.q_proj",
        Projection::K => "self_attn.k_proj",
        Projection::V => "self_attn.v_proj",
        Projection::O => "self_attn.o_proj",
        Projection::Gate => "mlp.gate_proj",
        Projection::Up => "mlp.up_proj",
        Projection::Down => "mlp.down_proj",
    };
    StoredRows::own(module, dims.shape(projection)[0])
}

impl Layout {
    /// The name of a block's tensor, without the base.
    pub(crate) fn in_block(&self, layer: usize, tensor: &str) -> String {
        format!("{}.{layer}.{tensor}", self.blocks)
    }

    /// The parts of a linear map in a file that has these tensors. `has` is asked for names within
    /// the first block.
    pub(crate) fn pieces(
        &self,
        projection: Projection,
        dims: &ModelDims,
        has: &dyn Fn(&str) -> bool,
    ) -> Vec<Piece> {
        let mixture =
            self.experts.zip(dims.experts).filter(|_| projection.sublayer() == Sublayer::Mlp);
        if let Some((layout, experts)) = mixture {
            return layout.pieces(projection, dims, &experts, has);
        }
        let place = (self.place)(projection, dims);
        vec![Piece {
            weight: format!("{}.weight", place.module),
            bias: format!("{}.bias", place.module),
            part: Part { place, shape: dims.shape(projection), transposed: self.transposed },
            stacked: None,
            as_one: false,
            first: [0, 0],
        }]
    }

    /// The layer, shape and parts of a matrix that masks can name.
    fn parts(
        &self,
        path: &ParamPath,
        dims: &ModelDims,
        has: &dyn Fn(&str) -> bool,
    ) -> Option<(usize, [usize; 2], Vec<Piece>)> {
        if let Some(layer) = path.router_layer() {
            let shape = [dims.experts?.count, dims.d_model];
            return Some((layer, shape, vec![Piece::whole(self.experts?.router(has), shape)]));
        }
        let (layer, projection) = path.projection()?;
        let known = projection != Projection::Gate || dims.gated;
        known.then(|| (layer, dims.shape(projection), self.pieces(projection, dims, has)))
    }

    /// Converts a mask over canonical matrices into one over the checkpoint's own tensors: fused
    /// and transposed as in the file, with the names in the file.
    pub(crate) fn stored_mask(
        &self,
        dims: &ModelDims,
        base: &str,
        has: &dyn Fn(&str) -> bool,
        mask: &Mask,
    ) -> Result<Mask, ModelError> {
        let mut out = Mask::default().for_model(mask.fingerprint());
        for (key, value) in mask.provenance() {
            out = out.with_note(key, value);
        }
        for (path, bits) in mask.iter() {
            let absent = || MaskError::NoSuchParam { path: path.clone() };
            let found = self.parts(path, dims, has).filter(|(layer, ..)| *layer < dims.layers);
            let (layer, shape, pieces) = found.ok_or_else(absent)?;
            if bits.shape() != shape {
                return Err(ModelError::Shape {
                    path: path.clone(),
                    expected: shape,
                    found: bits.shape(),
                });
            }
            stored_bits(&mut out, bits, &pieces, |piece| {
                format!("{base}{}", self.in_block(layer, &piece.weight))
            })?;
        }
        Ok(out)
    }
}

/// Adds the bits of one matrix to the tensors of its pieces. The time grows with the bits and with
/// the pieces, not with their product: a mixture has a piece for each expert.
fn stored_bits(
    out: &mut Mask,
    bits: &BitMatrix,
    pieces: &[Piece],
    name: impl Fn(&Piece) -> String,
) -> Result<(), ModelError> {
    let inner = bits.shape()[1];
    // Pieces follow each other along the rows or along the columns of the map.
    let along = usize::from(pieces.iter().any(|piece| piece.first[1] > 0));
    let mut stored: BTreeMap<ParamPath, BitMatrix> = BTreeMap::new();
    let mut names = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let name: ParamPath = name(piece).parse()?;
        if !stored.contains_key(&name) {
            let known = out.get(&name).cloned();
            let bits = known.map_or_else(|| BitMatrix::new(piece.stored_shape()), Ok)?;
            stored.insert(name.clone(), bits);
        }
        names.push(name);
    }
    for index in bits.iter() {
        let at = [index / inner, index % inner];
        let next = pieces.partition_point(|piece| piece.first[along] <= at[along]);
        let Some((piece, name)) = next.checked_sub(1).and_then(|i| pieces.get(i).zip(names.get(i)))
        else {
            continue;
        };
        if let (Some(index), Some(bits)) = (piece.stored_index(at[0], at[1]), stored.get_mut(name))
        {
            bits.insert(index)?;
        }
    }
    stored.into_iter().try_for_each(|(name, bits)| Ok(out.insert(name, bits)?))
}
