//! What a change costs: neutral text and capability tasks, before and after.

use bias_ask::Tokenize;
use bias_frameworks::Framework;
use bias_frameworks::report::changes;
use bias_frameworks::score::Scored;
use bias_metrics::Bootstrap;
use burn::tensor::backend::AutodiffBackend;

use crate::StudyError;
use crate::results::Bound;
use crate::run::Study;
use crate::store::{Piece, Store};
use crate::studied::Studied;

/// The probability below which a loss of capability is no noise.
const ALPHA: f64 = 0.05;
/// Intervals of capability are not needed while the dial is turned.
const FEW: usize = 2;

/// The cost of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Damage {
    /// The rise of mean log-loss on neutral text, in nats per token; infinite if the model gives
    /// neutral text no probability any more.
    pub log_loss: f64,
    /// Whether capability fell by more than noise.
    pub incapable: bool,
}

impl Damage {
    /// What a limit refuses about it.
    pub(super) fn bound(self, limit: f64) -> Option<Bound> {
        match (self.log_loss <= limit, self.incapable) {
            (false, _) => Some(Bound::LogLoss),
            (true, true) => Some(Bound::Capability),
            (true, false) => None,
        }
    }
}

/// The rise of log-loss by what was kept of both models; `None` without neutral text.
pub(super) fn rise(store: &Store, change: &str) -> Result<Option<f64>, StudyError> {
    let before = store.finished::<Option<f64>>(&Piece::Perplexity(None))?;
    let after = store.finished::<Option<f64>>(&Piece::Perplexity(Some(change)))?;
    // A perplexity that is no number is kept as none.
    Ok(before.map(|before| after.map_or(f64::INFINITY, |after| after.ln() - before.ln())))
}

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// The place of the capability tasks among the sets that are scored.
    pub(super) fn tasks(&self) -> Option<usize> {
        self.options.also.iter().position(|own| own.framework == Framework::Tasks)
    }

    /// Measures the present model on neutral text and tasks, unless that was done, and keeps it.
    pub(super) fn probe(&self, change: &str) -> Result<(), StudyError> {
        self.keep_perplexity(Some(change))?;
        self.tasks().map_or(Ok(()), |set| self.score_one(set, Some(change)))
    }

    /// Whether both are known.
    pub(super) fn is_probed(&self, change: &str) -> Result<bool, StudyError> {
        let tasks = self.tasks().and_then(|set| self.also.get(set));
        let tasks =
            tasks.map(|own| self.store.has(&Piece::Also(&own.texts, Some(change)))).transpose()?;
        Ok(tasks.unwrap_or(true) && self.store.has(&Piece::Perplexity(Some(change)))?)
    }

    /// The damage of a change that was probed.
    pub(super) fn damage(&self, change: &str) -> Result<Damage, StudyError> {
        let log_loss = rise(&self.store, change)?.unwrap_or(f64::INFINITY);
        let log_loss = if log_loss.is_nan() { f64::INFINITY } else { log_loss };
        let mut incapable = false;
        if let Some(set) = self.tasks()
            && let (Some(items), Some(names)) = (self.options.also.get(set), self.also.get(set))
        {
            let scored = |of| self.store.finished::<Scored>(&Piece::Also(&names.texts, of));
            let bootstrap = Bootstrap::new(self.seed()).resamples(FEW)?;
            let all = changes(items, &scored(None)?, &scored(Some(change))?, &bootstrap)?;
            incapable = all.iter().filter(|own| own.name.starts_with("acc")).any(|own| {
                own.change.difference.is_some_and(|difference| difference < 0.0)
                    && own.change.p.is_some_and(|p| p < ALPHA)
            });
        }
        Ok(Damage { log_loss, incapable })
    }
}
