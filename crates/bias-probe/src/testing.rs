//! Checks of the promises of [`HookedModel`], which any implementor can run (feature `testing`).

use std::collections::BTreeMap;

use bias_types::{BlockSite, Site, TokenRole};
use burn::tensor::{Tensor, backend::Backend};

use crate::batch::sequence::Sequence;
use crate::batch::token_batch::TokenBatch;
use crate::device::readback::read_back;
use crate::error::ProbeError;
use crate::hooks::capture::{Capture, Captured};
use crate::hooks::model::HookedModel;
use crate::hooks::observer::{Both, NoObserver, Observer};

/// The first promise that a model breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelViolation {
    /// A claim of the trait that the model breaks.
    #[error("{claim}: {found}")]
    Claim {
        /// The promise.
        claim: &'static str,
        /// What the model does instead.
        found: String,
    },
    /// A pass that failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

fn broken(claim: &'static str, found: impl std::fmt::Display) -> ModelViolation {
    ModelViolation::Claim { claim, found: found.to_string() }
}

/// Counts how often each site is reached.
struct Calls(BTreeMap<Site, usize>);

impl<B: Backend> Observer<B> for Calls {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        *self.0.entry(site).or_default() += 1;
        Ok(value)
    }

    fn attention(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 4>,
    ) -> Result<Tensor<B, 4>, ProbeError> {
        *self.0.entry(site).or_default() += 1;
        Ok(value)
    }
}

/// Each site's activations of every batch, in the order they come.
#[derive(Default)]
struct Order(BTreeMap<Site, Vec<Vec<f32>>>);

impl<B: Backend> Observer<B> for Order {
    fn wants(&self, site: Site) -> bool {
        !site.is_attention()
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let values = value.clone().into_data().iter::<f32>().collect();
        self.0.entry(site).or_default().push(values);
        Ok(value)
    }
}

/// Sets one site to zero.
struct Zero(Site);

impl<B: Backend> Observer<B> for Zero {
    fn wants(&self, site: Site) -> bool {
        site == self.0
    }

    fn hidden(
        &mut self,
        _: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        Ok(value.zeros_like())
    }
}

/// Checks that a model keeps every promise of [`HookedModel`], up to rounding of `tolerance`
/// (absolute, on logits):
///
/// - a pass reaches each of its [`sites`](HookedModel::sites) once, with the shape that
///   [`BlockSite`] documents, and no other site;
/// - an observer that only looks changes nothing, one that replaces a value does;
/// - padding and other rows of the batch change nothing;
/// - each branch of a tree of answers gets the logits that it gets alone;
/// - a token is not influenced by later ones;
/// - weights have the shapes of its [`ModelDims`](bias_types::ModelDims);
/// - tokens beyond the vocabulary are refused.
///
/// # Errors
/// The first [`ModelViolation`].
pub fn check_model<B: Backend>(
    model: &impl HookedModel<B>,
    tolerance: f32,
) -> Result<(), ModelViolation> {
    let dims = *model.dims();
    dims.validate().map_err(|e| broken("sizes must make sense", e))?;
    for (path, _, projection) in dims.projections() {
        let shape = model.weight(&path)?.dims();
        if shape != dims.shape(projection) {
            let found = format!("{path} is {shape:?} and should be {:?}", dims.shape(projection));
            return Err(broken("weights must have the shapes of the model's sizes", found));
        }
    }
    let token = |i: usize| (i * 7 % dims.vocab) as u32;
    let tokens: Vec<u32> = (1..7).map(token).collect();
    let roles = vec![TokenRole::Prompt; tokens.len()];
    let long = Sequence::chain(tokens.clone(), roles.clone())?;
    let short = Sequence::chain(tokens[..3].to_vec(), roles[..3].to_vec())?;
    let alone = TokenBatch::new(std::slice::from_ref(&long))?;
    let plain = logits(model, &alone, &mut NoObserver)?;

    sites(model, &alone, &plain, tolerance)?;
    replaced(model, &alone, &plain, tolerance)?;

    let both = TokenBatch::new(&[short.clone(), long])?;
    let all = logits(model, &both, &mut NoObserver)?;
    let own = logits(model, &TokenBatch::new(&[short])?, &mut NoObserver)?;
    let width = tokens.len() * dims.vocab;
    close("padding must change nothing", &all[..own.len()], &own, tolerance)?;
    close("other rows must change nothing", &all[width..], &plain, tolerance)?;
    // The short prompt is how the long one begins: what comes later is not seen.
    close("later tokens must not be seen", &own, &plain[..own.len()], tolerance)?;

    let (mut together, mut in_turn) = (Order::default(), Order::default());
    let third = Sequence::chain(tokens[..3].to_vec(), roles[..3].to_vec())?;
    let batches = [alone, TokenBatch::new(&[third])?];
    model.observe_all(&batches, &mut together)?;
    for batch in &batches {
        model.hidden(batch, &mut in_turn)?;
    }
    for (site, own) in &in_turn.0 {
        let claim = "batches that run together must be seen in their order at every site";
        let found = together.0.get(site).map_or(&[][..], Vec::as_slice);
        if found.len() != own.len() || found.iter().zip(own).any(|(a, b)| a.len() != b.len()) {
            return Err(broken(
                claim,
                format!("{site} saw {} of {} batches, or others", found.len(), own.len()),
            ));
        }
        found.iter().zip(own).try_for_each(|(a, b)| close(claim, a, b, tolerance))?;
    }

    // The long prompt with another ending behind its third token.
    let parents = (0..tokens.len()).map(|i| i.checked_sub(1)).chain([Some(2)]).collect();
    let mut branching = tokens.clone();
    branching.push(token(9));
    let tree = Sequence::tree(branching, vec![TokenRole::Prompt; tokens.len() + 1], parents)?;
    let found = logits(model, &TokenBatch::new(&[tree])?, &mut NoObserver)?;
    close("a branch must not see the others", &found[..width], &plain, tolerance)?;
    let mut other = tokens[..3].to_vec();
    other.push(token(9));
    let other = Sequence::chain(other, roles[..4].to_vec())?;
    let other = logits(model, &TokenBatch::new(&[other])?, &mut NoObserver)?;
    close(
        "a branch must see its own beginning",
        &found[width..],
        &other[3 * dims.vocab..],
        tolerance,
    )?;

    let beyond = Sequence::chain(vec![dims.vocab as u32], vec![TokenRole::Prompt])?;
    match model.logits(&TokenBatch::new(&[beyond])?, &mut NoObserver) {
        Err(ProbeError::TokenOutOfRange { .. }) => Ok(()),
        Err(other) => Err(broken("tokens beyond the vocabulary must be refused as such", other)),
        Ok(_) => {
            Err(broken("tokens beyond the vocabulary must be refused", "the pass went through"))
        }
    }
}

