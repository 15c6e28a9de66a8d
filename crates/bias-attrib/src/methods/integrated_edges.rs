use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat;

use bias_cube::matmul;
use bias_probe::HookedModel;
use bias_probe::device::to_f32;
use bias_probe::gradients::tracked_zero;
use bias_types::{BlockSite, Convention, Site};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::attribution::Attribution;
use super::residual_edges::{AtSites, ENTRY, Place, ResidualStream, added_factor};
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{AnswerTree, batches, token_batch};
use crate::engine::gap::Gap;
use crate::engine::likelihood::checked_temperature;
use crate::engine::moved_answers::{MovedPeople, checked_steps};
use crate::engine::readback::read;
use crate::engine::token_pairing::{TokenPairing, donors};
use crate::engine::watch::{Watch, activations};
use crate::error::{AttribError, ValuesOf};
use crate::scores::edges::{Edge, EdgeScores, Reader, Writer};

/// The share of the gap that goes along each edge of the model: from what the embedding, a head or
/// an MLP writes into the residual stream, past all other components, to what a head's queries, a
/// key/value group's keys or values, an MLP or the final norm read of it. By integrated gradients
/// along the inputs (EAP-IG; Hanna, Pezzelle and Belinkov 2024, arXiv 2403.17806).
///
/// B's runs are moved towards A's, with their embeddings `x` on the straight line from B's to A's:
///
/// `score_uv = sign(G) · Σ_t (a_A − a_B)_ut · 1/m Σ_{k<m} ∂(E[v|B]/s)/∂r_vt  at x = x_B + k/m (x_A − x_B)`
///
/// where `a_ut` is what `u` adds to the residual stream at token `t`, and `r_vt` what `v` alone
/// reads of it. It is the fall of the gap, to first order, if `v` in B's runs read what `u` writes
/// in A's. Runs and tokens are paired, and the gap is that, as in
/// [`AttributionPatching`](crate::methods::AttributionPatching); along the path answers are
/// reweighted as in [`Knockout`](crate::methods::Knockout).
///
/// - In one step it is edge attribution patching (EAP; Syed, Rager and Conmy 2023, arXiv
///   2310.10348), and the edges out of a component add up to its score by `AttributionPatching`.
/// - The more steps, the closer the edges out of the embedding add up to the fall of the gap if B's
///   runs had A's embeddings. The error falls with `m`. No other sum is complete: the activations
///   of later components do not move along straight lines.
///
/// Each reader's gradient is pulled back through its own columns of the weights and through the
/// norm in front of it, so edges are exact for norms of root mean squares and layer norms, for
/// grouped queries, for attention and MLP side by side, and for mixtures of experts. Behind a norm
/// *after* attention, as in Gemma 2 and OLMo 2, heads do not add up, and
/// [`by_layer`](Self::by_layer) is needed. Every pass is checked: its edges out of the embedding
/// must add up to the derivative along the path.
///
/// It costs `m` passes back and forth, and about as much again for the products of writers and
/// readers.
#[derive(Debug, Clone)]
pub struct IntegratedEdges {
    steps: usize,
    by_layer: bool,
    temperature: f64,
}

/// Each head by itself, in 5 steps, at temperature 1.
impl Default for IntegratedEdges {
    fn default() -> Self {
        Self { steps: 5, by_layer: false, temperature: 1.0 }
    }
}

/// The largest difference between the sum of edges and the derivative, as a share of the edges'
/// sizes: rounding of bf16.
const ROUNDING: f64 = 0.02;

impl IntegratedEdges {
    /// The attention of a layer writes as a whole. Queries, keys and values still read head by head
    /// and group by group.
    #[must_use]
    pub fn by_layer(self) -> Self {
        Self { by_layer: true, ..self }
    }

