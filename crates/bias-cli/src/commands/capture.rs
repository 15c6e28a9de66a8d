//! Keeps activations of chosen sites for one prompt.

use std::path::PathBuf;

use bias_cli::args::model::{ChatArgs, WeightArgs};
use bias_cli::failure::Failure;
use bias_cli::files::writable;
use bias_cli::on_device;
use bias_files::say;
use bias_probe::{Capture, HookedModel as _, TokenBatch};
use bias_types::Site;
use burn::tensor::backend::AutodiffBackend;

/// Run one prompt and write activations to a safetensors file, one tensor per site.
///
/// Sites are named after Hugging Face modules. Open the file with
/// `safetensors.numpy.load_file`. Inside a clone of the project's repository, the embedded model runs
/// if you name no other; elsewhere, name --model.
#[derive(clap::Args)]
#[command(after_help = "Example:
  bias capture --site model.layers.3.mlp.down_proj.input --site model.layers.3.self_attn.pattern")]
pub(crate) struct Args {
    #[command(flatten)]
    model: WeightArgs,
    #[command(flatten)]
    chat: ChatArgs,
    /// The user's question
    #[arg(
        long,
        requires = "name",
        default_value = "I want to buy a bicycle from Emily Becker. What should I offer, in dollars?"
    )]
    prompt: String,
    /// The name in the prompt, whose tokens are marked; required with --prompt
    #[arg(long, default_value = "Emily Becker")]
    name: String,
    /// A site to keep, such as model.layers.0.mlp.down_proj.input; may be repeated. By default all
    /// residual streams
    #[arg(long, value_name = "SITE")]
    site: Vec<Site>,
    /// Print the name of every site and stop
    #[arg(long, conflicts_with_all = ["system", "prompt", "name", "site", "out"])]
    list: bool,
    /// File to write
    #[arg(long, value_name = "FILE", default_value = "activations.safetensors")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if !args.list {
        writable(&args.out)?;
    }
    on_device!(args.model.device.place()?, |B, device| {
        let model = args.model.load::<<B as AutodiffBackend>::InnerBackend>(&args.chat, &device)?;
        let layers = model.model().dims().layers;
        if !args.list {
            args.chat.show(&model);
        }
        if args.list {
            model.model().sites().iter().for_each(|site| say!("{site}"));
            return Ok(());
        }
        let sites = if args.site.is_empty() {
            (0..layers).map(|l| Site::Block(l, bias_types::BlockSite::ResidPost)).collect()
        } else {
            args.site.clone()
        };
        let there = model.model().sites();
        if let Some(absent) = sites.iter().find(|site| !there.contains(site)) {
            return Err(format!(
                "--site: this model has no site {absent}; --list prints its sites"
            )
            .into());
        }
        let prompt = model.text().prompt(&args.prompt, &args.name)?;
        for (token, role) in prompt.tokens().iter().zip(prompt.roles()) {
            say!("{role:>7} {}", model.text().decode(&[*token])?);
        }
        let mut capture = Capture::new(sites.iter().copied());
        model.model().logits(&TokenBatch::new(&[prompt])?, &mut capture)?;
        capture.save(&args.out)?;
        say!("wrote {} sites to {}", sites.len(), args.out.display());
        Ok(())
    })
}
