//! Selection from scores of a large matrix (the MLP of an 8-billion-weight Llama), beside
//! the floor it is held against: one pass that adds them up.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use bias_mask::select::{ComparisonGroup, select, top_difference_scaled};
use bias_mask::top_difference;
use bias_types::{Convention, ParamPath, ParamScores, Projection};
use criterion::{Criterion, criterion_group, criterion_main};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const SHAPE: [usize; 2] = [4096, 14336];
const FRACTION: f64 = 0.15;

fn selection(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let path = ParamPath::of(0, Projection::Down);
    let mut scores = || {
        let values = (0..SHAPE[0] * SHAPE[1]).map(|_| rng.random::<f32>() * rng.random::<f32>());
        [ParamScores::new(path.clone(), SHAPE, Convention::Importance, values.collect()).unwrap()]
    };
    let (a, b) = (scores(), scores());
    let mut norms = || -> Vec<f64> { (0..SHAPE[1]).map(|_| rng.random()).collect() };
    let norms = [norms(), norms()];

    let mut group = c.benchmark_group("4096×14336");
    group.sample_size(10);
    group.bench_function("sum of both matrices, one thread", |bench| {
        bench.iter(|| black_box([&a, &b].map(|s| s[0].values().iter().sum::<f32>())));
    });
    group.bench_function("set difference of the top 15%", |bench| {
        bench.iter(|| black_box(top_difference(&a, &b, FRACTION).unwrap()));
    });
    group.bench_function("set difference of the top 15%, scores made on the fly", |bench| {
        let norms = [norms[0].as_slice(), norms[1].as_slice()];
        bench.iter(|| {
            black_box(top_difference_scaled(&path, a[0].values(), SHAPE, norms, FRACTION).unwrap())
        });
    });
    let groups = [
        ("15% of the matrix", ComparisonGroup::Matrix(FRACTION)),
        ("15% of each row", ComparisonGroup::Row(FRACTION)),
        ("2 of every 4", ComparisonGroup::Block { n: 2, m: 4 }),
    ];
    for (name, comparison) in groups {
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(select(&a, comparison).unwrap()))
        });
    }
    group.finish();
}

criterion_group!(benches, selection);
criterion_main!(benches);
