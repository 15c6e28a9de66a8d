use std::sync::Arc;
use std::time::{Duration, Instant};

use bias_attrib::methods::{
    ActivationDifference, ActivationPatching, AttributionPatching, FairnessBlend, HeadAttention,
    IntegratedEdges, IntegratedGap, Knockout, Magnitude, Random, SignedActivationDifference, Snip,
};
use bias_attrib::scores::{ComponentScores, in_units};
use bias_attrib::{AttribError, Attribution, Contrast, GapPursuit, SetDifference, Wanda};
use bias_mask::select::aggregate;
use bias_model::Decoder;
use bias_probe::in_threads;
use bias_types::{Convention, ParamScores, UnitKind, UnitScores};
use burn::tensor::backend::AutodiffBackend;

use super::finding::Finding;
use super::guarded::{Rule, guards, usual_guard};
use super::method_input::MethodInput;
use crate::StudyError;
use crate::studied::Studied;

type Find<A, M> = dyn Fn(&MethodInput<'_, A, M>) -> Result<Finding, StudyError> + Send + Sync;

/// A method that finds what to prune: a name, a kind of unit, and a function.
pub struct Method<A: AutodiffBackend, M: Studied<A> = Decoder<<A as AutodiffBackend>::InnerBackend>>
{
    /// Its name in tables and on the command line, such as `signed-gap`.
    pub name: String,
    /// The kind of unit that it prunes.
    pub unit: UnitKind,
    /// A description in one sentence.
    pub about: String,
    /// Whether it uses neutral text, to spare what that text needs.
    pub looks_at_neutral: bool,
    /// Whether it prunes the top weights of one group that are not among the other's.
    /// [`Finding::tops`] then gives a mask.
    pub is_set_difference: bool,
    /// Whether a benchmark also attributes it on all contexts but one, and tests it on that one.
    pub tried_across_contexts: bool,
    /// Whether a benchmark leaves it out unless it is named.
    pub only_if_named: bool,
    find: Box<Find<A, M>>,
}

impl<A: AutodiffBackend, M: Studied<A>> std::fmt::Debug for Method<A, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Method")
            .field("name", &self.name)
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}

