//! From finished pieces to results, without asking the model again.

use std::collections::BTreeMap;

use bias_ask::Tokenize;
use burn::tensor::backend::AutodiffBackend;

use super::claims::{Judged, claims, rows};
use super::damage::rise;
use super::gap::Gap;
use super::jobs::{all_targets, jobs, targets};
use super::kept::{Kept, placebo};
use super::name_check::name_check;
use super::outcomes::{Other, Sums, elsewhere_than};
use super::protocol::Protocol;
use super::work::change_id;
use crate::StudyError;
use crate::plan::DialJob;
use crate::results::{
    Absent, Also, AlsoChange, Carried, Cause, Changed, Control, Elsewhere, Generalization, Seen,
    Target,
};
use crate::run::Study;
use crate::statistics::{Reference, Tested, also, prompt_info};
use crate::store::{CHOSE_NOTHING, DialFound, Dialled, Found, Piece};
use crate::studied::Studied;

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// All results of a finished run.
    pub(super) fn generalized(
        &mut self,
        protocol: &Protocol,
    ) -> Result<Generalization, StudyError> {
        let reference = self.reference()?;
        let settings = self.options.settings.clone();
        let sums = Sums {
            prompts: self.prompts,
            reference: &reference,
            measure: &self.measure,
            settings: &settings,
        };
        let of = |target: &Target| {
            Gap::of(target, self.prompts, &reference, &self.measure, settings.seed)
        };
        let gaps: Vec<Gap> =
            all_targets(protocol, self.prompts).iter().map(of).collect::<Result<_, _>>()?;
        let mut absent = self.not_tried(protocol, &reference)?;
        let kept = self.changes(protocol, &reference, &mut absent)?;
        let (mut outcomes, mut elsewhere) = (Vec::new(), Vec::new());
        for own in &kept {
            let placebo = placebo(own, &kept, &absent);
            let (carried, others) = self.carried(protocol, &sums, &gaps, own, placebo)?;
            outcomes.extend(carried);
            elsewhere.extend(others);
        }
        // Two limits may lead to the same edit.
        let also_found: BTreeMap<&str, &Found> =
            kept.iter().map(|own| (own.scored_as(), &own.found)).collect();
        let also_found: Vec<Found> = also_found.into_values().cloned().collect();
        let sets: Vec<String> = self.also.iter().map(|own| own.items.clone()).collect();
        let also = also(&sets, &also_found, &settings, &self.store)?;
        let gated = self.gated(protocol, &sums, &gaps, &kept)?;
        let judged = Judged {
            protocol,
            sums: &sums,
            gaps: &gaps,
            kept: &kept,
            outcomes: &outcomes,
            elsewhere: &elsewhere,
            absent: &absent,
            also: also.as_ref(),
        };
        let rows = rows(&judged)?;
        let claims = claims(&rows, &absent);
        let tasks = self.tasks().and_then(|set| self.options.also.get(set));
        let tasks = tasks.map(|own| {
            let files = own.sources.iter().filter_map(|own| own.path.file_name());
            files.map(|own| own.to_string_lossy().into_owned()).collect::<Vec<_>>().join(", ")
        });
        let neutral = self.store.finished::<Option<f64>>(&Piece::Perplexity(None))?;
        Ok(Generalization {
            format: Generalization::FORMAT.into(),
            model: self.provenance().model.info()?,
            prompts: prompt_info(self.prompts),
            protocol: protocol.info(tasks),
            names: name_check(self.prompts),
            neutral_log_loss: neutral.map(f64::ln),
            power: gaps.iter().map(|own| own.power.clone()).collect(),
            changes: kept.iter().map(|own| own.changed.clone()).collect(),
            absent,
            also: also.iter().flat_map(|own| by_change(own, &kept)).collect(),
            settings,
            outcomes,
            elsewhere,
            gated,
            rows,
            claims,
        })
    }

    /// The homes on which nothing was tried.
    fn not_tried(
        &self,
        protocol: &Protocol,
        reference: &Reference,
    ) -> Result<Vec<Absent>, StudyError> {
        let tried = self.dial_jobs(protocol, reference)?;
        let mut absent = Vec::new();
        for job in jobs(protocol, self.prompts, None)? {
            let same = |own: &DialJob| own.seen == job.seen;
            if job.shuffled || tried.iter().any(same) {
                continue;
            }
            let reason = self.nothing_at(&job.seen, reference)?.unwrap_or_default();
            let DialJob { approach, seen, .. } = job;
            let (control, limit, cause) = (Control::Own, None, Cause::NoGap);
            absent.push(Absent { approach, seen, control, limit, cause, reason });
        }
        Ok(absent)
    }

    /// Every change with its tests.
    fn changes(
        &self,
        protocol: &Protocol,
        reference: &Reference,
        absent: &mut Vec<Absent>,
    ) -> Result<Vec<Kept>, StudyError> {
        let mut kept = Vec::new();
        for job in self.dial_jobs(protocol, reference)? {
            let own: DialFound = self.store.finished(&Piece::Dialled(&job))?;
            let control = if job.shuffled { Control::Shuffled } else { Control::Own };
            let DialJob { approach, seen, .. } = &job;
            absent.extend(own.absent.into_iter().map(|(limit, reason)| Absent {
                approach: approach.clone(),
                seen: seen.clone(),
                control,
                limit,
                cause: match limit {
                    Some(_) => Cause::Refused,
                    None if reason == CHOSE_NOTHING => Cause::ChoseNothing,
                    None => Cause::Failed,
                },
                reason,
            }));
            for level in &own.found {
                kept.push(self.kept_change(protocol, &job, level, &level.found, control)?);
                if let Some(random) = &level.random {
                    kept.push(self.kept_change(protocol, &job, level, random, Control::Random)?);
                }
            }
        }
        Ok(kept)
    }

    fn kept_change(
        &self,
        protocol: &Protocol,
        job: &DialJob,
        level: &Dialled,
        found: &Found,
        control: Control,
    ) -> Result<Kept, StudyError> {
        let tests = self.dial_tests(protocol, &job.seen, control);
        let tested = Tested::read(&self.store, self.prompts, found.change(), &tests)?;
        let id = change_id(job, control, level.limit);
        let log_loss = rise(&self.store, found.change())?.filter(|own| own.is_finite());
        let changed = Changed {
            id: id.clone(),
            approach: job.approach.clone(),
            seen: job.seen.clone(),
            control,
            limit: level.limit,
            strength: level.strength,
            bound: level.bound,
            weights: found.strategy.weights,
            share: found.strategy.share,
            mask: found.strategy.mask.clone(),
            log_loss,
        };
        // The name of an edit's tests stays with them.
        let mut own = found.clone();
        if own.mask.is_some() {
            own.strategy.id = id;
        }
        Ok(Kept { changed, found: own, tested })
    }

    /// What a change did to its targets, and elsewhere if it is from one context.
    fn carried(
        &self,
        protocol: &Protocol,
        sums: &Sums<'_>,
        gaps: &[Gap],
        own: &Kept,
        placebo: Option<Other<'_>>,
    ) -> Result<(Vec<Carried>, Option<Elsewhere>), StudyError> {
        let Changed { seen, control, .. } = &own.changed;
        let targets = targets(protocol, self.prompts, seen, *control);
        let by_target: BTreeMap<&Target, &Gap> =
            gaps.iter().map(|own| (&own.target, own)).collect();
        let mut carried = Vec::new();
        for gap in targets.iter().filter_map(|target| by_target.get(target)) {
            carried.push(sums.carried(&own.changed.id, gap, &own.tested, placebo)?);
        }
        let elsewhere = match seen {
            Seen::Home(home) => {
                let others = elsewhere_than(gaps, home);
                let known: Vec<&Carried> = carried.iter().collect();
                let id = &own.changed.id;
                Some(sums.elsewhere(id, &others, &own.tested, placebo, &known)?)
            }
            Seen::Asking(..) | Seen::AllBut(_) => None,
        };
        Ok((carried, elsewhere))
    }
}

/// Every measure under every change, by the id of the change.
fn by_change<'r>(also: &'r Also, kept: &'r [Kept]) -> impl Iterator<Item = AlsoChange> + 'r {
    kept.iter().flat_map(|own| {
        let scores = also.changes.iter().filter(|other| other.strategy == own.scored_as());
        scores.map(|scores| AlsoChange { strategy: own.changed.id.clone(), ..scores.clone() })
    })
}
