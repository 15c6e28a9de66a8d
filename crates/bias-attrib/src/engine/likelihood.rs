//! Log-probabilities of the branches of answer trees under a model, possibly an observed one.

use std::collections::HashMap;

use bias_cube::matmul;
use bias_probe::device::{LOGITS_AT_ONCE, to_f32};
use bias_probe::{HookedModel, Observer, ProbeError, TokenBatch};
use bias_types::prompt::TokenSet;
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Int, Tensor, TensorData};

use super::answer_tree::{AnswerTree, Branch, Next};
use super::readback::read;
use crate::error::{AttribError, ValuesOf};

/// A model's predictions at the branches of a pass.
pub(crate) struct Predicted<'m, B: Backend, M> {
    model: &'m M,
    /// `[cells, d_model]`
    hidden: Tensor<B, 2>,
    asked: Asked,
    /// `[vocab, sets]`: 1 for tokens outside each set.
    outside: Option<Tensor<B, 2>>,
    temperature: f64,
    /// Log-probabilities of all branches, if all logits are made together.
    known: Option<Tensor<B, 1>>,
}

impl<'m, B: Backend, M: HookedModel<B>> Predicted<'m, B, M> {
    /// Takes the final norm's output, `[rows, width, d_model]`, and each row's branches.
    pub(crate) fn new<'b>(
        model: &'m M,
        hidden: Tensor<B, 3>,
        of_rows: impl Iterator<Item = &'b [Branch]>,
        temperature: f64,
    ) -> Result<Self, ProbeError> {
        Self::in_parts(
            model,
            hidden,
            of_rows,
            temperature,
            LOGITS_AT_ONCE / model.dims().vocab.max(1),
        )
    }

    /// The same, with the logits of at most `at_once` positions at a time.
    fn in_parts<'b>(
        model: &'m M,
        hidden: Tensor<B, 3>,
        of_rows: impl Iterator<Item = &'b [Branch]>,
        temperature: f64,
        at_once: usize,
    ) -> Result<Self, ProbeError> {
        let ([rows, width, d_model], vocab) = (hidden.dims(), model.dims().vocab);
        let asked = Asked::new(of_rows, width, vocab, at_once)?;
        let outside = (!asked.sets.is_empty()).then(|| {
            let sets = asked.sets.len();
            let mut outside = vec![1f32; vocab * sets];
            for (i, set) in asked.sets.iter().enumerate() {
                set.tokens().iter().for_each(|token| outside[*token as usize * sets + i] = 0.0);
            }
            let outside = TensorData::new(outside, [vocab, sets]);
            Tensor::from_data(outside, (&hidden.device(), DType::F32))
        });
        let hidden = hidden.reshape([rows * width, d_model]);
        Ok(Self { model, hidden, asked, outside, temperature, known: None })
    }

    /// Log-probability of each branch: `[branches]`. If all logits fit together, these are on the
    /// graph and [`worth`](Self::worth) uses them; otherwise they are not on the graph.
    pub(crate) fn log_probs(&mut self) -> Result<Tensor<B, 1>, ProbeError> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let whole = self.is_whole();
        let hidden = if whole { self.hidden.clone() } else { self.hidden.clone().detach() };
        let found = self.on(hidden)?;
        if whole {
            self.known = Some(found.clone());
        }
        Ok(found)
    }

    /// The same, always on the graph of the pass, which then holds the logits of all branches.
    pub(crate) fn on_graph(&self) -> Result<Tensor<B, 1>, ProbeError> {
        self.on(self.hidden.clone())
    }

    /// Whether all logits are kept on one graph. They must be if the model cuts its unembedding out
    /// of the graph.
    fn is_whole(&self) -> bool {
        self.asked.parts.len() < 2 || self.model.is_streamed()
    }

    /// Log-probabilities from the final norm's output, `[cells, d_model]`.
    fn on(&self, hidden: Tensor<B, 2>) -> Result<Tensor<B, 1>, ProbeError> {
        let of = |part: &Part| {
            let positions =
                hidden.clone().select(0, ints(part.positions.clone(), &hidden.device()));
            self.of_part(part, positions)
        };
        let mut parts = self.asked.parts.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let log_probs = match parts.len() {
            1 => parts.remove(0),
            _ => Tensor::cat(parts, 0),
        };
        match &self.asked.order {
            Some(order) => Ok(log_probs.select(0, ints(order.clone(), &hidden.device()))),
            None => Ok(log_probs),
        }
    }

    /// Log-probabilities of a part's branches, first those that are tokens. `positions` is
    /// `[positions, d_model]`.
    fn of_part(&self, part: &Part, positions: Tensor<B, 2>) -> Result<Tensor<B, 1>, ProbeError> {
        let (device, vocab, n) =
            (positions.device(), self.model.dims().vocab, part.positions.len());
        // Only at positions that something is predicted from, because a vocabulary is large.
        let logits = to_f32(self.model.unembed(positions.unsqueeze_dim(0))?).reshape([n, vocab]);
        let logits = if part.untempered.iter().any(|untempered| *untempered) {
            let tempered = self.temperature as f32;
            let temperatures = part.untempered.iter();
            let temperatures =
                temperatures.map(|&untempered| if untempered { 1.0 } else { tempered });
            let temperatures = TensorData::new(temperatures.collect(), [n, 1]);
            logits / Tensor::from_data(temperatures, (&device, DType::F32))
        } else {
            logits.div_scalar(self.temperature)
        };
        let log_probs = log_softmax(logits, 1);
        let of_tokens =
            log_probs.clone().reshape([n * vocab]).select(0, ints(part.tokens.clone(), &device));
        let Some(outside) = self.outside.clone().filter(|_| !part.outside.is_empty()) else {
            return Ok(of_tokens);
        };
        // A product with ones for the tokens outside each set: a sum without cancellation.
        let sums = matmul(log_probs.exp(), outside).reshape([n * self.asked.sets.len()]);
        let sums = sums.select(0, ints(part.outside.clone(), &device));
        Ok(Tensor::cat(vec![of_tokens, sums.clamp_min(f32::MIN_POSITIVE).log()], 0))
    }
}

