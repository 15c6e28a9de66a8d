use std::collections::BTreeMap;

use bias_mask::MaskTarget as _;
use bias_probe::HookedModel as _;
use bias_types::{ParamPath, Projection};
use burn::tensor::{Tensor, backend::Backend};

use super::named_tensor::{NamedTensor, read};
use crate::arch::piece::Piece;
use crate::decoder::linear::Norm;
use crate::decoder::model::Decoder;
use crate::error::ModelError;

impl<B: Backend> Decoder<B> {
    /// Every tensor as f32, under the checkpoint's own name and in its own layout: the content of a
    /// Hugging Face folder of this architecture. Of a multimodal folder, the text model alone.
    ///
    /// # Errors
    /// [`ModelError::Readback`]; [`ModelError::ExtraBias`] if the model has a bias that its
    /// architecture does not store.
    pub fn to_tensors(&self) -> Result<Vec<NamedTensor>, ModelError> {
        let (layout, base, device) = (self.plan().layout, self.plan().layout.base, self.device());
        let mut out = vec![read(
            format!("{base}{}.weight", layout.embedding),
            self.embedding.value(&device)?,
        )?];
        if let (Some(name), Some(table)) = (layout.positions, &self.positions) {
            out.push(read(format!("{base}{name}.weight"), table.val())?);
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            let norms = [
                (layout.attn_norm, &block.attn_norm),
                (layout.attn_post_norm, &block.attn_post_norm),
                (layout.mlp_norm, &block.mlp_norm),
                (layout.mlp_post_norm, &block.mlp_post_norm),
                (Some(layout.q_norm), &block.q_norm),
                (Some(layout.k_norm), &block.k_norm),
            ];
            for (name, norm) in norms {
                if let (Some(name), Some(norm)) = (name, norm) {
                    write_norm(&mut out, &format!("{base}{}.{layer}.{name}", layout.blocks), norm)?;
                }
            }
            out.extend(self.linears(layer)?);
            out.extend(self.beside_experts(layer)?);
        }
        write_norm(&mut out, &format!("{base}{}", layout.norm), &self.norm)?;
        if let Some(head) = &self.head {
            out.push(read(format!("{}.weight", layout.head), head.value(&device)?.transpose())?);
        }
        if let Some(bias) = &self.head_bias {
            out.push(read(format!("{}.bias", layout.head), bias.val())?);
        }
        Ok(out)
    }

    /// The model with a config that names every bias it has, and with zeros for biases that the
    /// config names beside them.
    pub(super) fn with_room_for_biases(&self) -> Result<Self, ModelError> {
        let extra: Vec<(usize, Projection)> = (0..self.blocks.len())
            .flat_map(|layer| self.config().dims.block_projections().map(move |own| (layer, own)))
            .filter(|(layer, own)| {
                let linear = self.blocks[*layer].linear(*own);
                linear.is_some_and(|linear| linear.bias.is_some()) && !self.plan().has_bias(*own)
            })
            .collect();
        let Some((layer, projection)) = extra.first().copied() else { return Ok(self.clone()) };
        let at: Vec<Projection> = extra.into_iter().map(|(_, own)| own).collect();
        let refused = || ModelError::ExtraBias { path: ParamPath::of(layer, projection) };
        let config = self.config().with_biases(&at).ok_or_else(refused)?;
        let mut model = self.clone().with_config(config);
        let (dims, device) = (self.config().dims, self.device());
        for layer in 0..model.blocks.len() {
            for projection in dims.block_projections() {
                let path = ParamPath::of(layer, projection);
                if model.plan().has_bias(projection) && model.bias(&path)?.is_none() {
                    let zeros = Tensor::zeros([dims.shape(projection)[0]], &device);
                    model.set_bias(&path, Some(zeros))?;
                }
            }
        }
        Ok(model)
    }

