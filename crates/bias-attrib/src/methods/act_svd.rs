use std::collections::{BTreeMap, BTreeSet};

use bias_probe::{HookedModel, ProbeError, TokenBatch};
use bias_types::{ParamPath, Site, TokenRole};
use burn::tensor::{Tensor, backend::Backend};
use faer::{Mat, Side};

use super::attribution::Attribution;
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{AnswerTree, batches, token_batch};
use crate::engine::readback::{read, read_site};
use crate::engine::watch::Watch;
use crate::error::{AttribError, ValuesOf};
use crate::scores::rank_directions::{RankDirections, leading, matrix};

/// The directions of each matrix's strongest output for A and for B: the leading left singular
/// vectors of `W X_A` and of `W X_B`, where `X` holds the matrix's inputs, one column per token
/// (ActSVD, arXiv 2402.05162).
///
/// Tokens of prompt and answers count as in [`Wanda`](crate::Wanda). The part that matters for A
/// and not for B is then `(I − Π_B) Π_A W`: see [`RankDirections::removed`] and
/// [`RankDirections::outside`].
///
/// Shares are of a matrix's rank, `min(out, in)`, rounded down. The paper takes most of the rank
/// for both groups (ranks near 3,900 to 4,090 of 4,096). Few tokens span fewer directions. A
/// direction with a singular value below `max(out, in) · ε` of the largest, with the `ε` of f32 (as
/// NumPy's `matrix_rank`), is a rounding error and is not taken.
///
/// `X Xᵀ`, `[in, in]`, is computed in f64 on the host for one layer at a time, and the prompts are
/// run once per layer. This costs `O(tokens · in²)`, and the decompositions cost `O(out · in²)` per
/// matrix and group: minutes for models of a few hundred million weights, hours for billions.
#[derive(Debug, Clone, Copy)]
pub struct ActSvd {
    shares: [f64; 2],
}

impl ActSvd {
    /// Takes a share of each matrix's rank for group A and one for group B.
    ///
    /// # Errors
    /// [`AttribError::Share`] outside [0, 1].
    pub fn new(a: f64, b: f64) -> Result<Self, AttribError> {
        match [a, b].into_iter().find(|share| !(0.0..=1.0).contains(share)) {
            Some(share) => Err(AttribError::Share { share }),
            None => Ok(Self { shares: [a, b] }),
        }
    }
}

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for ActSvd {
    type Found = RankDirections;

    fn name(&self) -> &'static str {
        "act-svd"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<RankDirections, AttribError> {
        contrast.check()?;
        let groups = [batches(&contrast.a)?, batches(&contrast.b)?];
        let mut found = RankDirections::default();
        for layer in 0..model.dims().layers {
            let sites = model.dims().block_projections().map(|p| p.input_site(layer)).collect();
            let [a, b] = [roots(model, &groups[0], &sites)?, roots(model, &groups[1], &sites)?];
            for projection in model.dims().block_projections() {
                let path = ParamPath::of(layer, projection);
                let weight = model.weight(&path)?;
                let [out, inner] = weight.dims();
                let weight = matrix(&read(weight, ValuesOf::Param(path.clone()))?, [out, inner]);
                let site = projection.input_site(layer);
                let of = |roots: &BTreeMap<Site, Mat<f64>>, share: f64| {
                    let root =
                        roots.get(&site).ok_or(ProbeError::NeverFired { sites: vec![site] })?;
                    let rank = (share * out.min(inner) as f64) as usize;
                    let least = out.max(inner) as f64 * f64::from(f32::EPSILON);
                    let spanned =
                        |s: &[f64]| s.iter().take_while(|own| **own > least * s[0]).count();
                    leading(&(&weight * root), |strengths| spanned(strengths).min(rank)).ok_or_else(
                        || AttribError::NoConvergence { what: ValuesOf::Param(path.clone()) },
                    )
                };
                let both = [of(&a, self.shares[0])?, of(&b, self.shares[1])?];
                found.insert(path, both);
            }
        }
        Ok(found)
    }
}

/// A square root `R` of `X Xᵀ = R Rᵀ` at each site, so that `W X` and `W R` have the same
/// left singular vectors and values.
fn roots<B: Backend>(
    model: &impl HookedModel<B>,
    groups: &[Vec<AnswerTree<'_>>],
    sites: &BTreeSet<Site>,
) -> Result<BTreeMap<Site, Mat<f64>>, AttribError> {
    let mut moments: BTreeMap<Site, Mat<f64>> = BTreeMap::new();
    for trees in groups {
        let batch = token_batch(trees)?;
        let mut watch = Watch::new(sites.iter().copied(), |site, value: Tensor<B, 3>| {
            let own = second_moment(&batch, site, value.clone())?;
            let sum = moments.entry(site).or_insert_with(|| Mat::zeros(own.nrows(), own.ncols()));
            *sum += own;
            Ok(value)
        });
        model.hidden(&batch, &mut watch)?;
        watch.finish()?;
    }
    let roots = moments.into_iter().map(|(site, moment)| {
        let eigen = moment
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| AttribError::NoConvergence { what: ValuesOf::Site(site) })?;
        let (u, s) = (eigen.U(), eigen.S().column_vector());
        Ok((site, Mat::from_fn(u.nrows(), u.ncols(), |i, j| u[(i, j)] * s[j].max(0.0).sqrt())))
    });
    roots.collect()
}

/// `Σ w x xᵀ` over a batch's tokens, `[channels, channels]`.
fn second_moment<B: Backend>(
    batch: &TokenBatch,
    site: Site,
    value: Tensor<B, 3>,
) -> Result<Mat<f64>, ProbeError> {
    let [rows, width, channels] = value.dims();
    let weights = batch.role_weights::<B>(&TokenRole::REAL, &value.device()).sum_dim(0);
    let weights = read_site(weights, site)?;
    let x = matrix(&read_site(value, site)?, [rows * width, channels]);
    let x = Mat::from_fn(rows * width, channels, |i, j| f64::from(weights[i]).sqrt() * x[(i, j)]);
    Ok(x.transpose() * &x)
}
