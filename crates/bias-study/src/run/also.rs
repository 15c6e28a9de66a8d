//! Benchmarks and capability tasks, before and after every mask.

use std::time::Instant;

use bias_ask::Tokenize;
use bias_frameworks::items::Item;
use bias_frameworks::score::Scored;
use bias_frameworks::{Framework, ItemSet, Scorer};
use burn::tensor::backend::AutodiffBackend;

use super::progress::Progress;
use super::study::Study;
use crate::StudyError;
use crate::likelihood::prefix_token;
use crate::store::{KeptItems, Piece};
use crate::studied::Studied;

/// The number of items of each set that are timed for a forecast.
const TIMED: usize = 32;

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// Whether the scores of every set are known, of the unpruned model or a changed one.
    pub(crate) fn also_known(&self, change: Option<&str>) -> Result<bool, StudyError> {
        for own in &self.also {
            if change.is_none() && !self.store.has(&Piece::AlsoItems(&own.items))? {
                return Ok(false);
            }
            if !self.store.has(&Piece::Also(&own.texts, change))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Scores every set that is not yet known with the present model. Each is kept when it is done.
    pub(crate) fn score_also(&self, change: Option<&str>) -> Result<(), StudyError> {
        for (set, names) in self.options.also.iter().zip(&self.also) {
            let piece = Piece::Also(&names.texts, change);
            if !self.store.has(&piece)? {
                self.store.put(&piece, self.scored(set, &|_| {})?)?;
            }
        }
        Ok(())
    }

    /// Scores one set, if that is not yet known, with the present model.
    pub(crate) fn score_one(&self, set: usize, change: Option<&str>) -> Result<(), StudyError> {
        if let (Some(own), Some(names)) = (self.options.also.get(set), self.also.get(set)) {
            let piece = Piece::Also(&names.texts, change);
            if !self.store.has(&piece)? {
                self.store.put(&piece, self.scored(own, &|_| {})?)?;
            }
        }
        Ok(())
    }

    /// Scores every set with the unpruned model.
    pub(crate) fn score_also_first(&mut self) -> Result<(), StudyError> {
        if self.also.is_empty() || self.also_known(None)? {
            return Ok(());
        }
        let started = Instant::now();
        let texts = |set: &ItemSet| set.items.iter().map(Item::texts).sum::<usize>();
        let all = self.options.also.iter().map(texts).sum();
        let progress = Progress::new("also score", "texts", all);
        for (set, names) in self.options.also.iter().zip(&self.also) {
            self.store.put(&Piece::AlsoItems(&names.items), KeptItems::of(set))?;
            let piece = Piece::Also(&names.texts, None);
            if self.store.has(&piece)? {
                progress.known(texts(set));
            } else {
                self.store.put(&piece, self.scored(set, &|texts| progress.done(texts))?)?;
            }
        }
        progress.finish();
        self.phase("also score", started);
        Ok(())
    }

    fn scored(&self, set: &ItemSet, done: &(dyn Fn(usize) + Sync)) -> Result<Scored, StudyError> {
        let prefix = prefix_token(&self.model)?;
        let scorer =
            Scorer::new(self.model.model(), self.model.text(), prefix, self.model.options());
        Ok(scorer.score(set, done)?)
    }

    /// The seconds that the sets of some frameworks take once, from the time of a few items of each.
    pub(crate) fn also_seconds(&self, of: impl Fn(Framework) -> bool) -> Result<f64, StudyError> {
        let mut seconds = 0.0;
        let sets = self.options.also.iter();
        for set in sets.filter(|own| !own.items.is_empty() && of(own.framework)) {
            // Neighbours share their beginnings, so they are timed together.
            let some = set.items.len().min(TIMED);
            let from = (set.items.len() - some) / 2;
            let items = set.items[from..from + some].to_vec();
            let few = ItemSet { items, left_out: Vec::new(), ..set.clone() };
            let started = Instant::now();
            self.scored(&few, &|_| {})?;
            seconds += started.elapsed().as_secs_f64() * set.items.len() as f64 / some as f64;
        }
        Ok(seconds)
    }
}
