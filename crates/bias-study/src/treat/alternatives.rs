//! Alternatives to zeroing weights, made from the same variations and names.

use bias_attrib::{AttribError, Contrast};
use bias_mask::edit::{Directions, Means, Side, check_strength};
use bias_mask::{Intervention, MaskError, MaskTarget};
use bias_probe::stats::ChannelStats;
use bias_probe::{HookedModel, Sequence, StatsCollector, TokenBatch, Weights};
use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site, TokenRole, UnitKind};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};

use super::affine::AffineConcept;
use super::finetune::{Lessons, RANK, fine_tune, low_rank};
use super::interchange::Interchange;
use super::knowledge::{SHARE, amplified};
use super::symmetric_kl::symmetric_kl;
use super::treatment::{Placebo, Treated, Treatment, shuffled, weakened, within_groups};
use crate::StudyError;
use crate::find::{Method, MethodInput};
use crate::results::{Alternative, Budget, method};
use crate::studied::Studied;

/// Changes the model.
pub(crate) fn treat<A: AutodiffBackend, M: Studied<A>>(
    alternative: Alternative,
    input: &MethodInput<'_, A, M>,
    treatment: &Treatment,
) -> Result<Treated<M>, StudyError> {
    check_strength(treatment.strength)?;
    let refused = |reason: &str| {
        Err(StudyError::Treatment { alternative: alternative.name(), reason: reason.into() })
    };
    let name = alternative.name();
    let other = match treatment.placebo {
        None => None,
        Some(Placebo::ShuffledGroups) if alternative == Alternative::KnowledgeNeurons => {
            return refused(
                "it does not look at groups, so shuffling them changes nothing; use random neurons",
            );
        }
        Some(Placebo::ShuffledGroups) => Some(shuffled(input.contrasts, input.seed, name)?),
        Some(own) if own != Placebo::of(alternative) => {
            return refused(&format!(
                "a placebo of {} says nothing about it; use {}",
                own.name(),
                Placebo::of(alternative).name()
            ));
        }
        Some(Placebo::WithinGroups) => Some(within_groups(input.contrasts, name)?),
        Some(Placebo::Random) => None,
    };
    let own = other.as_ref().map(|contrasts| input.with_contrasts(contrasts));
    let input = own.as_ref().unwrap_or(input);
    let (whole, budget) = made(alternative, input, treatment)?;
    let model = match treatment.strength {
        strength if strength >= 1.0 => whole,
        _ if budget == Budget::AllWeights => {
            return refused(
                "embeddings and norms change too, which has no strength but 1; use low-rank",
            );
        }
        strength => weakened(input.model, &whole, strength)?,
    };
    let weights = changed(input.model, &model)?;
    Ok(Treated { model, weights, budget })
}