    /// The number of steps.
    ///
    /// # Errors
    /// [`AttribError::Steps`] for 0 or more than 1,000.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttribError> {
        Ok(Self { steps: checked_steps(steps)?, ..self })
    }

    /// The temperature the answers' probabilities were taken at.
    ///
    /// # Errors
    /// [`AttribError::Temperature`] unless positive and finite.
    pub fn with_temperature(self, temperature: f64) -> Result<Self, AttribError> {
        Ok(Self { temperature: checked_temperature(temperature)?, ..self })
    }

    /// What each writer's site has in A's runs less in B's, `[rows, width, channels]`. That of heads
    /// is scaled to what is added to the residual stream.
    fn differences<B: AutodiffBackend>(
        &self,
        model: &impl HookedModel<B>,
        writers: &[Place<Writer>],
        donors: &[AnswerTree<'_>],
        receivers: &[AnswerTree<'_>],
    ) -> Result<AtSites<B::InnerBackend>, AttribError> {
        let sites: BTreeSet<Site> = writers.iter().map(|place| place.site).collect();
        let inside = [BlockSite::AttnOut, BlockSite::AttnAdded];
        let inside = sites.iter().filter_map(|site| match site {
            Site::Block(layer, BlockSite::HeadOutput) => {
                Some(inside.map(|at| Site::Block(*layer, at)))
            }
            _ => None,
        });
        let all = sites.iter().copied().chain(inside.flatten()).collect();
        let mut theirs = activations(model, &token_batch(donors)?, &sites)?;
        let ours = activations(model, &token_batch(receivers)?, &all)?;
        let pairing = TokenPairing::<B::InnerBackend>::new(donors, receivers, &model.device())?;
        let mut found = AtSites::new();
        for site in sites {
            let (Some(other), Some(own)) = (theirs.remove(&site), ours.get(&site)) else {
                continue;
            };
            let difference = pairing.difference(other.inner(), own.clone().inner());
            let difference = to_f32(difference);
            let difference = match site {
                Site::Block(layer, BlockSite::HeadOutput) => {
                    difference * added_factor(layer, &ours)?
                }
                _ => difference,
            };
            found.insert(site, difference);
        }
        Ok(found)
    }
}

impl<B: AutodiffBackend, M: HookedModel<B>> Attribution<B, M> for IntegratedEdges {
    type Found = EdgeScores;

    fn name(&self) -> &'static str {
        "integrated-edges"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<EdgeScores, AttribError> {
        contrast.check_pairs()?;
        if model.is_streamed() {
            return Err(AttribError::Streamed { method: "integrated-edges" });
        }
        let gap = Gap::new(contrast)?;
        gap.check_b_varies()?;
        let stream = ResidualStream::of(model)?;
        let (writers, readers) = (stream.writers(self.by_layer), stream.readers());
        let levels: Vec<&[Place<Reader>]> =
            readers.chunk_by(|one, next| one.depth == next.depth).collect();
        // Of each level, `[readers, writers]`, row-major.
        let mut sums: Vec<Vec<f64>> = vec![Vec::new(); levels.len()];
        let scale = gap.sign() / gap.spread / gap.b.cases.len() as f64;
        for trees in batches(gap.b.cases)? {
            let donors = donors(contrast, &trees)?;
            let differences = self.differences(model, &writers, &donors, &trees)?;
            let people = MovedPeople::new::<B>(model, 'B', trees, scale, self.temperature)?;
            for step in 0..self.steps {
                let along = step as f64 / self.steps as f64;
                let pass = Pass::along(&people, &stream, &readers, &differences, along)?;
                let Some(pass) = pass else { continue };
                let (mut found, mut sizes) = (0.0, 0.0);
                for (level, sums) in levels.iter().zip(&mut sums) {
                    let reads = stream.reads(model, level, &pass.slopes, &pass.values)?;
                    let count = reads.dims()[0];
                    let products = writers_before(&writers, level).map(|writer| {
                        let writes = stream.writes(model, writer, &differences)?;
                        Ok::<_, AttribError>(matmul(reads.clone(), writes.transpose()))
                    });
                    let products = Tensor::cat(products.collect::<Result<_, _>>()?, 1);
                    let [_, width] = products.dims();
                    let own = read(products, ValuesOf::Site(level[0].site))?;
                    // The embedding is the first writer.
                    for score in own.iter().step_by(width) {
                        found += f64::from(*score);
                        sizes += f64::from(score.abs());
                    }
                    sums.resize(count * width, 0.0);
                    let each = 1.0 / self.steps as f64;
                    sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += each * f64::from(own));
                }
                let expected = pass.derivative;
                if (found - expected).abs() > ROUNDING * sizes {
                    return Err(AttribError::EdgesIncomplete { found, expected });
                }
            }
        }
        let mut scores = Vec::new();
        for (level, sums) in levels.into_iter().zip(sums) {
            let from: Vec<Writer> =
                writers_before(&writers, level).flat_map(|place| place.nodes.clone()).collect();
            let readers = level.iter().flat_map(|place| &place.nodes);
            let edges =
                readers.flat_map(|to| from.iter().map(|from| Edge { from: *from, to: *to }));
            // Without sums there was nothing to differentiate.
            let sums = sums.into_iter().map(|sum| sum as f32).chain(repeat(0.0));
            scores.extend(edges.zip(sums));
        }
        Ok(EdgeScores { convention: Convention::BiasCarried, scores })
    }
}

