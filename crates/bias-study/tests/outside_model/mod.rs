//! A model and a tokenizer that no crate of the workspace knows: a decoder with ALiBi (Press et al.
//! 2021) and no norms, whose words are its tokens.
#![allow(clippy::unwrap_used, clippy::panic)]

use bias_ask::text::Token;
use bias_ask::{Answering, AskError, Tokenize};
use bias_mask::{MaskError, MaskTarget};
use bias_probe::{DifferentiableModel, HookedModel, Observer, ProbeError, TokenBatch, Weights};
use bias_study::Studied;
use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

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

/// The model: weights drawn at random, and surnames that it tells apart more than anything else.
#[derive(Debug, Clone)]
pub struct Outside<B: Backend> {
    dims: ModelDims,
    embedding: Tensor<B, 2>,
    /// `[out, in]`, by block and projection.
    weights: Vec<Vec<Tensor<B, 2>>>,
}

impl<B: Backend> Outside<B> {
    pub fn new(seed: u64) -> Self {
        let dims = ModelDims {
            layers: 2,
            d_model: 16,
            heads: 4,
            kv_heads: 2,
            d_head: 4,
            d_mlp: 24,
            gated: true,
            vocab: WORDS.len(),
        };
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(seed), B::Device::default());
        // Of variance 0.3².
        let mut draw = |n: usize| {
            (0..n).map(|_| 0.52 * (2.0 * rng.random::<f32>() - 1.0)).collect::<Vec<f32>>()
        };
        let tensor = |values: Vec<f32>, shape: [usize; 2]| {
            Tensor::from_data(TensorData::new(values, shape), &device)
        };
        let mut embedding = draw(dims.vocab * dims.d_model);
        for (word, own) in WORDS.iter().zip(embedding.chunks_exact_mut(dims.d_model)) {
            match *word {
                "west" => own.iter_mut().for_each(|x| *x = 1.0f32.copysign(*x)),
                "east" => own.iter_mut().for_each(|x| *x *= -1.5),
                "ann" | "bea" | "cas" | "dan" | "eva" | "fay" => {
                    own.iter_mut().for_each(|x| *x *= 0.2)
                }
                _ => {}
            }
        }
        let weights = (0..dims.layers).map(|_| {
            let of = |p| {
                let shape @ [out, inner] = dims.shape(p);
                tensor(draw(out * inner), shape)
            };
            Projection::ALL.map(of).to_vec()
        });
        let weights = weights.collect();
        Self { embedding: tensor(embedding, [dims.vocab, dims.d_model]), weights, dims }
    }

    fn linear(&self, layer: usize, p: Projection, x: Tensor<B, 3>) -> Tensor<B, 3> {
        x.matmul(self.weights[layer][p as usize].clone().transpose().unsqueeze())
    }

    /// `−2^(−8(h+1)/heads) · distance`, −∞ where a token must not look: `[rows, heads, query,
    /// key]`.
    fn distances(&self, batch: &TokenBatch) -> Tensor<B, 4> {
        let (rows, width, heads) = (batch.rows(), batch.width(), self.dims.heads);
        let mut bias = Vec::with_capacity(rows * heads * width * width);
        for row in 0..rows {
            let positions = &batch.positions()[row * width..(row + 1) * width];
            for head in 0..heads {
                let slope = 2f32.powf(-8.0 * (head + 1) as f32 / heads as f32);
                for (query, at) in positions.iter().enumerate() {
                    let blocked = batch.blocked(row, query);
                    bias.extend(positions.iter().zip(blocked).map(
                        |(key, blocked)| match blocked {
                            true => f32::NEG_INFINITY,
                            false => -slope * (at - key) as f32,
                        },
                    ));
                }
            }
        }
        Tensor::from_data(TensorData::new(bias, [rows, heads, width, width]), &self.device())
    }

    fn matrix(&self, path: &ParamPath) -> Option<(usize, Projection)> {
        path.projection().filter(|(layer, _)| *layer < self.dims.layers)
    }
}

impl<B: Backend> Weights<B> for Outside<B> {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError> {
        let (layer, p) =
            self.matrix(path).ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })?;
        Ok(self.weights[layer][p as usize].clone())
    }
}

impl<B: Backend> HookedModel<B> for Outside<B> {
    fn dims(&self) -> &ModelDims {
        &self.dims
    }

    fn device(&self) -> B::Device {
        self.embedding.device()
    }