/// The whole change.
fn made<A: AutodiffBackend, M: Studied<A>>(
    alternative: Alternative,
    input: &MethodInput<'_, A, M>,
    treatment: &Treatment,
) -> Result<(M, Budget), StudyError> {
    let mut model = input.model.clone();
    let pooled = Contrast::pooled(input.contrasts);
    let dims = *model.dims();
    let budget = match alternative {
        Alternative::MeanAblation => {
            let Some(pursuit) = Method::<A, M>::named(method::GAP_PURSUIT, UnitKind::Weight) else {
                return Err(AttribError::NoSpread.into());
            };
            let mask = pursuit.find(input)?.mask(&dims, input.budget)?;
            let found = means(&model, &pooled, inputs(&dims), |tokens| vec![1.0; tokens])?;
            let paths = dims.projections().map(|(path, ..)| path);
            let of = |path: ParamPath| {
                let (layer, projection) = path.projection()?;
                let site = projection.input_site(layer);
                // A matrix without means is refused below, if the mask names it.
                let both = [found.of(site, 0)?, found.of(site, 1)?];
                let count: f64 = both.iter().map(bias_probe::stats::GroupStats::count).sum();
                let sums = both[0].sum().iter().zip(both[1].sum());
                Some((path, sums.map(|(a, b)| (a + b) / count.max(1.0)).collect::<Vec<f64>>()))
            };
            let _ =
                mask.apply(&mut model, Intervention::Mean(Means::from_iter(paths.filter_map(of))))?;
            Budget::like("gap pursuit", None)
        }
        Alternative::Projection => {
            let ends = means(&model, &pooled, outputs(&dims), last)?;
            let names = means(&model, &pooled, outputs(&dims), |tokens| vec![1.0; tokens])?;
            let mut removed = 0;
            for layer in 0..dims.layers {
                let site = Site::Block(layer, BlockSite::ResidPost);
                let basis = orthonormal(&[
                    apart(&names, site, &[TokenRole::Name])?,
                    apart(&ends, site, &TokenRole::REAL)?,
                ]);
                // Where the groups' means are the same there is nothing to project out.
                let Some((rank, basis)) = basis else { continue };
                removed += 1;
                for projection in [Projection::O, Projection::Down] {
                    let path = ParamPath::of(layer, projection);
                    let directions =
                        Directions::new(path, Side::Output, [dims.d_model, rank], basis.clone())?;
                    let _ = directions.remove(&mut model)?;
                }
            }
            if removed == 0 {
                return Err(AttribError::NoSpread.into());
            }
            Budget::RankPerLayer(2)
        }
        Alternative::Steering => {
            let layer = dims.layers / 2;
            let site = Site::Block(layer, BlockSite::ResidPost);
            let found = means(&model, &pooled, vec![site], last)?;
            let path = ParamPath::of(layer, Projection::Down);
            let mut shift = apart(&found, site, &TokenRole::REAL)?;
            shift.iter_mut().for_each(|x| *x *= 0.5);
            if let Some(bias) = MaskTarget::bias(&model, &path)? {
                shift.iter_mut().zip(bias.into_data().iter::<f64>()).for_each(|(x, own)| *x += own);
            }
            let data =
                TensorData::new(shift.iter().map(|x| *x as f32).collect::<Vec<_>>(), [shift.len()]);
            let shift = Tensor::from_data(data, &model.device());
            model.set_bias(&path, Some(shift))?;
            Budget::HalfDifference(layer)
        }
        Alternative::FineTuning => {
            let lessons = Lessons::new(input)?;
            let (taught, budget) = fine_tune(input, lessons)?;
            model = taught;
            budget
        }
        Alternative::LowRank | Alternative::Adversarial => {
            let adversary = alternative == Alternative::Adversarial;
            model = low_rank(input, Lessons::new(input)?, adversary)?;
            Budget::Rank(RANK)
        }
        Alternative::AffineConcept => {
            let affine = AffineConcept::default();
            let _ = affine.apply(&mut model, &pooled, 1.0)?;
            Budget::RankPerLayer(affine.rank())
        }
        Alternative::Interchange => {
            let interchange = Interchange::default();
            model = interchange.held(input, treatment.placebo)?;
            Budget::Rank(interchange.rank)
        }
        Alternative::KnowledgeNeurons => {
            model = amplified(input, treatment.placebo)?;
            Budget::share(SHARE)
        }
        Alternative::SymmetricKl => {
            model = symmetric_kl(input)?;
            Budget::Rank(RANK)
        }
    };
    Ok((model, budget))
}

/// The number of weights of the prunable matrices that differ.
fn changed<B: Backend, M: HookedModel<B> + MaskTarget<B>>(
    before: &M,
    after: &M,
) -> Result<usize, StudyError> {
    let mut count = 0;
    for (path, ..) in before.dims().projections() {
        let [before, after] = [
            Weights::weight(before, &path).map_err(MaskError::from)?,
            Weights::weight(after, &path).map_err(MaskError::from)?,
        ];
        let (before, after) = (before.into_data(), after.into_data());
        count += before.iter::<f32>().zip(after.iter::<f32>()).filter(|(a, b)| a != b).count();
    }
    Ok(count)
}