impl<A: AutodiffBackend, M: Studied<A>> Method<A, M> {
    /// A method of your own.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        unit: UnitKind,
        about: impl Into<String>,
        find: impl Fn(&MethodInput<'_, A, M>) -> Result<Finding, StudyError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            unit,
            about: about.into(),
            looks_at_neutral: false,
            is_set_difference: false,
            tried_across_contexts: false,
            only_if_named: false,
            find: Box::new(find),
        }
    }

    fn looking_at_neutral(self) -> Self {
        Self { looks_at_neutral: true, ..self }
    }

    fn only_if_named(self) -> Self {
        Self { only_if_named: true, ..self }
    }

    fn set_difference(self) -> Self {
        Self { is_set_difference: true, ..self }
    }

    /// The method of this name for this kind of unit.
    #[must_use]
    pub fn named(name: &str, unit: UnitKind) -> Option<Self> {
        Self::all().into_iter().find(|own| own.name == name && own.unit == unit)
    }

    /// Runs the method.
    ///
    /// # Errors
    /// No difference to attribute, or a failed pass.
    pub fn find(&self, input: &MethodInput<'_, A, M>) -> Result<Finding, StudyError> {
        if self.unit == UnitKind::Expert && input.model.dims().experts.is_none() {
            return Err(AttribError::NoExperts.into());
        }
        (self.find)(input)
    }

    /// Runs the method, and returns the time it would have taken without cached scores.
    pub(crate) fn timed(
        &self,
        input: &MethodInput<'_, A, M>,
    ) -> (Result<Finding, StudyError>, Duration) {
        let (started, saved) = (Instant::now(), *input.saved());
        let found = self.find(input);
        (found, started.elapsed() + *input.saved() - saved)
    }

    /// Every method of this workspace whose result is a mask, by kind of unit. To compare another,
    /// add a line.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let guarded = guards().into_iter().map(|(name, about, rule)| {
            Self::new(name, UnitKind::Weight, about, move |s| signed_gap_guarded(s, rule))
                .looking_at_neutral()
                .only_if_named()
        });
        Self::unguarded().into_iter().chain(guarded).collect()
    }

    fn unguarded() -> Vec<Self> {
        use UnitKind::{Expert, Head, KvGroup, Layer, Neuron, Weight};
        vec![
            Self::new(
                "wanda",
                Weight,
                "the paper's: top weights of group B that are not A's",
                wanda,
            )
            .set_difference(),
            Self::new("snip", Weight, "the same by gradients of the answers' loss", snip)
                .set_difference(),
            Self::new(
                "signed-gap",
                Weight,
                "first-order share of the gap, in one step",
                signed_gap,
            ),
            Self::new(
                "signed-gap-in-units",
                Weight,
                "the same times the mean share in its neuron or head",
                |s| Ok(Finding::Weights(in_units(s.signed_gap()?, s.model.dims())?)),
            ),
            Self {
                looks_at_neutral: true,
                tried_across_contexts: true,
                ..Self::new("gap-pursuit", Weight, "closes all gaps together, looking again", |s| {
                    pursuit(s, Weight)
                })
            },
            Self {
                looks_at_neutral: true,
                tried_across_contexts: true,
                // On a single context it differs little from the mean.
                only_if_named: true,
                ..Self::new(
                    "gap-pursuit-worst",
                    Weight,
                    "the same, the largest gaps first",
                    worst_pursuit,
                )
            },
            Self {
                looks_at_neutral: true,
                ..Self::new(
                    "gap-pursuit-guarded",
                    Weight,
                    "gap pursuit among such weights, in a trust region",
                    guarded_pursuit,
                )
            }
            .only_if_named(),
            Self::new("magnitude", Weight, "the largest weights", magnitude),
            Self::new("random", Weight, "any weights", random),
            Self::new(
                "activation-difference",
                Neuron,
                "mean activation, A less B, without its sign",
                |s| units(s, &ActivationDifference),
            ),
            Self::new(
                "signed-activation-difference",
                Neuron,
                "the same times the gap's gradient",
                |s| {
                    tracked_units(
                        s,
                        &SignedActivationDifference::default().with_temperature(s.temperature)?,
                    )
                },
            ),
            Self::new(
                "attribution-patching",
                Neuron,
                "first order of A's activation in B's runs",
                |s| patching(s, Neuron),
            ),
            Self::new("integrated-gap", Neuron, "the gap's gradient along a path from 0", |s| {
                integrated(s, Neuron)
            })
            .only_if_named(),
            Self::new(
                "fairness-blend",
                Neuron,
                "activation difference blended with small weights",
                |s| units(s, &FairnessBlend::default()),
            )
            .only_if_named(),
            Self::new("signed-gap", Neuron, "the weights' shares, summed", |s| {
                summed_gap(s, Neuron)
            }),
            Self::new("gap-pursuit", Neuron, "as for weights, whole channels", |s| {
                pursuit(s, Neuron)
            })
            .looking_at_neutral(),
            Self::new("random", Neuron, "any channels", |s| shuffled(s, Neuron)),
            Self::new("head-attention", Head, "looks from the answer at the name", |s| {
                units(s, &HeadAttention)
            }),
            Self::new("knockout", Head, "the gap without it", |s| {
                places(s, &Knockout::every(Head).with_temperature(s.temperature)?)
            }),
            Self::new("activation-patching", Head, "A's activation in B's runs", |s| {
                places(s, &ActivationPatching::every(Head).with_temperature(s.temperature)?)
            }),
            Self::new("attribution-patching", Head, "its first order", |s| patching(s, Head)),
            Self::new("integrated-gap", Head, "the gap's gradient along a path from 0", |s| {
                integrated(s, Head)
            })
            .only_if_named(),
            Self::new("integrated-edges", Head, "what leaves it for other components", |s| {
                edges(s, IntegratedEdges::default())
            })
            .only_if_named(),
            Self::new("signed-gap", Head, "the weights' shares, summed", |s| summed_gap(s, Head)),
            Self::new("gap-pursuit", Head, "as for weights, whole heads", |s| pursuit(s, Head))
                .looking_at_neutral(),
            Self::new("random", Head, "any heads", |s| shuffled(s, Head)),
            Self::new("knockout", KvGroup, "the gap without it", |s| {
                places(s, &Knockout::every(KvGroup).with_temperature(s.temperature)?)
            }),
            Self::new("signed-gap", KvGroup, "the weights' shares, summed", |s| {
                summed_gap(s, KvGroup)
            }),
            Self::new("gap-pursuit", KvGroup, "as for weights, whole groups", |s| {
                pursuit(s, KvGroup)
            })
            .looking_at_neutral(),
            Self::new("knockout", Expert, "the gap without it", |s| {
                places(s, &Knockout::every(Expert).with_temperature(s.temperature)?)
            }),
            Self::new("signed-gap", Expert, "the weights' shares, summed", |s| {
                summed_gap(s, Expert)
            }),
            Self::new("gap-pursuit", Expert, "as for weights, whole experts", |s| {
                pursuit(s, Expert)
            })
            .looking_at_neutral(),
            Self::new("signed-gap", Layer, "the weights' shares, summed", |s| summed_gap(s, Layer)),
            Self::new("integrated-edges", Layer, "what leaves its attention and MLP", |s| {
                edges(s, IntegratedEdges::default().by_layer())
            })
            .only_if_named(),
            Self::new("gap-pursuit", Layer, "as for weights, whole layers", |s| pursuit(s, Layer))
                .looking_at_neutral(),
        ]
    }
}

