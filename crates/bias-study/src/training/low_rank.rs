use bias_mask::{MaskError, MaskTarget};
use bias_probe::{HookedModel, Observer};
use bias_types::ModelDims;
use burn::module::AutodiffModule as _;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::adapters::{Adapted, Adapters};
use super::fit::{Recipe, fit_weighed};

/// A change of low rank to every matrix of a model (LoRA; Hu et al. 2021, arXiv 2106.09685), learned
/// while the model stays as it is.
#[derive(Debug)]
pub struct LowRank<B: Backend> {
    learned: Adapters<B>,
    dims: ModelDims,
}

impl<B: Backend> LowRank<B> {
    /// Learns a change of this rank. `frozen` gives the model on a graph of its own. `share` runs
    /// it with the observer, which adds the change, and computes the part of some texts in the
    /// loss; `weigh` is each text's weight, whose sum in a step `share` is given. Two texts per step
    /// or more are needed.
    ///
    /// # Errors
    /// Errors of `draw` and `share`.
    pub fn learn<A, G, T, E>(
        (rank, seed): (usize, u64),
        frozen: impl Fn() -> G + Sync,
        (recipe, weigh): (&Recipe, impl Fn(&T) -> f32),
        draw: impl FnMut() -> Result<T, E>,
        share: impl Fn(&G, &[T], f32, &mut dyn Observer<A>) -> Result<Tensor<A, 1>, E> + Sync,
        told: impl FnMut(usize, f32),
    ) -> Result<Self, E>
    where
        A: AutodiffBackend<InnerBackend = B>,
        G: HookedModel<A>,
        T: Sync,
        E: Send,
    {
        let model = frozen();
        let (dims, device) = (*model.dims(), model.device());
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let adapters = Adapters::<A>::init(&dims, rank, rng, &device);
        let share = |own: &Adapters<A>, texts: &[T], total: f32| {
            share(&frozen(), texts, total, &mut Adapted::new(own, &dims))
        };
        let learned =
            fit_weighed::<A, _, _, E>(adapters, &device, (recipe, weigh), draw, share, told)?;
        Ok(Self { learned: learned.valid(), dims })
    }

    /// Adds the change, times a strength, to a model's matrices.
    ///
    /// # Errors
    /// [`MaskError::Strength`] outside 0..=1; a model of other sizes.
    pub fn write_into(
        &self,
        strength: f64,
        model: &mut impl MaskTarget<B>,
    ) -> Result<(), MaskError> {
        bias_mask::edit::check_strength(strength)?;
        self.learned.write_into(strength, model, &self.dims)
    }
}
