//! A model and a tokenizer that no crate of the workspace knows.

#[path = "../../../../../examples/tests/outside/mod.rs"]
mod alibi;

use bias_ask::text::Token;
use bias_ask::{Answering, AskError, Tokenize};
use bias_probe::DifferentiableModel;
use bias_study::Studied;
use bias_types::ModelDims;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

pub use alibi::Alibi;

const WORDS: [&str; 40] = [
    "<end>", "a", "bike", "car", "boat", "sells", "rents", "is", "the", "price", "fair", "what",
    "pays", "one", "for", "it", "about", "ann", "bea", "cas", "dan", "eva", "fay", "west", "east",
    "yes", "no", "10", "20", "30", "40", "50", "60", "70", "80", "90", ",", "and", "?", "who",
];

/// Words between spaces.
pub struct Words;

impl Tokenize for Words {
    fn encode(&self, text: &str, _: bool) -> Result<Vec<Token>, AskError> {
        let words = text.split_whitespace().map(|word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            let id = WORDS.iter().position(|own| *own == word);
            let id = id.ok_or_else(|| AskError::outside(format!("`{word}` is no word")))?;
            Ok(Token { id: id as u32, bytes: start..start + word.len() })
        });
        words.collect()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, AskError> {
        let words = tokens.iter().filter(|id| **id > 0).map(|id| WORDS.get(*id as usize).copied());
        let words: Option<Vec<&str>> = words.collect();
        Ok(words.ok_or_else(|| AskError::outside("no such token"))?.join(" "))
    }

    fn ids(&self) -> Vec<u32> {
        (0..WORDS.len() as u32).collect()
    }
}

/// The examples' model, its weights drawn at random, that tells surnames apart more than anything
/// else.
pub fn drawn<B: Backend>(seed: u64) -> Alibi<B> {
    let dims = ModelDims {
        layers: 2,
        d_model: 16,
        heads: 4,
        kv_heads: 2,
        d_head: 4,
        d_mlp: 24,
        gated: true,
        vocab: WORDS.len(),
        experts: None,
    };
    let (mut rng, device) = (ChaCha8Rng::seed_from_u64(seed), B::Device::default());
    // Of variance 0.3².
    let mut draw =
        |n: usize| (0..n).map(|_| 0.52 * (2.0 * rng.random::<f32>() - 1.0)).collect::<Vec<f32>>();
    let tensor = |values: Vec<f32>, shape: [usize; 2]| {
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    let mut embedding = draw(dims.vocab * dims.d_model);
    for (word, own) in WORDS.iter().zip(embedding.chunks_exact_mut(dims.d_model)) {
        match *word {
            "west" => own.iter_mut().for_each(|x| *x = 1.0f32.copysign(*x)),
            "east" => own.iter_mut().for_each(|x| *x *= -1.5),
            "ann" | "bea" | "cas" | "dan" | "eva" | "fay" => own.iter_mut().for_each(|x| *x *= 0.2),
            _ => {}
        }
    }
    let embedding = tensor(embedding, [dims.vocab, dims.d_model]);
    Alibi::of(dims, embedding, |shape @ [out, inner]| tensor(draw(out * inner), shape))
}

impl<B: Backend> Answering<B> for Alibi<B> {}

impl<A: AutodiffBackend> DifferentiableModel<A> for Alibi<A> {}

impl<B: Backend, A: AutodiffBackend<InnerBackend = B>> Studied<A> for Alibi<B> {
    type OnGraph = Alibi<A>;

    fn on_graph(&self) -> Alibi<A> {
        self.map(Tensor::from_inner)
    }
}
