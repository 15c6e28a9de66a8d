//! Checks of the promises of [`Attribution`], which any implementor can run (feature `testing`).

use bias_probe::{HookedModel, NoObserver, ProbeError, Sequence, TokenBatch};
use burn::tensor::{Tensor, backend::Backend};

use crate::contrast::prompt_case::{Contrast, PossibleAnswer, PromptCase};
use crate::error::AttribError;
use crate::methods::attribution::Attribution;

/// The first promise that a method breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MethodViolation {
    /// A claim that the method breaks.
    #[error("{claim}: {found}")]
    Claim {
        /// The promise.
        claim: &'static str,
        /// What the method does instead.
        found: String,
    },
    /// A contrast on which a method cannot be checked.
    #[error("the contrast cannot show what must hold: {reason}")]
    Contrast {
        /// What the contrast lacks.
        reason: &'static str,
    },
    /// The error with which the method refused a valid contrast.
    #[error(transparent)]
    Attrib(#[from] AttribError),
}

fn broken(claim: &'static str, found: impl std::fmt::Display) -> MethodViolation {
    MethodViolation::Claim { claim, found: found.to_string() }
}

/// Claims of a method about itself.
#[derive(Debug, Clone, Copy)]
pub struct Claims {
    tolerance: f64,
    ignores_contrast: bool,
}

impl Claims {
    /// Largest change of its numbers with the order of people and answers, as a share of the
    /// largest number: rounding.
    #[must_use]
    pub fn within(tolerance: f64) -> Self {
        Self { tolerance, ignores_contrast: false }
    }

    /// It looks at the model alone, and is checked for that: every contrast gives the same numbers.
    /// So does an empty one, which is not refused.
    #[must_use]
    pub fn ignoring_contrast(self) -> Self {
        Self { ignores_contrast: true, ..self }
    }
}

/// Checks that a method keeps the promises of [`Attribution`]. The model may be any; the contrast
/// must have at least two people with answers in each group, and equally many in both groups for
/// methods that pair them:
///
/// - its name serves as a file name;
/// - the same input gives the same numbers, bit for bit;
/// - the numbers are finite and differ from each other;
/// - the model's weights and logits do not change;
/// - the order of the people, and of each person's answers, changes nothing but rounding;
/// - the contrast matters: with A's people in both groups the numbers differ;
/// - an empty group, an answer without tokens or with an impossible weight or value, and a token
///   that the model does not have are refused with the matching error ([`Contrast::check`] does the
///   first two).
///
/// [`Claims`] sets the tolerance for rounding. For methods that do not use the contrast, it
/// replaces the last three checks by another.
///
/// `numbers` turns the method's result into numbers. Include everything meaningful and nothing
/// arbitrary: of singular vectors, for example, their projection and not their signs.
///
/// # Errors
/// The first [`MethodViolation`].
pub fn check_attribution<B: Backend, M: HookedModel<B>, A: Attribution<B, M>>(
    method: &A,
    model: &M,
    contrast: &Contrast,
    claims: Claims,
    numbers: impl Fn(A::Found) -> Vec<f64>,
) -> Result<(), MethodViolation> {
    sound(contrast)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if method.name().is_empty() || !method.name().chars().all(plain) {
        return Err(broken("a name must be lower-case letters, digits and dashes", method.name()));
    }
    let run = |contrast: &Contrast| method.attribute(model, contrast).map(&numbers);
    let before = bytes(model, contrast)?;
    let own = run(contrast)?;
    if bytes(model, contrast)? != before {
        return Err(broken(
            "the model must stay as it is",
            "weights or logits are others afterwards",
        ));
    }
    if let Some(number) = own.iter().find(|number| !number.is_finite()) {
        return Err(broken("numbers must be finite", number));
    }
    if own.iter().all(|number| *number == own[0]) {
        return Err(broken(
            "numbers must tell things apart",
            format!("all {} are the same", own.len()),
        ));
    }
    same("the same input must give the same numbers", &own, &run(contrast)?)?;

    let alike = Contrast { a: contrast.a.clone(), b: contrast.a.clone() };
    if claims.ignores_contrast {
        let claim = "a method that ignores the contrast must not depend on it";
        same(claim, &own, &run(&alike)?)?;
        return same(claim, &own, &run(&Contrast::default())?);
    }
    if run(&alike).is_ok_and(|other| other == own) {
        return Err(broken(
            "the contrast must matter",
            "with A's people in both groups nothing changes",
        ));
    }
    let rotated = changed(contrast, &['A', 'B'], |people| people.rotate_left(1));
    close("the order of people must not matter", &own, &run(&rotated)?, claims.tolerance)?;
    let reversed = changed(contrast, &['A', 'B'], |people| {
        people.iter_mut().for_each(|r| r.answers.reverse())
    });
    close("the order of answers must not matter", &own, &run(&reversed)?, claims.tolerance)?;
    refusals(contrast, model.dims().vocab, run)
}

/// A change that makes an answer invalid.
type Spoil = fn(&mut PossibleAnswer);