    /// What a block has besides norms and linear maps.
    fn beside_experts(&self, layer: usize) -> Result<Vec<NamedTensor>, ModelError> {
        let (layout, block) = (self.plan().layout, &self.blocks[layer]);
        let name = |tensor: &str| format!("{}{}", layout.base, layout.in_block(layer, tensor));
        let mut out = Vec::new();
        if let Some((names, router)) = layout.experts.zip(block.router.as_ref()) {
            let shared = names.shared.as_ref().map(|own| own.score).zip(router.shared.as_ref());
            for (module, linear) in
                std::iter::once((names.router(&|_| false), &router.scores)).chain(shared)
            {
                let weight = linear.weight.value(&self.device())?.transpose();
                out.push(read(name(&format!("{module}.weight")), weight)?);
                if let Some(bias) = &linear.bias {
                    out.push(read(name(&format!("{module}.bias")), bias.val())?);
                }
            }
        }
        if let Some((own, sinks)) = layout.sinks.zip(block.sinks.as_ref()) {
            out.push(read(name(own), sinks.val())?);
        }
        Ok(out)
    }

    /// A block's linear maps, fused and transposed as in the checkpoint.
    fn linears(&self, layer: usize) -> Result<Vec<NamedTensor>, ModelError> {
        let (dims, layout) = (self.config().dims, self.plan().layout);
        let mut whole: BTreeMap<String, NamedTensor> = BTreeMap::new();
        for projection in dims.block_projections() {
            let Some(linear) = self.blocks[layer].linear(projection) else { continue };
            let [out, _] = dims.shape(projection);
            let name = |tensor: &str| format!("{}{}", layout.base, layout.in_block(layer, tensor));
            let own = read(String::new(), linear.weight.value(&self.device())?)?.values;
            let pieces = layout.pieces(projection, &dims, &|_| false);
            for piece in &pieces {
                let weight = name(&piece.weight);
                let weight = whole
                    .entry(weight.clone())
                    .or_insert_with(|| empty(weight, &piece.tensor_shape()));
                let [rows, columns] = piece.part.shape;
                for c in piece.first[1]..piece.first[1] + columns {
                    for r in piece.first[0]..piece.first[0] + rows {
                        if let Some(at) = piece.stored_index(r, c) {
                            weight.values[at] = own[c * out + r];
                        }
                    }
                }
            }
            if let Some(bias) = &linear.bias {
                if !self.plan().has_bias(projection) {
                    return Err(ModelError::ExtraBias { path: ParamPath::of(layer, projection) });
                }
                write_bias(&mut whole, &name, &pieces, &read(String::new(), bias.val())?.values);
            }
            let down = self.blocks[layer].router.as_ref().and_then(|own| own.down_bias.as_ref());
            if let (Projection::Down, Some(bias)) = (projection, down) {
                write_bias(&mut whole, &name, &pieces, &read(String::new(), bias.val())?.values);
            }
        }
        Ok(whole.into_values().collect())
    }
}

/// Takes a bias, whose values are in the order of the pieces, apart.
fn write_bias(
    whole: &mut BTreeMap<String, NamedTensor>,
    name: &impl Fn(&str) -> String,
    pieces: &[Piece],
    mut values: &[f32],
) {
    for piece in pieces {
        let (shape, place) = piece.bias_place();
        let bias = name(&piece.bias);
        let bias = whole.entry(bias.clone()).or_insert_with(|| empty(bias, &shape));
        let (own, rest) = values.split_at(piece.part.shape[0].min(values.len()));
        own.iter().enumerate().for_each(|(r, v)| bias.values[place.row(r)] = *v);
        values = rest;
    }
}

fn empty(name: String, shape: &[usize]) -> NamedTensor {
    NamedTensor { name, shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] }
}

fn write_norm<B: Backend>(
    out: &mut Vec<NamedTensor>,
    module: &str,
    norm: &Norm<B>,
) -> Result<(), ModelError> {
    out.push(read(format!("{module}.weight"), norm.gain.val())?);
    if let Some(bias) = &norm.bias {
        out.push(read(format!("{module}.bias"), bias.val())?);
    }
    Ok(())
}