/// The scores of each contrast by a method that differentiates, with a graph for every thread.
fn tracked<A: AutodiffBackend, M: Studied<A>, F: Send>(
    input: &MethodInput<'_, A, M>,
    method: &(impl Attribution<A, M::OnGraph, Found = F> + Sync),
) -> Result<Vec<F>, StudyError> {
    let attribute = |contrast| match method.attribute(&input.model.on_graph(), contrast) {
        Ok(found) => Ok(Ok(found)),
        // Nothing to attribute there, which `Study::work` says.
        Err(error) if error.is_without_gap() => Ok(Err(error)),
        Err(error) => Err(error),
    };
    let found = in_threads(input.threads, |_| (), input.contrasts, |(), own| attribute(own))?;
    with_gap(found)
}

/// The results of the contrasts with a gap. If none has one, the error of the first.
fn with_gap<F>(found: Vec<Result<F, AttribError>>) -> Result<Vec<F>, StudyError> {
    let (mut with_gap, mut reason) = (Vec::with_capacity(found.len()), None);
    for own in found {
        match own {
            Ok(own) => with_gap.push(own),
            Err(error) => drop(reason.get_or_insert(error)),
        }
    }
    if with_gap.is_empty() {
        Err(reason.unwrap_or(AttribError::NoSpread).into())
    } else {
        Ok(with_gap)
    }
}

fn signed_gap<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<Finding, StudyError> {
    if input.model.is_streamed() {
        // A score per weight would take more memory than the weights that are left in their file.
        return Ok(Finding::TopK(input.streaming_top_k(input.budget)?));
    }
    Ok(Finding::Weights(input.signed_gap()?.to_vec()))
}

fn summed_gap<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    kind: UnitKind,
) -> Result<Finding, StudyError> {
    Ok(Finding::Units(aggregate(input.signed_gap()?, input.model.dims(), kind)?))
}

/// Rounds of a guarded pursuit, whose steps are small.
const GUARDED_ROUNDS: usize = 40;

fn pursuit<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    kind: UnitKind,
) -> Result<Finding, StudyError> {
    input.pursue(GapPursuit::new(input.budget).with_unit(kind))
}

fn signed_gap_guarded<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    rule: Rule,
) -> Result<Finding, StudyError> {
    let guard = rule()?.measure(&input.model.on_graph(), input.neutral, input.threads)?;
    if input.model.is_streamed() {
        return Ok(Finding::TopK(input.guarded_top_k(input.budget, &guard)?));
    }
    let scores = input.signed_gap()?.iter().map(|own| guard.apply_to(own));
    Ok(Finding::Weights(scores.collect::<Result<_, _>>()?))
}

fn guarded_pursuit<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<Finding, StudyError> {
    input.pursue(
        GapPursuit::new(input.budget).with_guard(usual_guard()?).with_rounds(GUARDED_ROUNDS),
    )
}

/// Contrasts count with the square of their gap.
fn worst_pursuit<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<Finding, StudyError> {
    input.pursue(GapPursuit::new(input.budget).with_worst_case(2.0))
}

/// The difference of the scores of B and A, weight by weight.
fn apart(a: &[ParamScores], b: &[ParamScores]) -> Result<Vec<ParamScores>, AttribError> {
    let own = a.iter().zip(b).map(|(a, b)| {
        let values = a.values().iter().zip(b.values()).map(|(a, b)| (b - a).abs()).collect();
        ParamScores::new(a.path().clone(), a.shape(), Convention::Importance, values)
    });
    Ok(own.collect::<Result<_, _>>()?)
}

