use std::collections::BTreeMap;
use std::ops::Range;

use bias_attrib::methods::answer_log_probs;
use bias_attrib::{AttribError, Contrast, PromptCase};
use bias_mask::edit::{ConceptEdit, EditedInput};
use bias_probe::device::read_back;
use bias_probe::{HookedModel, Observer, ProbeError, Sequence, TokenBatch};
use bias_types::{BlockSite, ParamPath, Site, TokenRole};
use burn::module::{AutodiffModule as _, Module, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::gains::{Gain, gains};
use super::treatment::Placebo;
use crate::StudyError;
use crate::find::MethodInput;
use crate::results::Alternative;
use crate::seed::derived_seed;
use crate::studied::Studied;
use crate::training::{Recipe, fit_weighed};

/// The length and speed of training, chosen once.
const RECIPE: Recipe = Recipe { steps: 80, batch: 4, learning_rate: 2e-2, decay: 0.0 };
/// The answers of a person that are expected of another.
const ANSWERS: usize = 8;
/// The prompts that run together where means are taken.
const ROWS: usize = 8;

/// Interchange training of a subspace (distributed alignment search; Geiger et al. 2023, arXiv
/// 2303.02536; for race Nguyen & Tan 2025, arXiv 2504.06303), whose component is then held at its
/// mean.
///
/// The subspace is one of the residual stream, with an orthonormal basis B, and lies behind the
/// norm that each later block reads through, before its gain: `n' = n + B·Bᵀ·(n_other − n)` from the
/// person's name on. It is trained so that with the component of another person, a person's
/// answers become those of the other. Afterwards `n' = n − B·(Bᵀ·n − λ)` at every token, with λ the
/// mean component of both groups. This is exactly what weights and biases of the later blocks can
/// say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interchange {
    /// The first block whose reading is exchanged; by default the first after a third of them.
    pub layer: Option<usize>,
    /// The number of directions.
    pub rank: usize,
}

impl Default for Interchange {
    fn default() -> Self {
        Self { layer: None, rank: 4 }
    }
}

impl Interchange {
    /// The model with the component held at its mean in every later block.
    ///
    /// The placebo of random directions has an untrained basis. That of shuffled groups is trained
    /// on contrasts that are shuffled already.
    ///
    /// # Errors
    /// [`AttribError::NoSpread`] if no two people have answers and prompts of the same parts;
    /// [`StudyError::Treatment`] for a layer or rank that the model does not have, a mixture of
    /// experts, and a norm whose gain is 0.
    pub(super) fn held<A: AutodiffBackend, M: Studied<A>>(
        &self,
        input: &MethodInput<'_, A, M>,
        placebo: Option<Placebo>,
    ) -> Result<M, StudyError> {
        let dims = *input.model.dims();
        let layer = self.layer.unwrap_or(dims.layers / 3);
        let refused = |reason: String| {
            let alternative = Alternative::Interchange.name();
            Err(StudyError::Treatment { alternative, reason })
        };
        if dims.experts.is_some() {
            return refused(
                "the router of a mixture of experts reads as well, and its bias cannot be set"
                    .into(),
            );
        }
        if layer >= dims.layers || self.rank == 0 || self.rank > dims.d_model {
            return refused(format!(
                "rank {} behind block {layer} does not fit {} blocks of width {}",
                self.rank, dims.layers, dims.d_model
            ));
        }
        let reads = Reads::of(input.model, layer);
        let basis = match placebo {
            Some(Placebo::Random) => {
                Basis::<A>::draw(dims.d_model, self.rank, input.seed, &input.model.device()).valid()
            }
            _ => train(input, &reads, self.rank)?,
        };
        let columns = basis.columns()?;
        let levels = components(input.model, &reads, &basis, input.contrasts)?;
        let gains = gains(input.model, &reads.sites, input.contrasts)?;
        let mut model = input.model.clone();
        for (layer, projection) in
            (layer..dims.layers).flat_map(|l| dims.block_projections().map(move |own| (l, own)))
        {
            let site = projection.input_site(layer);
            let Some((levels, gain)) = levels.get(&site).zip(gains.get(&site)) else { continue };
            let edit =
                read_through(&columns, levels, gain).map_err(|error| StudyError::Treatment {
                    alternative: Alternative::Interchange.name(),
                    reason: format!("the norm before {site} cannot be read through: {error}"),
                })?;
            let _ =
                EditedInput::new(ParamPath::of(layer, projection), edit, 1.0)?.apply(&mut model)?;
        }
        Ok(model)
    }
}

