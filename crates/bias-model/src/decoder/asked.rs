use bias_ask::generate::{
    Asking, Cached, Continuation, DecodeOptions, Done, Likelihood, Work, ask_cached,
    log_likelihoods_cached,
};
use bias_ask::{Answering, Answers, AskError, Question};
use bias_probe::{HookedModel as _, NoObserver, ProbeError, TokenBatch};
use burn::tensor::{Tensor, backend::Backend};

use super::kv_cache::KvCache;
use super::model::Decoder;
use crate::arch::rope_scaling::Rope;

impl<B: Backend> Cached<B> for Decoder<B> {
    type Cache = KvCache<B>;

    fn cache(&self) -> KvCache<B> {
        KvCache::new(self.dims().layers)
    }

    fn cache_rows(&self, cache: &KvCache<B>, rows: &[usize]) -> KvCache<B> {
        cache.with_rows(rows)
    }

    fn run_behind(
        &self,
        batch: &TokenBatch,
        cache: &mut KvCache<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.run(batch, Some(cache), &mut NoObserver)
    }

    /// If weights are left in their file, all batches pass a layer before the next is read.
    fn run_all_behind(
        &self,
        work: &mut [Work<'_, KvCache<B>>],
        threads: usize,
    ) -> Result<Vec<Tensor<B, 3>>, ProbeError> {
        if self.is_streamed() {
            return self.run_cached(work, threads);
        }
        work.iter_mut().map(|Work { batch, cache }| self.run_behind(batch, cache)).collect()
    }

    fn outgrown(&self, before: usize, after: usize) -> bool {
        self.plan().rotary.iter().any(|f: &Rope| f.switches(before, after))
    }
}

impl<B: Backend> Answering<B> for Decoder<B> {
    fn ask(&self, questions: &[Question], asking: &Asking<'_>) -> Result<Vec<Answers>, AskError> {
        ask_cached(self, questions, asking)
    }

    fn log_likelihoods(
        &self,
        wanted: &[Continuation],
        options: &DecodeOptions,
        done: &Done<'_>,
    ) -> Result<Vec<Likelihood>, AskError> {
        log_likelihoods_cached(self, wanted, options, done)
    }

    fn context(&self) -> Option<usize> {
        Some(self.config().max_positions)
    }

    /// Its `config.json`.
    fn configuration(&self) -> String {
        self.config().to_json().to_string()
    }
}
