//! How long the protocol takes on this machine.

use bias_ask::Tokenize;
use bias_frameworks::Framework;
use bias_types::prompt::Context;
use burn::tensor::backend::AutodiffBackend;

use super::jobs::{places, targets, test};
use super::protocol::Protocol;
use crate::StudyError;
use crate::results::{Alternative, Approach, Control, Seen, method};
use crate::run::{ALTERNATIVE, HEADS, PURSUIT, SIGNED_GAP, Study};
use crate::store::Piece;
use crate::studied::Studied;

/// The work of a protocol after the audit of the unchanged model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// The number of homes.
    pub homes: usize,
    /// The number of changes that are tested, controls among them. Levels of damage may lead to the
    /// same.
    pub changes: usize,
    /// The number of questions to changed models.
    pub questions: usize,
    /// The seconds that all of it will take, good to about a factor of two.
    pub seconds: f64,
}

impl<A: AutodiffBackend, M: Studied<A>, T: Tokenize + Sync> Study<'_, A, M, T> {
    /// The homes that a run with this time limit chose when it began, if it has begun: what a run
    /// is about does not depend on how often it was stopped.
    ///
    /// # Errors
    /// A piece that cannot be read.
    pub fn homes_within(
        &self,
        protocol: &Protocol,
        minutes: f64,
    ) -> Result<Option<Vec<Context>>, StudyError> {
        self.store.get(&Piece::Homes(&protocol.homes, minutes))
    }

    /// Leaves all but the first `count` homes out, and keeps that for a run that goes on.
    ///
    /// # Errors
    /// A piece that cannot be written.
    pub fn keep_homes(
        &self,
        protocol: &mut Protocol,
        minutes: f64,
        count: usize,
    ) -> Result<(), StudyError> {
        let chosen: Vec<Context> = protocol.homes.iter().take(count).cloned().collect();
        self.store.put(&Piece::Homes(&protocol.homes, minutes), &chosen)?;
        protocol.homes = chosen;
        Ok(())
    }

    /// The work of a protocol with its first home, with its first two, and so on. Asks the
    /// unchanged model first, unless that was done before, and times a few questions.
    ///
    /// # Errors
    /// As [`Audit::audit`](crate::Audit::audit).
    pub fn generalize_effort(&mut self, protocol: &Protocol) -> Result<Vec<Effort>, StudyError> {
        self.check_protocol(protocol)?;
        let reference = self.reference()?;
        let rates = self.rates()?;
        let also = self.also_seconds(|own| own != Framework::Tasks)?;
        let tasks = self.also_seconds(|own| own == Framework::Tasks)?;
        let levels = protocol.limits.len();
        // Both ends, and the steps between them; a lower limit looks where another one looked.
        let probes =
            (protocol.probes + 2) as f64 + (levels - 1) as f64 * protocol.probes as f64 / 2.0;
        let jobs = self.dial_jobs(protocol, &reference)?;
        let mut efforts = Vec::new();
        for homes in 1..=protocol.homes.len() {
            let mut own = Effort { homes, changes: 0, questions: 0, seconds: 0.0 };
            let some = &protocol.homes[..homes];
            for job in jobs.iter().filter(|job| some.contains(job.seen.context())) {
                let seen = places(self.prompts, &job.seen);
                let share = self.questions.count_attributed(&seen) as f64
                    / self.questions.count(&seen, self.prompts.attributed()).max(1) as f64;
                let pass = share * rates.seconds(self, &seen, self.prompts.attributed());
                own.seconds += pass * passes(&job.approach) + probes * (rates.neutral + tasks);
                let random = job.approach.is_mask()
                    && !job.shuffled
                    && !matches!(job.seen, Seen::Asking(..));
                let control = if job.shuffled { Control::Shuffled } else { Control::Own };
                let controls = [control].into_iter().chain(random.then_some(Control::Random));
                for control in controls {
                    own.changes += levels;
                    for target in targets(protocol, self.prompts, &job.seen, control) {
                        let places = test(self.prompts, &target).places;
                        let tested = self.prompts.tested();
                        own.questions += levels * self.questions.count(&places, tested);
                        own.seconds += levels as f64 * rates.seconds(self, &places, tested);
                    }
                    // What was dialled is probed; a control of as many random weights is not yet.
                    let probe =
                        if control == Control::Random { rates.neutral + tasks } else { 0.0 };
                    own.seconds += levels as f64 * (also + probe);
                }
            }
            efforts.push(own);
        }
        Ok(efforts)
    }
}

/// The cost of an approach, in forward passes over what it sees.
fn passes(approach: &Approach) -> f64 {
    match approach {
        Approach::Planted => 0.0,
        Approach::Edit(Alternative::AffineConcept | Alternative::Projection) => SIGNED_GAP,
        Approach::Edit(_) => ALTERNATIVE,
        Approach::Mask(name, _) if name.contains(method::GAP_PURSUIT) => PURSUIT,
        Approach::Mask(name, _) if name.contains("head") || name.contains("knockout") => HEADS,
        Approach::Mask(..) => SIGNED_GAP,
    }
}