fn wanda<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<Finding, StudyError> {
    let norms = Arc::new(Wanda.attribute(input.model, &Contrast::pooled(input.contrasts))?);
    let (model, own) = (input.model.clone(), Arc::clone(&norms));
    let there = input.select_on_device;
    let at = move |share| match there {
        true => own.difference_on_device(&model, share, SetDifference::BWithoutA),
        false => own.difference(&model, share, SetDifference::BWithoutA),
    };
    let model = input.model.clone();
    let apart = move || {
        let scores = model.dims().projections().map(|(path, ..)| norms.scores(&model, &path));
        let (a, b): (Vec<_>, Vec<_>) =
            scores.collect::<Result<Vec<_>, _>>()?.into_iter().map(|[a, b]| (a, b)).unzip();
        apart(&a, &b)
    };
    Ok(Finding::Difference(Box::new(at), Box::new(apart)))
}

fn snip<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<Finding, StudyError> {
    let found = tracked(input, &Snip::default())?;
    let mut all = found.into_iter();
    let first = all.next().ok_or(AttribError::NoSpread)?;
    let scores = Arc::new(all.try_fold(first, |sum, own| sum.merge(&own))?);
    let both = Arc::clone(&scores);
    let at = move |share| scores.difference(share, SetDifference::BWithoutA);
    Ok(Finding::Difference(Box::new(at), Box::new(move || apart(both.a(), both.b()))))
}

fn magnitude<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<Finding, StudyError> {
    Ok(Finding::Weights(Magnitude.attribute(input.model, &Contrast::pooled(input.contrasts))?))
}

fn random<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<Finding, StudyError> {
    let pooled = Contrast::pooled(input.contrasts);
    Ok(Finding::Weights(Random::new(input.seed).attribute(input.model, &pooled)?))
}

/// Units in random order: those whose weights draw the highest random scores come first.
fn shuffled<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    kind: UnitKind,
) -> Result<Finding, StudyError> {
    let pooled = Contrast::pooled(input.contrasts);
    let drawn = Random::new(input.seed).attribute(input.model, &pooled)?;
    let mut units = aggregate(&drawn, input.model.dims(), kind)?;
    // Chance says nothing for or against.
    units.convention = Convention::Importance;
    Ok(Finding::Units(units))
}

fn units<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    method: &impl Attribution<A::InnerBackend, M, Found = UnitScores>,
) -> Result<Finding, StudyError> {
    Ok(Finding::Units(method.attribute(input.model, &Contrast::pooled(input.contrasts))?))
}

fn tracked_units<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    method: &(impl Attribution<A, M::OnGraph, Found = UnitScores> + Sync),
) -> Result<Finding, StudyError> {
    added(&tracked(input, method)?)
}

fn places<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    method: &(impl Attribution<A::InnerBackend, M, Found = ComponentScores> + Sync),
) -> Result<Finding, StudyError> {
    let attribute = |contrast| match method.attribute(input.model, contrast) {
        Ok(found) => Ok(Ok(found.units())),
        Err(error) if error.is_without_gap() => Ok(Err(error)),
        Err(error) => Err(error),
    };
    let found = in_threads(input.threads, |_| (), input.contrasts, |(), own| attribute(own))?;
    added(&with_gap(found)?)
}

fn patching<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    kind: UnitKind,
) -> Result<Finding, StudyError> {
    let method = AttributionPatching::every(kind).with_temperature(input.temperature)?;
    let found = tracked(input, &method)?;
    added(&found.iter().map(ComponentScores::units).collect::<Vec<_>>())
}

fn integrated<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    kind: UnitKind,
) -> Result<Finding, StudyError> {
    tracked_units(input, &IntegratedGap::every(kind).with_temperature(input.temperature)?)
}

fn edges<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    method: IntegratedEdges,
) -> Result<Finding, StudyError> {
    let mut all = tracked(input, &method.with_temperature(input.temperature)?)?.into_iter();
    let first = all.next().ok_or(AttribError::NoSpread)?;
    Ok(Finding::Edges(all.try_fold(first, |sum, own| sum.merge(&own))?))
}

/// The sums of each unit's scores.
fn added(all: &[UnitScores]) -> Result<Finding, StudyError> {
    let mut all = all.iter();
    let mut sum = all.next().cloned().ok_or(AttribError::NoSpread)?;
    for own in all {
        for ((unit, score), (other, more)) in sum.scores.iter_mut().zip(&own.scores) {
            if unit != other {
                return Err(AttribError::Unlike.into());
            }
            *score += more;
        }
    }
    Ok(Finding::Units(sum))
}
