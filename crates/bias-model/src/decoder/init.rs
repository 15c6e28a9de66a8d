use burn::tensor::TensorData;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Normal draws by Box–Muller from a seeded generator. Fresh weights are the same on every backend
/// and machine.
pub(crate) struct Normal {
    rng: ChaCha8Rng,
}

impl Normal {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn draw(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.rng.random::<f64>()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.rng.random::<f64>()).cos()) as f32
    }

    pub(crate) fn matrix(&mut self, shape: [usize; 2], std: f32) -> TensorData {
        TensorData::new(
            (0..shape[0] * shape[1]).map(|_| self.draw() * std).collect::<Vec<_>>(),
            shape,
        )
    }
}