/// The edit of `y = g·n + β` that holds `Bᵀ·n` at the levels.
fn read_through(
    columns: &[Vec<f64>],
    levels: &[f64],
    gain: &Gain,
) -> Result<ConceptEdit, bias_mask::MaskError> {
    let by = |of: fn(f64, f64) -> f64| -> Vec<Vec<f64>> {
        let own = columns.iter().map(|own| own.iter().zip(&gain.factor));
        own.map(|own| own.map(|(b, g)| of(*b, *g)).collect()).collect()
    };
    let (directions, readers) = (by(|b, g| b * g), by(|b, g| b / g));
    let shifted = readers.iter().zip(levels).map(|(reader, level)| {
        level + reader.iter().zip(&gain.offset).map(|(r, offset)| r * offset).sum::<f64>()
    });
    let levels = shifted.collect();
    ConceptEdit::from_parts(directions, readers, levels)
}

/// Where later blocks read: the site of the norm's inside, by the site of what matrices read.
struct Reads {
    /// The site of a matrix's input, and the site at which the component is exchanged.
    sites: BTreeMap<Site, Site>,
}

impl Reads {
    fn of<B: Backend>(model: &impl HookedModel<B>, layer: usize) -> Self {
        let reached = model.sites();
        let pairs = [
            (BlockSite::AttnNorm, BlockSite::AttnNormalized),
            (BlockSite::MlpNorm, BlockSite::MlpNormalized),
        ];
        let sites = (layer..model.dims().layers).flat_map(|l| {
            pairs.map(|(read, inside)| (Site::Block(l, read), Site::Block(l, inside)))
        });
        // A block without a norm before reads the stream itself.
        let sites = sites
            .map(|(read, inside)| (read, if reached.contains(&inside) { inside } else { read }));
        Self { sites: sites.collect() }
    }

    /// The site of what is read, by that at which the component is exchanged.
    fn at(&self, inside: Site) -> Option<Site> {
        self.sites.iter().find(|(_, own)| **own == inside).map(|(read, _)| *read)
    }
}

/// A basis that is orthonormal whatever its parameters are.
#[derive(Module, Debug)]
struct Basis<B: Backend> {
    /// `[channels, rank]`
    free: Param<Tensor<B, 2>>,
}

impl<B: Backend> Basis<B> {
    fn draw(channels: usize, rank: usize, seed: u64, device: &B::Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(seed, "interchange"));
        let values = (0..channels * rank).map(|_| rng.random::<f32>() - 0.5);
        let data = TensorData::new(values.collect::<Vec<f32>>(), [channels, rank]);
        let free = Param::from_tensor(Tensor::from_data(data, device)).set_require_grad(true);
        Self { free }
    }

    /// `[channels, rank]`, orthonormal: the columns in order, each less those before it
    /// (Gram & Schmidt; the Q of a QR decomposition).
    fn orthonormal(&self) -> Tensor<B, 2> {
        let free = self.free.val();
        let [channels, rank] = free.dims();
        let mut columns: Vec<Tensor<B, 2>> = Vec::with_capacity(rank);
        for j in 0..rank {
            let mut own = free.clone().slice([0..channels, j..j + 1]);
            // Twice: once leaves rounding.
            for _ in 0..2 {
                for other in &columns {
                    let along = (own.clone() * other.clone()).sum().reshape([1, 1]);
                    own = own - other.clone() * along;
                }
            }
            let length = (own.clone() * own.clone()).sum().sqrt().clamp_min(1e-12).reshape([1, 1]);
            columns.push(own / length);
        }
        Tensor::cat(columns, 1)
    }

    /// The orthonormal columns on the host.
    fn columns(&self) -> Result<Vec<Vec<f64>>, StudyError> {
        let basis = self.orthonormal();
        let [channels, rank] = basis.dims();
        let values = basis.into_data().iter::<f64>().collect::<Vec<f64>>();
        if !values.iter().all(|value| value.is_finite()) {
            let reason = "training did not converge: the basis is not finite".into();
            let alternative = Alternative::Interchange.name();
            return Err(StudyError::Treatment { alternative, reason });
        }
        Ok((0..rank).map(|j| (0..channels).map(|i| values[i * rank + j]).collect()).collect())
    }
}

