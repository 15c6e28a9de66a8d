//! The numbers that a pursuit of the gap watches, and each weight's effect on them.

use bias_probe::device::to_f32;
use bias_probe::gradients::FactorTrace;
use bias_probe::{HookedModel, NoObserver, Observer, Sequence, in_threads};
use burn::tensor::{Tensor, backend::AutodiffBackend};

use super::turns::{Pass, Turn, Visit};
use crate::contrast::gapless::Gapless;
use crate::contrast::prompt_case::{Contrast, PromptCase};
use crate::engine::answer_tree::AnswerTree;
use crate::engine::gap::{Gap, gaps};
use crate::engine::likelihood::Predicted;
use crate::engine::moved_answers::{OfTree, expectation};
use crate::engine::neutral_text::as_answer;
use crate::engine::readback::read;
use crate::engine::shared_prefix::{Capacity, batches, token_batch};
use crate::error::{AttribError, ValuesOf};

/// One number watched.
pub(crate) struct Watched {
    pub value: f64,
    /// Probability of its answers now, as a share of what it was at first.
    pub explored: f64,
}

/// A number watched, the effects on it if they were asked for, and log-probabilities batch by
/// batch.
type Measurement = (Watched, Option<Vec<f32>>, Vec<Vec<f32>>);

/// Largest number of rows of neutral texts.
const NEUTRAL_ROWS: usize = 4;

/// Everything watched: both groups of each contrast, then neutral texts.
pub(crate) struct Aim<'a> {
    gaps: Vec<Gap<'a>>,
    /// Contrasts without a gap to close.
    pub left_out: Vec<Gapless>,
    neutral: Vec<Vec<PromptCase>>,
    temperature: f64,
    /// Log-probabilities of each row's branches in the unpruned model.
    base: Vec<Vec<Vec<f32>>>,
    /// Value of each row in the unpruned model.
    first: Vec<f64>,
}

impl<'a> Aim<'a> {
    pub(crate) fn new(
        contrasts: &'a [Contrast],
        neutral: &[Sequence],
        temperature: f64,
    ) -> Result<Self, AttribError> {
        if contrasts.is_empty() {
            return Err(AttribError::EmptyArm { arm: 'A' });
        }
        let (gaps, left_out) = gaps(contrasts)?;
        let texts = neutral.iter().enumerate().map(|(index, text)| as_answer(index, text));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let each = texts.len().div_ceil(NEUTRAL_ROWS).max(1);
        let neutral = texts.chunks(each).map(<[PromptCase]>::to_vec).collect();
        Ok(Self { gaps, left_out, neutral, temperature, base: Vec::new(), first: Vec::new() })
    }

    /// Runs the model on everything. The first call sets the values that later ones are compared
    /// with. Gradients are computed only if there is a visitor.
    pub(crate) fn measure<A: AutodiffBackend, D: HookedModel<A> + Send>(
        &mut self,
        model: impl Fn() -> D,
        threads: usize,
        visit: Option<&mut Visit<'_>>,
    ) -> Result<Vec<Watched>, AttribError> {
        let (turn, this) = (Turn::new(visit), &*self);
        let measured = in_threads(
            threads,
            |_| model(),
            0..self.rows(),
            |model, row| {
                // Rows wait for their turn to hand over effects. If this one fails or panics, the
                // pass is dropped, and the rows behind it stop waiting.
                let pass = Pass { turn: &turn, came: false };
                let (watched, effect, log_probs) = this.row::<A>(model, row, turn.wanted())?;
                pass.come(row, effect);
                Ok::<_, AttribError>((watched, log_probs))
            },
        )?;
        let (watched, now): (Vec<_>, _) = measured.into_iter().unzip();
        if self.first.is_empty() {
            self.first = watched.iter().map(|e| e.value).collect();
            self.base = now;
        }
        Ok(watched)
    }