fn sites<B: Backend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    plain: &[f32],
    tolerance: f32,
) -> Result<(), ModelViolation> {
    let mut calls = Calls(BTreeMap::new());
    let mut capture = Capture::new(model.sites());
    let seen = logits(model, batch, &mut Both(&mut calls, &mut capture))?;
    close("looking must change nothing", &seen, plain, tolerance)?;
    for (site, count) in &calls.0 {
        if !model.sites().contains(site) {
            return Err(broken("only the sites a model names may be reached", site));
        }
        if *count != 1 {
            return Err(broken(
                "a site must be reached once a pass",
                format!("{site}, {count} times"),
            ));
        }
    }
    for (site, Captured { shape, .. }) in capture.finish()? {
        let expected = shape_of(site, model, batch);
        if shape != expected {
            let found = format!("{site} is {shape:?} and should be {expected:?}");
            return Err(broken("a site must have its documented shape", found));
        }
    }
    Ok(())
}

fn shape_of<B: Backend>(site: Site, model: &impl HookedModel<B>, batch: &TokenBatch) -> Vec<usize> {
    use BlockSite as S;
    let dims = model.dims();
    let (rows, width) = (batch.rows(), batch.width());
    let channels = match site {
        Site::Logits => dims.vocab,
        Site::FinalNormScale | Site::Block(_, S::AttnNormScale | S::MlpNormScale) => 1,
        Site::Block(_, S::Scores | S::Pattern) => {
            return vec![rows, dims.heads, width, batch.past() + width];
        }
        Site::Block(_, S::Query | S::QueryRotated | S::HeadOutput) => dims.heads * dims.d_head,
        Site::Block(_, S::Key | S::KeyRotated | S::Value) => dims.kv_heads * dims.d_head,
        Site::Block(_, S::Gate | S::GateActivated | S::Up | S::MlpHidden) => dims.d_mlp,
        Site::Block(_, S::RouterLogits | S::RouterWeights) => {
            dims.experts.map_or(0, |experts| experts.all())
        }
        _ => dims.d_model,
    };
    vec![rows, width, channels]
}

fn replaced<B: Backend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    plain: &[f32],
    tolerance: f32,
) -> Result<(), ModelViolation> {
    let written = [BlockSite::HeadOutput, BlockSite::MlpHidden, BlockSite::ResidPost];
    for site in
        written.map(|at| Site::Block(0, at)).into_iter().filter(|s| model.sites().contains(s))
    {
        let zeroed = logits(model, batch, &mut Zero(site))?;
        if largest(&zeroed, plain) <= tolerance {
            return Err(broken("a replaced activation must be what the model goes on with", site));
        }
    }
    Ok(())
}

fn logits<B: Backend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    observer: &mut dyn Observer<B>,
) -> Result<Vec<f32>, ModelViolation> {
    let logits = model.logits(batch, observer)?;
    let expected = [batch.rows(), batch.width(), model.dims().vocab];
    if logits.dims() != expected {
        let found = format!("{:?} and should be {expected:?}", logits.dims());
        return Err(broken("logits must be [rows, width, vocab]", found));
    }
    read_back(logits).map_err(|reason| broken("logits must be readable", reason))
}

fn largest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn close(claim: &'static str, a: &[f32], b: &[f32], tolerance: f32) -> Result<(), ModelViolation> {
    let off = largest(a, b);
    // Not `>`: NaN is off too.
    if off <= tolerance && a.iter().chain(b).all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(broken(claim, format!("logits differ by {off}, more than {tolerance}")))
}
