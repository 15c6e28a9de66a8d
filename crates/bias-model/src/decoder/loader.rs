use bias_probe::device::Memory;
use bias_types::Projection;
use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use super::block::Block;
use super::linear::{Linear, Norm};
use super::matrix::{InFile, LocatedPart, Matrix, Stored, present};
use super::memory::free_memory;
use super::params::untracked;
use super::router::Router;
use crate::arch::piece::Piece;
use crate::arch::plan::NormKind;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::precision::Precision;
use crate::checkpoint::tensors::Tensors;
use crate::checkpoint::weights::Checkpoint;
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
    let (needed, free) = (tensors.bytes(least), free_memory());
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
        Ok(self.left(self.tensors.locate(name, shape).map(|at| Stored::Table(Box::new(at)))))
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

    /// A linear map from its parts. `name` gives the name of a part's tensor in the checkpoint.
    pub(crate) fn matrix(
        &self,
        shape: [usize; 2],
        pieces: &[Piece],
        name: impl Fn(&Piece) -> String,
    ) -> Result<Matrix<B>, ModelError> {
        if self.precision != Precision::Mapped {
            return Ok(Matrix::held(present(self.held(shape, pieces, name)?, self.device)));
        }
        let parts = pieces.iter().map(|piece| {
            let at = self.tensors.locate_piece(&name(piece), piece)?;
            Some(LocatedPart { at, part: piece.to_read().1, first: piece.first })
        });
        // All are looked up, so that the report names all that are missing.
        let parts: Vec<_> = parts.collect();
        let parts = parts.into_iter().collect::<Option<Vec<_>>>();
        Ok(self.left(parts.map(|parts| Stored::Map(shape, parts))))
    }

    /// A linear map, `[in, out]`, read whole.
    fn held(
        &self,
        [out, inner]: [usize; 2],
        pieces: &[Piece],
        name: impl Fn(&Piece) -> String,
    ) -> Result<Option<TensorData>, ModelError> {
        let read = |piece: &Piece| self.tensors.matrix(&name(piece), piece, self.precision);
        if let [only] = pieces {
            return read(only);
        }
        let fitting = pieces.iter().map(|piece| self.tensors.fits(&name(piece), piece));
        let kinds: Vec<_> = fitting.collect();
        let Some(kinds) = kinds.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        // Parts of several types are widened.
        let alike = kinds.windows(2).all(|both| both[0] == both[1]);
        let precision = if alike { self.precision } else { Precision::F32 };
        let mut whole: Option<(Vec<u8>, DType)> = None;
        for piece in pieces {
            let Some(data) = self.tensors.matrix(&name(piece), piece, precision)? else {
                return Ok(None);
            };
            let size = data.dtype.size();
            let (bytes, _) = whole.get_or_insert_with(|| (vec![0; out * inner * size], data.dtype));
            let [width, first] = [piece.part.shape[0], piece.first[0]].map(|n| n * size);
            for (c, row) in data.as_bytes().chunks_exact(width.max(1)).enumerate() {
                let at = (piece.first[1] + c) * out * size + first;
                bytes[at..at + width].copy_from_slice(row);
            }
        }
        Ok(whole.map(|(bytes, dtype)| TensorData::from_bytes_vec(bytes, [inner, out], dtype)))
    }

    /// Missing tensors are left empty: the load report ends the load.
    fn left(&self, stored: Option<Stored>) -> Matrix<B> {
        match stored {
            Some(stored) => {
                let checkpoint = self.checkpoint.clone();
                Matrix::in_file(InFile { checkpoint, stored, zeroed: Vec::new() })
            }
            None => Matrix::held(present(None, self.device)),
        }
    }

    pub(crate) fn norm(&self, module: String, width: usize) -> Result<Norm<B>, ModelError> {
        let part = |tensor: &str| self.vector(&format!("{}{module}.{tensor}", self.base), width);
        let bias = (self.config.plan.norm == NormKind::Layer).then(|| part("bias")).transpose()?;
        Ok(Norm { gain: part("weight")?, bias })
    }

    fn in_block(&self, layer: usize, tensor: &str) -> String {
        format!("{}{}", self.base, self.config.plan.layout.in_block(layer, tensor))
    }

    fn linear(&self, layer: usize, projection: Projection) -> Result<Linear<B>, ModelError> {
        let (dims, plan) = (&self.config.dims, &self.config.plan);
        let shape = dims.shape(projection);
        let has = |own: &str| self.tensors.has(&self.in_block(0, own));
        let pieces = plan.layout.pieces(projection, dims, &has);
        let weight = self.matrix(shape, &pieces, |own| self.in_block(layer, &own.weight))?;
        let bias = plan.has_bias(projection).then(|| self.bias(layer, shape[0], &pieces));
        Ok(Linear { weight, bias: bias.transpose()? })
    }

    /// The bias of a linear map from its parts, one after the other.
    fn bias(
        &self,
        layer: usize,
        len: usize,
        pieces: &[Piece],
    ) -> Result<Param<Tensor<B, 1>>, ModelError> {
        let mut whole = Some(Vec::with_capacity(len));
        for piece in pieces {
            let (name, (shape, place)) = (self.in_block(layer, &piece.bias), piece.bias_place());
            let own = self.tensors.elements(&name, (&shape, &place), piece.part.shape[0])?;
            let own = own.and_then(|own| own.into_vec::<f32>().ok());
            whole = whole.zip(own).map(|(mut whole, own)| {
                whole.extend(own);
                whole
            });
        }
        Ok(present(whole.map(|whole| TensorData::new(whole, [len])), self.device))
    }

    /// What a mixture of experts has besides its matrices.
    fn router(&self, layer: usize) -> Result<Option<Router<B>>, ModelError> {
        let (dims, plan) = (&self.config.dims, &self.config.plan);
        let Some((layout, experts)) = plan.layout.experts.zip(dims.experts) else {
            return Ok(None);
        };
        let scores = |module: &str, out: usize, biased: bool| {
            let piece = Piece::whole(module, [out, dims.d_model]);
            let name = self.in_block(layer, &piece.weight);
            let weight = self.tensors.matrix(&name, &piece, Precision::F32)?;
            let bias = biased.then(|| self.vector(&self.in_block(layer, &piece.bias), out));
            let weight = Matrix::held(present(weight, self.device));
            Ok::<_, ModelError>(Linear { weight, bias: bias.transpose()? })
        };
        let has = |own: &str| self.tensors.has(&self.in_block(0, own));
        let shared = layout.shared.as_ref().filter(|_| experts.shared > 0);
        let biased = plan.mlp_bias;
        let down_bias = biased.then(|| {
            let pieces = plan.layout.pieces(Projection::Down, dims, &has);
            let len = experts.all() * dims.d_model;
            let flat = self.bias(layer, len, &pieces)?.val();
            let each = flat.dims()[0] / dims.d_model;
            Ok::<_, ModelError>(untracked(flat.reshape([each, dims.d_model])))
        });
        Ok(Some(Router {
            scores: scores(layout.router(&has), experts.count, biased)?,
            shared: shared.map(|own| scores(own.score, 1, false)).transpose()?,
            down_bias: down_bias.transpose()?,
        }))
    }

    /// The score of no token at all, `[heads]`, where attention has one.
    fn sinks(&self, layer: usize) -> Result<Option<Param<Tensor<B, 1>>>, ModelError> {
        let name = self.config.plan.layout.sinks.map(|name| self.in_block(layer, name));
        name.map(|name| self.vector(&name, self.config.dims.heads)).transpose()
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
            router: self.router(layer)?,
            sinks: self.sinks(layer)?,
        })
    }
}
