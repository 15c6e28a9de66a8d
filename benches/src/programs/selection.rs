//! How long does the paper's set difference take, and how much memory?

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{Cost, Failure, cost, finish};
use bias_files::say;
use bias_mask::select::top_difference_scaled;
use bias_mask::{Mask, top_difference};
use bias_types::{Convention, ParamPath, ParamScores, Projection};
use clap::Parser;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Select the top share of group A's scores minus that of group B's, and print the cost as JSON.
///
/// The scores are random, drawn with a fixed seed. The folder keeps them as `a.f32` and `b.f32`, so
/// that another program can use the same scores. The selection is written next to them as
/// `ours.safetensors`. benches/peers/selection.py runs this program and PyTorch.
#[derive(Parser)]
struct Args {
    /// Folder for the scores and the mask; must exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Rows of each matrix
    #[arg(long, default_value_t = 4096)]
    rows: usize,
    /// Columns of each matrix
    #[arg(long, default_value_t = 14336)]
    columns: usize,
    /// Share of each group's scores that counts as important
    #[arg(long, default_value_t = 0.15)]
    fraction: f64,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    if !args.folder.is_dir() {
        return Err(format!("there is no folder {}", args.folder.display()).into());
    }
    let (path, shape) = (ParamPath::of(0, Projection::Down), [args.rows, args.columns]);
    let values = |name: &str, seed| values(&args.folder.join(name), shape[0] * shape[1], seed);
    let scores = |values| ParamScores::new(path.clone(), shape, Convention::Importance, values);
    let (a, b) = ([scores(values("a.f32", 1)?)?], [scores(values("b.f32", 2)?)?]);
    let (mask, stored) = cost(|| top_difference(&a, &b, args.fraction));
    let mask: Mask = mask?;
    mask.save(&args.folder.join("ours.safetensors"))?;

    drop(b);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut norms = || -> Vec<f64> { (0..args.columns).map(|_| rng.random::<f64>()).collect() };
    let (norms_a, norms_b) = (norms(), norms());
    let (made, scaled) = cost(|| {
        top_difference_scaled(&path, a[0].values(), shape, [&norms_a, &norms_b], args.fraction)
    });
    made?;

    let bits = 8.0 / (shape[0] * shape[1]) as f64;
    let report = |cost: Cost| {
        json!({
            "seconds": cost.seconds,
            "peak_bytes": cost.peak,
            "bits_per_weight": cost.peak.map(|peak| peak as f64 * bits),
        })
    };
    say!(
        "{}",
        json!({ "chosen": mask.count(), "stored": report(stored), "scaled": report(scaled) })
    );
    Ok(())
}

/// Random scores from a file, which is written first unless it is there already: products
/// of two uniform numbers, as a score is one of weight and norm.
fn values(path: &Path, count: usize, seed: u64) -> Result<Vec<f32>, Failure> {
    if !path.exists() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut file = BufWriter::new(File::create(path)?);
        for _ in 0..count {
            file.write_all(&(rng.random::<f32>() * rng.random::<f32>()).to_le_bytes())?;
        }
        file.flush()?;
    }
    let mut file = BufReader::new(File::open(path)?);
    let mut values = Vec::with_capacity(count);
    let mut bytes = [0; 4];
    for _ in 0..count {
        file.read_exact(&mut bytes)?;
        values.push(f32::from_le_bytes(bytes));
    }
    Ok(values)
}
