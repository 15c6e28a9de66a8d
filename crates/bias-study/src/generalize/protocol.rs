use bias_files::hex;
use bias_types::UnitKind;
use bias_types::prompt::Context;
use burn::tensor::backend::AutodiffBackend;
use sha2::{Digest as _, Sha256};

use super::formats::{is_derived, otherwise_put};
use super::name_check::name_check;
use crate::StudyError;
use crate::find::{Method, Truth};
use crate::prompts::PromptSet;
use crate::results::{Alternative, Approach, Format, ProtocolInfo, method};
use crate::studied::Studied;

/// What is decided before the protocol is run.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// What is tried.
    pub approaches: Vec<Approach>,
    /// The contexts that are homes in turn, and are left out in turn. Homes without a measurable gap
    /// are left out when it runs, and the results say so.
    pub homes: Vec<Context>,
    /// How far mean log-loss on neutral text may rise, in nats per token: a level of damage each.
    pub limits: Vec<f64>,
    /// The largest share of all prunable weights that a mask may take.
    pub most: f64,
    /// The most probes of damage for each limit.
    pub probes: usize,
    /// Other ways to put the questions at home.
    pub formats: Vec<Format>,
    /// The sentence before the question in [`Format::Preamble`].
    pub preamble: String,
    /// The edit that masks are compared with.
    pub rival: Approach,
    /// The units that were planted, for [`Approach::Planted`].
    pub truth: Option<Truth>,
}

impl Protocol {
    /// The approaches that are tried unless others are named.
    #[must_use]
    pub fn usual() -> Vec<Approach> {
        let weights = |name: &str| Approach::Mask(name.into(), UnitKind::Weight);
        vec![
            weights(method::SIGNED_GAP),
            weights(method::SIGNED_GAP_GUARDED),
            weights(method::GAP_PURSUIT),
            weights(method::GAP_PURSUIT_GUARDED),
            Approach::Mask(method::SIGNED_GAP.into(), UnitKind::Neuron),
            Approach::Edit(Alternative::AffineConcept),
            Approach::Edit(Alternative::Projection),
        ]
    }

    /// The usual protocol: every context is a home, limits of 0.01 and 0.05 nats, masks of at most
    /// 1 % of the weights, eight probes, all formats.
    #[must_use]
    pub fn new(prompts: &PromptSet) -> Self {
        Self {
            approaches: Self::usual(),
            homes: prompts.contexts.iter().map(|own| own.context.clone()).collect(),
            limits: vec![0.01, 0.05],
            most: 0.01,
            probes: 8,
            formats: Format::ALL.to_vec(),
            preamble: "Please read this carefully before you answer.".into(),
            rival: Approach::Edit(Alternative::AffineConcept),
            truth: None,
        }
    }

    /// The prompts that the protocol asks: those given, and the held-out questions of every home in
    /// every other format as contexts of their own, which attribution never sees.
    ///
    /// # Errors
    /// [`StudyError::Protocol`] for a protocol that cannot be run on these prompts.
    pub fn prompts(&self, prompts: &PromptSet) -> Result<PromptSet, StudyError> {
        self.check(prompts)?;
        let mut all = prompts.clone();
        for home in &self.homes {
            let own = all.index_of(home.as_str()).and_then(|c| all.contexts.get(c)).cloned();
            let Some(own) = own else { continue };
            for format in &self.formats {
                all.contexts.push(otherwise_put(&own, *format, &self.preamble)?);
            }
        }
        Ok(all)
    }

    /// Checks that there is a method of every name.
    ///
    /// # Errors
    /// [`StudyError::Protocol`] with the names that there are.
    pub fn check_methods<A: AutodiffBackend, M: Studied<A>>(&self) -> Result<(), StudyError> {
        let unknown = |own: &&Approach| match own {
            Approach::Mask(name, unit) => Method::<A, M>::named(name, *unit).is_none(),
            _ => false,
        };
        let Some(own) = self.approaches.iter().find(unknown) else { return Ok(()) };
        let all = Method::<A, M>::all().into_iter();
        let known = all.map(|own| Approach::Mask(own.name, own.unit).to_string());
        let known = known.collect::<Vec<_>>().join(", ");
        let reason = format!("there is no method `{own}`; the methods are {known}");
        Err(StudyError::Protocol { reason })
    }

