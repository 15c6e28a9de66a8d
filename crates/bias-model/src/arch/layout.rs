use bias_mask::{BitMatrix, Mask, MaskError};
use bias_types::{ModelDims, ParamPath, Projection};

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
    pub attn_post_norm: Option<&'static str>,
    pub mlp_norm: Option<&'static str>,
    pub mlp_post_norm: Option<&'static str>,
    pub place: fn(Projection, &ModelDims) -> StoredRows,
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

/// The place of a linear map: some rows of a module's matrix, and of its bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredRows {
    pub module: &'static str,
    /// The number of rows of the whole matrix, `[out, in]`.
    pub rows: usize,
    /// Row `r` of the map is row `first + (r / run) · stride + r % run` of the matrix.
    pub first: usize,
    pub run: usize,
    pub stride: usize,
}

impl StoredRows {
    /// The whole matrix.
    pub(crate) fn own(module: &'static str, rows: usize) -> Self {
        Self { module, rows, first: 0, run: rows, stride: rows }
    }

    /// `len` consecutive rows from `first` on.
    pub(crate) fn slice(module: &'static str, rows: usize, first: usize, len: usize) -> Self {
        Self { module, rows, first, run: len, stride: len }
    }

    pub(crate) fn row(&self, r: usize) -> usize {
        self.first + r / self.run * self.stride + r % self.run
    }
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
    attn_post_norm: None,
    mlp_norm: Some("post_attention_layernorm"),
    mlp_post_norm: None,
    place: separate,
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
    pub(crate) fn in_block(&self, layer: usize, module: &str, tensor: &str) -> String {
        format!("{}.{layer}.{module}.{tensor}", self.blocks)
    }

    /// Converts a mask over canonical matrices into one over the checkpoint's own tensors: fused
    /// and transposed as in the file, with the names in the file.
    pub(crate) fn stored_mask(
        &self,
        dims: &ModelDims,
        base: &str,
        mask: &Mask,
    ) -> Result<Mask, ModelError> {
        let mut out = Mask::default().for_model(mask.fingerprint());
        for (key, value) in mask.provenance() {
            out = out.with_note(key, value);
        }
        for (path, bits) in mask.iter() {
            let absent = || MaskError::NoSuchParam { path: path.clone() };
            let (layer, projection) = path.projection().ok_or_else(absent)?;
            let shape = dims.shape(projection);
            if layer >= dims.layers || (projection == Projection::Gate && !dims.gated) {
                return Err(absent().into());
            }
            if bits.shape() != shape {
                return Err(ModelError::Shape {
                    path: path.clone(),
                    expected: shape,
                    found: bits.shape(),
                });
            }
            let place = (self.place)(projection, dims);
            let name = format!("{base}{}", self.in_block(layer, place.module, "weight"));
            let name: ParamPath = name.parse()?;
            let inner = shape[1];
            let whole = if self.transposed { [inner, place.rows] } else { [place.rows, inner] };
            let mut stored = match out.get(&name) {
                Some(bits) => bits.clone(),
                None => BitMatrix::new(whole)?,
            };
            for index in bits.iter() {
                let (row, column) = (place.row(index / inner), index % inner);
                stored.insert(if self.transposed {
                    column * place.rows + row
                } else {
                    row * inner + column
                })?;
            }
            out.insert(name, stored)?;
        }
        Ok(out)
    }
}