    fn row<A: AutodiffBackend>(
        &self,
        model: &impl HookedModel<A>,
        row: usize,
        differentiate: bool,
    ) -> Result<Measurement, AttribError> {
        let base = self.base.get(row).map(Vec::as_slice);
        let Some(gap) = self.gaps.get(row / 2) else {
            let texts = &self.neutral[row - self.arms()];
            return effects(model, texts, 1.0, base, differentiate, |_, now, _| Ok(log_loss(now)));
        };
        let (arm, group) = if row.is_multiple_of(2) { ('A', &gap.a) } else { ('B', &gap.b) };
        let of = |tree: &AnswerTree<'_>, now: &[f32], first: &[f32]| {
            expectation(tree, now, first).ok_or(AttribError::ValueLost { arm, index: tree.index })
        };
        let (mut watched, mut effect, log_probs) =
            effects(model, group.cases, self.temperature, base, differentiate, of)?;
        // In units of the pooled deviation.
        watched.value /= gap.spread;
        let scale = (1.0 / gap.spread) as f32;
        effect.iter_mut().flatten().for_each(|v| *v *= scale);
        Ok((watched, effect, log_probs))
    }

    /// Number of rows, one for each number watched.
    pub(crate) fn rows(&self) -> usize {
        self.arms() + self.neutral.len()
    }

    /// Each row's residual. Both groups of a contrast should meet in the middle of their first
    /// values. The residual of neutral text is its improvement, and counts only if it is below 0.
    pub(crate) fn missing(&self, effects: &[Watched]) -> Vec<f64> {
        let arms = self.arms();
        let of = |(r, own): (usize, &Watched)| {
            if r < arms {
                f64::midpoint(self.first[r & !1], self.first[r | 1]) - own.value
            } else {
                self.first[r] - own.value
            }
        };
        effects.iter().enumerate().map(of).collect()
    }

    /// The cost of the residual, with each row's residual multiplied by its scale.
    pub(crate) fn cost(&self, effects: &[Watched], scales: &[f64]) -> f64 {
        let arms = self.arms();
        let own = self.missing(effects).into_iter().zip(scales).enumerate();
        own.map(|(r, (t, scale))| (scale * if r < arms { t } else { t.min(0.0) }).powi(2)).sum()
    }

    /// Rows of groups; those of neutral text come after them.
    pub(crate) fn arms(&self) -> usize {
        2 * self.gaps.len()
    }

    pub(crate) fn gaps(&self, effects: &[Watched]) -> Vec<f64> {
        effects
            .chunks_exact(2)
            .take(self.gaps.len())
            .map(|pair| pair[0].value - pair[1].value)
            .collect()
    }

    pub(crate) fn levels(&self, effects: &[Watched]) -> Vec<f64> {
        let middle = |a: f64, b: f64| f64::midpoint(a, b);
        let pairs = effects.chunks_exact(2).zip(self.first.chunks_exact(2)).take(self.gaps.len());
        pairs
            .map(|(now, first)| middle(now[0].value, now[1].value) - middle(first[0], first[1]))
            .collect()
    }

    pub(crate) fn neutral_rise(&self, effects: &[Watched]) -> f64 {
        let own = effects.iter().zip(&self.first).skip(2 * self.gaps.len());
        own.map(|(now, first)| now.value - first).sum::<f64>() / self.neutral.len().max(1) as f64
    }
}

/// The mean log-loss of a text's tokens.
fn log_loss(now: &[f32]) -> OfTree {
    let each = -1.0 / now.len() as f64;
    let value = now.iter().map(|p| each * f64::from(*p)).sum();
    OfTree { value, worths: vec![each; now.len()], mass: [1.0; 2] }
}