    /// The smallest p of a row of a claim after Holm's correction: what the names can show at best.
    /// From 0.05 on, no claim can come out as yes.
    #[must_use]
    pub fn smallest_p(&self, prompts: &PromptSet) -> f64 {
        // What was planted is no claim.
        let claimed = |own: &&Approach| own.is_mask() && **own != Approach::Planted;
        let masks = self.approaches.iter().filter(claimed).count();
        name_check(prompts).smallest_p(masks * self.homes.len() * self.limits.len())
    }

    fn check(&self, prompts: &PromptSet) -> Result<(), StudyError> {
        let refuse = |reason: String| Err(StudyError::Protocol { reason });
        if let Some(absent) = self.homes.iter().find(|c| prompts.index_of(c.as_str()).is_none()) {
            return refuse(format!("the prompts have no context `{absent}` to be a home"));
        }
        if self.homes.is_empty() || self.approaches.is_empty() || self.limits.is_empty() {
            return refuse("it needs a home, something to try and a limit of damage".into());
        }
        if let Some(bad) = self.limits.iter().find(|own| !(**own > 0.0 && own.is_finite())) {
            return refuse(format!("{bad} is no limit of damage: it must be above 0 nats"));
        }
        let share = self.most > 0.0 && self.most <= 1.0;
        if !share {
            return refuse(format!("{} is no share of the weights above 0", self.most));
        }
        if !prompts.holds_out_names() {
            return refuse(
                "no names are held out for tests, so every gap would be too large; ask about more \
                 people, or say in `name_split` who is `held_out`"
                    .into(),
            );
        }
        let planted = self.approaches.contains(&Approach::Planted);
        if planted && self.truth.is_none() {
            return refuse("`planted` needs a truth.json beside the model".into());
        }
        let unlike = self.approaches.iter().find(|own| {
            let whole = Alternative::FineTuning;
            matches!(own, Approach::Edit(edit) if *edit == whole)
        });
        if let Some(own) = unlike {
            return refuse(format!(
                "`{own}` changes weights outside the matrices, so it has no strength between \
                 nothing and all; try low-rank"
            ));
        }
        if let Some(c) = (0..prompts.contexts.len()).find(|c| is_derived(prompts, *c)) {
            return refuse(format!(
                "the prompts have a context `{}`, which is what another one would be called in \
                 another format; rename it",
                prompts.contexts[c].context
            ));
        }
        Ok(())
    }

    /// The digest of the planted units.
    pub(super) fn truth_digest(&self) -> Result<Option<String>, StudyError> {
        let Some(truth) = &self.truth else { return Ok(None) };
        let json = serde_json::to_vec(truth)
            .map_err(|e| StudyError::Write { path: "truth".into(), source: e.into() })?;
        Ok(Some(hex(&Sha256::digest(json))))
    }

    pub(super) fn info(&self, tasks: Option<String>) -> ProtocolInfo {
        ProtocolInfo {
            approaches: self.approaches.clone(),
            homes: self.homes.clone(),
            limits: self.limits.clone(),
            most: self.most,
            probes: self.probes,
            formats: self.formats.clone(),
            rival: self.rival.clone(),
            tasks,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};

    use super::*;

    /// What is tried unless others are named exists, and so does what it is compared with.
    #[test]
    fn the_usual_approaches_exist() {
        let protocol = Protocol::new(&PromptSet::of(Vec::new()));
        protocol.check_methods::<Autodiff<Flex>, bias_model::Decoder<Flex>>().unwrap();
        assert!(protocol.approaches.contains(&protocol.rival) && !protocol.rival.is_mask());
    }
}
