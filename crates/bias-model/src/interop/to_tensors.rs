use std::collections::BTreeMap;

use bias_probe::HookedModel as _;
use bias_types::ParamPath;
use burn::tensor::backend::Backend;

use super::named_tensor::{NamedTensor, read};
use crate::decoder::block::Norm;
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

    /// A block's linear maps, fused and transposed as in the checkpoint.
    fn linears(&self, layer: usize) -> Result<Vec<NamedTensor>, ModelError> {
        let (dims, layout) = (self.config().dims, self.plan().layout);
        let mut whole: BTreeMap<String, NamedTensor> = BTreeMap::new();
        for projection in dims.block_projections() {
            let Some(linear) = self.blocks[layer].linear(projection) else { continue };
            let place = (layout.place)(projection, &dims);
            let [out, inner] = dims.shape(projection);
            let name = |tensor: &str| {
                format!("{}{}", layout.base, layout.in_block(layer, place.module, tensor))
            };
            let own = read(String::new(), linear.weight.value(&self.device())?)?.values;
            let shape = if layout.transposed { [inner, place.rows] } else { [place.rows, inner] };
            let weight =
                whole.entry(name("weight")).or_insert_with(|| empty(name("weight"), &shape));
            for c in 0..inner {
                for r in 0..out {
                    let row = place.row(r);
                    let at = if layout.transposed { c * place.rows + row } else { row * inner + c };
                    weight.values[at] = own[c * out + r];
                }
            }
            if let Some(bias) = &linear.bias {
                if !self.plan().has_bias(projection) {
                    return Err(ModelError::ExtraBias { path: ParamPath::of(layer, projection) });
                }
                let own = read(String::new(), bias.val())?.values;
                let bias =
                    whole.entry(name("bias")).or_insert_with(|| empty(name("bias"), &[place.rows]));
                own.iter().enumerate().for_each(|(r, v)| bias.values[place.row(r)] = *v);
            }
        }
        Ok(whole.into_values().collect())
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