/// Measures the mean over people of the value that `of` computes for each, from the
/// log-probabilities of the branches now and at first (`base`). Also gives the effects on it, if
/// asked for, and the present log-probabilities, batch by batch.
fn effects<A: AutodiffBackend>(
    model: &impl HookedModel<A>,
    people: &[PromptCase],
    temperature: f64,
    base: Option<&[Vec<f32>]>,
    differentiate: bool,
    of: impl Fn(&AnswerTree<'_>, &[f32], &[f32]) -> Result<OfTree, AttribError>,
) -> Result<Measurement, AttribError> {
    let dims = *model.dims();
    let share = 1.0 / people.len() as f64;
    let trees = people
        .iter()
        .enumerate()
        .map(|(i, case)| AnswerTree::new(i, &case.prompt, &case.answers, case.scale));
    let trees = trees.collect::<Result<Vec<_>, _>>()?;
    let capacity = Capacity::of(&dims, model.is_causal());
    let (mut value, mut mass, mut log_probs) = (0.0, [0.0; 2], Vec::new());
    let mut sums: Vec<Option<Tensor<A::InnerBackend, 2>>> = vec![None; dims.projections().count()];
    for (b, rows) in batches(&trees.iter().collect::<Vec<_>>(), capacity).iter().enumerate() {
        let mut trace = FactorTrace::new(&dims);
        let observer: &mut dyn Observer<A> =
            if differentiate { &mut trace } else { &mut NoObserver };
        let hidden = model.hidden(&token_batch(rows)?, observer)?;
        let of_rows = rows.iter().map(|row| &*row.branches);
        let mut predicted = Predicted::new(model, hidden, of_rows, temperature)?;
        let now = read(predicted.log_probs()?.inner(), ValuesOf::Answers)?;
        let first = base.and_then(|all| all.get(b)).unwrap_or(&now);
        let mut worths = Vec::with_capacity(now.len());
        for tree in rows.iter().flat_map(|row| &row.members).map(|i| &trees[*i]) {
            let branches = worths.len()..worths.len() + tree.branches.len();
            let of_tree = of(tree, &now[branches.clone()], &first[branches])?;
            value += share * of_tree.value;
            worths.extend(of_tree.worths.iter().map(|worth| share * worth));
            mass.iter_mut().zip(of_tree.mass).for_each(|(sum, own)| *sum += own);
        }
        log_probs.push(now);
        // People with one possible answer have nothing to differentiate.
        if !differentiate || worths.iter().all(|w| *w == 0.0) {
            continue;
        }
        let found = trace.finish(&mut predicted.worth(&worths)?.backward())?;
        for ((_, factors), sum) in found.into_iter().zip(&mut sums) {
            let gradient = factors.gradient();
            *sum = Some(match sum.take() {
                Some(sum) => sum + gradient,
                None => gradient,
            });
        }
    }
    let watched = Watched { value, explored: mass[0] / mass[1].max(f64::MIN_POSITIVE) };
    if !differentiate {
        return Ok((watched, None, log_probs));
    }
    let mut effect = Vec::with_capacity(dims.prunable_weights());
    for ((path, ..), sum) in dims.projections().zip(sums) {
        let weight = to_f32(model.weight(&path)?.inner());
        match sum {
            Some(sum) => effect.extend(read(-(weight * sum), ValuesOf::Param(path))?),
            None => effect.resize(effect.len() + weight.shape().num_elements(), 0.0),
        }
    }
    Ok((watched, Some(effect), log_probs))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bias_mask::{Intervention, MaskTarget, top_k};
    use bias_model::{Decoder, ModelConfig};
    use bias_probe::{HookedModel, ProbeError, TokenBatch, Weights};
    use bias_types::{Convention, ModelDims, ParamPath, TokenRole};
    use burn::backend::flex::FlexDevice;
    use burn::backend::{Autodiff, Flex};

    use super::*;
    use crate::contrast::prompt_case::PossibleAnswer;
    use crate::methods::{Attribution as _, SignedGap};

    fn model() -> Decoder<Flex> {
        let config = serde_json::json!({
            "model_type": "llama", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
            "max_position_embeddings": 64
        });
        let config = ModelConfig::from_json(serde_json::from_value(config).unwrap()).unwrap();
        Decoder::init(config, 0.3, 0, &Default::default())
    }

    fn contrast() -> Contrast {
        let ask = |tokens: [u32; 4], shift: f64| {
            let roles = [TokenRole::Prompt, TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
            let answers = [([7, 2], 10.0, 0.5), ([9, 2], 30.0, 0.3), ([7, 11], 50.0, 0.1)];
            let answers = answers.map(|(tokens, value, weight)| PossibleAnswer {
                finished: tokens[1] == 2,
                tokens: tokens.to_vec(),
                value: Some(value + shift),
                weight,
                ..PossibleAnswer::default()
            });
            PromptCase::new(
                Sequence::chain(tokens.to_vec(), roles.to_vec()).unwrap(),
                answers.into(),
            )
        };
        Contrast {
            a: vec![ask([1, 5, 9, 20], 0.0), ask([1, 5, 11, 20], 9.0)],
            b: vec![ask([1, 5, 33, 20], -4.0), ask([1, 5, 17, 20], 1.0)],
        }
    }

    fn measure(
        aim: &mut Aim<'_>,
        model: &Decoder<Flex>,
        threads: usize,
    ) -> (Vec<Watched>, Vec<Vec<f32>>) {
        let mut effects = Vec::new();
        let mut visit = |row: usize, effect| {
            assert_eq!(row, effects.len(), "in their order");
            effects.push(effect);
        };
        let found = aim
            .measure::<Autodiff<Flex>, _>(|| model.differentiable(), threads, Some(&mut visit))
            .unwrap();
        (found, effects)
    }

    fn neutral() -> Vec<Sequence> {
        let text = |tokens: &[u32]| {
            Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()])
        };
        [&[1, 8, 30, 12][..], &[1, 40, 3]].into_iter().map(|t| text(t).unwrap()).collect()
    }

    #[test]
    fn at_first_it_is_the_signed_gap() {
        let (model, contrast) = (model(), contrast());
        let own = [contrast.clone()];
        let mut aim = Aim::new(&own, &[], 1.0).unwrap();
        let (found, effects) = measure(&mut aim, &model, 1);
        assert_eq!(found.len(), 2);
        let gap = aim.gaps(&found)[0];
        let tracked = model.differentiable::<Autodiff<Flex>>();
        let scores = SignedGap::default().attribute(&tracked, &contrast).unwrap();
        let scores: Vec<f32> = scores.iter().flat_map(|s| s.values().to_vec()).collect();
        let largest = scores.iter().fold(0f32, |m, v| m.max(v.abs()));
        for ((a, b), score) in effects[0].iter().zip(&effects[1]).zip(&scores) {
            let fall = -gap.signum() as f32 * (a - b);
            assert!((fall - score).abs() <= 1e-5 * largest, "{fall} {score}");
        }
        assert!(
            aim.missing(&found).iter().sum::<f64>().abs() < 1e-9,
            "both groups meet in the middle"
        );
    }

    /// A model that counts its passes and fails in the pass given.
    struct Failing<'a>(Decoder<Autodiff<Flex>>, &'a AtomicUsize, usize);

    impl Weights<Autodiff<Flex>> for Failing<'_> {
        fn weight(&self, path: &ParamPath) -> Result<Tensor<Autodiff<Flex>, 2>, ProbeError> {
            self.0.weight(path)
        }
    }

    impl HookedModel<Autodiff<Flex>> for Failing<'_> {
        fn dims(&self) -> &ModelDims {
            self.0.dims()
        }

        fn device(&self) -> FlexDevice {
            self.0.device()
        }

        fn hidden(
            &self,
            batch: &TokenBatch,
            observer: &mut dyn Observer<Autodiff<Flex>>,
        ) -> Result<Tensor<Autodiff<Flex>, 3>, ProbeError> {
            if self.1.fetch_add(1, Ordering::Relaxed) == self.2 {
                return Err(ProbeError::outside("this pass fails"));
            }
            self.0.hidden(batch, observer)
        }

        fn unembed(
            &self,
            hidden: Tensor<Autodiff<Flex>, 3>,
        ) -> Result<Tensor<Autodiff<Flex>, 3>, ProbeError> {
            self.0.unembed(hidden)
        }
    }

    #[test]
    fn no_row_is_begun_after_an_error() {
        let (model, contrasts) = (model(), vec![contrast(); 20]);
        for threads in [1, 2] {
            let mut aim = Aim::new(&contrasts, &[], 1.0).unwrap();
            let (passes, mut visited) = (AtomicUsize::new(0), Vec::new());
            let mut visit = |row, _| visited.push(row);
            let failing = || Failing(model.differentiable(), &passes, 3);
            let found = aim.measure::<Autodiff<Flex>, _>(failing, threads, Some(&mut visit));
            let error = found.map(|_| ()).unwrap_err();
            assert!(matches!(error, AttribError::Probe(ProbeError::Outside { .. })), "{error}");
            // The other thread may have a row in hand, and may take one before it sees the error.
            let begun = passes.into_inner();
            assert!((4..4 + 2 * threads).contains(&begun), "{begun} passes, {threads} threads");
            assert!(visited.iter().copied().eq(0..visited.len()), "{visited:?}");
            assert!(visited.len() <= 4, "{visited:?}");
        }
    }

    #[test]
    fn a_text_in_which_nothing_is_predicted_is_refused() {
        let contrasts = [contrast()];
        let mut texts = neutral();
        texts.insert(1, Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap());
        let refused = Aim::new(&contrasts, &texts, 1.0).map(|_| ());
        assert!(
            matches!(refused, Err(AttribError::ShortNeutral { index: 1, tokens: 1 })),
            "{refused:?}"
        );
    }

    /// Central differences in f32, at a model that is no longer the one that answered.
    #[test]
    fn effects_are_slopes_wherever_the_model_is() {
        let (mut model, contrasts, neutral) = (model(), [contrast()], neutral());
        let mut aim = Aim::new(&contrasts, &neutral, 0.8).unwrap();
        let (first, _) = measure(&mut aim, &model, 1);
        assert!(first.iter().all(|e| (e.explored - 1.0).abs() < 1e-6));
        let dims = *HookedModel::<Flex>::dims(&model);
        let tracked = model.differentiable::<Autodiff<Flex>>();
        let scores = SignedGap::default().attribute(&tracked, &contrasts[0]).unwrap();
        assert!(scores.iter().all(|s| s.convention() == Convention::BiasCarried));
        let undo = top_k(&scores, 20).unwrap().apply(&mut model, Intervention::Zero).unwrap();
        let (now, effects) = measure(&mut aim, &model, 2);
        assert!(aim.gaps(&now)[0].abs() < aim.gaps(&first)[0].abs(), "the gap has fallen");
        assert_eq!(now.len(), 4, "two groups, two texts");
        assert!(now.iter().take(2).all(|e| (e.explored - 1.0).abs() > 1e-3));

        let mut at = 0;
        for (path, _, projection) in dims.projections() {
            let [out, inner] = dims.shape(projection);
            for (row, own) in effects.iter().enumerate() {
                let part = &own[at..at + out * inner];
                let strongest =
                    (0..part.len()).max_by(|a, b| part[*a].abs().total_cmp(&part[*b].abs()));
                let index = strongest.unwrap();
                let slope = slope(&mut aim, &mut model, &path, index, row);
                let expected = f64::from(part[index]);
                assert!(
                    (slope - expected).abs() <= 0.02 * expected.abs() + 2e-4,
                    "{path}[{index}], row {row}: {slope} measured, {expected} computed"
                );
            }
            at += out * inner;
        }
        undo.revert(&mut model).unwrap();
    }

    /// `−W · ∂/∂W` of one number watched, by scaling one weight up and down.
    fn slope(
        aim: &mut Aim<'_>,
        model: &mut Decoder<Flex>,
        path: &ParamPath,
        index: usize,
        row: usize,
    ) -> f64 {
        const H: f32 = 0.05;
        let weight = Weights::weight(model, path).unwrap();
        let shape = weight.dims();
        let values: Vec<f32> = weight.clone().into_data().to_vec().unwrap();
        let mut at = |scale: f32| {
            let mut values = values.clone();
            values[index] *= scale;
            let data = burn::tensor::TensorData::new(values, shape);
            model.set_weight(path, Tensor::from_data(data, &Default::default())).unwrap();
            let forward =
                aim.measure::<Autodiff<Flex>, _>(|| model.differentiable(), 1, None).unwrap();
            forward[row].value
        };
        let slope = -(at(1.0 + H) - at(1.0 - H)) / f64::from(2.0 * H);
        model.set_weight(path, weight).unwrap();
        slope
    }
}
