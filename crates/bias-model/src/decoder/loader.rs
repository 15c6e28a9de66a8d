use bias_probe::device::Memory;
use bias_types::Projection;
use burn::module::Param;
use burn::tensor::{Tensor, backend::Backend};

use super::block::{Block, Linear, Norm};
use super::matrix::{InFile, Matrix, present};
use super::memory;
use crate::arch::plan::NormKind;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::convert::Part;
use crate::checkpoint::precision::Precision;
use crate::checkpoint::weights::{Checkpoint, Located, Tensors};
use crate::error::ModelError;

/// Refuses a model that does not fit into this machine's memory, unless the device is known to have
/// its own memory.
pub(crate) fn fits<B: Backend>(
    checkpoint: &Checkpoint,
    tensors: &Tensors<'_>,
    precision: Precision,
    device: &B::Device,
) -> Result<(), ModelError> {
    if Memory::of::<B>(device) == Memory::Elsewhere {
        return Ok(());
    }
    let least = if precision == Precision::F32 { size_of::<f32>() } else { 0 };
    let (needed, free) = (tensors.bytes(least), memory::free());
    match free {
        Some(free) if needed > free => {
            Err(ModelError::Memory { folder: checkpoint.folder().into(), needed, free })
        }
        _ => Ok(()),
    }
}

/// Reads the parts of a model by the names in its architecture.
pub(crate) struct Loader<'a, B: Backend> {
    pub checkpoint: &'a Checkpoint,
    pub tensors: &'a Tensors<'a>,
    pub config: &'a ModelConfig,
    pub base: &'static str,
    pub precision: Precision,
    pub device: &'a B::Device,
}

impl<B: Backend> Loader<'_, B> {
    pub(crate) fn table(&self, name: &str, shape: [usize; 2]) -> Result<Matrix<B>, ModelError> {
        if self.precision != Precision::Mapped {
            return Ok(Matrix::held(self.vectors(name, shape)?));
        }
        Ok(self.left(self.tensors.locate(name, shape), None))
    }

    pub(crate) fn vectors(
        &self,
        name: &str,
        shape: [usize; 2],
    ) -> Result<Param<Tensor<B, 2>>, ModelError> {
        Ok(present(self.tensors.whole(name, &shape, self.precision)?, self.device))
    }

    /// A vector, widened: there are few.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Param<Tensor<B, 1>>, ModelError> {
        Ok(present(self.tensors.whole(name, &[len], Precision::F32)?, self.device))
    }

    pub(crate) fn matrix(&self, name: &str, part: Part) -> Result<Matrix<B>, ModelError> {
        if self.precision != Precision::Mapped {
            return Ok(Matrix::held(present(
                self.tensors.matrix(name, &part, self.precision)?,
                self.device,
            )));
        }
        Ok(self.left(self.tensors.locate(name, part.stored_shape()), Some(part)))
    }

    /// Missing tensors are left empty: the load report ends the load.
    fn left(&self, at: Option<Located>, part: Option<Part>) -> Matrix<B> {
        match at {
            Some(at) => {
                let checkpoint = self.checkpoint.clone();
                Matrix::in_file(InFile { checkpoint, at, part, zeroed: Vec::new() })
            }
            None => Matrix::held(present(None, self.device)),
        }
    }

    pub(crate) fn norm(&self, module: String, width: usize) -> Result<Norm<B>, ModelError> {
        let part = |tensor: &str| self.vector(&format!("{}{module}.{tensor}", self.base), width);
        let bias = (self.config.plan.norm == NormKind::Layer).then(|| part("bias")).transpose()?;
        Ok(Norm { gain: part("weight")?, bias })
    }

    fn linear(&self, layer: usize, projection: Projection) -> Result<Linear<B>, ModelError> {
        let (dims, plan) = (&self.config.dims, &self.config.plan);
        let (place, shape) = ((plan.layout.place)(projection, dims), dims.shape(projection));
        let name = |tensor: &str| {
            format!("{}{}", self.base, plan.layout.in_block(layer, place.module, tensor))
        };
        let part = Part { place, shape, transposed: plan.layout.transposed };
        let weight = self.matrix(&name("weight"), part)?;
        let bias = plan.has_bias(projection).then(|| {
            Ok::<_, ModelError>(present(
                self.tensors.elements(&name("bias"), &place, shape[0])?,
                self.device,
            ))
        });
        Ok(Linear { weight, bias: bias.transpose()? })
    }

    pub(crate) fn block(&self, layer: usize) -> Result<Block<B>, ModelError> {
        let (dims, plan) = (&self.config.dims, &self.config.plan);
        let layout = plan.layout;
        let norm = |module: Option<&str>, width: usize| {
            let module = module.map(|module| format!("{}.{layer}.{module}", layout.blocks));
            module.map(|module| self.norm(module, width)).transpose()
        };
        let of_heads = |module, heads| match plan.qk_norm {
            Some(kind) => norm(Some(module), kind.width(dims, heads)),
            None => Ok(None),
        };
        Ok(Block {
            attn_norm: norm(layout.attn_norm, dims.d_model)?,
            q: self.linear(layer, Projection::Q)?,
            k: self.linear(layer, Projection::K)?,
            v: self.linear(layer, Projection::V)?,
            o: self.linear(layer, Projection::O)?,
            q_norm: of_heads(layout.q_norm, dims.heads)?,
            k_norm: of_heads(layout.k_norm, dims.kv_heads)?,
            attn_post_norm: norm(layout.attn_post_norm, dims.d_model)?,
            mlp_norm: norm(layout.mlp_norm, dims.d_model)?,
            gate: dims.gated.then(|| self.linear(layer, Projection::Gate)).transpose()?,
            up: self.linear(layer, Projection::Up)?,
            down: self.linear(layer, Projection::Down)?,
            mlp_post_norm: norm(layout.mlp_post_norm, dims.d_model)?,
        })
    }
}
