//! What a change does to the questions that its approach saw: whether their gap is closed. Nothing
//! else is asked while the dial is turned.

use bias_ask::Tokenize;
use bias_metrics::Arm;
use burn::tensor::backend::AutodiffBackend;

use super::jobs::places;
use crate::StudyError;
use crate::plan::{DialJob, named};
use crate::prompts::{Names, VariationIndex};
use crate::results::{Approach, Bound};
use crate::run::Study;
use crate::seed::derived_seed;
use crate::statistics::{Measure, Measured, Reference};
use crate::store::Piece;
use crate::studied::Studied;
use crate::treat::Placebo;

/// The most questions that are asked at every step of a dial.
const MOST: usize = 96;

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// Asks the present model what its approach saw, unless that is known.
    pub(super) fn ask_seen(
        &self,
        job: &DialJob,
        change: &str,
        reference: &Reference,
    ) -> Result<(), StudyError> {
        let places = self.looked_at(job);
        let piece = Piece::Seen(change, named(self.prompts, &places), job.shuffled);
        if job.approach == Approach::Planted || self.store.has(&piece)? {
            return Ok(());
        }
        let answers = self.questions.ask(
            &self.model,
            &places,
            self.prompts.attributed(),
            self.options.settings.decoding,
            self.options.threads,
            &|_| {},
        )?;
        let reduced = answers.iter().map(|(place, own)| {
            let said = self.questions.of_seen(*place, own, self.shuffles(job));
            let said = said.said(Names::Everybody, self.measure.sampled);
            Ok(self.measure.reduce(said, reference.fences[place].as_ref())?)
        });
        self.store.put(&piece, reduced.collect::<Result<Vec<_>, StudyError>>()?)
    }

    /// Whether that is known.
    pub(super) fn is_seen(&self, job: &DialJob, change: &str) -> Result<bool, StudyError> {
        let places = self.looked_at(job);
        let piece = Piece::Seen(change, named(self.prompts, &places), job.shuffled);
        Ok(job.approach == Approach::Planted || self.store.has(&piece)?)
    }

    /// Whether that refuses the change: the gap is reversed. What was planted is what it is.
    pub(super) fn seen_bound(
        &self,
        job: &DialJob,
        change: &str,
        reference: &Reference,
    ) -> Result<Option<Bound>, StudyError> {
        if job.approach == Approach::Planted {
            return Ok(None);
        }
        let places = self.looked_at(job);
        let piece = Piece::Seen(change, named(self.prompts, &places), job.shuffled);
        let after: Vec<Measured> = self.store.finished(&piece)?;
        let before = places.iter().map(|place| {
            let own = &reference.answers[place];
            let said = self.questions.of_seen(*place, own, self.shuffles(job));
            let said = said.said(Names::Everybody, self.measure.sampled);
            Ok(self.measure.reduce(said, reference.fences[place].as_ref())?)
        });
        let before = before.collect::<Result<Vec<Measured>, StudyError>>()?;
        let arms = |own: &Measured| own.moments.iter().map(|own| own.arm).collect::<Vec<Arm>>();
        if before.iter().map(arms).ne(after.iter().map(arms)) {
            return Err(self.store.damaged(&piece, "it has answers of other people"));
        }
        let signs = before.iter().map(|own| {
            let effect = self.measure.effect(own)?.and_then(|own| own.value());
            Ok(effect.filter(|own| *own != 0.0).map(f64::signum))
        });
        let signs = signs.collect::<Result<Vec<_>, StudyError>>()?;
        let mut left = 0.0;
        for ((before, after), sign) in before.iter().zip(&after).zip(signs) {
            // Variations may be about different numbers of people.
            let everybody: Vec<usize> = (0..before.moments.len()).collect();
            let pair = Measure::mean_turned_pair(&[before], &[after], &[sign], &everybody)?;
            left += pair.map_or(0.0, |[_, after]| after);
        }
        Ok((left < 0.0).then_some(Bound::Reversed))
    }

    /// The seed of shuffled groups, where they are shuffled.
    pub(super) fn shuffles(&self, job: &DialJob) -> Option<u64> {
        let shuffled = match &job.approach {
            Approach::Edit(own) => Placebo::of(*own) == Placebo::ShuffledGroups,
            Approach::Mask(..) | Approach::Planted => true,
        };
        (job.shuffled && shuffled).then(|| derived_seed(self.seed(), "placebo"))
    }

    /// The variations that are asked at every step: all that the approach sees, or some, evenly
    /// chosen.
    fn looked_at(&self, job: &DialJob) -> Vec<VariationIndex> {
        let all = places(self.prompts, &job.seen);
        let each = self.questions.count(&all, self.prompts.attributed()) / all.len().max(1);
        let keep = (MOST / each.max(1)).clamp(1, all.len().max(1));
        (0..keep).filter_map(|i| all.get(i * all.len() / keep)).copied().collect()
    }
}