fn inputs(dims: &ModelDims) -> Vec<Site> {
    let mut sites: Vec<Site> = dims
        .projections()
        .filter_map(|(path, ..)| path.projection())
        .map(|(l, p)| p.input_site(l))
        .collect();
    sites.sort_unstable();
    sites.dedup();
    sites
}

fn outputs(dims: &ModelDims) -> Vec<Site> {
    (0..dims.layers).map(|layer| Site::Block(layer, BlockSite::ResidPost)).collect()
}

/// Only the last token counts.
fn last(tokens: usize) -> Vec<f32> {
    (0..tokens).map(|i| f32::from(u8::from(i + 1 == tokens))).collect()
}

/// The number of prompts that run together.
const ROWS: usize = 8;

/// The means of both groups' prompts, A first. Tokens are weighed by `weights`, a function of their
/// number.
fn means<B: Backend>(
    model: &impl HookedModel<B>,
    contrast: &Contrast,
    sites: Vec<Site>,
    weights: impl Fn(usize) -> Vec<f32>,
) -> Result<ChannelStats, StudyError> {
    let mut stats = StatsCollector::new(sites, ["a", "b"]);
    for (group, people) in [&contrast.a, &contrast.b].into_iter().enumerate() {
        for some in people.chunks(ROWS) {
            let rows =
                some.iter().map(|own| own.prompt.clone().with_weights(weights(own.prompt.len())));
            let batch = TokenBatch::new(
                &rows.collect::<Result<Vec<Sequence>, _>>().map_err(AttribError::from)?,
            )
            .map_err(AttribError::from)?;
            stats.next(std::iter::repeat_n(group, some.len())).map_err(AttribError::from)?;
            model.hidden(&batch, &mut stats).map_err(AttribError::from)?;
        }
    }
    Ok(stats.finish().map_err(AttribError::from)?)
}

/// A's mean minus B's.
fn apart(found: &ChannelStats, site: Site, roles: &[TokenRole]) -> Result<Vec<f64>, AttribError> {
    let mean = |group| {
        let own = found.of_roles(site, group, roles).map(|own| own.mean());
        own.ok_or_else(|| AttribError::NotScored {
            what: format!("the mean of group {group} at {site}"),
        })
    };
    Ok(mean(0)?.iter().zip(mean(1)?).map(|(a, b)| a - b).collect())
}

/// An orthonormal basis of the span of these directions, one per column, and its size; `None` if
/// they span nothing.
fn orthonormal(vectors: &[Vec<f64>]) -> Option<(usize, Vec<f32>)> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for vector in vectors {
        let mut rest = vector.clone();
        // Twice: once leaves rounding.
        for own in basis.iter().chain(&basis) {
            let along: f64 = rest.iter().zip(own).map(|(x, y)| x * y).sum();
            rest.iter_mut().zip(own).for_each(|(x, y)| *x -= along * y);
        }
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let (whole, left) = (length(vector), length(&rest));
        if left > 1e-6 * whole && left.is_finite() {
            basis.push(rest.into_iter().map(|x| x / left).collect());
        }
    }
    let channels = basis.first()?.len();
    let columns = (0..channels).flat_map(|c| basis.iter().map(move |own| own[c] as f32));
    Some((basis.len(), columns.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_span_what_they_are_made_of() {
        let (rank, basis) = orthonormal(&[vec![3.0, 0.0, 4.0], vec![1.0, 2.0, 1.0]]).unwrap();
        assert_eq!(rank, 2);
        let column = |j: usize| (0..3).map(|i| f64::from(basis[i * 2 + j])).collect::<Vec<_>>();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        assert!((dot(&column(0), &column(0)) - 1.0).abs() < 1e-6);
        assert!(dot(&column(0), &column(1)).abs() < 1e-6);
        assert!((column(0)[0] - 0.6).abs() < 1e-6);
        // One direction twice is one; none is none.
        assert_eq!(orthonormal(&[vec![1.0, 1.0], vec![2.0, 2.0]]).unwrap().0, 1);
        assert!(orthonormal(&[vec![0.0, 0.0]]).is_none());
        assert_eq!(last(3), [0.0, 0.0, 1.0]);
    }
}
