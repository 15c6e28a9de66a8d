//! Several people's answer trees merged into one prefix tree, so that a common prefix is run once.

use std::collections::HashMap;

use bias_probe::gradients::tokens_at_a_time;
use bias_probe::{ProbeError, Sequence, TokenBatch};
use bias_types::{ModelDims, TokenRole};

use super::answer_tree::{AnswerTree, Branch, evenly, packed};

/// Most tokens of a row that several people share.
const ROW_TOKENS: usize = 256;

/// At least this many tokens are split into two batches, so that both can run side by side.
const WORTH_HALVING: usize = 256;

/// The cost of a pair of tokens in a head, in weights that a token is multiplied with.
const WEIGHTS_PER_PAIR: usize = 1500;

/// A token's parent, the token, and its role.
type Key = (Option<usize>, u32, TokenRole);

/// People in one row of a batch: one tree of all their tokens.
#[derive(Debug, Default)]
pub(crate) struct PrefixTree {
    tokens: Vec<u32>,
    roles: Vec<TokenRole>,
    parents: Vec<Option<usize>>,
    /// The index of each token, by its parent and role.
    places: HashMap<Key, usize>,
    pub branches: Vec<Branch>,
    /// The trees' numbers, in the order of their branches.
    pub members: Vec<usize>,
}

impl PrefixTree {
    /// Number of tokens that a tree would add.
    fn lacks(&self, tree: &AnswerTree<'_>) -> usize {
        let mut places: Vec<Option<usize>> = Vec::with_capacity(tree.sequence.len());
        for (token, role, parent) in each(&tree.sequence) {
            let parent = match parent {
                Some(parent) => places[parent].map(Some),
                None => Some(None),
            };
            let known = parent.and_then(|parent| self.places.get(&(parent, token, role)));
            places.push(known.copied());
        }
        places.iter().filter(|place| place.is_none()).count()
    }

    fn add(&mut self, member: usize, tree: &AnswerTree<'_>) {
        let mut places = Vec::with_capacity(tree.sequence.len());
        for (token, role, parent) in each(&tree.sequence) {
            let parent = parent.map(|parent: usize| places[parent]);
            let next = self.tokens.len();
            let place = *self.places.entry((parent, token, role)).or_insert(next);
            if place == next {
                self.tokens.push(token);
                self.roles.push(role);
                self.parents.push(parent);
            }
            places.push(place);
        }
        let branches = tree.branches.iter();
        self.branches
            .extend(branches.map(|branch| Branch { from: places[branch.from], ..branch.clone() }));
        self.members.push(member);
    }

    fn sequence(&self) -> Result<Sequence, ProbeError> {
        Sequence::tree(self.tokens.clone(), self.roles.clone(), self.parents.clone())
    }
}

/// Each token, its role, and its parent.
fn each(sequence: &Sequence) -> impl Iterator<Item = (u32, TokenRole, Option<usize>)> {
    let with_roles = sequence.tokens().iter().zip(sequence.roles());
    with_roles.zip(sequence.parents()).map(|((token, role), parent)| (*token, *role, *parent))
}

/// The batch that a model runs for some rows.
pub(crate) fn token_batch(rows: &[PrefixTree]) -> Result<TokenBatch, ProbeError> {
    TokenBatch::new(&rows.iter().map(PrefixTree::sequence).collect::<Result<Vec<_>, _>>()?)
}

/// Room for the tokens of several people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    /// Tokens of a row; with 0 each person has a row.
    pub row: usize,
    /// Tokens of a pass, unless one row has more.
    pub batch: usize,
}

impl Capacity {
    /// Rows are limited, because in a long row attention computes many pairs of tokens that belong
    /// to different people. Rows are not shared if an activation may depend on later tokens.
    pub(crate) fn of(dims: &ModelDims, causal: bool) -> Self {
        let each = dims.prunable_weights() / (dims.layers * dims.heads).max(1);
        let row = if causal { (each / WEIGHTS_PER_PAIR).min(ROW_TOKENS) } else { 0 };
        // Two passes can run side by side.
        Self { row, batch: tokens_at_a_time(dims) / 2 }
    }
}