/// Somebody whose component is exchanged, and the person it comes from. Both have the answers of the
/// latter.
struct Exchange([PromptCase; 2]);

/// A basis that carries answers from one person to the other.
fn train<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
    reads: &Reads,
    rank: usize,
) -> Result<Basis<A::InnerBackend>, StudyError> {
    let mut pairs = Vec::new();
    for own in input.contrasts.iter().map(|own| own.most_probable(ANSWERS)) {
        for (a, b) in own.a.iter().flat_map(|a| own.b.iter().map(move |b| (a, b))) {
            let answered = |own: &PromptCase| own.answers.iter().any(|answer| answer.weight > 0.0);
            if answered(a) && answered(b) && pairing(&a.prompt, &b.prompt).is_some() {
                pairs.push((a.clone(), b.clone()));
            }
        }
    }
    if pairs.is_empty() {
        return Err(AttribError::NoSpread.into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(input.seed, "exchanges"));
    let draw = || {
        let (a, b) = &pairs[rng.random_range(0..pairs.len())];
        let (to, from) = if rng.random_bool(0.5) { (a, b) } else { (b, a) };
        let to = PromptCase { answers: from.answers.clone(), ..to.clone() };
        Ok(Exchange([to, from.clone()]))
    };
    let device = input.model.device();
    let basis = Basis::<A>::draw(input.model.dims().d_model, rank, input.seed, &device);
    let share = |basis: &Basis<A>, exchanges: &[Exchange], total: f32| {
        let model = input.model.on_graph();
        let to = exchanges.iter().map(|own| own.0[0].clone());
        let cases: Vec<PromptCase> =
            to.chain(exchanges.iter().map(|own| own.0[1].clone())).collect();
        let mut swap = Swap { basis: basis.orthonormal(), reads, paired: None };
        let found = answer_log_probs(&model, &cases, input.temperature, &mut swap)?;
        let mut loss = Tensor::<A, 1>::zeros([1], &device);
        for (own, log_probs) in exchanges.iter().zip(found) {
            let answers = &own.0[1].answers;
            let all: f64 = answers.iter().map(|own| own.weight).sum();
            let weights: Vec<f32> = answers.iter().map(|own| (own.weight / all) as f32).collect();
            let count = weights.len();
            let weights = Tensor::from_data(TensorData::new(weights, [count]), &device);
            loss = loss - (log_probs * weights).sum();
        }
        Ok::<_, StudyError>(loss.div_scalar(total))
    };
    let weigh = |_: &Exchange| 1.0;
    let learned =
        fit_weighed::<A, _, _, _>(basis, &device, (&RECIPE, weigh), draw, share, |_, _| {})?;
    Ok(learned.valid())
}

/// Runs of tokens of one role, without padding.
fn runs(roles: &[TokenRole]) -> Vec<(TokenRole, Range<usize>)> {
    let mut start = 0;
    let all = roles.chunk_by(|a, b| a == b).map(|run| {
        start += run.len();
        (run[0], start - run.len()..start)
    });
    all.filter(|(role, _)| *role != TokenRole::Padding).collect()
}

/// The runs of both that correspond, from the first of a name on; `None` if they have other parts,
/// or no name.
fn paired(a: &[TokenRole], b: &[TokenRole]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let (a, b) = (runs(a), runs(b));
    let first = a.iter().position(|(role, _)| *role == TokenRole::Name)?;
    let alike = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0);
    alike.then(|| a.into_iter().zip(b).skip(first).map(|(a, b)| (a.1, b.1)).collect())
}

