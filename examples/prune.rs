//! Write a pruned copy of a model folder.

use std::path::PathBuf;
use std::process::ExitCode;

use bias_examples::cli::{Failure, embedded, finish, source};
use bias_mask::Mask;
use bias_model::{ModelSource, export_masked};
use clap::Parser;

/// Copy a Hugging Face model folder with the weights of a mask set to zero.
///
/// Types and sharding stay as they are, every other byte is copied. The copy is read
/// back and compared before it appears under its name; transformers loads it as usual.
#[derive(Parser)]
#[command(after_help = "Example:
  attribute --context financial --out mask.safetensors
  prune --mask mask.safetensors --out pruned
  audit --model pruned")]
struct Args {
    /// Hugging Face model folder, or a model of the hub as org/name or org/name@revision (built
    /// with --features hub); the embedded model by default
    #[arg(long, value_name = "DIR|HUB_ID", value_parser = source())]
    model: Option<ModelSource>,
    /// Mask file, as `attribute` and `study` write them
    #[arg(long, value_name = "FILE", default_value = "mask.safetensors")]
    mask: PathBuf,
    /// Folder to write; must not exist
    #[arg(long, value_name = "DIR", default_value = "pruned")]
    out: PathBuf,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mask = Mask::load(&args.mask)?;
    let model = args.model.clone().unwrap_or_else(|| ModelSource::Folder(embedded()));
    export_masked(&model.resolve()?, &mask, &args.out)?;
    println!(
        "wrote {} with {} weights set to zero, read back and compared",
        args.out.display(),
        mask.count()
    );
    Ok(())
}
