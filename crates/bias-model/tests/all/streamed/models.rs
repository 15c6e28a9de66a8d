//! Small models, in memory and in their files, and prompts for them.

use std::fs;
use std::path::{Path, PathBuf};

use bias_mask::{BitMatrix, Mask};
use bias_model::{Checkpoint, Decoder, HookedModel as _, ModelConfig, ModelError, Precision};
use bias_probe::{NoObserver, Sequence, TokenBatch, Weights as _};
use bias_types::{ParamPath, Projection, TokenRole};
use burn::backend::Flex;
use burn::tensor::Tensor;
use tempfile::TempDir;

pub fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden")
}

pub fn cases() -> Vec<String> {
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(golden().join("cases.json")).unwrap()).unwrap();
    cases.iter().map(|case| case["name"].as_str().unwrap().to_owned()).collect()
}

pub fn open(folder: &Path, precision: Precision) -> Result<Decoder<Flex>, ModelError> {
    let config = ModelConfig::from_folder(folder)?;
    Decoder::load(&Checkpoint::open(folder)?, config, precision, &Default::default())
}

/// The same model in memory and in its file.
pub fn both(case: &str) -> [Decoder<Flex>; 2] {
    [Precision::F32, Precision::Mapped]
        .map(|precision| open(&golden().join(case), precision).unwrap())
}

pub fn prompts() -> Vec<Sequence> {
    let tokens = [
        vec![1, 5, 9, 2, 30, 17, 8],
        vec![1, 5, 9, 2, 30],
        vec![1, 5, 9, 2, 11, 3],
        vec![4, 20],
        vec![9, 3, 22, 8, 1],
        vec![6, 2],
    ];
    let chain = |tokens: Vec<u32>| {
        let roles = vec![TokenRole::Prompt; tokens.len()];
        Sequence::chain(tokens, roles).unwrap()
    };
    tokens.into_iter().map(chain).collect()
}

pub fn batches() -> Vec<TokenBatch> {
    prompts().chunks(2).map(|prompts| TokenBatch::new(prompts).unwrap()).collect()
}

pub fn bits<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<u32> {
    tensor.into_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

pub fn logits(model: &Decoder<Flex>) -> Vec<u32> {
    bits(model.logits(&batches()[0], &mut NoObserver).unwrap())
}

/// A mask over a few weights of two matrices.
pub fn mask(model: &Decoder<Flex>, step: usize) -> Mask {
    let mut mask = Mask::default().for_model(model.fingerprint().unwrap());
    for projection in [Projection::K, Projection::Down] {
        let mut bits = BitMatrix::new(model.dims().shape(projection)).unwrap();
        (0..bits.len()).step_by(step).for_each(|i| bits.insert(i).unwrap());
        mask.insert(ParamPath::of(1, projection), bits).unwrap();
    }
    mask
}

pub fn copy(case: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().join(case)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}
