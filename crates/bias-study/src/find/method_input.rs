use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bias_attrib::guard::MeasuredGuard;
use bias_attrib::{AttribError, Contrast, GapPursuit, PromptCase, SignedGap};
use bias_mask::select::StreamingTopK;
use bias_model::Decoder;
use bias_model::decoder::free_memory;
use bias_probe::Sequence;
use bias_types::ParamScores;
use burn::tensor::backend::AutodiffBackend;

use super::finding::Finding;
use crate::StudyError;
use crate::studied::Studied;

/// The memory that a pursuit may take at least, in bytes. It may also take half of what is free.
const LEAST_MEMORY: usize = 2 << 30;

/// The input of a method.
#[derive(Debug)]
pub struct MethodInput<
    'a,
    A: AutodiffBackend,
    M: Studied<A> = Decoder<<A as AutodiffBackend>::InnerBackend>,
> {
    /// The model.
    pub model: &'a M,
    /// Both groups' answers, variation by variation.
    pub contrasts: &'a [Contrast],
    /// Neutral text; may be empty.
    pub neutral: &'a [Sequence],
    /// The sampling temperature of the answers.
    pub temperature: f64,
    /// The most weights to prune.
    pub budget: usize,
    /// The seed of all random draws.
    pub seed: u64,
    /// The number of threads that run side by side.
    pub threads: usize,
    /// Whether Wanda's weights are chosen on the device, as on a GPU.
    pub select_on_device: bool,
    /// Questions about bias, for the neurons that answer them.
    pub(crate) knowledge: &'a [PromptCase],
    pub(crate) gap: KnownGap,
    pub(crate) backend: PhantomData<A>,
}

/// The scores of the signed gap, which several methods start from, and the time they took.
#[derive(Debug, Default)]
pub(crate) struct KnownGap {
    scores: OnceLock<(Vec<ParamScores>, Duration)>,
    saved: Mutex<Duration>,
}

impl<A: AutodiffBackend, M: Studied<A>> MethodInput<'_, A, M> {
    /// The same input with other contrasts.
    #[must_use]
    pub fn with_contrasts<'b>(&'b self, contrasts: &'b [Contrast]) -> MethodInput<'b, A, M> {
        MethodInput { contrasts, gap: KnownGap::default(), ..*self }
    }

    /// The sum of every contrast's signed gap, computed once.
    ///
    /// # Errors
    /// No gap to attribute, a failed pass.
    pub fn signed_gap(&self) -> Result<&[ParamScores], StudyError> {
        if let Some((known, took)) = self.gap.scores.get() {
            *self.saved() += *took;
            return Ok(known);
        }
        let started = Instant::now();
        let found = self.signed_gap_method()?.sums(&self.model.on_graph(), self.contrasts)?;
        Ok(&self.gap.scores.get_or_init(|| (found, started.elapsed())).0)
    }

    /// The same sum, matrix by matrix: each matrix is passed on when it is complete, and none is
    /// kept.
    pub(crate) fn each_signed_gap(
        &self,
        take: &mut dyn FnMut(ParamScores) -> Result<(), AttribError>,
    ) -> Result<(), StudyError> {
        // What it leaves out is said of every variation once, by `Study::work`.
        self.signed_gap_method()?.score(&self.model.on_graph(), self.contrasts, take)?;
        Ok(())
    }

    /// The `most` weights with the highest of these scores.
    pub(crate) fn streaming_top_k(&self, most: usize) -> Result<StreamingTopK, StudyError> {
        let mut top =
            StreamingTopK::new(most, self.model.dims().projections().map(|(path, ..)| path));
        self.each_signed_gap(&mut |scores| Ok(top.add(&scores)?))?;
        Ok(top)
    }

    /// The same of guarded scores.
    pub(crate) fn guarded_top_k(
        &self,
        most: usize,
        guard: &MeasuredGuard,
    ) -> Result<StreamingTopK, StudyError> {
        let mut top =
            StreamingTopK::new(most, self.model.dims().projections().map(|(path, ..)| path));
        self.each_signed_gap(&mut |scores| Ok(top.add(&guard.apply_to(&scores)?)?))?;
        Ok(top)
    }

    fn signed_gap_method(&self) -> Result<SignedGap, StudyError> {
        Ok(SignedGap::default().with_temperature(self.temperature)?.with_threads(self.threads))
    }

    /// Runs a pursuit with this temperature and these threads.
    ///
    /// # Errors
    /// No gap to attribute, a failed pass.
    pub fn pursue(&self, pursuit: GapPursuit) -> Result<Finding, StudyError> {
        // With much memory it differentiates once instead of twice, and on more threads.
        let half = free_memory().and_then(|free| usize::try_from(free / 2).ok());
        let pursuit = pursuit
            .with_memory(half.unwrap_or(0).max(LEAST_MEMORY))
            .with_temperature(self.temperature)?
            .with_threads(self.threads);
        let mut model = self.model.clone();
        let found =
            pursuit.pursue::<A, _, _>(&mut model, M::on_graph, self.contrasts, self.neutral)?;
        Ok(Finding::Pursuit(found))
    }

    pub(super) fn saved(&self) -> MutexGuard<'_, Duration> {
        self.gap.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