impl<B: AutodiffBackend, M: HookedModel<B>> Predicted<'_, B, M> {
    /// A scalar with the gradient of `Σ worth · log p` over branches with respect to everything
    /// before the logits.
    ///
    /// If all logits fit together, it is that sum. Otherwise each part's logits are differentiated
    /// separately and dropped. The scalar is then `Σ h · ∂/∂h` over the final norm's output `h`,
    /// with each `∂/∂h` held fixed. Its gradient is the same, and no graph holds more than one
    /// part's logits.
    pub(crate) fn worth(mut self, worths: &[f64]) -> Result<Tensor<B, 1>, ProbeError> {
        if self.is_whole() {
            return Ok(weighted(self.log_probs()?, worths));
        }
        let mut sum: Option<Tensor<B, 1>> = None;
        for (part, worths) in self.asked.parts.iter().zip(self.asked.by_part(worths)) {
            let positions = ints(part.positions.clone(), &self.hidden.device());
            let positions: Tensor<B, 2> = self.hidden.clone().select(0, positions);
            let leaf = positions.clone().detach().require_grad();
            let loss = weighted(self.of_part(part, leaf.clone())?, &worths);
            let slope = leaf.grad_remove(&mut loss.backward());
            // If a model detaches the input of its unembedding, nothing must seem to be
            // differentiated.
            let Some(slope) = slope else { continue };
            let of_part = to_f32(positions * Tensor::from_inner(slope)).sum();
            sum = Some(match sum {
                Some(sum) => sum + of_part,
                None => of_part,
            });
        }
        match sum {
            Some(sum) => Ok(sum),
            None => Ok(weighted(self.log_probs()?, worths)),
        }
    }
}

fn ints<B: Backend>(values: Vec<i32>, device: &B::Device) -> Tensor<B, 1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The predictions that are asked for, in parts.
#[derive(Debug, Default)]
struct Asked {
    parts: Vec<Part>,
    sets: Vec<TokenSet>,
    /// The index of each branch in the concatenation of all parts; `None` if the parts keep the
    /// branches' order.
    order: Option<Vec<i32>>,
    /// Each branch's part, and its index within the part.
    branches: Vec<(usize, usize)>,
}