fn refusals(
    contrast: &Contrast,
    vocab: usize,
    run: impl Fn(&Contrast) -> Result<Vec<f64>, AttribError>,
) -> Result<(), MethodViolation> {
    let refused =
        |claim, contrast: &Contrast, as_such: &dyn Fn(&AttribError) -> bool| match run(contrast) {
            Err(error) if as_such(&error) => Ok(()),
            Err(error) => Err(broken(claim, format!("refused for another reason, {error}"))),
            Ok(numbers) => Err(broken(claim, format!("{} numbers came back", numbers.len()))),
        };
    let spoilt: [(&str, Spoil); 6] = [
        ("an answer without tokens must be refused as such", |a| a.tokens.clear()),
        ("a weight of NaN must be refused as such", |a| a.weight = f64::NAN),
        ("an infinite weight must be refused as such", |a| a.weight = f64::INFINITY),
        ("a negative weight must be refused as such", |a| a.weight = -0.1),
        ("a value of NaN must be refused as such", |a| a.value = Some(f64::NAN)),
        ("an infinite value must be refused as such", |a| a.value = Some(f64::INFINITY)),
    ];
    for (group, people) in [('A', &contrast.a), ('B', &contrast.b)] {
        let last = (group, people.len() - 1);
        let empty = |e: &AttribError| matches!(e, AttribError::EmptyArm { arm } if *arm == group);
        let bad = |e: &AttribError| matches!(e, AttribError::BadAnswer { arm, index } if (*arm, *index) == last);
        let foreign =
            |e: &AttribError| matches!(e, AttribError::Probe(ProbeError::TokenOutOfRange { .. }));
        let none = changed(contrast, &[group], Vec::clear);
        refused("an empty group must be refused as such", &none, &empty)?;
        for (claim, spoil) in spoilt {
            let spoilt = changed(contrast, &[group], |people| {
                people[last.1].answers.last_mut().into_iter().for_each(spoil);
            });
            refused(claim, &spoilt, &bad)?;
        }
        let people = beyond(people, vocab)?;
        let other = changed(contrast, &[group], |own| own.clone_from(&people));
        refused("a token that the model does not have must be refused as such", &other, &foreign)?;
    }
    Ok(())
}

fn sound(contrast: &Contrast) -> Result<(), MethodViolation> {
    contrast.check()?;
    let few = |people: &[PromptCase]| people.len() < 2;
    if few(&contrast.a) || few(&contrast.b) {
        return Err(MethodViolation::Contrast { reason: "a group has fewer than two people" });
    }
    if contrast.a.iter().chain(&contrast.b).any(|r| r.answers.len() < 2) {
        return Err(MethodViolation::Contrast { reason: "someone has fewer than two answers" });
    }
    Ok(())
}

/// The contrast with the people of these groups changed.
fn changed(
    contrast: &Contrast,
    groups: &[char],
    change: impl Fn(&mut Vec<PromptCase>),
) -> Contrast {
    let mut contrast = contrast.clone();
    for (group, people) in [('A', &mut contrast.a), ('B', &mut contrast.b)] {
        if groups.contains(&group) {
            change(people);
        }
    }
    contrast
}

/// The people, with a token beyond the vocabulary at the end of the last prompt.
fn beyond(people: &[PromptCase], vocab: usize) -> Result<Vec<PromptCase>, AttribError> {
    let mut people = people.to_vec();
    if let Some(PromptCase { prompt, .. }) = people.last_mut() {
        let mut tokens = prompt.tokens().to_vec();
        tokens.pop();
        tokens.push(vocab as u32);
        *prompt = Sequence::chain(tokens, prompt.roles().to_vec())?;
    }
    Ok(people)
}

/// All weights of the model, and its logits for every prompt.
fn bytes<B: Backend>(
    model: &impl HookedModel<B>,
    contrast: &Contrast,
) -> Result<Vec<u8>, AttribError> {
    let mut bytes = Vec::new();
    for (path, ..) in model.dims().projections() {
        let weight: Tensor<B, 2> = model.weight(&path)?;
        bytes.extend_from_slice(weight.into_data().as_bytes());
    }
    for case in contrast.a.iter().chain(&contrast.b) {
        let prompt = TokenBatch::new(std::slice::from_ref(&case.prompt))?;
        bytes.extend_from_slice(model.logits(&prompt, &mut NoObserver)?.into_data().as_bytes());
    }
    Ok(bytes)
}

fn same(claim: &'static str, own: &[f64], other: &[f64]) -> Result<(), MethodViolation> {
    close(claim, own, other, 0.0)
}

fn close(
    claim: &'static str,
    own: &[f64],
    other: &[f64],
    tolerance: f64,
) -> Result<(), MethodViolation> {
    if own.len() != other.len() {
        return Err(broken(claim, format!("{} numbers and then {}", own.len(), other.len())));
    }
    let largest = own.iter().fold(0.0f64, |max, number| max.max(number.abs()));
    let off = own.iter().zip(other).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f64::max);
    // `max` ignores NaN.
    if off <= tolerance && other.iter().all(|number| number.is_finite()) {
        return Ok(());
    }
    Err(broken(
        claim,
        format!("numbers differ by {off:.1e} of the largest, more than {tolerance:.1e}"),
    ))
}
