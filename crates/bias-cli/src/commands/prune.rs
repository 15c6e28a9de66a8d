//! Writes a pruned copy of a model folder.

use std::path::PathBuf;

use bias_cli::args::model::{named, source};
use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_files::say;
use bias_mask::{HeadAblation, Mask, unit_mask};
use bias_model::hub::ModelSource;
use bias_model::interop::export_masked;
use bias_model::{Checkpoint, LoadOptions, ModelConfig};
use bias_types::Unit;

/// Copy a Hugging Face model folder with the weights of a mask set to zero.
///
/// Types and sharding stay as they are, and every other byte is copied. A GGUF file becomes a
/// Hugging Face folder with weights in f32, quantized weights are dequantized, and a LoRA adapter
/// is merged into its base. The copy is read back and compared before it appears
/// under its name. transformers loads it as usual.
#[derive(clap::Args)]
#[command(after_help = "Example:
  bias attribute --context hiring --out mask.safetensors
  bias prune --mask mask.safetensors --out pruned
  bias prune --unit L3H1 --unit L2N17 --out silenced
  bias audit --model pruned")]
pub(crate) struct Args {
    /// Hugging Face model folder, GGUF file, or model of the hub as org/name or org/name@revision;
    /// by default the embedded model, inside a clone of the project's repository
    #[arg(long, value_name = "DIR|FILE.gguf|HUB_ID", value_parser = source())]
    model: Option<ModelSource>,
    /// Load the model although bias does not know this key of config.json; may be repeated
    #[arg(long, value_name = "KEY")]
    accept_key: Vec<String>,
    /// Mask file, as `bias attribute` and `bias study` write it
    #[arg(long, value_name = "FILE", default_value = "mask.safetensors", conflicts_with = "unit")]
    mask: PathBuf,
    /// Accept a mask that does not name the weights it was made for
    #[arg(long, conflicts_with = "unit")]
    any_model: bool,
    /// Instead of a mask, silence this unit: a head (L3H1), key/value group (L3G0), MLP neuron
    /// (L3N17), expert of a mixture (L3E5), layer (L3) or single weight (`model.layers.3.mlp.up_proj.weight[42]`); may be
    /// repeated
    #[arg(long, value_name = "UNIT")]
    unit: Vec<Unit>,
    /// Also write the mask in the layout of the checkpoint's own files: fused matrices stay fused,
    /// and names are those of transformers
    #[arg(long, value_name = "FILE")]
    stored_mask: Option<PathBuf>,
    /// Folder to write; must not exist
    #[arg(long, value_name = "DIR", default_value = "pruned")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let source = named(args.model.as_ref())?.resolve()?;
    let config = ModelConfig::accepting(&source, &args.accept_key)?;
    let checkpoint = || Checkpoint::accepting(&source, &args.accept_key);
    let mask = if args.unit.is_empty() {
        let mask = Mask::load(&args.mask, None)?;
        match mask.fingerprint() {
            None if args.any_model => mask.for_model(Some(checkpoint()?.fingerprint()?)),
            _ => mask,
        }
    } else {
        let units: Vec<String> = args.unit.iter().map(Unit::to_string).collect();
        unit_mask(&config.dims, &args.unit, HeadAblation::ZeroOutput)
            .map_err(|error| format!("--unit: {error}"))?
            .for_model(Some(checkpoint()?.fingerprint()?))
            .with_note("units", units.join(" "))
    };
    if let Some(path) = &args.stored_mask {
        writable(path)?;
        let checkpoint = checkpoint()?;
        mask.check_made_for(checkpoint.fingerprint()?)?;
        checkpoint.stored_mask(&config, &mask)?.save(path)?;
    }
    let options = LoadOptions { accepted_keys: args.accept_key.clone(), ..LoadOptions::default() };
    let notes = export_masked(&source, &options, &mask, &args.out)?;
    say!(
        "wrote {} with {} weights set to zero, read back and compared",
        args.out.display(),
        mask.count()
    );
    notes.iter().for_each(|note| say!("{note}"));
    Ok(())
}
