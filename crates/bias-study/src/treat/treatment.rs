use std::collections::{BTreeMap, BTreeSet};

use bias_attrib::{Contrast, PromptCase};
use bias_mask::edit::check_strength;
use bias_mask::{MaskError, MaskTarget};
use bias_probe::{HookedModel, Weights};
use bias_types::TokenRole;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::results::{Alternative, Budget};
use crate::seed::derived_seed;

/// How an alternative is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Treatment {
    /// How much of the change is made: 0 leaves the model as it is, 1 is the whole change.
    pub strength: f64,
    /// What is made instead, as a control.
    pub placebo: Option<Placebo>,
}

impl Default for Treatment {
    fn default() -> Self {
        Self { strength: 1.0, placebo: None }
    }
}

/// A control that takes the same steps and cannot know who belongs to which group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Placebo {
    /// Names are dealt to the groups anew, half of each group to either, alike in all variations.
    ShuffledGroups,
    /// A random choice of the same size: a random subspace, or random neurons.
    Random,
    /// Half of each group stands for the other group.
    WithinGroups,
}

impl Placebo {
    /// The one that tells whether an alternative owes what it does to the groups.
    #[must_use]
    pub fn of(alternative: Alternative) -> Self {
        match alternative {
            // The one does not look at groups. The other finds who the person is, whichever two
            // people are told apart.
            Alternative::KnowledgeNeurons | Alternative::Interchange => Self::Random,
            // It makes two people alike, so in a shuffled pair of both groups as well.
            Alternative::SymmetricKl => Self::WithinGroups,
            _ => Self::ShuffledGroups,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ShuffledGroups => "shuffled-groups",
            Self::Random => "random",
            Self::WithinGroups => "within-groups",
        }
    }
}

/// A changed model.
#[derive(Debug)]
pub struct Treated<M> {
    /// The model with the change.
    pub model: M,
    /// The number of weights that differ from before.
    pub weights: usize,
    /// The budget.
    pub budget: Budget,
}

/// The model between two, matrix by matrix and bias by bias: `before + strength · (after − before)`.
/// So a change that took long to find is had at any strength. Weights that are neither (embeddings,
/// norms) stay those of `before`.
///
/// # Errors
/// [`MaskError::Strength`]; models of other sizes; weights or biases that cannot be reached.
pub fn weakened<B: Backend, M: HookedModel<B> + MaskTarget<B> + Clone>(
    before: &M,
    after: &M,
    strength: f64,
) -> Result<M, MaskError> {
    check_strength(strength)?;
    let mut model = before.clone();
    if strength <= 0.0 {
        return Ok(model);
    }
    for (path, ..) in before.dims().projections() {
        let (old, new) = (Weights::weight(before, &path)?, Weights::weight(after, &path)?);
        let dtype = old.dtype();
        model.set_weight(&path, between(old, new, strength).cast(dtype))?;
        let (old, new) = match (before.bias(&path), after.bias(&path)) {
            // Then no change can have reached it.
            (Err(MaskError::BiasOutOfReach { .. }), _) => continue,
            (old, new) => (old?, new?),
        };
        let bias = match (old, new) {
            (Some(old), Some(new)) => {
                let dtype = old.dtype();
                Some(between(old, new, strength).cast(dtype))
            }
            (None, Some(new)) => Some(new.mul_scalar(strength)),
            (Some(old), None) => Some(old.mul_scalar(1.0 - strength)),
            (None, None) => continue,
        };
        model.set_bias(&path, bias)?;
    }
    Ok(model)
}

fn between<B: Backend, const D: usize>(
    old: Tensor<B, D>,
    new: Tensor<B, D>,
    strength: f64,
) -> Tensor<B, D> {
    if strength >= 1.0 { new } else { old.clone() + (new - old).mul_scalar(strength) }
}

/// The tokens of the person's name, which tell who it is.
fn name_of(person: &PromptCase) -> Vec<u32> {
    let prompt = &person.prompt;
    let tokens = prompt.tokens().iter().zip(prompt.roles());
    tokens.filter(|(_, role)| **role == TokenRole::Name).map(|(token, _)| *token).collect()
}

