//! Masks, and what they are made of: scores, directions, statistics.

use std::collections::BTreeMap;
use std::path::Path;

use bias_attrib::SetDifference;
use bias_attrib::io::{ScoreProvenance, load_scores, save_scores};
use bias_attrib::methods::GroupNorms;
use bias_attrib::scores::{GroupScores, RankDirections};
use bias_files::{Tensor, hex, save_tensors};
use bias_mask::Mask;
use bias_probe::stats::ChannelStats;
use bias_types::model::BlockSite;
use bias_types::{Convention, ModelDims, ParamScores, Site, TokenRole};
use sha2::{Digest as _, Sha256};

use crate::scratch::{with_file, written};

const DIMS: ModelDims = ModelDims {
    layers: 2,
    d_model: 4,
    heads: 2,
    kv_heads: 1,
    d_head: 2,
    d_mlp: 6,
    gated: true,
    vocab: 8,
    experts: None,
};

pub(crate) fn mask(bytes: &[u8]) -> bool {
    with_file("mask.safetensors", bytes, |path| {
        Mask::load(path, None).is_ok_and(|own| {
            let _ = (own.count(), own.digest(), own.complement(&DIMS));
            own.union(&own).is_ok()
        })
    })
}

pub(crate) fn masks() -> Vec<Vec<u8>> {
    let full = Mask::full(&DIMS).unwrap();
    let save = |own: &Mask| written(|path| own.save(path).unwrap());
    let few = full.matched_random(1).unwrap().with_note("method", "random");
    vec![save(&full), save(&few.for_model(Some("abc"))), save(&Mask::default())]
}

fn made_up() -> Vec<ParamScores> {
    let all = DIMS.projections().map(|(path, _, projection)| {
        let shape = DIMS.shape(projection);
        let values = (0..shape[0] * shape[1]).map(|at| at as f32 - 7.5).collect();
        ParamScores::new(path, shape, Convention::Importance, values).unwrap()
    });
    all.collect()
}

fn provenance() -> ScoreProvenance {
    ScoreProvenance::default().for_model(Some("abc")).with_note("context", "hiring")
}

pub(crate) fn scores(bytes: &[u8]) -> bool {
    with_file("scores.safetensors", bytes, |path| load_scores(path, &DIMS, None).is_ok())
}

pub(crate) fn score_files() -> Vec<Vec<u8>> {
    vec![written(|path| save_scores(path, &made_up(), &provenance()).unwrap())]
}

pub(crate) fn group_scores(bytes: &[u8]) -> bool {
    with_file("groups.safetensors", bytes, |path| GroupScores::load(path, &DIMS, None).is_ok())
}

pub(crate) fn group_score_files() -> Vec<Vec<u8>> {
    let both = GroupScores::new(made_up(), made_up()).unwrap();
    vec![written(|path| both.save(path, &provenance()).unwrap())]
}

pub(crate) fn directions(bytes: &[u8]) -> bool {
    with_file("directions.safetensors", bytes, |path| {
        let Ok((own, _)) = RankDirections::load(path, &DIMS, None) else { return false };
        for (matrix, ..) in DIMS.projections() {
            let _ = own.outside(&matrix, SetDifference::AWithoutB, 0.5);
        }
        true
    })
}

/// One direction of each matrix for each group, along the first axis.
pub(crate) fn direction_files() -> Vec<Vec<u8>> {
    let values = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let tensors: BTreeMap<String, Tensor<'_>> = DIMS
        .projections()
        .flat_map(|(matrix, _, projection)| {
            let [out, _] = DIMS.shape(projection);
            ["a", "b"].map(|group| (format!("{group}/{matrix}"), out))
        })
        .flat_map(|(name, out)| {
            let strength = Tensor::f32(vec![1], &values[..1]);
            let direction = Tensor::f32(vec![out, 1], &values[..out]);
            [(format!("{name}/strengths"), strength), (name, direction)]
        })
        .collect();
    let mut hash = Sha256::new();
    for (name, own) in &tensors {
        let sizes = [name.len(), own.shape().len()].into_iter().chain(own.shape().iter().copied());
        let sizes: Vec<[u8; 8]> = sizes.map(|size| (size as u64).to_le_bytes()).collect();
        hash.update([&sizes[0], name.as_bytes(), &sizes[1..].concat(), own.data()].concat());
    }
    let provenance = serde_json::to_string(&provenance()).unwrap();
    let entries = [
        ("format", "bias-directions/1".to_owned()),
        ("provenance", provenance),
        ("sha256", hex(&hash.finalize())),
    ];
    let metadata = entries.map(|(key, value)| (key.to_owned(), value)).into();
    let file = written(|path| save_tensors(path, tensors.clone(), &metadata).unwrap());
    vec![file]
}

/// Statistics, as they are and as those that Wanda is computed from.
pub(crate) fn statistics(bytes: &[u8]) -> bool {
    with_file("statistics.safetensors", bytes, |path| {
        drop(GroupNorms::load(path, &DIMS, None));
        ChannelStats::load(path).is_ok()
    })
}

pub(crate) fn statistic_files() -> Vec<Vec<u8>> {
    let sites = [BlockSite::ResidPost, BlockSite::AttnOut].map(|site| Site::Block(0, site));
    let save = |path: &Path| {
        let (groups, width) = (2, 3);
        let roles = TokenRole::REAL.len();
        let values = vec![0.5; groups * roles * width];
        let tensors = sites.iter().flat_map(|site| {
            let of = |what: &str, shape: Vec<usize>| {
                let count = shape.iter().product();
                (format!("{site}/{what}"), Tensor::f64(shape, &values[..count]))
            };
            let full = vec![groups, roles, width];
            [of("count", vec![groups, roles]), of("sum", full.clone()), of("square", full)]
        });
        let roles = serde_json::to_string(&TokenRole::REAL).unwrap();
        let entries = [
            ("format", "bias-stats/1"),
            ("groups", r#"["a","b"]"#),
            ("roles", &roles),
            ("sequences", "[3,4]"),
            ("notes", "{}"),
        ];
        let metadata = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
        save_tensors(path, tensors, &BTreeMap::from(metadata)).unwrap();
    };
    vec![written(save)]
}