fn pairing(a: &Sequence, b: &Sequence) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    paired(a.roles(), b.roles())
}

/// Puts the component of the second half of the rows into the first half.
struct Swap<'a, B: Backend> {
    /// `[channels, rank]`
    basis: Tensor<B, 2>,
    reads: &'a Reads,
    /// Which tokens' components replace those of each token, less its own, `[rows / 2, width, width]`
    /// each.
    paired: Option<[Tensor<B, 3>; 2]>,
}

impl<B: Backend> Swap<'_, B> {
    fn pair(batch: &TokenBatch, device: &B::Device) -> Result<[Tensor<B, 3>; 2], ProbeError> {
        let (half, width) = (batch.rows() / 2, batch.width());
        let mut weights = [vec![0f32; half * width * width], vec![0f32; half * width * width]];
        for row in 0..half {
            let roles = |row: usize| &batch.roles()[row * width..(row + 1) * width];
            let Some(parts) = paired(roles(row), roles(row + half)) else {
                let reason = "the two people's prompts have other parts".into();
                return Err(ProbeError::BadSequence { row, reason });
            };
            for (own, other) in parts {
                for (i, token) in own.clone().enumerate() {
                    let [theirs, ours] = &mut weights;
                    for (weights, part) in [(theirs, &other), (ours, &own)] {
                        let cells = &mut weights[(row * width + token) * width..][..width];
                        if own.len() == other.len() {
                            cells[part.start + i] = 1.0;
                        } else {
                            // A name of another length: its mean.
                            cells[part.clone()].fill(1.0 / part.len() as f32);
                        }
                    }
                }
            }
        }
        Ok(weights.map(|own| Tensor::from_data(TensorData::new(own, [half, width, width]), device)))
    }
}

impl<B: Backend> Observer<B> for Swap<'_, B> {
    fn wants(&self, site: Site) -> bool {
        self.reads.at(site).is_some()
    }

    fn hidden(
        &mut self,
        _: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let [rows, width, channels] = value.dims();
        let (half, rank) = (rows / 2, self.basis.dims()[1]);
        let [theirs, ours] = match &self.paired {
            Some(paired) => paired.clone(),
            None => self.paired.insert(Self::pair(batch, &value.device())?).clone(),
        };
        let flat = value.clone().reshape([rows * width, channels]);
        let along = flat.matmul(self.basis.clone()).reshape([rows, width, rank]);
        let (to, from) = (along.clone().narrow(0, 0, half), along.narrow(0, half, half));
        let change = theirs.matmul(from) - ours.matmul(to);
        let change = change.reshape([half * width, rank]).matmul(self.basis.clone().transpose());
        let change = change.reshape([half, width, channels]);
        let first = value.clone().narrow(0, 0, half) + change;
        Ok(Tensor::cat(vec![first, value.narrow(0, half, half)], 0))
    }
}

/// The mean component of both groups at each site, from the name on, each group counting as one.
fn components<B: Backend>(
    model: &impl HookedModel<B>,
    reads: &Reads,
    basis: &Basis<B>,
    contrasts: &[Contrast],
) -> Result<BTreeMap<Site, Vec<f64>>, StudyError> {
    let pooled = Contrast::pooled(contrasts);
    let mut means: BTreeMap<Site, Vec<f64>> = BTreeMap::new();
    for people in [&pooled.a, &pooled.b] {
        let mut own = Components { basis: basis.orthonormal(), reads, sums: BTreeMap::new() };
        for some in people.chunks(ROWS) {
            let some: Vec<Sequence> = some.iter().map(|own| own.prompt.clone()).collect();
            let batch = TokenBatch::new(&some).map_err(AttribError::from)?;
            model.hidden(&batch, &mut own).map_err(AttribError::from)?;
        }
        for (site, sums) in own.sums {
            let mean = means.entry(site).or_insert_with(|| vec![0.0; sums.len()]);
            mean.iter_mut()
                .zip(sums)
                .for_each(|(mean, sum)| *mean += 0.5 * sum / people.len() as f64);
        }
    }
    Ok(means)
}

