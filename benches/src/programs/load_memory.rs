//! How much memory does loading a model take, and how long?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{Cost, Failure, cost};
use bias_files::{note, say};
use bias_model::{Checkpoint, Decoder, ModelConfig, Precision};
use burn::backend::Flex;
use clap::Parser;

/// Load model folders, and print for each the peak of anonymous memory as a row of a Markdown
/// table.
///
/// Anonymous memory (RssAnon) is what the process itself holds, without mapped files. The row
/// compares its peak with the bytes of the weights that the process holds in the end.
#[derive(Parser)]
struct Args {
    /// Model folders, such as `random_model` writes
    #[arg(required = true, value_name = "DIR")]
    models: Vec<PathBuf>,
    /// Hold weights as they are stored instead of widened to f32
    #[arg(long)]
    stored: bool,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    say!("| model | held as | weights held | peak RssAnon | ratio | seconds | file GB/s |");
    say!("|---|---|---|---|---|---|---|");
    for folder in &args.models {
        if let Err(error) = measure(folder, args.stored) {
            note!("error: {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(folder: &Path, stored: bool) -> Result<(), Failure> {
    let config = ModelConfig::from_folder(folder)?;
    let checkpoint = Checkpoint::open(folder)?;
    let file_bytes: u64 =
        checkpoint.files().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
    let precision = if stored { Precision::Stored } else { Precision::F32 };
    let (model, Cost { seconds, peak }) =
        cost(|| Decoder::<Flex>::load(&checkpoint, config, precision, &Default::default()));
    let held = model?.weight_bytes();
    let peak = peak.ok_or("this system does not say how much memory is anonymous")?;
    say!(
        "| {} | {} | {:.0} MB | {:.0} MB | {:.3} | {seconds:.2} | {:.2} |",
        folder.file_name().unwrap_or_default().to_string_lossy(),
        if stored { "stored" } else { "f32" },
        held as f64 / 1e6,
        peak as f64 / 1e6,
        peak as f64 / held as f64,
        file_bytes as f64 / 1e9 / seconds
    );
    Ok(())
}