    fn sites(&self) -> Vec<Site> {
        use BlockSite::{
            AttnAdded, AttnNormScale, AttnNormalized, GateActivated, KeyRotated, MlpAdded,
            MlpNormScale, MlpNormalized, QueryRotated,
        };
        let absent = |site: &Site| {
            let norms = [Site::Positions, Site::FinalNormScale, Site::FinalNormalized];
            let inner =
                [AttnNormScale, AttnNormalized, QueryRotated, KeyRotated, AttnAdded, GateActivated];
            let inner = inner.into_iter().chain([MlpNormScale, MlpNormalized, MlpAdded]);
            norms.contains(site)
                || inner.into_iter().any(|s| matches!(site, Site::Block(_, own) if *own == s))
        };
        Site::all(self.dims.layers).filter(|site| !absent(site)).collect()
    }

    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let ModelDims { layers, d_model, heads, kv_heads, d_head, vocab, .. } = self.dims;
        let (rows, width) = (batch.rows(), batch.width());
        if let Some(&token) = batch.tokens().iter().find(|t| **t as usize >= vocab) {
            return Err(ProbeError::TokenOutOfRange { token, vocab });
        }
        let ids: Tensor<B, 1, Int> = batch.token_tensor::<B>(&self.device()).reshape([-1]);
        let embedded = self.embedding.clone().select(0, ids).reshape([rows, width, d_model]);
        let mut x = observer.at(Site::Embedding, batch, embedded)?;
        let distances = self.distances(batch);
        for layer in 0..layers {
            let site = |at| Site::Block(layer, at);
            // Query head h reads key/value head ⌊h · kv_heads / heads⌋.
            let by_head = |t: Tensor<B, 3>, own: usize| {
                let t = t.reshape([rows, width, own, 1, d_head]).repeat_dim(3, heads / own);
                t.reshape([rows, width, heads, d_head]).swap_dims(1, 2)
            };
            x = observer.at(site(BlockSite::ResidPre), batch, x)?;
            let h = observer.at(site(BlockSite::AttnNorm), batch, x.clone())?;
            let q = observer.at(
                site(BlockSite::Query),
                batch,
                self.linear(layer, Projection::Q, h.clone()),
            )?;
            let k = observer.at(
                site(BlockSite::Key),
                batch,
                self.linear(layer, Projection::K, h.clone()),
            )?;
            let v =
                observer.at(site(BlockSite::Value), batch, self.linear(layer, Projection::V, h))?;
            let (q, k, v) = (by_head(q, heads), by_head(k, kv_heads), by_head(v, kv_heads));
            let scores =
                q.matmul(k.transpose()).div_scalar((d_head as f64).sqrt()) + distances.clone();
            let scores = observer.at_attention(site(BlockSite::Scores), batch, scores)?;
            let pattern =
                observer.at_attention(site(BlockSite::Pattern), batch, softmax(scores, 3))?;
            let mixed = pattern.matmul(v).swap_dims(1, 2).reshape([rows, width, heads * d_head]);
            let mixed = observer.at(site(BlockSite::HeadOutput), batch, mixed)?;
            let out = observer.at(
                site(BlockSite::AttnOut),
                batch,
                self.linear(layer, Projection::O, mixed),
            )?;
            x = observer.at(site(BlockSite::ResidMid), batch, x + out)?;
            let h = observer.at(site(BlockSite::MlpNorm), batch, x.clone())?;
            let gate = observer.at(
                site(BlockSite::Gate),
                batch,
                self.linear(layer, Projection::Gate, h.clone()),
            )?;
            let up =
                observer.at(site(BlockSite::Up), batch, self.linear(layer, Projection::Up, h))?;
            let hidden = observer.at(site(BlockSite::MlpHidden), batch, silu(gate) * up)?;
            let out = observer.at(
                site(BlockSite::MlpOut),
                batch,
                self.linear(layer, Projection::Down, hidden),
            )?;
            x = observer.at(site(BlockSite::ResidPost), batch, x + out)?;
        }
        observer.at(Site::FinalNorm, batch, x)
    }

    fn unembed(&self, hidden: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError> {
        Ok(hidden.matmul(self.embedding.clone().transpose().unsqueeze()))
    }
}

impl<B: Backend> MaskTarget<B> for Outside<B> {
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError> {
        let (layer, p) =
            self.matrix(path).ok_or_else(|| MaskError::NoSuchParam { path: path.clone() })?;
        let (expected, found) = (self.dims.shape(p), value.dims());
        if expected != found {
            return Err(MaskError::ShapeMismatch { path: path.clone(), expected, found });
        }
        self.weights[layer][p as usize] = value;
        Ok(())
    }

    fn fingerprint(&self) -> Result<Option<&str>, MaskError> {
        Ok(None)
    }
}

impl<B: Backend> Answering<B> for Outside<B> {}

impl<A: AutodiffBackend> DifferentiableModel<A> for Outside<A> {}

impl<B: Backend, A: AutodiffBackend<InnerBackend = B>> Studied<A> for Outside<B> {
    type OnGraph = Outside<A>;

    fn on_graph(&self) -> Outside<A> {
        let lift = |own: &Tensor<B, 2>| Tensor::from_inner(own.clone());
        let weights = self.weights.iter().map(|block| block.iter().map(lift).collect());
        Outside { dims: self.dims, embedding: lift(&self.embedding), weights: weights.collect() }
    }
}