/// The contrasts with names dealt to the groups anew: half of each group goes to either, and a name
/// goes the same way in all contrasts.
///
/// # Errors
/// [`StudyError::Treatment`] if a group has fewer than two names.
pub(super) fn shuffled(
    contrasts: &[Contrast],
    seed: u64,
    alternative: &'static str,
) -> Result<Vec<Contrast>, StudyError> {
    let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(seed, "shuffled-groups"));
    let mut to_a: BTreeMap<Vec<u32>, bool> = BTreeMap::new();
    for pick in [|own: &Contrast| own.a.clone(), |own: &Contrast| own.b.clone()] {
        let names: BTreeSet<Vec<u32>> =
            contrasts.iter().flat_map(pick).map(|person| name_of(&person)).collect();
        let mut names: Vec<Vec<u32>> = names.into_iter().collect();
        if names.len() < 2 {
            let reason = "one name of a group cannot be dealt to two: ask about more names".into();
            return Err(StudyError::Treatment { alternative, reason });
        }
        names.shuffle(&mut rng);
        let half = names.len() / 2;
        to_a.extend(names.into_iter().enumerate().map(|(i, name)| (name, i < half)));
    }
    let deal = |own: &Contrast| {
        let everybody = own.a.iter().chain(&own.b).cloned();
        let (a, b) = everybody.partition(|person| to_a.get(&name_of(person)) == Some(&true));
        Contrast { a, b }
    };
    Ok(contrasts.iter().map(deal).filter(|own| !own.a.is_empty() && !own.b.is_empty()).collect())
}

/// The contrasts of the first half of each group with its second half, two for each.
///
/// # Errors
/// [`StudyError::Treatment`] if no group has two people.
pub(super) fn within_groups(
    contrasts: &[Contrast],
    alternative: &'static str,
) -> Result<Vec<Contrast>, StudyError> {
    let halves = |people: &Vec<PromptCase>| {
        let (a, b) = people.split_at(people.len() / 2);
        Contrast { a: a.to_vec(), b: b.to_vec() }
    };
    let all = contrasts.iter().flat_map(|own| [halves(&own.a), halves(&own.b)]);
    let all: Vec<Contrast> = all.filter(|own| !own.a.is_empty()).collect();
    if all.is_empty() {
        let reason = "no group has two people to pair: ask about more names".into();
        return Err(StudyError::Treatment { alternative, reason });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use bias_probe::Sequence;

    use super::*;

    fn person(name: u32) -> PromptCase {
        let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
        PromptCase::new(Sequence::chain(vec![1, name, 2], roles).unwrap(), Vec::new())
    }

    #[test]
    fn names_are_dealt_alike_in_all_variations_and_half_of_each_group_to_either() {
        let contrast = |a: &[u32], b: &[u32]| Contrast {
            a: a.iter().map(|n| person(*n)).collect(),
            b: b.iter().map(|n| person(*n)).collect(),
        };
        let own = [contrast(&[10, 11, 12, 13], &[20, 21, 22, 23]), contrast(&[10, 11], &[21, 23])];
        let dealt = shuffled(&own, 3, "test").unwrap();
        let side: BTreeMap<u32, bool> = [(&dealt[0].a, true), (&dealt[0].b, false)]
            .into_iter()
            .flat_map(|(people, side)| people.iter().map(move |own| (name_of(own)[0], side)))
            .collect();
        assert_eq!(side.len(), 8);
        for group in [10..14, 20..24] {
            assert_eq!(group.filter(|name| side[name]).count(), 2, "{side:?}");
        }
        for (people, on) in dealt[1..].iter().flat_map(|own| [(&own.a, true), (&own.b, false)]) {
            assert!(people.iter().all(|own| side[&name_of(own)[0]] == on));
        }
        assert_eq!(shuffled(&own, 3, "test").unwrap(), dealt);
        let pairs = within_groups(&own[1..], "test").unwrap();
        assert_eq!(pairs, [contrast(&[10], &[11]), contrast(&[21], &[23])]);
        assert!(within_groups(&[contrast(&[1], &[2])], "test").is_err());
        let error = shuffled(&[contrast(&[1], &[2, 3])], 3, "test").unwrap_err().to_string();
        assert!(error.contains("more names"), "{error}");
    }
}
