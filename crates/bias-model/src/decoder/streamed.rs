//! Runs a model whose weights are left in their file layer by layer. All batches pass a layer
//! before the next is read, so its weights are read and widened once for all of them.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use bias_ask::generate::Work;
use bias_probe::device::Memory;
use bias_probe::gradients::{FactorTrace, Loss, TakeFactors, by_matrix, waves};
use bias_probe::{HookedModel as _, NoObserver, Observer, ProbeError, TokenBatch, in_threads};
use bias_types::{ParamPath, Projection};
use burn::tensor::{
    DType, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use tempfile::SpooledTempFile;

use super::block::Block;
use super::forward::{Pass, Prepared};
use super::graph_cuts::Cuts;
use super::kv_cache::KvCache;
use super::matrix::Matrix;
use super::model::Decoder;
use super::progress::LayerDone;
use crate::error::ModelError;

impl<B: Backend> Decoder<B> {
    /// Reads the next block, and asks the system for the one after it.
    fn next_block(&self, layer: usize, after: Option<usize>) -> Result<Block<B>, ProbeError> {
        let block = self.blocks[layer].read(&self.device())?;
        if let Some(after) = after.and_then(|after| self.blocks.get(after)) {
            after.ahead();
        }
        Ok(block)
    }

    /// Drops a block that was read, and keeps its memory for the next.
    fn done_with(&self, block: Block<B>) {
        // Elsewhere it would have to be brought here first.
        if let Some(checkpoint) = &self.checkpoint
            && Memory::of::<B>(&self.device()).is_own()
        {
            block
                .into_matrices()
                .filter_map(Matrix::into_buffer)
                .for_each(|b| checkpoint.give_back(b));
        }
    }

    fn tell(&self, done: usize, batches: impl Iterator<Item = usize>, backward: bool) {
        let of = self.blocks.len();
        self.progress.tell(LayerDone { done, of, tokens: batches.sum(), backward });
    }

    /// Several batches, one observer.
    pub(crate) fn run_together(
        &self,
        batches: &[TokenBatch],
        observer: &mut dyn Observer<B>,
    ) -> Result<(), ProbeError> {
        if batches.is_empty() {
            return Ok(());
        }
        let mut xs = Vec::with_capacity(batches.len());
        for batch in batches {
            let prepared = &Prepared::new(self, batch)?;
            xs.push(self.begin(&mut Pass { batch, prepared, observer, cache: None })?);
        }
        for layer in 0..self.blocks.len() {
            let block = self.next_block(layer, Some(layer + 1))?;
            for (batch, x) in batches.iter().zip(&mut xs) {
                // Made anew: for many batches it would take as much memory as their activations.
                let prepared = &Prepared::new(self, batch)?;
                let pass = &mut Pass { batch, prepared, observer, cache: None };
                *x = self.block(layer, &block, x.clone(), pass)?;
            }
            self.done_with(block);
            self.tell(layer + 1, batches.iter().map(cells), false);
        }
        for (batch, x) in batches.iter().zip(xs) {
            let prepared = &Prepared::new(self, batch)?;
            self.end(x, &mut Pass { batch, prepared, observer, cache: None })?;
        }
        Ok(())
    }

    /// Several batches with their caches, divided among some threads in every layer.
    pub(crate) fn run_cached(
        &self,
        work: &mut [Work<'_, KvCache<B>>],
        threads: usize,
    ) -> Result<Vec<Tensor<B, 3>>, ProbeError> {
        if work.is_empty() {
            return Ok(Vec::new());
        }
        struct State<'a, B: Backend> {
            batch: &'a TokenBatch,
            cache: &'a mut KvCache<B>,
            prepared: Prepared<B>,
            x: Tensor<B, 3>,
        }
        let states = work.iter_mut().map(|Work { batch, cache }| {
            let prepared = Prepared::new(self, batch)?;
            let pass =
                &mut Pass { batch, prepared: &prepared, observer: &mut NoObserver, cache: None };
            let x = self.begin(pass)?;
            Ok::<_, ProbeError>(State { batch, cache, prepared, x })
        });
        let mut states = states.collect::<Result<Vec<_>, _>>()?;
        for layer in 0..self.blocks.len() {
            let block = self.next_block(layer, Some(layer + 1))?;
            in_threads(
                threads,
                |_| (),
                &mut states,
                |(), State { batch, cache, prepared, x }| {
                    let (observer, cache) = (&mut NoObserver, Some(&mut **cache));
                    let pass = &mut Pass { batch, prepared, observer, cache };
                    *x = self.block(layer, &block, x.clone(), pass)?;
                    Ok::<_, ProbeError>(())
                },
            )?;
            self.done_with(block);
            self.tell(layer + 1, states.iter().map(|state| cells(state.batch)), false);
        }
        let ended = states.into_iter().map(|State { batch, prepared, x, .. }| {
            self.end(
                x,
                &mut Pass { batch, prepared: &prepared, observer: &mut NoObserver, cache: None },
            )
        });
        ended.collect()
    }
}

fn cells(batch: &TokenBatch) -> usize {
    batch.rows() * batch.width()
}

impl<B: AutodiffBackend> Decoder<B> {
    /// Factors by recomputation. The forward pass runs without a graph and stores the inputs of
    /// each block. The backward pass runs each block again with a graph.
    pub(crate) fn layer_by_layer(
        &self,
        batches: &[TokenBatch],
        threads: usize,
        loss: &Loss<'_, Self, B>,
        take: &mut TakeFactors<'_, B>,
    ) -> Result<(), ProbeError> {
        if batches.is_empty() {
            return Ok(());
        }
        let device = self.device();
        let prepare = |i: usize| Prepared::new(self, &batches[i]);
        let mut xs = Vec::with_capacity(batches.len());
        for (i, batch) in batches.iter().enumerate() {
            let pass = (batch, &prepare(i)?);
            xs.push(self.begin(&mut Pass::unwatched(pass, &mut NoObserver))?);
        }
        let mut inputs = Aside::default();
        for layer in 0..self.blocks.len() {
            let block = self.next_block(layer, Some(layer + 1))?;
            xs.iter().try_for_each(|x| inputs.put(x.clone().inner()))?;
            xs = in_threads(
                threads,
                |_| (),
                batches.iter().zip(xs),
                |(), (batch, x)| {
                    let pass = (batch, &Prepared::new(self, batch)?);
                    self.block(layer, &block, x, &mut Pass::unwatched(pass, &mut NoObserver))
                },
            )?;
            self.done_with(block);
            self.tell(layer + 1, batches.iter().map(cells), false);
        }
        // Of each block's output, from the last to the first.
        let mut slopes = Vec::with_capacity(batches.len());
        for (i, x) in xs.into_iter().enumerate() {
            let x = x.detach().require_grad();
            let pass = (&batches[i], &prepare(i)?);
            let hidden = self.end(x.clone(), &mut Pass::unwatched(pass, &mut NoObserver))?;
            let own = self.slope(&hidden.clone().detach(), i, loss)?;
            let mut gradients = (hidden * Tensor::from_inner(own)).sum().backward();
            slopes.push(x.grad_remove(&mut gradients).ok_or_else(|| self.unreached())?);
        }
        let waves = waves(self.dims(), batches);
        for layer in (0..self.blocks.len()).rev() {
            let block = self.next_block(layer, layer.checked_sub(1))?;
            for wave in &waves {
                let again = |i: usize| {
                    let input = inputs.get(layer * batches.len() + i, &device)?;
                    Ok((&batches[i], input, slopes[i].clone()))
                };
                let items = wave.clone().map(again).collect::<Result<Vec<_>, ProbeError>>()?;
                let found = in_threads(
                    threads,
                    |_| (),
                    items,
                    |(), (batch, input, slope)| {
                        let x = Tensor::<B, 3>::from_inner(input).require_grad();
                        let mut trace = FactorTrace::of_layers(self.dims(), layer..layer + 1);
                        let prepared = &Prepared::new(self, batch)?;
                        let pass = &mut Pass { batch, prepared, observer: &mut trace, cache: None };
                        let y = self.block(layer, &block, x.clone(), pass)?;
                        let mut gradients = (y * Tensor::from_inner(slope)).sum().backward();
                        let path = ParamPath::of(layer, Projection::Q);
                        let slope =
                            x.grad_remove(&mut gradients).ok_or(ProbeError::NoGradient { path })?;
                        Ok::<_, ProbeError>((slope, trace.finish(&mut gradients)?))
                    },
                )?;
                let (own, found): (Vec<_>, Vec<_>) = found.into_iter().unzip();
                slopes.splice(wave.clone(), own);
                by_matrix(found, |path, own| take(wave.start, path, own))?;
            }
            self.done_with(block);
            self.tell(self.blocks.len() - layer, batches.iter().map(cells), true);
        }
        Ok(())
    }

    /// The gradient of a loss with respect to the model's output, for any loss.
    ///
    /// The first evaluation builds the graph from the logits to the loss. The second evaluation of
    /// the same loss builds the graph from the output to the loss and to the inputs of the
    /// unembedding, because taking gradients uses up a graph. The loss gets its own handle on the
    /// weights, whose unembedding is cut out of the graph.
    fn slope(
        &self,
        output: &Tensor<B, 3>,
        i: usize,
        loss: &Loss<'_, Self, B>,
    ) -> Result<Tensor<B::InnerBackend, 3>, ProbeError> {
        let cut = |output: Tensor<B, 3>, cuts: Cuts| {
            let handle = Self { cuts: Some(cuts.clone()), ..self.clone() };
            let loss = loss(&handle, i, output)?;
            Ok::<_, ProbeError>((loss, cuts.take::<B>()?))
        };
        let leaf = || output.clone().detach().require_grad();
        let (first, cuts) = cut(leaf(), Cuts::default())?;
        let mut gradients = first.backward();
        let slopes: Vec<_> =
            cuts.iter().map(|(_, logits)| logits.grad_remove(&mut gradients)).collect();
        let output = leaf();
        let (mut whole, cuts) = cut(output.clone(), Cuts::again(cuts))?;
        for ((hidden, _), slope) in cuts.into_iter().zip(slopes) {
            let Some(slope) = slope else { continue };
            let mut own = hidden.clone().inner().zeros_like();
            for slice in self.slices() {
                let scoring = self.scoring(slice.clone())?.inner().transpose();
                own = own + slope.clone().narrow(1, slice.start, slice.len()).matmul(scoring);
            }
            whole = whole + (hidden * Tensor::from_inner(own)).sum();
        }
        let mut gradients = whole.backward();
        output.grad_remove(&mut gradients).ok_or_else(|| self.unreached())
    }

    fn unreached(&self) -> ProbeError {
        let last = self.blocks.len().saturating_sub(1);
        ProbeError::NoGradient { path: ParamPath::of(last, Projection::Down) }
    }
}

/// The bytes of stored tensors that stay in memory. The rest goes to a temporary file.
const IN_MEMORY: usize = 256 << 20;

/// Tensors that are stored in order and read in any order.
struct Aside {
    file: SpooledTempFile,
    end: u64,
    places: Vec<(u64, Vec<usize>, DType)>,
}

impl Default for Aside {
    fn default() -> Self {
        Self { file: tempfile::spooled_tempfile(IN_MEMORY), end: 0, places: Vec::new() }
    }
}

impl Aside {
    fn put<B: Backend>(&mut self, x: Tensor<B, 3>) -> Result<(), ProbeError> {
        let data = x.into_data();
        self.file.seek(SeekFrom::Start(self.end)).map_err(failed)?;
        self.file.write_all(data.as_bytes()).map_err(failed)?;
        self.places.push((self.end, data.shape.to_vec(), data.dtype));
        self.end += data.as_bytes().len() as u64;
        Ok(())
    }

    fn get<B: Backend>(
        &mut self,
        i: usize,
        device: &B::Device,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let (start, shape, dtype) = &self.places[i];
        let end = self.places.get(i + 1).map_or(self.end, |(start, ..)| *start);
        let mut bytes = vec![0; (end - start) as usize];
        let unread =
            |source| ProbeError::from(ModelError::Read { path: std::env::temp_dir(), source });
        self.file.seek(SeekFrom::Start(*start)).map_err(unread)?;
        self.file.read_exact(&mut bytes).map_err(unread)?;
        let data = TensorData::from_bytes_vec(bytes, shape.clone(), *dtype);
        Ok(Tensor::from_data(data, (device, *dtype)))
    }
}

fn failed(source: std::io::Error) -> ProbeError {
    ModelError::Write { path: std::env::temp_dir(), source }.into()
}