/// Sums of the people's mean components, by the site of what is read.
struct Components<'a, B: Backend> {
    basis: Tensor<B, 2>,
    reads: &'a Reads,
    sums: BTreeMap<Site, Vec<f64>>,
}

impl<B: Backend> Observer<B> for Components<'_, B> {
    fn wants(&self, site: Site) -> bool {
        self.reads.at(site).is_some()
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let Some(read) = self.reads.at(site) else { return Ok(value) };
        let [rows, width, channels] = value.dims();
        let rank = self.basis.dims()[1];
        let along = value.clone().reshape([rows * width, channels]).matmul(self.basis.clone());
        let along = read_back(along).map_err(|reason| ProbeError::Readback { site, reason })?;
        let sums = self.sums.entry(read).or_insert_with(|| vec![0.0; rank]);
        for row in 0..rows {
            let roles = &batch.roles()[row * width..(row + 1) * width];
            let end =
                roles.iter().rposition(|own| *own != TokenRole::Padding).map_or(0, |at| at + 1);
            let start = roles.iter().position(|own| *own == TokenRole::Name).unwrap_or(0);
            let share = 1.0 / (end - start).max(1) as f64;
            for cell in row * width + start..row * width + end {
                let own = &along[cell * rank..(cell + 1) * rank];
                sums.iter_mut().zip(own).for_each(|(sum, x)| *sum += share * f64::from(*x));
            }
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;

    #[test]
    fn the_basis_is_orthonormal_whatever_is_learned() {
        let basis = Basis::<Flex>::draw(24, 4, 3, &Default::default());
        let columns = basis.columns().unwrap();
        for (i, a) in columns.iter().enumerate() {
            for (j, b) in columns.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn parts_correspond_from_the_name_on() {
        use TokenRole::{Answer, Name, Padding, Prompt};
        let a = [Prompt, Name, Prompt, Prompt, Answer, Padding];
        let b = [Prompt, Name, Name, Prompt, Prompt, Answer];
        assert_eq!(paired(&a, &b).unwrap(), [(1..2, 1..3), (2..4, 3..5), (4..5, 5..6)]);
        assert_eq!(paired(&a, &[Prompt, Name, Answer]), None);
        assert_eq!(paired(&[Prompt], &[Prompt]), None);
    }

    /// What is exchanged in a model of one direction is what the other person has there.
    #[test]
    fn the_component_of_the_other_is_put_in_place() {
        let device = Default::default();
        let prompt = |tokens: usize, names: usize| {
            let roles = (0..tokens).map(|i| match i {
                0 => TokenRole::Prompt,
                i if i <= names => TokenRole::Name,
                _ => TokenRole::Prompt,
            });
            Sequence::chain((0..tokens as u32).collect(), roles.collect()).unwrap()
        };
        let batch = TokenBatch::new(&[prompt(4, 1), prompt(5, 2)]).unwrap();
        let site = Site::Block(0, BlockSite::AttnNorm);
        let reads = Reads { sites: BTreeMap::from([(site, site)]) };
        let basis = Tensor::<Flex, 2>::from_floats([[1.0], [0.0]], &device);
        let mut swap = Swap { basis, reads: &reads, paired: None };
        let first = [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0], [0.0, 0.0]];
        let second = [[1.0, 10.0], [5.0, 50.0], [7.0, 70.0], [8.0, 80.0], [9.0, 90.0]];
        let value = Tensor::<Flex, 3>::from_floats([first, second], &device);
        let found = swap.hidden(site, &batch, value).unwrap().into_data().to_vec::<f32>().unwrap();
        // The name's mean, then one token after the other; the second channel is the person's own.
        assert_eq!(found[..10], [1.0, 10.0, 6.0, 20.0, 8.0, 30.0, 9.0, 40.0, 0.0, 0.0]);
        assert_eq!(found[10..], second.concat());
    }
}