/// People's trees in batches: several to a row as far as `capacity` allows, or one to a row.
pub(crate) fn batches(people: &[&AnswerTree<'_>], capacity: Capacity) -> Vec<Vec<PrefixTree>> {
    // Sorted, so that trees with a common prefix are neighbours.
    let mut order: Vec<usize> = (0..people.len()).collect();
    order.sort_by(|a, b| people[*a].sequence.tokens().cmp(people[*b].sequence.tokens()));
    let mut rows = evenly(capacity.row, 1, |capacity| {
        let mut rows: Vec<PrefixTree> = Vec::new();
        for &person in &order {
            let tree = people[person];
            match rows.last_mut() {
                Some(row) if row.tokens.len() + row.lacks(tree) <= capacity => {
                    row.add(person, tree)
                }
                _ => {
                    let mut row = PrefixTree::default();
                    row.add(person, tree);
                    rows.push(row);
                }
            }
        }
        rows
    });
    // Sorted by length, so that little is padded.
    rows.sort_by_key(|row| row.tokens.len());
    let tokens: usize = rows.iter().map(|row| row.tokens.len()).sum();
    let fewest = if tokens >= WORTH_HALVING { 2 } else { 1 };
    packed(rows, |row| row.tokens.len(), capacity.batch, fewest)
}

#[cfg(test)]
mod tests {

    use bias_model::{Decoder, ModelConfig};
    use bias_probe::HookedModel as _;
    use bias_probe::gradients::factors;
    use bias_types::prompt::Scale;
    use burn::backend::{Autodiff, Flex};

    use super::*;
    use crate::contrast::prompt_case::PossibleAnswer;
    use crate::engine::likelihood::Predicted;

    fn prompt(tokens: &[u32]) -> Sequence {
        Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()]).unwrap()
    }

    fn answers(all: &[&[u32]]) -> Vec<PossibleAnswer> {
        let own = |tokens: &&[u32]| PossibleAnswer {
            tokens: tokens.to_vec(),
            finished: true,
            value: Some(1.0),
            weight: 0.5,
            ..PossibleAnswer::default()
        };
        all.iter().map(own).collect()
    }

    #[test]
    fn what_people_begin_with_alike_is_run_once() {
        let (first, second) = (prompt(&[1, 2, 3]), prompt(&[1, 2, 4, 3]));
        let given = answers(&[&[5, 9], &[6, 9]]);
        let tree = |prompt| AnswerTree::new(0, prompt, &given, Scale::Mean).unwrap();
        let trees = [tree(&second), tree(&first), tree(&first)];
        let rows = batches(&trees.iter().collect::<Vec<_>>(), Capacity { row: 20, batch: 512 });
        let [row] = rows.iter().flatten().collect::<Vec<_>>().try_into().unwrap();
        let row: &PrefixTree = row;
        // 1 2 3, its answers 5 and 6, then 4 3 and 5 and 6 behind it.
        assert_eq!(row.tokens, [1, 2, 3, 5, 6, 4, 3, 5, 6]);
        let parents =
            [None, Some(0), Some(1), Some(2), Some(2), Some(1), Some(5), Some(6), Some(6)];
        assert_eq!(row.parents, parents);
        let from: Vec<_> = row.branches.iter().map(|branch| branch.from).collect();
        assert_eq!(from, [2, 3, 2, 4, 2, 3, 2, 4, 6, 7, 6, 8]);
        assert_eq!(row.members, [1, 2, 0]);
    }

    #[test]
    fn rows_keep_to_their_room_and_batches_to_theirs() {
        let given = answers(&[&[5, 9]]);
        let prompts: Vec<_> =
            (0..12).map(|i| prompt(&[vec![1; 20], vec![2 + i; 30]].concat())).collect();
        let trees: Vec<_> =
            prompts.iter().map(|p| AnswerTree::new(0, p, &given, Scale::Mean).unwrap()).collect();
        let sizes = |row| {
            let batches = batches(&trees.iter().collect::<Vec<_>>(), Capacity { row, batch: 512 });
            batches
                .iter()
                .map(|b| b.iter().map(|row| row.tokens.len()).collect())
                .collect::<Vec<Vec<_>>>()
        };
        // 20 tokens in common and 31 of each one's own; as even as can be.
        assert_eq!(sizes(256), [[206], [206]]);
        assert_eq!(sizes(100), [[82; 3], [82; 3]]);
        assert_eq!(sizes(0), [[51; 6]; 2]);
    }

    /// The gradients of all matrices, of all people together.
    fn gradients(
        model: &Decoder<Autodiff<Flex>>,
        people: &[(AnswerTree<'_>, Vec<f64>)],
        row: usize,
    ) -> Vec<Vec<f32>> {
        let (mut sums, capacity): (Vec<Vec<f32>>, _) = (Vec::new(), Capacity { row, batch: 512 });
        for rows in batches(&people.iter().map(|(tree, _)| tree).collect::<Vec<_>>(), capacity) {
            let members = rows.iter().flat_map(|row| &row.members);
            let worths: Vec<f64> = members.flat_map(|i| people[*i].1.iter().copied()).collect();
            let found = factors(model, &token_batch(&rows).unwrap(), |model, hidden| {
                let own = rows.iter().map(|row| &*row.branches);
                Predicted::new(model, hidden, own, 0.7)?.worth(&worths)
            });
            let found = found
                .unwrap()
                .into_iter()
                .map(|(_, own)| own.gradient().into_data().into_vec().unwrap());
            let found: Vec<Vec<f32>> = found.collect();
            sums.resize_with(found.len(), Vec::new);
            for (sum, own) in sums.iter_mut().zip(found) {
                sum.resize(own.len(), 0.0);
                sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
        }
        sums
    }

    /// Of rotated and of learned positions, and with attention that reaches back only so far.
    #[test]
    fn gradients_are_those_of_people_apart() {
        let configs = [
            serde_json::json!({
                "model_type": "llama", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
                "max_position_embeddings": 64
            }),
            serde_json::json!({
                "model_type": "gpt2", "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 32, "vocab_size": 64
            }),
            serde_json::json!({
                "model_type": "gemma3_text", "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
                "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 12, "vocab_size": 64,
                "max_position_embeddings": 64, "query_pre_attn_scalar": 12, "sliding_window": 4,
                "layer_types": ["full_attention", "sliding_attention", "full_attention"]
            }),
        ];
        for config in configs {
            let case = config["model_type"].clone();
            let config = ModelConfig::from_json(serde_json::from_value(config).unwrap()).unwrap();
            let model = Decoder::<Flex>::init(config, 0.3, 0, &Default::default());
            let model = model.differentiable::<Autodiff<Flex>>();
            assert!(model.is_causal());
            let (some, others) = (answers(&[&[5, 9], &[6, 9], &[5, 2]]), answers(&[&[7, 9], &[4]]));
            let own = |i: u32| {
                prompt(&[vec![1, 30, 4, 9], vec![10 + i; 1 + i as usize], vec![3, 8]].concat())
            };
            let prompts: Vec<_> = [0, 1, 0, 2, 3].map(own).into();
            let people = {
                let person = |(i, prompt)| {
                    let own = if i % 2 == 0 { &some } else { &others };
                    let tree = AnswerTree::new(0, prompt, own, Scale::Mean).unwrap();
                    let worths = (0..tree.branches.len()).map(|b| 0.3 * b as f64 - 0.4 * i as f64);
                    let worths = worths.collect();
                    (tree, worths)
                };
                prompts.iter().enumerate().map(person).collect::<Vec<_>>()
            };
            let trees: Vec<_> = people.iter().map(|(tree, _)| tree).collect();
            assert_eq!(
                batches(&trees, Capacity { row: 256, batch: 512 })
                    .iter()
                    .map(Vec::len)
                    .sum::<usize>(),
                1
            );
            let (apart, together) =
                (gradients(&model, &people, 0), gradients(&model, &people, 256));
            for (apart, together) in apart.iter().zip(&together) {
                let largest = apart.iter().fold(0f32, |max, v| max.max(v.abs()));
                let worst =
                    apart.iter().zip(together).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
                // f32, added in another order.
                assert!(
                    largest > 0.0 && worst <= 2e-6 * largest,
                    "{case}: off by {worst} of {largest}"
                );
            }
        }
    }
}