/// Positions whose logits are made together. Indices are within the part. It has at most
/// [`LOGITS_AT_ONCE`] logits, or those of one position, so that indices fit their type.
#[derive(Debug, Default)]
struct Part {
    /// Cells that something is predicted from, and whether they are predicted from at temperature
    /// 1.
    positions: Vec<i32>,
    untempered: Vec<bool>,
    /// Flat indices into `[positions, vocab]`.
    tokens: Vec<i32>,
    /// Flat indices into `[positions, sets]`.
    outside: Vec<i32>,
}

impl Asked {
    /// Makes parts of at most `at_once` positions, but of at least one.
    fn new<'b>(
        of_rows: impl Iterator<Item = &'b [Branch]>,
        width: usize,
        vocab: usize,
        at_once: usize,
    ) -> Result<Self, ProbeError> {
        let at_once = at_once.max(1);
        let mut own = Self::default();
        let mut positions: HashMap<(usize, bool), usize> = HashMap::new();
        let mut sets: HashMap<&TokenSet, usize> = HashMap::new();
        // Branches that are sets: their part, the position in it, and the set.
        let mut outside = Vec::new();
        let known = |token: u32| match (token as usize) < vocab {
            true => Ok(token as usize),
            false => Err(ProbeError::TokenOutOfRange { token, vocab }),
        };
        let each =
            of_rows.enumerate().flat_map(|(row, branches)| branches.iter().map(move |b| (row, b)));
        for (row, branch) in each {
            let (at, next) = (row * width + branch.from, positions.len());
            let position = *positions.entry((at, branch.untempered)).or_insert(next);
            let (p, within) = (position / at_once, position % at_once);
            if p == own.parts.len() {
                own.parts.push(Part::default());
            }
            let part = &mut own.parts[p];
            if within == part.positions.len() {
                part.positions.push(at as i32);
                part.untempered.push(branch.untempered);
            }
            match &branch.next {
                Next::Token(token) => {
                    own.branches.push((p, part.tokens.len()));
                    part.tokens.push((within * vocab + known(*token)?) as i32);
                }
                Next::Outside(set) => {
                    set.tokens().last().map(|token| known(*token)).transpose()?;
                    let next = sets.len();
                    let set = *sets.entry(set).or_insert_with(|| {
                        own.sets.push(set.clone());
                        next
                    });
                    outside.push((own.branches.len(), p, within, set));
                    own.branches.push((p, 0));
                }
            }
        }
        if own.parts.is_empty() {
            own.parts.push(Part::default());
        }
        // In a part, sets come after tokens. The numbers of both are known only now.
        for (branch, p, within, set) in outside {
            let part = &mut own.parts[p];
            own.branches[branch].1 = part.tokens.len() + part.outside.len();
            part.outside.push((within * own.sets.len() + set) as i32);
        }
        let starts: Vec<usize> = own
            .parts
            .iter()
            .scan(0, |next, part| {
                let start = *next;
                *next += part.tokens.len() + part.outside.len();
                Some(start)
            })
            .collect();
        let order: Vec<i32> =
            own.branches.iter().map(|(p, within)| (starts[*p] + within) as i32).collect();
        let as_they_are = order.iter().enumerate().all(|(i, at)| *at as usize == i);
        own.order = (!as_they_are).then_some(order);
        Ok(own)
    }

    /// The branches' numbers, part by part.
    fn by_part(&self, numbers: &[f64]) -> Vec<Vec<f64>> {
        let mut parts: Vec<Vec<f64>> = self
            .parts
            .iter()
            .map(|part| vec![0.0; part.tokens.len() + part.outside.len()])
            .collect();
        for ((p, within), number) in self.branches.iter().zip(numbers) {
            parts[*p][*within] = *number;
        }
        parts
    }
}

/// `Σ c · log p` over branches with a worth `c` each. Its gradient is that of the total worth of
/// the answers.
fn weighted<B: Backend>(log_probs: Tensor<B, 1>, worths: &[f64]) -> Tensor<B, 1> {
    let worths: Vec<f32> = worths.iter().map(|w| *w as f32).collect();
    let shape = [worths.len()];
    let worths =
        Tensor::from_data(TensorData::new(worths, shape), (&log_probs.device(), log_probs.dtype()));
    (log_probs * worths).sum()
}