/// The writers that readers of one depth see.
fn writers_before<'a>(
    writers: &'a [Place<Writer>],
    level: &[Place<Reader>],
) -> impl Iterator<Item = &'a Place<Writer>> + use<'a> {
    let depth = level.first().map_or(0, |place| place.depth);
    writers.iter().filter(move |place| place.depth <= depth)
}

/// One pass along the path.
struct Pass<B: Backend> {
    /// At the readers' sites.
    slopes: AtSites<B>,
    /// Within the norms in front of readers.
    values: AtSites<B>,
    /// The gap's, with respect to how far the path is gone.
    derivative: f64,
}

impl<B: Backend> Pass<B> {
    /// `None` where there is nothing to differentiate.
    fn along<A: AutodiffBackend<InnerBackend = B>, M: HookedModel<A>>(
        people: &MovedPeople<'_, M>,
        stream: &ResidualStream<B>,
        readers: &[Place<Reader>],
        differences: &AtSites<B>,
        along: f64,
    ) -> Result<Option<Self>, AttribError> {
        let unseen = AttribError::NoGradient { site: ENTRY };
        let way = differences.get(&ENTRY).ok_or(unseen)?;
        let inside: BTreeSet<Site> = stream.norm_sites().collect();
        let watched = readers.iter().map(|place| place.site).chain([ENTRY]);
        let (mut zeros, mut values) = (BTreeMap::new(), AtSites::new());
        let mut watch =
            Watch::new(watched.chain(inside.iter().copied()), |site, value: Tensor<A, 3>| {
                if inside.contains(&site) {
                    values.insert(site, to_f32(value.clone().inner()));
                    return Ok(value);
                }
                let value = if site == ENTRY {
                    let moved: Tensor<A, 3> = Tensor::from_inner(way.clone() * along);
                    value.clone() + moved.cast(value.dtype())
                } else {
                    value
                };
                let zero = tracked_zero(&value);
                zeros.insert(site, zero.clone());
                Ok(value + zero)
            });
        let gradients = people.gradients::<A>(&mut watch)?;
        watch.finish()?;
        let Some(mut gradients) = gradients else { return Ok(None) };
        let mut slopes = AtSites::new();
        for (site, zero) in zeros {
            let slope = zero.grad_remove(&mut gradients).ok_or(AttribError::NoGradient { site })?;
            slopes.insert(site, to_f32(slope));
        }
        let entry = slopes.remove(&ENTRY).ok_or(AttribError::NoGradient { site: ENTRY })?;
        let derivative = read((entry * way.clone()).sum(), ValuesOf::Site(ENTRY))?;
        let derivative = derivative.into_iter().map(f64::from).sum();
        Ok(Some(Self { slopes, values, derivative }))
    }
}
