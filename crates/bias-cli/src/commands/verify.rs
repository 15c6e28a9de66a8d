//! Checks a finished study's folder, from its hashes to its statistics.

use std::path::PathBuf;

use bias_cli::args::model::source;
use bias_cli::failure::Failure;
use bias_files::say;
use bias_model::Checkpoint;
use bias_model::hub::ModelSource;
use bias_study::run::verify;
use bias_study::store::Provenance;

/// Check a study that somebody else made, without a model and without a network.
///
/// Every file must be the one that manifest.json names. Every piece of work and every mask must
/// match its name. The statistics, computed again from the pieces, must give results.json bit for
/// bit. report.html must be what follows from results.json.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  bias verify study-out
  bias verify study-out --model ~/my-model        … and check that it was this model")]
pub(crate) struct Args {
    /// The study's folder
    #[arg(value_name = "DIR", default_value = "study-out")]
    folder: PathBuf,
    /// Also check that the study is about this model: a folder, or org/name or org/name@revision of
    /// the hub
    #[arg(long, value_name = "DIR|HUB_ID", value_parser = source())]
    model: Option<ModelSource>,
    /// A key that the study was told to accept, if it changes which weights are read: with
    /// adapter_config.json, an adapter beside the model is left out; may be repeated
    #[arg(long, value_name = "KEY", requires = "model")]
    accept_key: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let (manifest, results) = verify(&args.folder)?;
    let Provenance { program, prompts, questions, settings, .. } = Provenance::of(&args.folder)?;
    if let Some(model) = &args.model {
        let checkpoint = Checkpoint::accepting(&model.resolve()?, &args.accept_key)?;
        let found = checkpoint.fingerprint()?;
        if found != results.model.fingerprint {
            let studied = &results.model.fingerprint;
            return Err(format!(
                "{model} is a different model: {found}; the study is about {studied}"
            )
            .into());
        }
    }
    let bytes: u64 = manifest.files.values().map(|file| file.bytes).sum();
    say!("{}: unchanged, and its results follow from its pieces", args.folder.display());
    say!("  study       {}", manifest.study);
    say!("  files       {} of {:.1} MB", manifest.files.len(), bytes as f64 / 1e6);
    say!("  model       {} {}", results.model.name.escape_debug(), results.model.fingerprint);
    say!("  prompts     {prompts}");
    say!("  questions   {questions}");
    say!("  masks       {} tried, {} outcomes", results.strategies.len(), results.outcomes.len());
    say!("  seed        {}", settings.seed);
    say!(
        "  program     {}, numbers {}, {}",
        program.version.escape_debug(),
        program.numbers,
        program.backend.escape_debug()
    );
    Ok(())
}