/// Log-probability of every answer, tree by tree.
pub(crate) fn answer_log_probs<B: Backend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    trees: &[AnswerTree<'_>],
    observer: &mut dyn Observer<B>,
    temperature: f64,
) -> Result<Vec<Vec<f64>>, AttribError> {
    let of_trees = trees.iter().map(|tree| &*tree.branches);
    let mut predicted =
        Predicted::new(model, model.hidden(batch, observer)?, of_trees, temperature)?;
    let of_branches = read(predicted.log_probs()?, ValuesOf::Answers)?;
    let mut of_branches = of_branches.as_slice();
    let of_answers = trees.iter().map(|tree| {
        let (of_tree, rest) = of_branches.split_at(tree.branches.len());
        of_branches = rest;
        tree.paths.iter().map(|path| path.iter().map(|&b| f64::from(of_tree[b])).sum()).collect()
    });
    Ok(of_answers.collect())
}

/// A temperature at which something can be sampled.
pub(crate) fn checked_temperature(temperature: f64) -> Result<f64, AttribError> {
    if temperature.is_finite() && temperature > 0.0 {
        Ok(temperature)
    } else {
        Err(AttribError::Temperature { temperature })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use bias_model::{Checkpoint, Decoder, ModelConfig, Precision};
    use bias_probe::gradients::Factors;
    use bias_probe::{DifferentiableModel as _, Sequence};
    use bias_types::prompt::Scale;
    use bias_types::{ParamPath, TokenRole};
    use burn::backend::{Autodiff, Flex};
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

    use super::*;
    use crate::contrast::prompt_case::PossibleAnswer;
    use crate::engine::answer_tree::token_batch;

    type A = Autodiff<Flex>;

    /// 8,193 positions with a vocabulary of 262,144 have more than 2³¹ logits.
    #[test]
    fn indices_stay_within_what_is_made_at_a_time() {
        let (positions, vocab) = (8193, 1 << 18);
        let branch = |from| Branch { from, next: Next::Token(vocab as u32 - 1), untempered: false };
        let row: Vec<Branch> = (0..positions).map(branch).collect();
        let asked =
            Asked::new([row.as_slice()].into_iter(), positions, vocab, LOGITS_AT_ONCE / vocab)
                .unwrap();
        assert_eq!(asked.parts.iter().map(|part| part.positions.len()).sum::<usize>(), positions);
        for part in &asked.parts {
            assert!(part.positions.len() * vocab <= LOGITS_AT_ONCE);
            let expected =
                (0..part.positions.len()).map(|position| ((position + 1) * vocab - 1) as i32);
            assert!(part.tokens.iter().copied().eq(expected));
        }
        assert!(asked.order.is_none());
    }

    /// A checkpoint with random weights, so that they can be left in their file.
    fn checkpoint() -> tempfile::TempDir {
        let config = serde_json::json!({
            "model_type": "llama", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
            "max_position_embeddings": 64
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let dims = ModelConfig::from_folder(folder.path()).unwrap().dims;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut matrix = |shape: [usize; 2]| {
            let values = (0..shape[0] * shape[1]).map(|_| rng.random::<f32>() - 0.5);
            (values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>(), shape.to_vec())
        };
        let vocabulary = [dims.vocab, dims.d_model];
        let mut tensors: BTreeMap<String, (Vec<u8>, Vec<usize>)> = BTreeMap::from(
            ["model.embed_tokens.weight", "lm_head.weight"]
                .map(|name| (name.to_owned(), matrix(vocabulary))),
        );
        tensors.extend(
            dims.projections().map(|(path, _, p)| (path.to_string(), matrix(dims.shape(p)))),
        );
        let norms = (0..dims.layers).flat_map(|layer| {
            ["input_layernorm", "post_attention_layernorm"]
                .map(|norm| format!("model.layers.{layer}.{norm}.weight"))
        });
        let ones = (1f32.to_le_bytes().repeat(dims.d_model), vec![dims.d_model]);
        tensors.extend(norms.chain(["model.norm.weight".into()]).map(|name| (name, ones.clone())));
        let views = tensors.iter().map(|(name, (bytes, shape))| {
            (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(folder.path().join("model.safetensors"), file).unwrap();
        folder
    }

    fn model(folder: &Path, precision: Precision) -> Decoder<A> {
        let config = ModelConfig::from_folder(folder).unwrap();
        let checkpoint = Checkpoint::open(folder).unwrap();
        Decoder::<Flex>::load(&checkpoint, config, precision, &Default::default())
            .unwrap()
            .differentiable()
    }

    /// Two people's answers, some of which end with whatever is no digit.
    fn people() -> [(Sequence, Vec<PossibleAnswer>, Scale); 2] {
        let prompt =
            |name| Sequence::chain(vec![1, 5, name, 8], vec![TokenRole::Prompt; 4]).unwrap();
        let answer = |tokens: &[u32], until: Option<&[u32]>| PossibleAnswer {
            tokens: tokens.to_vec(),
            finished: false,
            until: until.map(|own| own.iter().copied().collect()),
            value: Some(1.0),
            weight: 0.2,
        };
        let answers = vec![
            answer(&[7], Some(&[7, 9])),
            answer(&[7, 9], Some(&[7, 9])),
            answer(&[9, 2], None),
            answer(&[], Some(&[3])),
            answer(&[11, 7, 7], None),
        ];
        [
            (prompt(20), answers.clone(), Scale::Mean),
            (prompt(31), answers, Scale::LogOdds { per_token: false }),
        ]
    }

    #[test]
    fn parts_change_neither_probabilities_nor_gradients() {
        let people = people();
        let trees: Vec<AnswerTree<'_>> = people
            .iter()
            .enumerate()
            .map(|(i, (prompt, answers, scale))| {
                AnswerTree::new(i, prompt, answers, *scale).unwrap()
            })
            .collect();
        let batch = token_batch(&trees).unwrap();
        let branches: usize = trees.iter().map(|tree| tree.branches.len()).sum();
        let worths: Vec<f64> = (0..branches).map(|i| 0.3 * i as f64 - 1.0).collect();
        let of_rows = || trees.iter().map(|tree| &*tree.branches);
        let run = |model: &Decoder<A>, at_once: usize| {
            let hidden = model.hidden(&batch, &mut bias_probe::NoObserver).unwrap();
            let mut own = Predicted::in_parts(model, hidden, of_rows(), 0.7, at_once).unwrap();
            let largest = own.asked.parts.iter().map(|part| part.positions.len()).max().unwrap();
            assert!(largest <= at_once, "{largest} positions at a time");
            let log_probs = own.log_probs().unwrap().into_data().into_vec::<f32>().unwrap();
            let mut found = BTreeMap::from([(None, log_probs)]);
            let loss = |model: &Decoder<A>, _: usize, hidden: Tensor<A, 3>| {
                Predicted::in_parts(model, hidden, of_rows(), 0.7, at_once)?.worth(&worths)
            };
            let mut take = |_: usize, path: &ParamPath, factors: Vec<Factors<Flex>>| {
                let own = Factors::together(factors).unwrap().gradient().into_data();
                found.insert(Some(path.clone()), own.into_vec::<f32>().unwrap());
                Ok(())
            };
            model.factors_all(std::slice::from_ref(&batch), 1, &loss, &mut take).unwrap();
            found
        };
        let folder = checkpoint();
        let whole = run(&model(folder.path(), Precision::F32), 1000);
        assert!(whole.len() > 7 && whole[&None].len() == branches);
        for precision in [Precision::F32, Precision::Mapped] {
            let model = model(folder.path(), precision);
            for at_once in [1, 3, 1000] {
                for ((what, found), whole) in run(&model, at_once).iter().zip(whole.values()) {
                    let largest = whole.iter().fold(0f32, |max, v| max.max(v.abs()));
                    let off =
                        found.iter().zip(whole).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
                    let fits = largest > 0.0 && off <= 2e-6 * largest;
                    assert!(fits, "{what:?}, {at_once} at a time: off by {off} of {largest}");
                }
            }
        }
    }
}
